"""Attempts at the same task side by side, each with what the environment says of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from distill.attempts import attempts
from distill.rows_turns import attempted
from memory.types import REPLAY, StepRecord, Trajectory

Key = tuple[str, str]
"""Environment and `Task.key`."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt."""

    run: Trajectory
    """Its run."""
    steps: tuple[StepRecord, ...]
    """What was done; at least one step."""
    won: bool
    """Whether it reached the goal: by the score for the last attempt of a run; one that was begun
    again had failed."""

    @property
    def game(self) -> tuple[str, int]:
        """Task id and seed: the same world to the last thing."""
        return (self.run.task, self.run.seed)


def tries(trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = ()) -> list[Try]:
    """Every attempt at a train task that has an outcome, in the given order.

    Left out are runs that broke or were not scored, replays, held-out tasks, attempts without a
    step, and earlier attempts that the verifier did not reject.
    """
    found: list[Try] = []
    for run in trajectories:
        if run.split != "train" or run.error or run.score is None or run.arm == REPLAY:
            continue
        if run.task_key in held_out_keys:
            continue
        for earlier in attempts(run):
            lost = earlier.verdict.accepted is False and earlier.number < run.attempts - 1
            if lost and earlier.steps:
                found.append(Try(run, earlier.steps, won=False))
        last = attempted(run)
        if last:
            found.append(Try(run, last, won=run.score.passed))
    return found


def grouped(found: Iterable[Try]) -> dict[Key, list[Try]]:
    """Attempts by environment and task key, in the order in which these came."""
    groups: dict[Key, list[Try]] = {}
    for one in found:
        groups.setdefault((one.run.env, one.run.task_key), []).append(one)
    return groups


def rates(found: Iterable[Try]) -> dict[Key, float]:
    """Share of attempts that reached the goal, by environment and task key."""
    return {
        key: sum(one.won for one in group) / len(group) for key, group in grouped(found).items()
    }
