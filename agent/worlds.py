"""Environments by name."""

from __future__ import annotations

from pathlib import Path

from agent.settings import Settings
from envs.alfworld import Alfworld
from envs.errors import UnknownName
from envs.household import LEVELS, Household
from envs.toy import Toy
from envs.types import Env

NAMES = ("alfworld", "household", "toy")


def open_env(name: str, settings: Settings, *, workers: int = 1) -> Env:
    """The environment called `name`; `household:LEVEL` picks a level.

    Raises `UnknownName`, and `Missing` where its data or packages are not there.
    """
    kind, _, level = name.partition(":")
    cache = settings.home / "cache" / kind
    if name == "toy":
        return Toy()
    if name == "alfworld":
        return Alfworld(alfworld_data(settings), workers=workers, cache=cache)
    if kind == "household":
        return Household(cache, level=level or "real", workers=workers)
    raise UnknownName("environment", name, [*NAMES, *(f"household:{one}" for one in LEVELS)])


def alfworld_data(settings: Settings) -> Path:
    """Where the real games are looked for."""
    return settings.alfworld_data or settings.home / "data" / "alfworld"
