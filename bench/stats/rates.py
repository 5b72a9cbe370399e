"""How many of the tasks were solved, with intervals for independent and for clustered rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from bench.lab.types import Row
from bench.stats.bootstrap import SAMPLES, cluster_bootstrap, clusters_of, flat, trusted
from bench.stats.power import effective_size
from envs.types import Frozen
from memory.intervals import wilson


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
    """95 % interval clustered by room; None for fewer than two tasks."""
    rooms: int
    """Different rooms."""
    tasks: int
    """Different tasks (`Row.task_key`)."""
    few_clusters: bool
    """Too few rooms to speak for other rooms: `clustered` goes by tasks alone."""


def rate(rows: Sequence[Row], *, seed: int = 0, samples: int = SAMPLES) -> Rate:
    """Rate of the rows that were solved.

    `clustered` is the cluster bootstrap, and no narrower than Wilson's interval for the number of
    independent cases that the rows of the tasks are worth: with few rooms, or where all rows ended
    the same way, resampling sees too little chance or none.
    """
    won, total = sum(row.won for row in rows), len(rows)
    low, high = wilson(won, total)
    if total:  # rounding may put an end of it past a rate of 0 or 1
        low, high = min(low, won / total), max(high, won / total)
    clusters = clusters_of(rows)
    tasks, rooms = len(set(clusters)), len({cluster[0] for cluster in clusters})
    usable, few = trusted(clusters)
    clustered = None
    if tasks >= 2:
        values = [float(row.won) for row in rows]
        size = effective_size(values, flat(clusters))
        ends = cluster_bootstrap(values, usable, rng_seed=seed, samples=samples)
        clustered = widened(ends, rate=won / total, size=size)
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


def widened(ends: tuple[float, float], *, rate: float, size: float) -> tuple[float, float]:
    """An interval for a rate, no narrower than Wilson's for `size` independent cases."""
    wide = proportion_confint(rate * size, size, method="wilson")
    low, high = (float(np.asarray(end).item()) for end in wide)
    return max(0.0, min(low, ends[0], rate)), min(1.0, max(high, ends[1], rate))
