"""Environments by name."""

from __future__ import annotations

from pathlib import Path

from agent.imagined import Imagined
from agent.lookahead import standing
from agent.selfmade import OWN, SelfMade, standing_at
from agent.settings import Settings
from distill.rows_synthetic import IMAGINED
from envs.alfworld import Alfworld
from envs.browsergym import Browsergym
from envs.errors import Missing, UnknownName, clip
from envs.household import LEVELS, Household
from envs.miniwob import MiniWob
from envs.miniwob_composed import Composed
from envs.resident import Resident
from envs.site import Site
from envs.toy import Toy
from envs.types import Env
from memory.ledger import Ledger
from skills.challenges import Challenges
from skills.sandbox import Sandbox

NAMES = ("alfworld", "browsergym", "household", "miniwob", "resident", "site", "toy")


def open_env(name: str, settings: Settings, *, workers: int = 1) -> Env:
    """The environment called `name`; `household:LEVEL` picks a level, `own:ENV` holds the
    tasks that the agent made for itself in another (`challenges:ENV` those that are code), and
    `imagined:ENV` is a model learnt from runs in another.

    Raises `UnknownName`, and `Missing` where its data or packages are not there.
    """
    kind, _, level = name.partition(":")
    if kind in (OWN, "challenges") and level:
        return _own(kind, level, settings, workers=workers)
    cache = settings.home / "cache" / kind
    if kind == IMAGINED and level:
        return _imagined(level, settings)
    if kind == "browsergym":
        python = settings.home / "browsergym" / "bin" / "python"
        return Browsergym(python, level or "webarena")
    if name == "toy":
        return Toy()
    if name == "resident":
        return Resident()
    if name == "site":
        return Site(settings.site.folder, executable=settings.browser or "")
    if name == "alfworld":
        return Alfworld(alfworld_data(settings), workers=workers, cache=cache)
    if name == "miniwob:composed":
        return Composed(executable=settings.browser or "")
    if name in ("miniwob", "miniwob:tools"):
        return MiniWob(executable=settings.browser or "", tools=bool(level))
    if kind == "household":
        return Household(cache, level=level or "real", workers=workers)
    raise UnknownName("environment", name, [*NAMES, *(f"household:{one}" for one in LEVELS)])


def _own(kind: str, name: str, settings: Settings, *, workers: int) -> Env:
    made = "" if kind == OWN else "challenge"
    place = settings.store.ledger or settings.home / "ledger.db"
    world = open_env(name, settings, workers=workers)
    found = standing_at(place, world.name, made=made)
    if not found:
        world.close()
        how = "tasks make" if kind == OWN else "skills challenge"
        raise Missing(
            f"no tasks were made up in {clip(name)}",
            repair=f"run `journeyman {how} {clip(name)}`",
        )
    if kind == OWN:
        return SelfMade(world, found, sandbox=Sandbox(), owned=True)
    code = [one.challenge for one in found if one.challenge]
    return Challenges(world, code, sandbox=Sandbox(), owned=True)


def _imagined(name: str, settings: Settings) -> Env:
    ledger = Ledger(settings.store.ledger or settings.home / "ledger.db")
    try:
        return Imagined(name, standing(ledger, name))
    finally:
        ledger.close()


def alfworld_data(settings: Settings) -> Path:
    """Where the real games are looked for."""
    return settings.alfworld_data or settings.home / "data" / "alfworld"
