from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import bootstrap

from bench.lab.types import Row
from bench.stats.bootstrap import tail
from bench.stats.cost import cost

Make = Callable[..., Row]


def test_failures_are_paid_for_by_what_was_solved(make: Make) -> None:
    rows = [
        make(True, task=0, calls=2, prompt_tokens=100, completion_tokens=20, cost=0.5, wall_s=3.0),
        make(False, task=1, calls=10, prompt_tokens=900, completion_tokens=80, cost=1.5, wall_s=9),
        make(None, task=2, calls=0, prompt_tokens=0, completion_tokens=0, cost=0.0, wall_s=0.0),
    ]
    found = cost(rows, samples=100)
    assert (found.rows, found.solved) == (3, 1)
    assert (found.tokens.total, found.tokens.per_solved) == (1100, 1100)
    assert (found.calls.per_solved, found.seconds.per_solved) == (12, 12)
    assert found.money.per_solved == pytest.approx(2.0)
    assert found.calls.per_row == pytest.approx(4.0)
    assert found.steps.total == 3


def test_nothing_solved_has_no_price(make: Make) -> None:
    found = cost([make(False, task=i, room=i) for i in range(8)], samples=100)
    assert (found.calls.per_solved, found.calls.low, found.calls.high) == (None, None, None)
    assert found.calls.total == 8


def test_one_success_has_no_upper_bound(make: Make) -> None:
    found = cost([make(i == 0, task=i, room=i) for i in range(8)])
    assert found.calls.per_solved == 8
    assert found.calls.high is None
    assert found.calls.low is not None
    assert found.calls.low < 8


def test_no_rows_cost_nothing() -> None:
    found = cost([])
    assert (found.rows, found.tokens.total, found.tokens.per_solved) == (0, 0, None)
    assert found.tokens.per_row is None


def test_its_interval_is_that_of_scipy_where_rows_are_independent(make: Make) -> None:
    rng = np.random.default_rng(0)
    calls = rng.integers(1, 30, size=60)
    won = rng.uniform(size=60) < 0.5
    rows = [
        make(bool(w), task=i, room=i, calls=int(c))
        for i, (c, w) in enumerate(zip(calls, won, strict=True))
    ]
    ours = cost(rows, samples=20_000).calls

    def ratio(c: np.ndarray, w: np.ndarray, axis: int) -> np.ndarray:
        return c.sum(axis=axis) / w.sum(axis=axis)

    theirs = bootstrap(
        (calls, won),
        ratio,
        paired=True,
        n_resamples=20_000,
        confidence_level=1 - 2 * tail(60),
        method="percentile",
        rng=1,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.04)
