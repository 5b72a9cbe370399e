"""Learning curves: success against train tasks learned from, with bands and the area under them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.stats import trim_mean

from bench.lab.types import Row
from bench.stats.bootstrap import FEW, SAMPLES, clusters_of, draw, flat, interval, trusted
from bench.stats.power import effective_size
from bench.stats.rates import widened
from envs.errors import UserError
from envs.types import Frozen


class Point(Frozen):
    """Success after some train tasks."""

    learned: int
    """Train tasks learned from."""
    mean: float
    """Mean over seeds of the share of tasks solved."""
    low: float
    """Lower end of the 95 % band, resampled over seeds and tasks, no narrower than Wilson's."""
    high: float
    """Upper end of it."""
    rows: int
    """Rows."""
    seeds: int
    """Seeds."""


class Curve(Frozen):
    """How success grows."""

    arm: str
    """Name of the arm."""
    points: tuple[Point, ...]
    """Points by growing `learned`."""
    area: float | None
    """Area under the curve over the range of `learned`, from 0 to 1; None for no points. Of one
    point: its height."""
    area_low: float
    """Lower end of its 95 % interval."""
    area_high: float
    """Upper end of it."""
    few_clusters: bool
    """Too few rooms to speak for other rooms: tasks are resampled by themselves."""
    few_seeds: bool
    """Fewer than five seeds: how much they differ is known badly, and bands may be too narrow."""


class Iqm(Frozen):
    """An interquartile mean."""

    value: float | None
    """Mean of the middle half; None for no scores."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of it."""
    scores: int
    """Scores: seeds times strata."""


def curve(rows: Sequence[Row], *, seed: int = 0, samples: int = SAMPLES) -> Curve:
    """Curve of one arm.

    Seeds and tasks are crossed, so both are resampled, independently of each other (the pigeonhole
    bootstrap, Owen 2007, which errs on the wide side); one resample serves the whole curve, so that
    the area has an interval of its own. Raises `UserError` for rows of several arms.
    """
    if len(arms := {row.arm for row in rows}) > 1:
        raise UserError(f"rows of {len(arms)} arms make no curve", repair="pass those of one")
    usable, few = trusted(clusters_of(rows))
    units = len({cluster[0] for cluster in usable})
    task, tasks = draw(usable, rng_seed=seed, samples=samples)
    run, runs = draw([(row.seed,) for row in rows], rng_seed=seed + 1, samples=samples)
    where = sorted({row.learned for row in rows})
    means, paths = [], []
    for learned in where:
        here = np.array([row.learned == learned for row in rows])
        won = np.array([row.won for row in rows], dtype=float)[here]
        mean, path = _means(won, run[here], task[here], runs, tasks)
        means.append(mean)
        paths.append(path)
    drawn = np.array(paths).T
    points = tuple(
        _point(rows, learned, mean, path, units)
        for learned, mean, path in zip(where, means, paths, strict=True)
    )
    area_low, area_high = 0.0, 1.0
    if units >= 2:
        span = where[-1] - where[0]
        areas = trapezoid(drawn, where, axis=1) / span if span else drawn[:, 0]
        area_low, area_high = _within(interval(areas, units=units))
    if area_low == area_high:  # no resample saw any chance; the points know better
        area_low = area(where, [point.low for point in points]) or 0.0
        area_high = area(where, [point.high for point in points]) or 0.0
    return Curve(
        arm=rows[0].arm if rows else "",
        points=points,
        area=area(where, means),
        area_low=area_low,
        area_high=area_high,
        few_clusters=few,
        few_seeds=runs.shape[1] < FEW,
    )


def area(learned: Sequence[int], means: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Trapezoid area under the points, over the range of `learned`: 1 for success throughout."""
    if not all(a < b for a, b in pairwise(learned)):
        raise UserError("points of a curve are not in order", repair="sort them by `learned`")
    if len(learned) < 2:
        return float(means[0]) if learned else None
    return float(trapezoid(means, learned)) / (learned[-1] - learned[0])


def iqm(strata: Sequence[Sequence[float]], *, rng_seed: int = 0, samples: int = SAMPLES) -> Iqm:
    """Interquartile mean of scores (one list a stratum, one score a seed in it).

    A quarter of all scores, rounded down, is cut from each end; the interval resamples seeds
    inside each stratum (Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the
    Statistical Precipice", arXiv 2108.13264). With fewer than four scores it is their mean.
    """
    groups = [np.asarray(scores, dtype=float) for scores in strata if len(scores)]
    if not groups:
        return Iqm(value=None, low=0.0, high=1.0, scores=0)
    rng = np.random.default_rng(rng_seed)
    drawn = [group[rng.integers(len(group), size=(samples, len(group)))] for group in groups]
    values = np.asarray(trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1))
    pooled = np.concatenate(groups)
    value = float(trim_mean(pooled, 0.25))
    low, high = _within(interval(values, units=min(len(group) for group in groups)))
    return Iqm(value=value, low=min(low, value), high=max(high, value), scores=pooled.size)


def scores(rows: Sequence[Row]) -> list[list[float]]:
    """Success rate of each seed, by type of task: the strata for `iqm`."""
    groups: dict[str, dict[int, list[bool]]] = {}
    for row in sorted(rows, key=lambda row: (row.task_type, row.seed)):
        groups.setdefault(row.task_type, {}).setdefault(row.seed, []).append(row.won)
    return [[sum(won) / len(won) for won in seeds.values()] for seeds in groups.values()]


def _means(
    won: NDArray[np.float64],
    run: NDArray[np.intp],
    task: NDArray[np.intp],
    runs: NDArray[np.int64],
    tasks: NDArray[np.int64],
) -> tuple[float, NDArray[np.float64]]:
    """Mean over seeds of their rates, and the same for each resample, shape (samples,)."""
    shape = runs.shape[1], tasks.shape[1]
    sums, sizes = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (run, task), won)
    np.add.at(sizes, (run, task), 1.0)
    played = sizes.sum(axis=1) > 0
    rates = sums.sum(axis=1)[played] / sizes.sum(axis=1)[played]
    mean = float(rates.mean())
    top, bottom = tasks @ sums.T, tasks @ sizes.T
    each = np.divide(top, bottom, out=np.full_like(top, mean), where=bottom > 0)
    times = runs * played
    whole = times.sum(axis=1)
    path = np.divide(
        (times * each).sum(axis=1), whole, out=np.full(len(whole), mean), where=whole > 0
    )
    return mean, path


def _point(
    rows: Sequence[Row], learned: int, mean: float, path: NDArray[np.float64], units: int
) -> Point:
    here = [row for row in rows if row.learned == learned]
    size = effective_size([float(row.won) for row in here], flat(clusters_of(here)))
    low, high = widened(interval(path, units=units), rate=mean, size=size)
    return Point(
        learned=learned,
        mean=mean,
        low=low,
        high=high,
        rows=len(here),
        seeds=len({row.seed for row in here}),
    )


def _within(ends: tuple[float, float]) -> tuple[float, float]:
    return max(0.0, ends[0]), min(1.0, ends[1])
