"""Web apps as folders: what tasks they have, and a copy of them that holds no answers.

An app is a folder with a `server.py` (`GET` and `PUT /api/state`, `POST /api/reset`, the pages) and
lists of tasks, each with a verifier. That is the shape of WebArena-Infinity's apps, whose checkout
can be used as it is; `docs/web-sites.md` says how to write one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from envs.errors import EnvError, Missing, UserError, clip, one_line
from envs.types import Frozen, Split

SHIPPED = Path(__file__).parent / "sites"
LISTS = ("tasks.json", "function-tasks.json", "real-tasks.json")
"""Files of tasks; their names but the first become part of the tasks' ids."""
SOLUTIONS = "solutions.json"
"""Actions that do tasks and such as nearly do them, by the tasks' ids."""
SHAPE = '{"id", "instruction", "verify"}, with the verifier\'s path, such as "verify.py"'
SECRET = (
    "*tasks*",
    "solutions*",
    "verif*",
    "errands.py",
    "compositions.py",
    "practice.py",
    "steps.py",
    "sanity_check*",
    "results",
    "__pycache__",
    ".*",
    "*.md",
    "Dockerfile",
)
"""What is left out of the copy that is served: tasks, verifiers, solutions and records. Only names
at the top of the folder are looked at; a page may well have a `tasks.js`."""
LEARNED: tuple[Split, ...] = ("train", "train", "train", "val", "test")
"""How tasks without a split are shared out, by the hash of their goal."""


class AppTask(Frozen):
    """One task of an app."""

    app: str
    """Name of the app."""
    name: str
    """Unique within the app."""
    split: Split
    """As the app says, else by the hash of the goal."""
    kind: str
    """What sort of goal."""
    instruction: str
    """The goal."""
    start: dict[str, Any] = Field(default_factory=dict)
    """Sent along with the reset: who is signed in, and the like."""
    verify: str
    """Path of the verifier, from the app's folder."""
    expect: dict[str, Any] = Field(default_factory=dict)
    """For verifiers that several tasks share."""

    @property
    def id(self) -> str:
        """`site/<split>/<app>-<name>`."""
        return f"site/{self.split}/{self.app}-{self.name}"


class App(Frozen):
    """A folder with an app."""

    name: str
    """Name of the folder."""
    folder: Path
    """Where it lies."""
    guarded: bool = False
    """Whether its state answers only to a token, given on the server's first line of input."""
    tasks: tuple[AppTask, ...]
    """All its tasks, in the order of its files."""


def apps_in(folder: Path) -> tuple[App, ...]:
    """The apps of a folder, or the one that it is, by name.

    Raises `Missing` where there is none, `UserError` for a list of tasks that can't be understood.
    """
    if not folder.is_dir():
        raise Missing(f"there is no folder {folder}", repair="set site.folder to one with web apps")
    found = [folder] if (folder / "server.py").is_file() else sorted(folder.glob("*/"))
    apps = [_app(one) for one in found if (one / "server.py").is_file()]
    apps = [app for app in apps if app.tasks]
    if not apps:
        raise Missing(
            f"{folder} holds no web app",
            repair="set site.folder to a folder of apps, each with server.py and tasks.json",
        )
    return tuple(apps)


def _app(folder: Path) -> App:
    options = folder / "site.json"
    guarded = bool(_read(options).get("guarded")) if options.is_file() else False
    tasks: list[AppTask] = []
    for name in LISTS:
        if (folder / name).is_file():
            prefix = "" if name == LISTS[0] else name.partition("-")[0] + "-"
            tasks += _tasks(folder, _read(folder / name), prefix=prefix, where=name)
    return App(name=folder.name, folder=folder, guarded=guarded, tasks=tuple(tasks))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} can't be read: {one_line(str(error))}", repair="mend it: it has to be JSON"
        ) from error


