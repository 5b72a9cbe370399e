"""One live TextWorld game. The only file, with `fastpath.py`, that imports TextWorld or ALFWorld.

Source: ALFWorld (Shridhar et al. 2021) on TextWorld (Côté et al. 2018), versions pinned below.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache as once
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from envs.errors import EnvError, Missing, clip, one_line
from envs.types import Frozen

PINNED = {"textworld": "1.7.0", "alfworld": "0.4.2"}
"""The versions whose private names the fast path was read from."""
INSTALL = (
    'pip install "journeyman[alfworld]" (it compiles two packages: on Debian first '
    "`apt-get install build-essential cmake`, on macOS `xcode-select --install` "
    "and `brew install cmake`)"
)
PARTS = ("pddl_domain", "grammar", "pddl_problem")
"""What a game file must hold, each a text."""

TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""The six types of ALFWorld, in its order."""
EXPERT_STEPS = 200
"""After so many commands the expert has nothing more to say."""
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RecursionError,
    RuntimeError,
    StopIteration,
    SystemExit,
    TypeError,
    ValueError,
)
"""What the vendors raise on damaged games, besides errors of their own."""


class GameState(Frozen):
    """What a game shows after a command."""

    feedback: str
    """Its words."""
    commands: tuple[str, ...]
    """What it would understand now, sorted."""
    won: bool
    """Whether the goal is reached."""
    expert: tuple[str, ...] = ()
    """The expert's next commands; empty unless it was asked for."""


class TextGame:
    """One game, loaded from a `.tw-pddl` file.

    `fast` takes the memoised path (same output, see `fastpath.py`) where the installed versions
    are the pinned ones. `expert` adds ALFWorld's handcoded expert, which reads `traj_data.json`
    beside the game. `cache` is a folder for translations (SAS), shared by processes.

    Raises `Missing` without the packages, `EnvError` for a game that can't be loaded.
    """

    def __init__(
        self, path: Path, *, fast: bool = True, expert: bool = False, cache: Path | None = None
    ) -> None:
        self.path = path
        vendor = _vendor()
        data = _read(path)
        with _damaged(path):
            self._game = (
                _fastpath().FastGame(data, cache=cache, facts=expert)
                if fast and not why_stock()
                else _Stock(path, facts=expert)
            )
        self._expert = _Expert(path, agent=vendor.HandCodedTWAgent) if expert else None
        self._closed = False

    def reset(self) -> GameState:
        """Begins the game anew."""
        with self._playing():
            state = self._game.reset()
            plan = self._expert.begin(state) if self._expert else ()
        return _shown(state, plan)

    def step(self, command: str) -> GameState:
        """Does one command; what is not understood answers `Nothing happens.`"""
        with self._playing():
            state = self._game.step(command)
            plan = self._expert.follow(state, command) if self._expert else ()
        return _shown(state, plan)

    def close(self) -> None:
        """Frees the game; may be called twice."""
        self._closed = True
        self._game.close()

    @contextmanager
    def _playing(self) -> Iterator[None]:
        if self._closed:
            raise EnvError(f"game {self.path} is closed", repair="open it again")
        with _damaged(self.path):
            yield


class _Stock:
    """The game as TextWorld and ALFWorld play it."""

    def __init__(self, path: Path, *, facts: bool) -> None:
        vendor = _vendor()
        infos = vendor.EnvInfos(won=True, admissible_commands=True, facts=facts)
        wrappers = [vendor.AlfredDemangler(), vendor.AlfredInfos]
        self._game: Any = vendor.start(str(path), infos, wrappers=wrappers)

    def reset(self) -> Any:
        return self._game.reset()

    def step(self, command: str) -> Any:
        return self._game.step(command)[0]

    def close(self) -> None:
        self._game = None


