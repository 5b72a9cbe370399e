"""Web apps of this machine as an environment: the shipped shop, or a folder of your own.

Every episode has a server of its own, reset before it begins, and a page in a fresh context that
reaches nothing else. The score comes from a verifier that reads the server's state in a process of
its own; tasks, verifiers and the state's token are never where a page can get at them.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from envs.browser import Browser
from envs.errors import EnvError, Refused, UnknownName, clip
from envs.pages import Page, Seen
from envs.siteapps import SHIPPED, SOLUTIONS, App, AppTask, apps_in, copied, solution
from envs.siteserver import AppServer, judge, settled
from envs.types import Action, Episode, Limits, Score, Split, Step, Task
from envs.webepisode import Verdict, WebEpisode

STEPS = 40
UNTOUCHED = Score(value=0.0, passed=False, note="nothing has changed yet")


class Opens(Protocol):
    """What opens pages: `envs.browser.Browser`, or a fake."""

    def open(self, *, origins: Sequence[str]) -> Page:
        """An empty page in a fresh context that reaches these origins only."""
        ...

    def close(self) -> None:
        """Frees all pages; may be called twice."""
        ...


class Site:
    """All tasks of all apps of a folder; `folder` None is the shop that comes along.

    A browser that is passed in stays open; else one is started with the first episode.
    """

    name = "site"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        browser: Opens | None = None,
        executable: Path | str = "",
        steps: int = STEPS,
    ) -> None:
        self._folder = SHIPPED if folder is None else folder
        self._given = browser
        self._executable = executable
        self._own: Browser | None = None
        self._limits = Limits(steps=steps)
        self._lock = threading.Lock()
        self._idle: defaultdict[str, list[AppServer]] = defaultdict(list)
        self._servers: set[AppServer] = set()
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self._copied: dict[str, Path] = {}
        self._sound: set[str] = set()

    @cached_property
    def apps(self) -> dict[str, App]:
        """The apps by name. Raises `Missing` where the folder has none."""
        return {app.name: app for app in apps_in(self._folder)}

    @cached_property
    def _known(self) -> dict[str, AppTask]:
        return {one.id: one for app in self.apps.values() for one in app.tasks}

    def tasks(self, split: Split) -> Sequence[Task]:
        """The tasks of a split, in the order of the apps' own lists."""
        return tuple(self._task(one) for one in self._known.values() if one.split == split)

    def open(self, task: Task, *, seed: int | None = None) -> Episode:  # noqa: ARG002
        """Begins an attempt. Nothing in an app is left to chance, so `seed` changes nothing.

        Raises `Missing` without a browser, `EnvError` for an app that does not start.
        """
        one = self._known.get(task.id)
        if one is None or task.split != one.split:
            raise UnknownName("site task", task.id, self._known)
        with ExitStack() as undo:
            server = self._server(self.apps[one.app], start=one.start)
            undo.callback(self._back, server)
            page = self._opens().open(origins=(server.url,))
            undo.callback(page.close)
            episode = self._begin(task, one, server=server, page=page)
            undo.pop_all()
            return episode

    def close(self) -> None:
        """Ends all servers, and the browser unless it was passed in; may be called twice."""
        with self._lock:
            servers, self._servers = self._servers, set()
            self._idle.clear()
            copies, self._copies, self._copied = self._copies, None, {}
            own, self._own = self._own, None
        for server in servers:
            server.close()
        if copies:
            copies.cleanup()
        if own is not None:
            own.close()

    def _opens(self) -> Opens:
        with self._lock:
            if self._given is not None:
                return self._given
            if self._own is None:
                self._own = Browser(executable=self._executable)
            return self._own

    def _task(self, one: AppTask) -> Task:
        place = json.dumps(one.start, sort_keys=True) if one.start else ""
        return Task(
            id=one.id,
            env=self.name,
            goal=one.instruction,
            key=f"{one.app} | {place} | {one.instruction}",
            split=one.split,
            limits=self._limits,
            tags=(one.kind, one.app),
        )

    def _server(self, app: App, *, start: dict[str, Any]) -> AppServer:
        with self._lock:
            waiting = self._idle[app.name].pop() if self._idle[app.name] else None
        if waiting is not None:
            try:
                waiting.reset(start)
                return waiting
            except EnvError:
                self._drop(waiting)
        with self._lock:
            if self._copies is None:
                self._copies = tempfile.TemporaryDirectory(prefix="journeyman-site-")
            if app.name not in self._copied:
                self._copied[app.name] = copied(app, Path(self._copies.name))
            folder = self._copied[app.name]
        server = AppServer(app, folder=folder)
        with self._lock:
            self._servers.add(server)
        server.reset(start)
        return server

    def _begin(self, task: Task, one: AppTask, *, server: AppServer, page: Page) -> WebEpisode:
        def free() -> None:
            page.close()
            self._back(server)

        told = page.goto(f"{server.url}/")
        if not told.startswith("opened"):
            raise EnvError(f"{one.app} shows no page ({clip(told)})", repair="open the task again")
        begun = settled(server)
        if one.id not in self._sound and begun is not None:
            if judge(server, one, state=begun).passed:
                raise EnvError(
                    f"the verifier of {one.id} is content before anything was done",
                    repair=f"mend {one.verify}, or what the task begins with",
                )
            self._sound.add(one.id)
        verdict = _judging(server, one, begun=begun)
        gold = solution(self.apps[one.app], one) if one.split == "train" else ()
        if gold or (self.apps[one.app].folder / SOLUTIONS).is_file():
            return SiteEpisode(task, page=page, judge=verdict, free=free, solution=gold)
        return WebEpisode(task, page=page, judge=verdict, free=free, heading=heading)

    def _back(self, server: AppServer) -> None:
        with self._lock:
            kept = server in self._servers and server.alive
            if kept:
                self._idle[server.app.name].append(server)
        if not kept:
            self._drop(server)

    def _drop(self, server: AppServer) -> None:
        with self._lock:
            self._servers.discard(server)
        server.close()


