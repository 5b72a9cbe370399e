"""Champion and challenger at the same tasks: which, who plays them, and what is played already.

Runs are kept in the ledger under an arm of the contest's own. Those that are there are not played
again, so a contest that was killed goes on, and asking twice draws no second lot.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.applied import applied
from agent.crossing import off
from agent.pairing import Paired, Played, paired, place_of, settled
from agent.runner import Crew, Spec, interrupted, resume
from agent.runner import run as play
from agent.worker import worker
from envs.errors import Refused, UserError, clip
from envs.types import Env, Frozen, Task
from memory.types import Trajectory

ARM = "gate"
"""First word of the arms of its runs."""
HELD_OUT = "held-out"
"""Arm of runs on held-out tasks, and the salt by which these are drawn."""


@dataclass(frozen=True)
class Side:
    """One of the two."""

    label: str
    """By which its runs are known: id and weights of a student, or `base`."""
    crew: Crew
    """Who plays, with its model."""


@dataclass(frozen=True)
class Ground:
    """Tasks that both play."""

    env: Env
    """Where they are from."""
    tasks: tuple[Task, ...]
    """Of split `val`, each once."""

    def __post_init__(self) -> None:
        strays = [task for task in self.tasks if task.split != "val"]
        if strays:
            raise Refused(
                f"the gate plays val tasks only, and {clip(strays[0].id)} is of {strays[0].split}",
                repair="draw the tasks with agent.gate.drawn",
            )
        if not self.tasks:
            raise UserError(
                f"{self.env.name} has no val tasks", repair="name an environment that has some"
            )


class Seen(Frozen):
    """How far a gate is."""

    stage: str
    """What is measured."""
    done: int
    """Tasks or questions that are through."""
    most: int
    """How many there can be."""


Watch = Callable[[Seen], None]
Ends = Callable[[Sequence[Played], int], str]
"""Whether a contest of at most so many pairs may end, in words; those of a clear case begin so."""


def until_settled(played: Sequence[Played], most: int) -> str:
    """Ends when the verdict on a gain in success can't change any more."""
    return settled(played, most=most)


def drawn(env: Env, *, n: int, salt: str) -> Ground:
    """Up to `n` val tasks, one of each key, in an order that only `salt` and their ids decide.

    Another salt for each contest, so that a row of students is not picked by the same few tasks.
    """

    def place(task: Task) -> str:
        return hashlib.sha256(f"{salt}|{task.id}".encode()).hexdigest()

    by_key: dict[str, Task] = {}
    for task in sorted(env.tasks("val"), key=place):
        by_key.setdefault(task.key, task)
    return Ground(env, tuple(by_key.values())[:n])


def kept_apart(env: Env, *, n: int) -> tuple[Task, ...]:
    """Val tasks that no gate plays: always the same, and at most half of them all."""
    both = drawn(env, n=len(env.tasks("val")), salt=HELD_OUT).tasks
    return both[: max(1, min(n, len(both) // 2))]


def apart(env: Env, *, held: int, judged: int, salt: str) -> Ground:
    """Up to `judged` val tasks for a gate, drawn by `salt`; none of those that are `kept_apart`."""
    away = {task.key for task in kept_apart(env, n=held)}
    ordered = drawn(env, n=len(env.tasks("val")), salt=salt).tasks
    return Ground(env, tuple(task for task in ordered if task.key not in away)[:judged])


async def compare(
    champion: Side,
    challenger: Side,
    ground: Ground,
    *,
    looks: bool = True,
    ends: Ends = until_settled,
    at_once: int = 0,
    watch: Watch = lambda _seen: None,
) -> Paired:
    """Both play each task once with the same seed, until all are played or the case is settled.

    `looks`: it may end early, by `ends`; `at_once`: pairs at a time, 0: as many as the model has
    streams. Runs learn nothing, begin no episode again, and are kept.
    """
    players = [
        _Player(side, ground.env, arm=f"{ARM} {challenger.label} {role}: {side.label}")
        for role, side in (("champion", champion), ("challenger", challenger))
    ]
    for player in players:
        await player.look()
    played: list[Played] = []
    ended, at_once = "", at_once or max(1, champion.crew.settings.model.parallel)
    for first in range(0, len(ground.tasks), at_once):
        batch = ground.tasks[first : first + at_once]
        played += await asyncio.gather(*(_pair(players, task) for task in batch))
        watch(Seen(stage=ground.env.name, done=len(played), most=len(ground.tasks)))
        ended = ends(played, len(ground.tasks)) if looks else ""
        if ended:
            break
    return paired(
        ground.env.name, played, looks=looks, ended=ended, early=ended.startswith("clear")
    )


Cell = tuple[str, str, int]
"""Environment, task and seed."""


class _Player:
    """One side in one environment: plays what has not been played under this arm before."""

    def __init__(self, side: Side, env: Env, *, arm: str) -> None:
        once = side.crew.settings.solver.model_copy(update={"retries": 0})
        settings = side.crew.settings.model_copy(update={"solver": once})
        self._crew = replace(side.crew, settings=settings)
        self._env = env
        self._arm = arm
        self._done: dict[Cell, Trajectory] = {}
        self._begun: dict[Cell, str] = {}

    async def look(self) -> None:
        """Finds runs that are there, and those that a killed process left."""
        ledger = self._crew.memory.ledger
        learned = await off(applied, self._crew.settings, ledger, self._env.name)
        self._crew, config = replace(self._crew, settings=learned), learned.hash()
        for one in await off(ledger.trajectories, split="val", arm=self._arm, limit=-1):
            if (one.model, one.config) == (self._crew.model.name, config) and not one.error:
                self._done[one.env, one.task, one.seed] = one
        going = await off(ledger.runs, status="running", limit=1000)
        for run in interrupted(going, here=await off(worker, self._crew.settings)):
            spec = Spec.model_validate(run.spec)
            if (spec.arm, spec.config) == (self._arm, config):
                self._begun[run.env, spec.task.id, spec.seed] = run.id

    async def play(self, task: Task) -> Trajectory:
        """The run of this task: an old one, one taken up again, or a new one."""
        cell = (task.env, task.id, task.seed)
        if cell not in self._done:
            if cell in self._begun:
                found = await resume(self._crew, self._env, self._begun.pop(cell))
            else:
                found = await play(self._crew, self._env, self._spec(task))
            self._done[cell] = found
        return self._done[cell]

    def _spec(self, task: Task) -> Spec:
        return Spec(
            task=task,
            seed=task.seed,
            arm=self._arm,
            learn=False,
            guard=True,
            chance=f"{task.id}/{task.seed}",
        )


async def _pair(players: Sequence[_Player], task: Task) -> Played:
    before, after = [await one.play(task) for one in players]
    won = [bool(run.score and run.score.passed) and not run.error for run in (before, after)]
    return Played(
        task=task.id,
        place=place_of(task.key),
        runs=(before.id, after.id),
        won=(won[0], won[1]),
        broke=(bool(before.error), bool(after.error)),
        tokens=(_tokens(before), _tokens(after)),
        steps=(len(before.steps), len(after.steps)),
    )


def _tokens(run: Trajectory) -> int:
    return run.usage.prompt_tokens + run.usage.completion_tokens
