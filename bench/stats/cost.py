"""What a solved task costs: all that was spent, failures included, over what was solved."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from bench.lab.types import Row
from bench.stats.bootstrap import SAMPLES, clusters_of, draw, interval, per_leaf, trusted
from envs.types import Frozen


class Price(Frozen):
    """One thing that is spent."""

    total: float
    """Over all rows."""
    per_row: float | None
    """Mean; None for no rows."""
    per_solved: float | None
    """Total over solved tasks; None where nothing was solved."""
    low: float | None
    """Lower end of its 95 % interval by room; None for fewer than two tasks."""
    high: float | None
    """Upper end; None where it is not bounded, for some resamples solve nothing."""


class Cost(Frozen):
    """What an arm spent on some rows."""

    rows: int
    """Rows."""
    solved: int
    """Rows solved."""
    few_clusters: bool
    """Too few rooms to speak for other rooms: the intervals go by tasks alone."""
    tokens: Price
    """Sent and received."""
    seconds: Price
    """Wall-clock time of the cells."""
    model: Price
    """Seconds spent waiting for models."""
    calls: Price
    """Requests to models."""
    money: Price
    """US dollars."""
    steps: Price
    """Actions in environments."""


def cost(rows: Sequence[Row], *, seed: int = 0, samples: int = SAMPLES) -> Cost:
    """Costs of rows; pass learning and measuring apart, since learning is paid once."""
    usable, few = trusted(clusters_of(rows))
    leaf, counts = draw(usable, rng_seed=seed, samples=samples)
    won = [float(row.won) for row in rows]
    solved = counts @ per_leaf(won, leaf, counts.shape[1])
    units = len({cluster[0] for cluster in usable})

    def price(spent: Sequence[float]) -> Price:
        total, successes = float(sum(spent)), sum(won)
        low = high = None
        if units >= 2:
            sums = counts @ per_leaf(spent, leaf, counts.shape[1])
            ratios = np.full(len(sums), np.inf)
            np.divide(sums, solved, out=ratios, where=solved > 0)
            low, high = interval(ratios, units=units)
        return Price(
            total=total,
            per_row=total / len(rows) if rows else None,
            per_solved=total / successes if successes else None,
            low=low if low is not None and isfinite(low) else None,
            high=high if high is not None and isfinite(high) else None,
        )

    return Cost(
        rows=len(rows),
        solved=int(sum(won)),
        few_clusters=few,
        tokens=price([float(row.prompt_tokens + row.completion_tokens) for row in rows]),
        seconds=price([row.wall_s for row in rows]),
        model=price([row.model_s for row in rows]),
        calls=price([float(row.calls) for row in rows]),
        money=price([row.cost for row in rows]),
        steps=price([float(row.steps) for row in rows]),
    )
