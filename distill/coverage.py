"""What a model can reach at all, before it is trained to do so at once.

Source: Huang et al. 2024, Self-Improvement in Language Models: The Sharpening Mechanism, arXiv
2412.01951 (catalogue row `sharpening`): training on own samples moves weight to what is among them
and adds nothing new, so it is worth its price only where a task has a success in N samples. Tasks
without one are handed back, to be explored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from math import comb

from distill.rows import Pair, Row
from envs.types import Frozen
from memory.intervals import wilson
from memory.types import Trajectory


class Reached(Frozen):
    """One task in N samples."""

    task_key: str
    """`Task.key`."""
    runs: int
    """Samples."""
    won: int
    """Samples that the environment passed."""


class Coverage(Frozen):
    """Tasks by whether at least one sample solved them."""

    tasks: tuple[Reached, ...]
    """By key."""

    @property
    def covered(self) -> frozenset[str]:
        """Keys of tasks with a verified success."""
        return frozenset(one.task_key for one in self.tasks if one.won)

    @property
    def uncovered(self) -> frozenset[str]:
        """Keys of those without: to be explored, not to be trained on."""
        return frozenset(one.task_key for one in self.tasks if not one.won)

    @property
    def share(self) -> float:
        """Share of tasks that are covered; 0 without tasks. The success of best-of-N."""
        return len(self.covered) / len(self.tasks) if self.tasks else 0.0

    @property
    def single(self) -> float:
        """Success of a single sample, on average over tasks; 0 without tasks."""
        shares = [one.won / one.runs for one in self.tasks if one.runs]
        return sum(shares) / len(self.tasks) if self.tasks else 0.0

    def at(self, k: int) -> float:
        """Share of tasks solved by at least one of `k` samples, without bias (Chen et al. 2021).

        Tasks with fewer than `k` samples count with what they have.
        """
        if not self.tasks:
            return 0.0
        missed = sum(_all_miss(one, k) for one in self.tasks)
        return 1.0 - missed / len(self.tasks)

    def said(self) -> str:
        """In words, for the log and the terminal."""
        low, high = wilson(len(self.covered), len(self.tasks))
        most = max((one.runs for one in self.tasks), default=0)
        return (
            f"coverage {len(self.covered)}/{len(self.tasks)} tasks, {self.share:.0%} "
            f"({low:.0%} to {high:.0%}) in up to {most} samples; single sample {self.single:.0%}; "
            f"{len(self.uncovered)} to explore"
        )


def coverage(runs: Iterable[Trajectory], *, keys: Collection[str] = ()) -> Coverage:
    """Coverage of the tasks that were played; those of `keys` without a run are uncovered.

    A run that broke is a sample that failed; one that was begun again with a reflection (an oracle
    retry) is no single sample and is left out.
    """
    counts: dict[str, list[bool]] = {key: [] for key in keys}
    for run in runs:
        if run.attempts == 1:
            won = bool(run.score and run.score.passed) and not run.error
            counts.setdefault(run.task_key, []).append(won)
    return Coverage(
        tasks=tuple(
            Reached(task_key=key, runs=len(won), won=sum(won))
            for key, won in sorted(counts.items())
        )
    )


def trainable(rows: Iterable[Row | Pair], found: Coverage) -> Iterator[Row | Pair]:
    """The rows whose tasks are not among the uncovered ones, in the given order."""
    return (row for row in rows if row.metadata.task_key not in found.uncovered)


def sharpened(before: Coverage, after: Coverage) -> float | None:
    """How far one sample after training has come towards best-of-N before it.

    0: no further than one sample before; 1: as far as best-of-N, which is where sharpening ends.
    Only tasks in both count. None where best-of-N had nothing to give over a single sample.
    """
    both = {one.task_key for one in before.tasks} & {one.task_key for one in after.tasks}
    old, new = (
        Coverage(tasks=tuple(one for one in side.tasks if one.task_key in both))
        for side in (before, after)
    )
    room = old.share - old.single
    return (new.single - old.single) / room if room > 0 else None


def _all_miss(one: Reached, k: int) -> float:
    draws = min(k, one.runs)
    return comb(one.runs - one.won, draws) / comb(one.runs, draws) if draws else 1.0
