"""How many of the tasks were solved, with intervals for independent and for clustered rows."""

from __future__ import annotations

from collections.abc import Sequence

from agent.intervals import wilson
from bench.lab.types import Row
from bench.stats.bootstrap import SAMPLES, cluster_bootstrap, clusters_of, trusted
from envs.types import Frozen


class Rate(Frozen):
    """A success rate."""

    won: int
    """Rows solved; a crash is not."""
    total: int
    """Rows."""
    rate: float | None
    """Share solved; None for no rows."""
    low: float
    """Lower end of Wilson's 95 % interval, as if rows were independent."""
    high: float
    """Upper end of it."""
    clustered: tuple[float, float] | None
    """95 % interval clustered by room and task; None for fewer than two tasks."""
    rooms: int
    """Different rooms."""
    tasks: int
    """Different tasks (`Row.task_key`)."""
    few_clusters: bool
    """Too few rooms to speak for other rooms: `clustered` goes by tasks alone."""


def rate(rows: Sequence[Row], *, seed: int = 0, samples: int = SAMPLES) -> Rate:
    """Rate of the rows that were solved.

    Where all rows ended the same way, resampling sees no chance at all; `clustered` is then
    Wilson's interval for as many cases as there are tasks.
    """
    won, total = sum(row.won for row in rows), len(rows)
    low, high = wilson(won, total)
    if total:  # rounding may put an end of it past a rate of 0 or 1
        low, high = _holding(won / total, (low, high))
    clusters = clusters_of(rows)
    tasks, rooms = len(set(clusters)), len({cluster[0] for cluster in clusters})
    usable, few = trusted(clusters)
    clustered = None
    if tasks >= 2:
        if won in (0, total):
            ends = wilson(tasks if won else 0, tasks)
        else:
            values = [float(row.won) for row in rows]
            ends = cluster_bootstrap(values, usable, rng_seed=seed, samples=samples)
        clustered = _holding(won / total, ends)
    return Rate(
        won=won,
        total=total,
        rate=won / total if total else None,
        low=low,
        high=high,
        clustered=clustered,
        rooms=rooms,
        tasks=tasks,
        few_clusters=few,
    )


def _holding(value: float, ends: tuple[float, float]) -> tuple[float, float]:
    return min(ends[0], value), max(ends[1], value)
