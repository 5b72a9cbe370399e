"""One live TextWorld game. The only file, with `fastpath.py`, that imports TextWorld or ALFWorld.

Source: ALFWorld (Shridhar et al. 2021) on TextWorld (Côté et al. 2018), versions pinned below.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache as once
from importlib import metadata
from pathlib import Path
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

log = logging.getLogger(__name__)


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
        _check_file(path)
        with _damaged(path):
            infos = vendor["EnvInfos"](won=True, admissible_commands=True, extras=["gamefile"])
            wrappers = [vendor["AlfredDemangler"](), vendor["AlfredInfos"]]
            if expert:
                wrappers.append(vendor["AlfredExpert"](expert_type="handcoded"))
            self._game: Any = vendor["start"](str(path), infos, wrappers=wrappers)
        self._expert = expert

    def reset(self) -> GameState:
        """Begins the game anew."""
        with _damaged(self.path):
            return self._state(self._game.reset())

    def step(self, command: str) -> GameState:
        """Does one command; what is not understood answers `Nothing happens.`"""
        with _damaged(self.path):
            state, _, _ = self._game.step(command)
            return self._state(state)

    def close(self) -> None:
        """Frees the game; may be called twice."""
        self._game = None

    def _state(self, state: Any) -> GameState:
        return GameState(
            feedback=state["feedback"],
            commands=tuple(state["admissible_commands"]),
            won=bool(state["won"]),
            expert=tuple(state["extra.expert_plan"]) if self._expert else (),
        )


def installed() -> bool:
    """Whether text games can be played here."""
    try:
        _vendor()
    except Missing:
        return False
    return True


def why_stock() -> str:
    """Why the stock path is taken although the fast one was asked for; empty when it is not."""
    return ""


@once
def _vendor() -> dict[str, Any]:
    """The names that are needed of TextWorld and ALFWorld."""
    try:
        textworld = importlib.import_module("textworld")
        importlib.import_module("fast_downward")
        alfred = importlib.import_module("alfworld.agents.environment.alfred_tw_env")
    except ImportError as error:
        raise Missing(f"text games need {error.name or error}", repair=INSTALL) from error
    return {
        "start": textworld.start,
        "EnvInfos": textworld.EnvInfos,
        "AlfredDemangler": alfred.AlfredDemangler,
        "AlfredInfos": alfred.AlfredInfos,
        "AlfredExpert": alfred.AlfredExpert,
    }


def _check_file(path: Path) -> dict[str, Any]:
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
    """What the vendors raise on a damaged game, in our words. Keeps their hands off `sys.argv`."""
    argv = sys.argv
    try:
        yield
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        NameError,
        OSError,
        RuntimeError,
        SystemExit,
        TypeError,
        ValueError,
    ) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error
    finally:
        sys.argv = argv


def _pinned() -> bool:
    return all(metadata.version(name) == version for name, version in PINNED.items())
