"""A browser for chat: pages that the user allows, each conversation in a context of its own.

Blocking; safe to use from several threads. The browser starts with the first page and ends when
the last conversation is idle.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from agent.browsing_addresses import Atlas, Kind, Resolve, origin_in, resolved
from agent.browsing_consent import KEYS, Consent, Told, call_of, shown
from agent.browsing_gate import Gate
from agent.browsing_settings import BrowsingSettings
from agent.browsing_words import ACTS, BACK, OPEN, READ, address_of, page_words
from envs.browser import Browser
from envs.errors import EnvError, JourneymanError, Refused, UserError, boundary, clip
from envs.pages import Page, PageAction, Seen
from envs.pages_tools import read_action
from envs.types import Action, ToolSpec
from skills.tools import ERROR, Tool

TALKS_MOST = 1000
"""Conversations of which it is remembered whose words they heard; older ones are read up."""
Arguments = dict[str, Any]


class Opens(Protocol):
    """What opens pages: `envs.browser.Browser`, or a fake."""

    def open(self, *, origins: Sequence[str] = (), through: str = "") -> Page:
        """An empty page that reaches `origins`, by way of the proxy `through`."""
        ...

    def close(self) -> None:
        """Ends it; it may be used again after."""
        ...


class Talk:
    """One conversation."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.told = Told()
        self.consent = Consent()
        self.tab: Page | None = None
        self.gate: Gate | None = None
        self.used = 0.0

    def leave(self) -> None:
        """Closes its page."""
        tab, gate, self.tab, self.gate = self.tab, self.gate, None, None
        if tab is not None:
            tab.close()
        if gate is not None:
            gate.close()


