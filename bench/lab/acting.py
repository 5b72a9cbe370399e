"""Whose code is running: while it is an arm's, this process opens no game and no results for it.

An audit hook (PEP 578) looks at what the interpreter opens and starts, on behalf of whom a context
variable says; that follows `await` and `asyncio.to_thread`. What this does not see: a thread or a
process that the arm starts itself and that names no game file, copies made beforehand under other
names, and extension modules that read files without the interpreter. It catches what is done by
mistake or in passing; the review of an arm is not spared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from envs.errors import Refused, clip

KEY_ENDINGS = (".tw-pddl", ".pddl", ".z8", ".ulx", "traj_data.json", "walkthrough.json")
"""How files end in which games, their plans and their goals are kept."""
DIGGING = frozenset({"gc.get_objects", "gc.get_referrers", "gc.get_referents"})
"""What finds objects that nobody handed over."""
GAMES = ("envs.", "alfworld", "textworld", "fast_downward")
OPEN_TO_ALL = frozenset({"envs.types", "envs.errors"})


class Leak(Refused):
    """Something reached an arm that must not, or was about to."""


class Acting:
    """An arm at work. `leaks` keeps what it was refused, also when it swallowed the error."""

    def __init__(self, name: str, *, hidden: Sequence[Path] = ()) -> None:
        self.name = name
        self.hidden = tuple(path.resolve() for path in hidden)
        self.leaks: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, Leak):
            self.check()

    def refuse(self, what: str) -> Leak:
        """Notes it down, and gives the error to raise."""
        leak = _leak(f"arm {self.name!r} {what}")
        self.leaks.append(leak.message)
        return leak

    def check(self) -> None:
        """Raises `Leak` if anything was refused so far."""
        if self.leaks:
            raise _leak(self.leaks[0])


@contextmanager
def acting_as(who: str | Acting) -> Iterator[Acting]:
    """What runs inside is an arm's code: `Leak` is raised when it reaches for a key.

    At the latest at the end of the block, where the arm's code swallowed it.
    """
    _listen()
    acting = Acting(who) if isinstance(who, str) else who
    token = _ACTING.set(acting)
    try:
        with acting:
            yield acting
    finally:
        _ACTING.reset(token)


@contextmanager
def env_code() -> Iterator[None]:
    """What runs inside is the environment's own code, whoever asked for it."""
    token = _ACTING.set(None)
    try:
        yield
    finally:
        _ACTING.reset(token)


def acting() -> Acting | None:
    """Whose code is running; None for the laboratory's and the environment's."""
    return _ACTING.get()


_ACTING: ContextVar[Acting | None] = ContextVar("acting", default=None)


@cache
def _listen() -> None:
    """Adds the hook, which stays as long as the process."""
    sys.addaudithook(_heard)


def _heard(event: str, args: tuple[Any, ...]) -> None:
    check = _CHECKS.get(event)
    if check is None:
        return
    arm = _ACTING.get()
    if arm is None:
        return
    what = check(arm, args)
    if what:
        raise arm.refuse(what)


def _opens(arm: Acting, args: tuple[Any, ...]) -> str:
    try:
        name = os.fsdecode(args[0])
    except TypeError:
        return ""
    if name.lower().endswith(KEY_ENDINGS):
        return f"opens the game file {clip(name)!r}"
    if arm.hidden:
        path = Path(name.removeprefix("file:").partition("?")[0]).resolve()
        if any(path.is_relative_to(folder) for folder in arm.hidden):
            return f"opens {clip(name)!r}, which belongs to the experiment"
    return ""


def _starts(arm: Acting, args: tuple[Any, ...]) -> str:
    words = [part for arg in args for part in (arg if isinstance(arg, (list, tuple)) else (arg,))]
    for word in words:
        if isinstance(word, (str, bytes, os.PathLike)):
            text = os.fsdecode(word)
            told = any(ending in text.lower() for ending in KEY_ENDINGS)
            if told or any(str(folder) in text for folder in arm.hidden):
                return f"starts a process on {clip(text)!r}"
    return ""


def _digs(arm: Acting, args: tuple[Any, ...]) -> str:  # noqa: ARG001
    return "looks through all objects of the process"


def _imports(arm: Acting, args: tuple[Any, ...]) -> str:  # noqa: ARG001
    name = str(args[0])
    if name.startswith(GAMES) and name not in OPEN_TO_ALL:
        return f"imports {name!r}, which knows the answers"
    return ""


def _leak(message: str) -> Leak:
    return Leak(message, repair="take that out of the arm; it learns from what it is told")


_CHECKS: dict[str, Callable[[Acting, tuple[Any, ...]], str]] = {
    **dict.fromkeys(("open", "sqlite3.connect", "os.rename", "os.link", "os.symlink"), _opens),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"), _starts),
    **dict.fromkeys(DIGGING, _digs),
    "import": _imports,
}
