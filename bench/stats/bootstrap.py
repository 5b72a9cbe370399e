"""The cluster bootstrap: intervals for rows that are not independent of one another.

Tasks in one room share the room, and runs of one task share the task. No library resamples such
nested clusters, so this does: whole rooms are drawn, each with all its tasks, which carries the
spread of every level inside (Davison & Hinkley 1997, 3.8). To draw tasks inside the rooms as well
(`levels=2`) counts that spread twice: in simulations of 5 to 50 rooms its 95 % intervals held the
truth 98 to 100 times in 100 and were up to 1.7 times as wide. Everything is a matter of how often a
leaf of the tree is drawn, so each statistic is a product with one matrix of counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from bench.lab.types import Row

Cluster = tuple[str | int, ...]
"""Where a value belongs, outermost first, for example (room, task)."""
FEW = 5
"""With fewer outer clusters than this, how much they differ cannot be estimated."""
LEVEL = 0.95
"""Level of intervals, unless asked otherwise."""
SAMPLES = 2000
"""Resamples of a bootstrap, unless asked otherwise."""


def clusters_of(rows: Sequence[Row]) -> list[Cluster]:
    """(room, task) of each row; a task without a room is a room of its own."""
    return [(f"{row.env}/{row.room or row.task_key}", row.task_key) for row in rows]


def trusted(clusters: Sequence[Cluster]) -> tuple[list[Cluster], bool]:
    """Clusters whose outermost level has at least `FEW`, as far as there is such a level.

    Levels with fewer are merged with the next one (rooms give way to tasks). The second value says
    whether that happened, or whether even the innermost level is too small: then an interval holds
    for these clusters at best, and says nothing about others.
    """
    left, few = list(clusters), False
    while left and len({cluster[0] for cluster in left}) < FEW:
        few = True
        if len(left[0]) == 1:
            break
        left = [(f"{cluster[0]}|{cluster[1]}", *cluster[2:]) for cluster in left]
    return left, few or not left


def flat(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The innermost clusters alone: tasks, wherever they are."""
    return [("|".join(map(str, cluster)),) for cluster in clusters]


def draw(
    clusters: Sequence[Cluster], *, rng_seed: int, samples: int = SAMPLES, levels: int = 1
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """How often each leaf is drawn, where the outermost `levels` are resampled.

    What lies further in comes along with its cluster. Returns the leaf of each value, shape
    (values,), and the counts, shape (samples, leaves). They depend on the seed and on which
    clusters there are, not on their order.
    """
    leaves = sorted(set(clusters), key=lambda cluster: tuple(map(str, cluster)))
    place = {leaf: at for at, leaf in enumerate(leaves)}
    counts = np.zeros((samples, len(leaves)), dtype=np.int64)
    rng = np.random.default_rng(rng_seed)

    def spread(times: NDArray[np.int64], inside: Sequence[Cluster], level: int) -> None:
        """Draws as many children as there are, for each time that their parent was drawn."""
        children: dict[str | int, list[Cluster]] = {}
        for leaf in inside:
            children.setdefault(leaf[level], []).append(leaf)
        size = len(children)
        drawn = rng.multinomial(times * size, np.full(size, 1 / size))
        for at, group in enumerate(children.values()):
            if level + 1 == min(levels, len(group[0])):
                counts[:, [place[leaf] for leaf in group]] = drawn[:, at, None]
            else:
                spread(drawn[:, at], group, level + 1)

    if leaves:
        spread(np.ones(samples, dtype=np.int64), leaves, 0)
    return np.array([place[cluster] for cluster in clusters], dtype=np.intp), counts


def per_leaf(values: ArrayLike, leaf: NDArray[np.intp], leaves: int) -> NDArray[np.float64]:
    """Sums of values by leaf, shape (leaves,)."""
    sums = np.bincount(leaf, weights=np.asarray(values, dtype=float), minlength=leaves)
    return sums.astype(np.float64)


def tail(units: int, *, level: float = LEVEL) -> float:
    """Share to cut from each end of the bootstrap distribution for an interval of that level.

    The plain percentile interval is too narrow for few units, as if a variance had been divided by
    n and a normal quantile been taken for Student's; this undoes both (Hesterberg 2015,
    "What Teachers Should Know about the Bootstrap", the expanded percentile interval).
    """
    if units < 2:
        return 0.0
    quantile = t.ppf((1 + level) / 2, units - 1)
    return float(norm.cdf(-sqrt(units / (units - 1)) * quantile))


def interval(
    statistics: NDArray[np.float64], *, units: int, level: float = LEVEL
) -> tuple[float, float]:
    """Ends of the expanded percentile interval; whole line for fewer than two units.

    Takes the outer neighbour of a quantile, so that infinite statistics are in order.
    """
    if units < 2 or statistics.size == 0:
        return -inf, inf
    cut = tail(units, level=level)
    low = float(np.quantile(statistics, cut, method="lower"))
    high = float(np.quantile(statistics, 1 - cut, method="higher"))
    return low, high


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Cluster],
    *,
    rng_seed: int,
    samples: int = SAMPLES,
    levels: int = 1,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Interval for the mean of values that are grouped in nested clusters, outermost first.

    The whole line for fewer than two outer clusters; call `trusted` first where there may be few.
    """
    leaf, counts = draw(clusters, rng_seed=rng_seed, samples=samples, levels=levels)
    sums = counts @ per_leaf(values, leaf, counts.shape[1])
    sizes = counts @ per_leaf(np.ones(len(values)), leaf, counts.shape[1])
    outer = len({cluster[0] for cluster in clusters})
    return interval(sums / np.maximum(sizes, 1), units=outer, level=level)
