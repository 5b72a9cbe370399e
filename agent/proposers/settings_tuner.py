"""Settings from measured outcomes: successive halving over small variations of what is set.

Each contender differs from the agent as it is by one value of `agent.applied.GRID`. All play the
same train tasks with the same seeds; the worse half goes, those left play twice as many, and the
best is proposed if it solved more than the agent as it is, which plays to the end, or as many at a
price that fell by a fifth. Settings that a person named are left alone.

Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification and Hyperparameter
Optimization, AISTATS (successive halving); here with common tasks and seeds, so that contenders are
compared in pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agent.applied import GRID, applied, named, proposed, tuned, value_of
from agent.crossing import off
from agent.evolving_desk import Desk
from agent.evolving_savings import fewer
from agent.proposers.types import won
from envs.types import Task
from memory.types import Change, Trajectory

FIRST = 3
"""Tasks of the first heat."""


class Contender(NamedTuple):
    """One variation."""

    name: str
    """The setting; empty: the agent as it is."""
    value: Any
    """What it would be."""

    @property
    def arm(self) -> str:
        """By which its runs are known."""
        return f"{self.name}={self.value}" if self.name else "as it is"


class SettingsTuner:
    """Proposes one setting a round, or none."""

    paper = "Jamieson and Talwalkar 2016, successive halving, arXiv 1502.07943"
    does = "plays variations of the settings against each other and proposes the best of them"

    def __init__(self, desk: Desk, *, grid: Mapping[str, tuple[Any, ...]] = GRID) -> None:
        self._desk = desk
        self._grid = grid

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """The setting that solved more train tasks than what is set, or as many for less."""
        desk = self._desk
        ledger = desk.crew.memory.ledger
        learned = await off(applied, desk.crew.settings, ledger, desk.env.name)
        base = replace(desk.crew, settings=learned)
        rivals = self._drawn(base.settings, seed=desk.name)
        if not rivals:
            desk.note = "all settings were chosen by a person"
            return ()
        tasks = _train_tasks(desk, trajectories)
        scores: dict[Contender, list[Trajectory]] = {}
        alive, size, done = [Contender("", None), *rivals], FIRST, 0
        while len(alive) > 1 and done < len(tasks):
            room = (desk.bounds.episodes - desk.episodes) // len(alive)
            heat = tasks[done : done + min(size, room)]
            if not heat:
                break
            for one in alive:
                settings = tuned(base.settings, one.name, one.value) if one.name else learned
                runs = await desk.play(replace(base, settings=settings), heat, arm=one.arm)
                scores.setdefault(one, []).extend(runs)
            done, size = done + len(heat), 2 * size
            alive = _better_half(alive, scores)
        best = max(alive[1:], key=lambda one: _solved(scores.get(one, ())), default=None)
        if best is None or not (said := _better(scores[alive[0]], scores.get(best, []))):
            desk.note = (
                f"none of {len(rivals)} variations solved more than what is set, or cost less"
            )
            return ()
        reason = f"{said} with {best.name} as it was"
        runs = tuple(run.id for one in (best, alive[0]) for run in scores[one])
        return (
            await off(
                proposed, "setting", best.name, best.value,
                env=desk.env.name, ledger=ledger, reason=reason, evidence=runs,
            ),
        )  # fmt: skip

    def _drawn(self, settings: Any, *, seed: str) -> list[Contender]:
        """As many variations as the episodes allow for, in an order that the round decides."""
        mine = self._desk.crew.settings
        found = [
            Contender(name, value)
            for name, values in self._grid.items()
            if not named(mine, name)
            for value in values
            if value != value_of(settings, name)
        ]
        most = max(1, self._desk.bounds.episodes // (2 * FIRST) - 1)
        return sorted(found, key=lambda one: _place(f"{seed}|{one.arm}"))[:most]


def _better_half(
    alive: Sequence[Contender], scores: dict[Contender, list[Trajectory]]
) -> list[Contender]:
    """The agent as it is, and the better half of the others; of two as good the cheaper."""

    def rank(one: Contender) -> tuple[int, int]:
        runs = scores[one]
        tokens = sum(run.usage.prompt_tokens + run.usage.completion_tokens for run in runs)
        return -_solved(runs), tokens

    others = sorted(alive[1:], key=rank)
    return [alive[0], *others[: max(1, len(others) // 2)]]


def _better(base: Sequence[Trajectory], other: Sequence[Trajectory]) -> str:
    """What speaks for a variation, in words; empty: it solved no more, and saved too little."""
    mine, theirs = _solved(base), _solved(other)
    saved = fewer(base, other) if theirs == mine > 0 else ""
    told = f"solved {theirs} of {len(other)} train tasks"
    if theirs > mine:
        return f"{told}, {mine}"
    return f"{told} with {saved} than" if saved else ""


def _train_tasks(desk: Desk, trajectories: Sequence[Trajectory]) -> list[Task]:
    """Train tasks one of each key, none of this round first; in an order the round decides."""
    played = {run.task_key for run in trajectories}
    by_key: dict[str, Task] = {}
    for task in sorted(desk.env.tasks("train"), key=lambda one: _place(f"{desk.name}|{one.id}")):
        by_key.setdefault(task.key, task)
    return sorted(by_key.values(), key=lambda one: one.key in played)


def _place(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _solved(runs: Sequence[Trajectory]) -> int:
    return sum(won(run) for run in runs)
