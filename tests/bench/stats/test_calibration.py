from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from bench.lab.types import Row
from bench.stats.calibration import calibration, from_rows
from envs.errors import UserError

Make = Callable[..., Row]


def test_five_forecasts_by_hand() -> None:
    found = calibration([0.9, 0.9, 0.9, 0.1, 0.1], [True, True, False, False, False])
    # errors .01 .01 .81 .01 .01; rates 2/3 and 0 against 0.4 overall
    assert found.brier == pytest.approx(0.17)
    assert found.uncertainty == pytest.approx(0.24)
    assert found.resolution == pytest.approx(0.6 * (2 / 3 - 0.4) ** 2 + 0.4 * 0.4**2)
    assert found.reliability == pytest.approx(0.6 * (0.9 - 2 / 3) ** 2 + 0.4 * 0.1**2)
    assert found.within == pytest.approx(0.0, abs=1e-12)
    assert found.ece == pytest.approx(0.6 * (0.9 - 2 / 3) + 0.4 * 0.1)
    assert [(b.start, b.count) for b in found.bins if b.count] == [(0.1, 2), (0.9, 3)]
    low, high = proportion_confint(2, 3, method="wilson")
    assert (found.bins[9].low, found.bins[9].high) == pytest.approx((low, high), abs=1e-12)


def test_the_table_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(2)
    forecasts = rng.uniform(size=300)
    outcomes = rng.uniform(size=300) < forecasts**2
    found = calibration([float(p) for p in forecasts], [bool(y) for y in outcomes])
    rates, means = calibration_curve(outcomes, forecasts, n_bins=10)
    assert [b.rate for b in found.bins] == pytest.approx(list(rates))
    assert [b.forecast for b in found.bins] == pytest.approx(list(means))


def test_verdicts_become_forecasts_of_success(make: Make) -> None:
    rows = [
        make(True, task=0, accepted=True, confidence=0.9),
        make(False, task=1, accepted=False, confidence=0.9),
        make(None, task=2, accepted=True, confidence=0.9),
        make(True, task=3, accepted=None, confidence=0.9),
    ]
    found = from_rows(rows)
    assert (found.n, found.silent) == (3, 1)
    assert found.brier == pytest.approx((0.01 + 0.01 + 0.81) / 3)
    assert [b.count for b in found.bins] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 2]


def test_without_verdicts_there_is_nothing_to_say(make: Make) -> None:
    found = from_rows([make(True)])
    assert (found.n, found.silent, found.brier, found.ece) == (0, 1, None, None)
    assert len(found.bins) == 10


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="give one outcome for every forecast"):
        calibration([0.5], [])
    with pytest.raises(UserError, match="outside 0 to 1"):
        calibration([1.5], [True])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20))
@settings(deadline=None)
def test_the_parts_add_up(cases: list[tuple[float, bool]], bins: int) -> None:
    forecasts, outcomes = [p for p, _ in cases], [y for _, y in cases]
    found = calibration(forecasts, outcomes, bins=bins)
    parts = (found.reliability, found.resolution, found.uncertainty, found.within)
    reliability, resolution, uncertainty, within = (part or 0.0 for part in parts)
    assert found.brier == pytest.approx(reliability - resolution + uncertainty + within)
    mean_square = sum((p - y) ** 2 for p, y in cases) / len(cases)
    assert found.brier == pytest.approx(mean_square)
    assert sum(b.count for b in found.bins) == len(cases)
    assert resolution <= uncertainty + 1e-9