class Browsing:
    """The tools `browser_…`, and the guard before all others once a page was read.

    `resolve` turns a host into addresses; `clock` counts seconds.
    """

    def __init__(
        self,
        settings: BrowsingSettings,
        *,
        executable: Path | str = "",
        resolve: Resolve = resolved,
        clock: Callable[[], float] = time.monotonic,
        browser: Opens | None = None,
    ) -> None:
        kinds: set[Kind] = {"public"}
        kinds |= {"loopback"} if settings.loopback else set()
        kinds |= {"private"} if settings.private else set()
        self.enabled = bool(settings.allow)
        """Whether anything may be opened."""
        self._settings = settings
        self._atlas = Atlas(settings.allow, kinds=frozenset(kinds), resolve=resolve)
        self._browser = browser or Browser(executable=executable)
        self._clock = clock
        self._lock = threading.Lock()
        self._talks: OrderedDict[str, Talk] = OrderedDict()
        self._timer: threading.Timer | None = None
        self._closed = False

    def begin(self, thread: str, message: str, *, sources: Iterable[str] = ()) -> str:
        """A turn begins with a message of the user; what that approves, in words for the model.

        `sources` are those whose words earlier turns of the conversation heard.
        """
        if not self.enabled:
            return ""
        talk = self._talk(thread)
        with talk.lock:
            approved = talk.consent.hear(message)
            before = f"{talk.told.message}\n" if approved else ""
            talk.told.message = before + message
            talk.told.sources |= set(sources)
        if not approved:
            return ""
        calls = "; ".join(map(shown, approved))
        return f"\n(The user allows this once, and waits for it to be called again: {calls})"

    def end(self, thread: str) -> str:
        """What waits for the user after a turn, in words for them; empty for nothing."""
        return self._talk(thread).consent.told() if self.enabled else ""

    def page(self, thread: str) -> str:
        """Address of the page whose words a conversation read last; empty for none."""
        return self._talk(thread).told.page if self.enabled else ""

    def heard(self, thread: str) -> frozenset[str]:
        """Whose words a conversation has read."""
        return frozenset(self._talk(thread).told.sources) if self.enabled else frozenset()

    def tools(self, thread: str, others: Mapping[str, Tool]) -> dict[str, Tool]:
        """The tools of a conversation: `others` behind the guard, and those that open pages."""
        if not self.enabled:
            return dict(others)

        def own(spec: ToolSpec, work: Callable[[Talk, Arguments], str]) -> Tool:
            return Tool(spec, lambda arguments: self._told(thread, spec.name, work, arguments))

        def act(spec: ToolSpec) -> Tool:
            return own(spec, lambda talk, arguments: self._act(talk, spec.name, arguments))

        mine = [own(OPEN, self._open), own(READ, self._read), own(BACK, self._back)]
        mine += [act(spec) for spec in ACTS.values()]
        guarded = {name: self._guarded(thread, tool) for name, tool in others.items()}
        return guarded | {tool.spec.name: tool for tool in mine}

    def close(self) -> None:
        """Closes all pages and ends the browser; may be called twice."""
        with self._lock:
            self._closed = True
            talks = list(self._talks.values())
            if self._timer is not None:
                self._timer.cancel()
        for talk in talks:
            talk.leave()
        self._browser.close()

    def sweep(self) -> int:
        """Closes the pages of conversations that are idle, then a browser without pages.

        The number of pages that stay open. Runs by itself too.
        """
        with self._lock:
            late = self._clock() - self._settings.idle_s
            for talk in self._talks.values():
                if talk.tab is not None and talk.used <= late:
                    _left(talk)
            count = sum(talk.tab is not None for talk in self._talks.values())
            if count:
                self._wind()
            elif not any(_busy(talk) for talk in self._talks.values()):
                self._browser.close()
        return count

    def _wind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            self._timer = threading.Timer(self._settings.idle_s / 2 + 1, self.sweep)
            self._timer.daemon = True
            self._timer.start()

    def _talk(self, thread: str) -> Talk:
        with self._lock:
            talk = self._talks.setdefault(thread, Talk())
            self._talks.move_to_end(thread)
            while len(self._talks) > TALKS_MOST:
                self._talks.popitem(last=False)[1].leave()
            talk.used = self._clock()
            return talk

    def _told(
        self,
        thread: str,
        name: str,
        work: Callable[[Talk, Arguments], str],
        arguments: Arguments,
    ) -> str:
        """The tool's result, or one line that says what went wrong."""
        talk = self._talk(thread)
        try:
            with talk.lock, boundary(name):
                return work(talk, arguments)
        except JourneymanError as error:
            return f"{ERROR}{clip(str(error), most=600)}"

    def _guarded(self, thread: str, tool: Tool) -> Tool:
        name = tool.spec.name

        def work(talk: Talk, arguments: Arguments) -> str:
            self._allowed(talk, name, arguments, why=talk.told.using(name))
            return tool.call(arguments)

        def call(arguments: Arguments) -> str:
            return self._told(thread, name, work, arguments)

        return Tool(tool.spec, call)

    def _allowed(
        self, talk: Talk, name: str, arguments: Arguments, *, why: str, place: str = ""
    ) -> None:
        """Raises `Refused` for what waits for the user."""
        call = call_of(name, arguments, place=place)
        if not why or talk.consent.take(call):
            return
        if not talk.consent.ask(call, why=why):
            raise Refused("too many calls wait for the user", repair="reply, and let them decide")
        raise Refused(
            f"{name} was not done: {why}", repair="reply; the user is asked to approve it"
        )

    def _open(self, talk: Talk, arguments: Arguments) -> str:
        url = str(arguments.get("url", "")).strip()
        url = url if "://" in url or ":" in url.partition("/")[0] else f"https://{url}"
        self._atlas.check(url)
        url = origin_in(url) + "/" + _rest(url)
        self._allowed(talk, OPEN.name, {"url": url}, why=talk.told.opening(url))
        tab = self._tab(talk)
        done = tab.goto(url)
        notes = "; ".join(talk.gate.notes()) if talk.gate else ""
        if not done.startswith("opened "):
            if address_of(tab.look().url) == "nowhere":
                talk.leave()
            raise EnvError(f"{done}" + (f" ({notes})" if notes else ""), repair="try another page")
        return self._seen(talk, tab.look(), done=notes)

    def _read(self, talk: Talk, arguments: Arguments) -> str:
        return self._seen(talk, self._here(talk).look(), start=int(arguments.get("from", 0)))

    def _back(self, talk: Talk, _arguments: Arguments) -> str:
        tab = self._here(talk)
        done = tab.act(PageAction(verb="back"))
        return self._seen(talk, tab.look(), done=done)

    def _act(self, talk: Talk, name: str, arguments: Arguments) -> str:
        tab = self._here(talk)
        action = read_action(Action(tool=ACTS[name].name.split("_", 1)[1], arguments=arguments))
        if action.verb == "press" and action.value not in KEYS:
            raise UserError(
                f"{clip(action.value)!r} is no key to be pressed here",
                repair=f"keys: {', '.join(KEYS)}; text goes in with browser_fill",
            )
        origin = origin_in(tab.look().url)  # a page may have moved on by itself
        entered = action.value if action.verb == "fill" else None
        why = talk.told.doing(origin, entered=entered)
        self._allowed(talk, name, arguments, why=why, place=origin)
        done = tab.act(action)
        notes = talk.gate.notes() if talk.gate else []
        return self._seen(talk, tab.look(), done="; ".join([done, *notes]))

    def _seen(self, talk: Talk, seen: Seen, *, start: int = 0, done: str = "") -> str:
        origin = origin_in(seen.url)
        if origin:
            # not `done`: it repeats what the model named, which must not count as the site's words
            words = f"{seen.title}\n{seen.text}"
            talk.told.saw(origin, words, page=address_of(seen.url))
        return page_words(seen, start=start, done=done)

    def _here(self, talk: Talk) -> Page:
        if talk.tab is None:
            raise UserError("no page is open", repair="open one with browser_open(url)")
        return talk.tab

    def _tab(self, talk: Talk) -> Page:
        if talk.tab is None:
            self._make_room(talk)
            gate = Gate(self._atlas)
            try:
                through = f"http://127.0.0.1:{gate.port}"
                talk.tab = self._browser.open(origins=self._atlas.origins, through=through)
            except JourneymanError:
                gate.close()
                raise
            talk.gate = gate
            with self._lock:
                self._wind()
        return talk.tab

    def _make_room(self, talk: Talk) -> None:
        """Raises `EnvError` where too many pages are in use."""
        with self._lock:
            if self._closed:
                raise EnvError("the browser is closed", repair="begin anew")
            open_ = [t for t in self._talks.values() if t.tab is not None and t is not talk]
            for one in sorted(open_, key=lambda t: t.used):
                if len(open_) < self._settings.most:
                    return
                if _left(one):
                    open_.remove(one)
            if len(open_) >= self._settings.most:
                raise EnvError(
                    f"{len(open_)} conversations have a page open", repair="try again a bit later"
                )


def _left(talk: Talk) -> bool:
    """Closes its page unless it is being used."""
    if not talk.lock.acquire(blocking=False):
        return False
    try:
        talk.leave()
    finally:
        talk.lock.release()
    return True


def _busy(talk: Talk) -> bool:
    if talk.lock.acquire(blocking=False):
        talk.lock.release()
        return False
    return True


def _rest(url: str) -> str:
    """What comes after the origin of an address."""
    rest = url.split("://", 1)[1]
    cut = min((rest.find(one) for one in "/?#" if one in rest), default=len(rest))
    return rest[cut:].removeprefix("/")
