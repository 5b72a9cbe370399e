from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, trim_mean

from bench.lab.types import Row
from bench.stats.bootstrap import tail
from bench.stats.curves import area, curve, iqm, scores
from bench.stats.rates import rate
from envs.errors import UserError

Make = Callable[..., Row]


def learner(make: Make, *, seeds: int = 5, tasks: int = 20) -> list[Row]:
    """Solves none, then half, then all but one in ten."""
    solved = {0: lambda i: False, 10: lambda i: i % 2 == 0, 40: lambda i: i % 10 != 0}
    return [
        make(test(task + seed), task=task, room=task // 2, seed=seed, learned=learned)
        for learned, test in solved.items()
        for seed in range(seeds)
        for task in range(tasks)
    ]


def test_points_are_rates_after_so_many_tasks(make: Make) -> None:
    found = curve(learner(make))
    assert [(p.learned, p.rows, p.seeds) for p in found.points] == [
        (0, 100, 5),
        (10, 100, 5),
        (40, 100, 5),
    ]
    assert [p.mean for p in found.points] == pytest.approx([0, 0.5, 0.9])
    assert all(p.low <= p.mean <= p.high for p in found.points)
    assert (found.few_clusters, found.few_seeds) == (False, False)


def test_the_area_is_that_of_trapezia(make: Make) -> None:
    found = curve(learner(make))
    by_hand = (10 * (0 + 0.5) / 2 + 30 * (0.5 + 0.9) / 2) / 40
    assert found.area == pytest.approx(by_hand)
    assert found.area is not None
    assert found.area_low < found.area < found.area_high


def test_area_by_hand() -> None:
    assert area([0, 10], [0.0, 1.0]) == pytest.approx(0.5)
    assert area([5, 10, 30], [1.0, 1.0, 1.0]) == pytest.approx(1.0)
    assert area([7], [0.3]) == 0.3
    assert area([], []) is None
    with pytest.raises(UserError, match="not in order"):
        area([3, 3], [0.1, 0.2])


def test_a_seed_with_fewer_tasks_counts_as_much_as_another(make: Make) -> None:
    rows = [make(True, task=i, seed=0) for i in range(9)] + [make(False, task=0, seed=1)]
    assert curve(rows).points[0].mean == pytest.approx(0.5)


def test_with_one_seed_the_band_is_that_of_tasks(make: Make) -> None:
    rows = [make(i % 3 == 0, task=i, room=i // 2) for i in range(40)]
    found, alone = curve(rows), rate(rows)
    assert alone.clustered is not None
    band = (found.points[0].low, found.points[0].high)
    assert band == pytest.approx(alone.clustered, abs=0.03)
    assert found.few_seeds


def test_seeds_that_differ_widen_the_band(make: Make) -> None:
    apart = [make(seed < 3, task=i, room=i, seed=seed) for seed in range(6) for i in range(20)]
    alike = [
        make((i + seed) % 2 == 0, task=i, room=i, seed=seed) for seed in range(6) for i in range(20)
    ]
    wide, narrow = curve(apart).points[0], curve(alike).points[0]
    assert wide.mean == narrow.mean == pytest.approx(0.5)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_curve_that_never_leaves_the_floor_is_not_certain_of_it(make: Make) -> None:
    rows = [make(False, task=i, room=i, learned=n) for i in range(20) for n in (0, 10)]
    found = curve(rows)
    assert [p.mean for p in found.points] == [0.0, 0.0]
    assert all(p.high > 0.1 for p in found.points)
    assert found.area == found.area_low == 0.0
    assert found.area_high == pytest.approx(found.points[0].high)


def test_no_rows_and_mixed_rows(make: Make) -> None:
    empty = curve([])
    assert (empty.points, empty.area) == ((), None)
    with pytest.raises(UserError, match="rows of 2 arms"):
        curve([make(True, arm="a"), make(True, arm="b")])


def test_the_middle_half_is_scipys_trimmed_mean() -> None:
    scores = [[0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0]]
    found = iqm(scores)
    assert found.value == pytest.approx((0.4 + 0.5 + 0.6 + 0.7) / 4)
    theirs = bootstrap(
        (scores[0],),
        lambda x, axis: trim_mean(x, 0.25, axis=axis),
        n_resamples=9999,
        confidence_level=1 - 2 * tail(8),
        method="percentile",
        rng=0,
    ).confidence_interval
    assert iqm(scores, samples=9999).low == pytest.approx(theirs.low, abs=0.05)
    assert iqm(scores, samples=9999).high == pytest.approx(theirs.high, abs=0.05)


def test_an_outlier_moves_the_mean_and_not_the_middle_half() -> None:
    calm = [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]
    wild = [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0]]
    assert iqm(calm).value == iqm(wild).value == 0.5


def test_strata_are_resampled_apart() -> None:
    """Two types that never vary leave nothing to chance; thrown together they would."""
    found = iqm([[0.0] * 6, [1.0] * 6])
    assert (found.value, found.low, found.high, found.scores) == (0.5, 0.5, 0.5, 12)


def test_one_seed_and_no_seed_have_no_interval() -> None:
    assert (iqm([[0.4]]).value, iqm([[0.4]]).low, iqm([[0.4]]).high) == (0.4, 0.0, 1.0)
    assert iqm([]).value is None


def test_scores_are_rates_of_seeds_by_type(make: Make) -> None:
    rows = [
        make(task % 2 == seed, task=task, seed=seed, task_type="put" if task < 2 else "heat")
        for task in range(3)
        for seed in (0, 1)
    ]
    assert scores(rows) == [[1.0, 0.0], [0.5, 0.5]]


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3), st.sampled_from([0, 5, 9])),
        min_size=1,
        unique_by=lambda case: case[1:],
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_bands_hold_the_curve_whatever_the_order(
    make: Make, cases: list[tuple[bool, int, int, int]], shuffler: random.Random
) -> None:
    rows = [make(w, task=t, room=t, seed=s, learned=n) for w, t, s, n in cases]
    mixed = list(rows)
    shuffler.shuffle(mixed)
    found = curve(rows, samples=60)
    assert found == curve(mixed, samples=60)
    assert all(0 <= p.low <= p.mean <= p.high <= 1 for p in found.points)
    assert found.area is not None
    assert np.isfinite(found.area)
