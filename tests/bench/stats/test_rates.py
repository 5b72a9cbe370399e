from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from bench.lab.types import Row
from bench.stats.rates import rate

Make = Callable[..., Row]


@pytest.mark.parametrize(("won", "total"), [(0, 1), (1, 1), (0, 50), (3, 15), (50, 100), (99, 100)])
def test_wilson_is_that_of_statsmodels(make: Make, won: int, total: int) -> None:
    found = rate([make(i < won, task=i, room=i) for i in range(total)], samples=50)
    low, high = proportion_confint(won, total, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert found.rate == won / total


def test_a_crash_is_not_solved(make: Make) -> None:
    found = rate([make(None, task=1), make(True, task=2)], samples=50)
    assert (found.won, found.total, found.rate) == (1, 2, 0.5)


def test_no_rows_make_no_rate() -> None:
    found = rate([])
    assert (found.rate, found.low, found.high, found.clustered) == (None, 0.0, 1.0, None)
    assert found.few_clusters


def test_copies_of_a_task_do_not_narrow_the_clustered_interval(make: Make) -> None:
    once = [make(i % 2 == 0, task=i, room=i // 2) for i in range(20)]
    copies = [row.model_copy(update={"seed": seed}) for row in once for seed in range(10)]
    one, ten = rate(once), rate(copies)
    assert ten.high - ten.low < (one.high - one.low) / 2
    assert ten.clustered == one.clustered


def test_rows_that_stand_or_fall_with_their_room_widen_it(make: Make) -> None:
    rooms = [make(i // 10 < 5, task=i, room=i // 10) for i in range(100)]
    mixed = [make(i % 10 < 5, task=i, room=i // 10) for i in range(100)]
    wide, narrow = rate(rooms).clustered, rate(mixed).clustered
    assert wide is not None
    assert narrow is not None
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_four_rooms_are_too_few(make: Make) -> None:
    found = rate([make(i % 3 == 0, task=i, room=i % 4) for i in range(47)])
    assert (found.rooms, found.tasks, found.few_clusters) == (4, 47, True)
    assert not rate([make(i % 3 == 0, task=i, room=i % 5) for i in range(47)]).few_clusters


@pytest.mark.parametrize("won", [True, False])
def test_a_rate_without_any_chance_in_it_still_has_an_interval(make: Make, won: bool) -> None:
    found = rate([make(won, task=i % 10, room=i % 10, seed=i) for i in range(30)])
    low, high = proportion_confint(10 if won else 0, 10, method="wilson")
    assert found.clustered == pytest.approx((low, high), abs=1e-12)


def test_one_task_has_no_clustered_interval(make: Make) -> None:
    assert rate([make(True, seed=0), make(False, seed=1)]).clustered is None


def test_a_task_without_a_room_is_a_room_of_its_own(make: Make) -> None:
    rows = [make(i % 2 == 0, task=i).model_copy(update={"room": ""}) for i in range(6)]
    assert (rate(rows).rooms, rate(rows).few_clusters) == (6, False)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 6)), min_size=1),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_intervals_hold_the_rate_whatever_the_order(
    make: Make, cases: list[tuple[bool, int, int]], shuffler: random.Random
) -> None:
    rows = [make(won, task=task, room=room) for won, task, room in cases]
    mixed = list(rows)
    shuffler.shuffle(mixed)
    found = rate(rows, samples=100)
    assert found == rate(mixed, samples=100)
    assert found.rate is not None
    assert found.low <= found.rate <= found.high
    if found.clustered:
        assert 0 <= found.clustered[0] <= found.rate <= found.clustered[1] <= 1
