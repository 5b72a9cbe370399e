"""Overthinking in stored runs: how much there is of it, and which runs it would have kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.overthinking import Overthinking, overthinking
from agent.selection import best
from envs.types import Frozen
from memory.types import Trajectory

WHAT = "scores stored runs for thinking in place of acting"
PAPER = "Cuadron et al. 2025, The Danger of Overthinking, arXiv 2502.08235"


class Thought(Frozen):
    """A run and its overthinking."""

    run: str
    """Id of the run."""
    task: str
    """Task id."""
    arm: str
    """Arm."""
    accepted: bool | None
    """The verifier's last verdict."""
    steps: int
    """Actions."""
    overthinking: Overthinking
    """What was found."""
    chosen: bool | None
    """Whether `agent.selection.best` keeps it among the runs at its task; None: it is alone."""


class Report(Frozen):
    """Overthinking over runs."""

    runs: tuple[Thought, ...]
    """Each run, as given."""
    mean: float | None
    """Mean score; None without runs."""
    paralysis: int
    """Runs with the first pattern."""
    rogue: int
    """Runs with the second."""
    premature: int
    """Runs with the third."""


def report(runs: Sequence[Trajectory]) -> Report:
    """Scores every run; runs at the same task of the same arm are candidates of one choice."""
    groups: dict[tuple[str, str, str], list[Trajectory]] = {}
    for run in runs:
        groups.setdefault((run.env, run.task_key, run.arm), []).append(run)
    kept = {best(group).id for group in groups.values() if len(group) > 1}
    alone = {group[0].id for group in groups.values() if len(group) == 1}
    found = tuple(
        Thought(
            run=run.id,
            task=run.task,
            arm=run.arm,
            accepted=run.verdicts[-1].accepted if run.verdicts else None,
            steps=len(run.steps),
            overthinking=overthinking(run),
            chosen=None if run.id in alone else run.id in kept,
        )
        for run in runs
    )
    return Report(
        runs=found,
        mean=sum(one.overthinking.score for one in found) / len(found) if found else None,
        paralysis=_count(one.overthinking.paralysis for one in found),
        rogue=_count(one.overthinking.rogue for one in found),
        premature=_count(one.overthinking.premature for one in found),
    )


def _count(flags: Iterable[bool]) -> int:
    return sum(flags)
