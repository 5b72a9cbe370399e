"""Skills that arms are given before an experiment on web pages: found by exploring train tasks.

No expert and no model takes part. Each kind of train task is tried out in the order of what looks
worth trying (`agent/exploring.py`), what worked becomes programs, and trials in fresh contexts on
train seeds that were not explored admit them by the environment's reward. What an arm is given is
plain data, kept in the table like all that arms keep; compositions get what their pages taught.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.exploring import Effort, Explored, explore
from agent.exploring_guides import Relevance
from agent.synthesis import Induction, learned
from bench.lab.given_skills import Told
from envs.miniwob import MiniWob
from envs.miniwob_composed import Composed
from envs.miniwob_goals import instruction
from envs.types import Env, Episode, Split, Task
from memory.ledger import Ledger
from skills.fitting import room
from skills.library import Library
from skills.sandbox import Sandbox
from skills.showing import by_type
from skills.trials import Bounds, Ground
from skills.types import Shown

EFFORT = Effort(ways=4, tries=6, episodes=30, steps=7)
"""How much each kind of train task is tried; at most half of its tasks are."""
KIND_S = 18.0
"""Seconds of exploring for each kind of task, where that comes to more than `SECONDS`."""
BOUNDS = Bounds(solve=16, decline=2, keep=2, mutants=6, mutant_tasks=2)
"""How much a skill has to show."""
SECONDS = 300.0
"""Of exploring in one environment at least; kinds that are left then stay without skills."""
SEEDS = 24
"""Pages of each MiniWoB++ train task that a skill may be tried on, explored ones included."""
FEW = 6
"""With fewer goals than this, pages of a kind are told apart by their seeds."""
Clock = Callable[[], float]


def explored_skills(
    envs: Mapping[str, Env],
    *,
    effort: Effort = EFFORT,
    bounds: Bounds = BOUNDS,
    seconds: float = SECONDS,
    known: Mapping[str, Any] | None = None,
    clock: Clock = time.monotonic,
    told: Told = lambda _text: None,
) -> dict[str, Any]:
    """`{"skills": {environment: [skill, ...]}}`: those that were admitted.

    `known` is what an arm kept before the experiment grew: what is there stays as it is.
    """
    given: dict[str, Any] = dict((known or {}).get("skills", {}))
    for name, env in envs.items():
        place = room(name)
        if place not in given:
            world = _learned_in(env)
            ways = asyncio.run(_ways(world, effort=effort, seconds=seconds, clock=clock, told=told))
            given[place] = _admitted(world, ways, bounds=bounds, told=told)
    return {"skills": given}


class Wider:
    """MiniWoB++ with more pages of those train kinds that are named: for trials, not explored.

    Where a kind asks for the same on all its pages, the key of a task tells its page apart by seed.
    """

    def __init__(self, pages: MiniWob, kinds: Sequence[str], *, seeds: int = SEEDS) -> None:
        self.name = pages.name
        self._pages = pages
        self._tasks: list[Task] = []
        for kind, tasks in by_seed(pages.tasks("train")).items():
            listed = list(tasks)
            if kind in kinds:
                more = range(len(listed), seeds)
                listed += (_asking(pages, pages.task(kind, seed=seed)) for seed in more)
            self._tasks += _apart(listed)

    def tasks(self, split: Split) -> Sequence[Task]:
        """Train tasks, with those that came in addition; else the environment's."""
        return self._tasks if split == "train" else self._pages.tasks(split)

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """Begins an attempt."""
        return self._pages.open(task, seed=seed)

    def close(self) -> None:
        """Whoever made the environment closes it."""


def by_seed(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    """Tasks by kind, all of them: kinds that ask for the same on every page included."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.tags[0] if task.tags else task.goal, []).append(task)
    return found


def _asking(pages: MiniWob, task: Task) -> Task:
    """The task with what its page says that is asked."""
    goal = instruction(pages, task.tags[0], seed=task.seed)
    return task.model_copy(update={"goal": goal, "key": f"{task.tags[0]} | {goal}"})


def _apart(tasks: Sequence[Task]) -> list[Task]:
    if len({task.key for task in tasks}) >= FEW:
        return list(tasks)
    return [task.model_copy(update={"key": f"{task.key} | {task.seed}"}) for task in tasks]


def _learned_in(env: Env) -> Env:
    """Where the skills of an environment are learned: compositions have no train tasks."""
    return env.pages if isinstance(env, Composed) else env


async def _ways(
    env: Env, *, effort: Effort, seconds: float, clock: Clock, told: Told
) -> list[Shown]:
    """Ways through train tasks, kind by kind, for a bounded time."""
    wide = Wider(env, ()) if isinstance(env, MiniWob) else env
    kinds = by_type(wide.tasks("train"))
    most = max(seconds, KIND_S * len(kinds))
    share = effort.seconds or most / max(1, len(kinds))
    end = clock() + most
    found: list[Explored] = []
    for number, (kind, tasks) in enumerate(kinds.items(), start=1):
        if clock() >= end:
            told(f"{env.name}: {len(kinds) - number + 1} kinds of tasks are left out for time")
            break
        told(f"{env.name}: kind {number} of {len(kinds)}")
        tries = min(effort.tries, max(2, len(tasks) // 2))
        mine = effort.model_copy(update={"tries": tries, "seconds": share})
        found += await explore(
            wide, Relevance(), [(kind, tasks)], effort=mine, clock=clock, told=told
        )
    return [way for one in found for way in one.ways]


def _admitted(
    env: Env, ways: Sequence[Shown], *, bounds: Bounds, told: Told
) -> list[dict[str, Any]]:
    """Skills out of ways that passed their trials, as data, each behind what it calls."""
    if not ways:
        return []
    kinds = sorted({way.task.tags[0] for way in ways if way.task.tags})
    wide = Wider(env, kinds) if isinstance(env, MiniWob) else env
    with TemporaryDirectory(prefix="journeyman-pages-") as folder, Sandbox() as sandbox:
        ledger = Ledger(Path(folder) / "ledger.db")
        try:
            shelf = Library(ledger)
            ground = Ground(wide, sandbox, shelf)
            asyncio.run(learned(ground, Induction(), ways, bounds=bounds, told=told))
            active = reversed(shelf.all(env=env.name, status="active"))
            return [one.model_dump(mode="json", exclude={"effect"}) for one in active]
        finally:
            ledger.close()
