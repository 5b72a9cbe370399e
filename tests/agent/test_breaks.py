"""Where success fell: the search for it, in worlds whose truth is known."""

from __future__ import annotations

import random

import pytest

from agent.breaks import Search


def searched(steps: int, at: int, *, rates: tuple[float, float], most: int, seed: int) -> Search:
    """A search in a world that breaks at step `at`."""
    search, rng = Search(steps, most=most), random.Random(seed)
    while (state := search.next()) is not None:
        search.told(state, won=rng.random() < rates[state >= at])
    return search


def test_one_step_among_fifty_is_found_in_few_plays_and_seldom_wrong() -> None:
    found, plays = 0, []
    for seed in range(20):
        at = 1 + seed * 49 // 19
        search = searched(50, at, rates=(0.9, 0.2), most=20, seed=seed)
        assert search.found in (at, None)
        found += search.found == at
        plays.append(sum(search.played))
    assert found >= 17
    assert sorted(plays)[10] <= 50


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.9, 1.0])
def test_where_nothing_broke_nothing_is_named(rate: float) -> None:
    for seed in range(10):
        search = searched(50, 51, rates=(rate, rate), most=12, seed=seed)
        assert search.found is None
        assert not search.shown


def test_a_task_that_got_better_is_not_broken() -> None:
    search = searched(20, 10, rates=(0.1, 0.9), most=12, seed=1)
    assert (search.shown, search.found) == (False, None)


def test_where_plays_run_out_it_says_what_is_left() -> None:
    search = searched(50, 30, rates=(0.9, 0.3), most=7, seed=4)
    assert search.found is None
    if search.shown:
        assert 30 in search.left
        assert len(search.left) > 1


def test_without_chance_it_is_a_plain_search_by_halves() -> None:
    search, plays = Search(1000, most=99, certain=True), 0
    while (state := search.next()) is not None:
        search.told(state, won=state < 613)
        plays += 1
    assert search.found == 613
    assert plays <= 12


def test_without_chance_equal_ends_are_told_at_once() -> None:
    search = Search(9, most=5, certain=True)
    for _ in range(2):
        state = search.next()
        assert state is not None
        search.told(state, won=True)
    assert search.next() is None
    assert search.found is None


def test_a_single_step_is_judged_by_its_ends() -> None:
    search = searched(1, 1, rates=(1.0, 0.0), most=12, seed=0)
    assert search.found == 1
    assert sum(search.played) <= 14


def test_belief_comes_to_one_and_what_is_left_holds_nearly_all_of_it() -> None:
    search = Search(10, most=9)
    for state, won in ((0, True), (10, False), (0, True), (10, False), (5, True), (5, True)):
        search.told(state, won=won)
    assert sum(search.belief.values()) == pytest.approx(1)
    assert sum(search.belief[step] for step in search.left) >= 0.975
    assert min(search.left) > 0
    assert 0 <= search.nothing <= 1
    assert search.counts(0, 4) == (2, 2)