class SiteEpisode(WebEpisode):
    """An episode of an app that has solutions: on `train` tasks they can be asked for."""

    def __init__(
        self,
        task: Task,
        *,
        page: Page,
        judge: Callable[[], Verdict],
        free: Callable[[], None],
        solution: tuple[str, ...],
    ) -> None:
        self._solution = solution
        self._done: list[str] = []
        super().__init__(task, page=page, judge=judge, free=free, heading=heading)

    def step(self, action: Action) -> Step:
        """Does one action, as `WebEpisode` does."""
        self._done.append(action.text)
        return super().step(action)

    def demonstrate(self) -> tuple[Action, ...]:
        """The rest of the written solution; all of it once a player left it, which may fail then.

        Raises `Refused` unless the task is of `train`.
        """
        if self.task.split != "train":
            raise Refused(f"no demonstration on {self.task.split}", repair="use a train task")
        done = len(self._done)
        followed = tuple(self._done) == self._solution[:done] and done < len(self._solution)
        return tuple(Action(text=line) for line in self._solution[done if followed else 0 :])


def heading(seen: Seen) -> str:
    """Where a player is: `[/search?q=lamp] Search`; without the port, which changes."""
    parts = urlsplit(seen.url)
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"[{clip(unquote(parts.path + query + fragment), most=160)}] {seen.title}"


def _judging(server: AppServer, one: AppTask, *, begun: Any) -> Callable[[], Verdict]:
    """Judges when the state has changed, and remembers what was said of the last one."""
    last: list[tuple[Any, Score]] = [(begun, UNTOUCHED)]

    def verdict() -> Verdict:
        state = settled(server)
        if state != last[0][0]:
            last[0] = (state, judge(server, one, state=state))
        score = last[0][1]
        return Verdict(score=score, over=score.passed)

    return verdict