class _Expert:
    """ALFWorld's handcoded expert, as its wrapper `AlfredExpert` asks it, with dice of its own."""

    def __init__(self, path: Path, *, agent: Any) -> None:
        traj = path.with_name("traj_data.json")
        try:
            kind = json.loads(traj.read_text("utf-8"))["task_type"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise EnvError(
                f"the expert can't read {traj}: {error}",
                repair="run `journeyman envs fetch alfworld` again",
            ) from error
        if kind not in TASK_TYPES:
            raise EnvError(f"the expert knows no tasks of type {kind!r}", repair="use another game")
        self._path = path
        self._agent = agent(max_steps=EXPERT_STEPS)
        self._dice = random.Random(0).getstate()

    def begin(self, state: Any) -> tuple[str, ...]:
        self._agent.reset(str(self._path))
        self._agent.observe(state["feedback"])
        return ("look",)

    def follow(self, state: Any, command: str) -> tuple[str, ...]:
        others = random.getstate()
        random.setstate(self._dice)
        try:
            action = self._agent.act(state, 0, state["won"], command)
        except (NameError, IndexError):
            # Its time-out and failure derive from NameError; in rare rooms it draws from nothing.
            return ()
        finally:
            self._dice = random.getstate()
            random.setstate(others)
        return (action,) if action in state["admissible_commands"] else ("look",)


def _shown(state: Any, plan: tuple[str, ...]) -> GameState:
    return GameState(
        feedback=state["feedback"],
        commands=tuple(state["admissible_commands"]),
        won=bool(state["won"]),
        expert=plan,
    )


def installed() -> bool:
    """Whether text games can be played here."""
    try:
        _vendor()
    except Missing:
        return False
    return True


@once
def why_stock() -> str:
    """Why the slow path is taken although the fast one was asked for; empty when it is not."""
    _vendor()
    try:
        other = unpinned({name: metadata.version(name) for name in PINNED})
        if not other:
            _fastpath()
    except ImportError as error:  # A private name is gone, or a package has no version.
        return f"{one_line(str(error))}: text games run on the slow path"
    return other


def unpinned(versions: Mapping[str, str]) -> str:
    """Which package is not of the version that the fast path was written for; empty if none."""
    for name, version in PINNED.items():
        if versions[name] != version:
            return f"{name} {versions[name]} is not {version}: text games run on the slow path"
    return ""


def _fastpath() -> Any:
    return importlib.import_module("envs.fastpath")


@once
def _vendor() -> Any:
    """The names that are needed of TextWorld and ALFWorld."""
    try:
        textworld = importlib.import_module("textworld")
        alfred = importlib.import_module("alfworld.agents.environment.alfred_tw_env")
        textgen = importlib.import_module("textworld.envs.pddl.textgen")
        tatsu = importlib.import_module("tatsu.exceptions")
        with _argv("translate.py", "domain", "task"):  # Its options are parsed on import.
            pddl = importlib.import_module("fast_downward.translate.pddl_parser.lisp_parser")
    except (ImportError, OSError) as error:
        raise Missing(f"text games can't be played: {error}", repair=INSTALL) from error
    return SimpleNamespace(
        start=textworld.start,
        EnvInfos=textworld.EnvInfos,
        AlfredDemangler=alfred.AlfredDemangler,
        AlfredInfos=alfred.AlfredInfos,
        HandCodedTWAgent=alfred.HandCodedTWAgent,
        failures=(textgen.CSGUnknownSymbolError, tatsu.ParseException, pddl.ParseError),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise EnvError(
            f"no game at {path}", repair="run `journeyman envs fetch alfworld` again"
        ) from error
    except (OSError, ValueError) as error:
        raise _broken(path, error) from error
    if not isinstance(data, dict) or not all(isinstance(data.get(key), str) for key in PARTS):
        raise _broken(path, f"it does not hold {', '.join(PARTS)}")
    return data


def _broken(path: Path, why: object) -> EnvError:
    return EnvError(
        f"game {path} is damaged: {clip(one_line(str(why)), most=200)}",
        repair="remove it, or run `journeyman envs fetch alfworld` again",
    )


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """What the vendors raise on a damaged game, in our words."""
    try:
        with _argv(*sys.argv):
            yield
    except (*FAILURES, *_vendor().failures) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error


@contextmanager
def _argv(*words: str) -> Iterator[None]:
    """Lends `sys.argv` to the vendors, who write to it."""
    before = sys.argv
    sys.argv = list(words)
    try:
        yield
    finally:
        sys.argv = before