def _tasks(folder: Path, found: Any, *, prefix: str, where: str) -> Iterable[AppTask]:
    if not isinstance(found, list):
        raise _wrong(folder / where, "it is no list", repair="write [{...}, ...]")
    known: set[str] = set()
    for number, one in enumerate(found, start=1):
        called = f"task {number}"
        if not isinstance(one, dict):
            raise _wrong(folder / where, f"{called} is no object", repair=f"write {SHAPE}")
        lacking = [name for name in ("id", "instruction", "verify") if one.get(name) in (None, "")]
        if lacking:
            raise _wrong(
                folder / where, f"{called} lacks {', '.join(lacking)}", repair=f"write {SHAPE}"
            )
        task = _task(folder, one, prefix=prefix, where=where, called=f"{called} ({one['id']!r})")
        if task.name in known:
            raise _wrong(
                folder / where,
                f"{called} has the id {one['id']!r} of another",
                repair="give each an id of its own",
            )
        known.add(task.name)
        yield task


def _task(folder: Path, one: dict[str, Any], *, prefix: str, where: str, called: str) -> AppTask:
    try:
        return AppTask(
            app=folder.name,
            name=prefix + str(one["id"]),
            split=one.get("split") or split_of(str(one["instruction"])),
            kind=one.get("kind") or one.get("difficulty") or "errand",
            instruction=one["instruction"],
            start=one.get("start") or {},
            verify=one["verify"],
            expect=one.get("expect") or {},
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise _wrong(
            folder / where,
            f"{field!r} of {called} is {clip(repr(one.get(field)), most=60)}: {first['msg']}",
            repair="mend it",
        ) from error


def _wrong(path: Path, what: str, *, repair: str) -> UserError:
    return UserError(f"{path} is no list of tasks: {what}", repair=repair)


def solution(app: App, one: AppTask) -> tuple[str, ...]:
    """The actions that do a task, as the app's author wrote them; none where there are none.

    Raises `UserError` for a file that can't be understood.
    """
    path = app.folder / SOLUTIONS
    if not path.is_file():
        return ()
    found = _read(path)
    written = found.get(one.name, {}) if isinstance(found, dict) else None
    gold = written.get("gold", []) if isinstance(written, dict) else None
    if not isinstance(gold, list) or not all(isinstance(line, str) for line in gold):
        raise UserError(
            f"{path} has no solution of {one.name!r} that can be read",
            repair='write {"ID": {"gold": ["click button \\"OK\\"", ...], "near": [...]}, ...}',
        )
    return tuple(gold)


def split_of(goal: str) -> Split:
    """Where a task belongs whose app doesn't say: three fifths are for learning."""
    number = int(hashlib.sha256(one_line(goal).casefold().encode()).hexdigest(), 16)
    return LEARNED[number % len(LEARNED)]


def copied(app: App, into: Path) -> Path:
    """A copy of the app to be served, without anything that would give an answer away."""
    target = into / app.name
    verifiers = {one.verify.partition("/")[0] for one in app.tasks}

    def secret(folder: str, names: list[str]) -> set[str]:
        top = Path(folder) == app.folder
        astray = {n for n in names if leads_away(Path(folder) / n)}
        return astray | {n for n in names if top and (n in verifiers or _any(n, SECRET))}

    home = app.folder.resolve()

    def leads_away(path: Path) -> bool:
        """Links to nothing, out of the app, round in circles, or to what holds answers."""
        if not path.is_symlink():
            return False
        aim = path.resolve()
        if not aim.exists() or home not in aim.parents or aim in path.absolute().parents:
            return True
        first = aim.relative_to(home).parts[0]
        return first in verifiers or _any(first, SECRET)

    try:
        shutil.copytree(app.folder, target, ignore=secret, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise EnvError(
            f"{app.folder} can't be copied: {clip(one_line(str(error)))}",
            repair="see that it can be read, and that there is space for temporary files",
        ) from error
    return target


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
