from __future__ import annotations

import random
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm, t
from statsmodels.api import OLS

from bench.stats.bootstrap import Cluster, cluster_bootstrap, draw, tail, trusted

VALUES = [float(x) for x in np.random.default_rng(3).gamma(2.0, size=40)]


def test_without_nesting_it_is_the_percentile_bootstrap_of_scipy() -> None:
    clusters: list[Cluster] = [(i,) for i in range(len(VALUES))]
    ours = cluster_bootstrap(VALUES, clusters, rng_seed=1, samples=20_000)
    level = 1 - 2 * tail(len(VALUES))
    theirs = bootstrap(
        (VALUES,), np.mean, n_resamples=20_000, confidence_level=level, method="percentile", rng=2
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_its_spread_is_that_of_cluster_robust_errors_of_statsmodels() -> None:
    rng = np.random.default_rng(5)
    rooms = np.repeat(np.arange(40), 6)
    values = rng.normal(size=40)[rooms] + rng.normal(size=240) * 0.1
    clusters: list[Cluster] = [(int(room), at) for at, room in enumerate(rooms)]
    leaf, counts = draw(clusters, rng_seed=0, samples=8000)
    drawn = (counts @ values[np.argsort(leaf)]) / counts.sum(axis=1)
    robust = OLS(values, np.ones(240)).fit(cov_type="cluster", cov_kwds={"groups": rooms})
    assert np.std(drawn) == pytest.approx(float(robust.bse[0]), rel=0.06)
    naive = OLS(values, np.ones(240)).fit()
    assert np.std(drawn) > 2 * float(naive.bse[0])


def test_two_rooms_of_two_tasks_by_hand() -> None:
    """Both draws take the first room once in four times, the second once, each one twice."""
    clusters: list[Cluster] = [("a", 1), ("a", 2), ("b", 3), ("b", 4)]
    leaf, counts = draw(clusters, rng_seed=0, samples=20_000, levels=2)
    means = (counts @ np.array([0.0, 0.0, 1.0, 1.0])) / counts.sum(axis=1)
    assert list(leaf) == [0, 1, 2, 3]
    assert set(counts.sum(axis=1)) == {4}
    shares = [float(np.mean(means == value)) for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_every_level_is_drawn_as_often_as_it_has_members() -> None:
    clusters: list[Cluster] = [("a", 1, 1), ("a", 1, 2), ("a", 2, 1), ("b", 1, 1)]
    _, counts = draw(clusters, rng_seed=0, samples=30_000, levels=3)
    # each room one of two draws, each task of `a` one of two, each run of task 1 one of two
    assert counts.mean(axis=0) == pytest.approx([1, 1, 1, 1], abs=0.05)
    assert counts.shape == (30_000, 4)


def test_a_room_that_is_drawn_brings_its_tasks_along() -> None:
    clusters: list[Cluster] = [("a", 1), ("a", 2), ("b", 3), ("c", 4)]
    _, counts = draw(clusters, rng_seed=0, samples=500)
    assert (counts[:, 0] == counts[:, 1]).all()
    assert set(counts[:, [0, 2, 3]].sum(axis=1)) == {3}


def test_drawing_tasks_inside_rooms_too_counts_their_spread_twice() -> None:
    """Rooms that do not matter: the variance of the mean is doubled, the interval 1.4 as wide."""
    values = [float(value) for value in np.random.default_rng(0).normal(size=600)]
    clusters: list[Cluster] = [(i // 10, i) for i in range(600)]
    once, twice = (
        cluster_bootstrap(values, clusters, rng_seed=0, samples=8000, levels=levels)
        for levels in (1, 2)
    )
    assert (twice[1] - twice[0]) / (once[1] - once[0]) == pytest.approx(2**0.5, rel=0.12)


def test_the_tail_is_hesterbergs() -> None:
    assert tail(10_000) == pytest.approx(0.025, abs=1e-4)
    assert tail(5) == pytest.approx(norm.cdf(-((5 / 4) ** 0.5) * t.ppf(0.975, 4)))
    assert tail(5) < tail(50) < 0.025


def test_one_cluster_tells_nothing() -> None:
    assert cluster_bootstrap([0.0, 1.0], [("a", 1), ("a", 2)], rng_seed=0) == (-inf, inf)
    assert cluster_bootstrap([], [], rng_seed=0) == (-inf, inf)


@pytest.mark.parametrize(
    ("rooms", "tasks", "depth", "few"), [(6, 12, 2, False), (4, 12, 1, True), (3, 3, 1, True)]
)
def test_few_rooms_give_way_to_tasks(rooms: int, tasks: int, depth: int, few: bool) -> None:
    clusters: list[Cluster] = [(f"r{i % rooms}", f"t{i}") for i in range(tasks)]
    usable, said = trusted(clusters)
    assert (len(usable[0]), said) == (depth, few)
    assert len(set(usable)) == tasks


def test_tasks_of_one_name_in_two_rooms_stay_two() -> None:
    usable, few = trusted([("a", "t"), ("b", "t")])
    assert few
    assert len(set(usable)) == 2


def test_nothing_is_few() -> None:
    assert trusted([]) == ([], True)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), min_size=1),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50, deadline=None)
def test_order_does_not_matter_and_the_mean_lies_inside(
    rows: list[tuple[int, int, bool]], shuffler: random.Random
) -> None:
    mixed = list(rows)
    shuffler.shuffle(mixed)
    ends = [
        cluster_bootstrap(
            [float(won) for *_, won in some],
            [(room, task) for room, task, _ in some],
            rng_seed=7,
            samples=200,
        )
        for some in (rows, mixed)
    ]
    assert ends[0] == ends[1]
    mean = sum(won for *_, won in rows) / len(rows)
    assert ends[0][0] <= mean <= ends[0][1]
