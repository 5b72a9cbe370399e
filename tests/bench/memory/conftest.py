"""A small retrieval set and a script of episodes that need no games."""

from __future__ import annotations

import pytest

from bench.memory.episodes import Moment, Past, RetrievalSet
from bench.memory.growth import Script
from bench.memory.helpful import facts_of
from envs.types import Task

PLACES = {"heat": "microwave 1", "cool": "fridge 1", "clean": "sinkbasin 1"}


def plan(thing: str, target: str, *, change: str = "", lay: str = "countertop") -> list[str]:
    """A plan as ALFWorld's game files hold it."""
    way = [f"go to {lay} 1", f"take {thing} 1 from {lay} 1"]
    if change:
        way += [f"go to {PLACES[change]}", f"{change} {thing} 1 with {PLACES[change]}"]
    return [*way, f"go to {target} 1", f"move {thing} 1 to {target} 1"]


def past(kind: str, thing: str, target: str, room: int, *, lay: str = "countertop") -> Past:
    """A past episode."""
    name = f"{kind}-{thing}-None-{target}-{room}/trial"
    change = kind.split("_")[1] if "then" in kind else ""
    way = plan(thing.lower(), target.lower(), change=change, lay=lay)
    goal = f"{change or 'put'} some {thing.lower()} and put it in {target.lower()}"
    facts = facts_of(name, way)
    return Past(id=name, key=f"{name} key", goal=goal, way=" > ".join(way), facts=facts)


@pytest.fixture
def built() -> RetrievalSet:
    """Four past episodes, one moment in each half."""
    heat, cool = "pick_heat_then_place_in_recep", "pick_cool_then_place_in_recep"
    remembered = (
        past(heat, "Apple", "Fridge", 1),
        past(cool, "Apple", "Fridge", 2),
        past(heat, "Egg", "GarbageCan", 3),
        past("pick_and_place_simple", "Pen", "Drawer", 301),
    )
    here = past(heat, "Apple", "GarbageCan", 5)
    moments = [
        Moment(
            id=f"{half}@2",
            key=f"{half} key",
            goal="heat some apple and put it in garbagecan",
            observation="You pick up the apple 1 from the countertop 1.",
            recent=("go to countertop 1", "take apple 1 from countertop 1"),
            carried="apple 1",
            phase="change",
            facts=here.facts,
        )
        for half in ("dev", "held")
    ]
    return RetrievalSet(past=remembered, dev=(moments[0],), held=(moments[1],))


@pytest.fixture
def script() -> Script:
    """Twelve tasks of one type."""
    things = ("mug", "apple", "egg", "pan", "cup", "fork")
    tasks, plans = [], {}
    for thing in things:
        for target in ("drawer", "shelf"):
            name = f"pick_and_place_simple-{thing}-None-{target}-1/t"
            goal = f"put some {thing} on {target}"
            tasks.append(
                Task(
                    id=name,
                    env="alfworld",
                    goal=goal,
                    key=goal,
                    split="train",
                    tags=("pick_and_place_simple", "room:1"),
                )
            )
            plans[name] = plan(thing, target, lay="table")
    return Script(tasks, plans)
