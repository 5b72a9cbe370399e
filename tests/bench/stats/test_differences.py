from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from bench.lab.types import Row
from bench.stats.differences import (
    bonett_price,
    comparable,
    equivalent,
    first_attempts,
    holm,
    paired,
    pairs,
)
from envs.errors import UserError

Make = Callable[..., Row]


def arms(
    make: Make, cases: Sequence[tuple[bool, bool]], *, rooms: int = 10
) -> tuple[list[Row], list[Row]]:
    """Rows of `react` and of `bare` on the same tasks, spread over rooms."""
    both = [
        (
            make(a, task=i, room=i % rooms, arm="react"),
            make(b, task=i, room=i % rooms, arm="bare"),
        )
        for i, (a, b) in enumerate(cases)
    ]
    return [a for a, _ in both], [b for _, b in both]


def table(up: int, down: int, both: int, none: int) -> list[tuple[bool, bool]]:
    cases = [(True, False)] * up + [(False, True)] * down + [(True, True)] * both
    return cases + [(False, False)] * none


def test_counts_and_p_are_those_of_mcnemars_exact_test(make: Make) -> None:
    found = paired(*arms(make, table(12, 3, 20, 15)), seed=0)
    theirs = vars(mcnemar([[20, 12], [3, 15]], exact=True))
    assert found.sign_p == pytest.approx(float(theirs["pvalue"]))
    assert (found.wrong_to_right, found.right_to_wrong, found.n) == (12, 3, 50)
    assert found.estimate == pytest.approx(9 / 50)
    assert (found.arm, found.against, found.unpaired) == ("react", "bare", 0)


def test_a_clear_gain_is_better_and_turned_round_it_is_worse(make: Make) -> None:
    better, worse = arms(make, table(30, 2, 10, 18))
    assert paired(better, worse, seed=0).verdict == "better"
    turned = paired(worse, better, seed=0)
    assert turned.verdict == "worse"
    assert turned.reason == ""


def test_a_small_gain_cannot_be_told_and_says_what_would_be_needed(make: Make) -> None:
    found = paired(*arms(make, table(4, 2, 10, 14)), seed=0)
    assert (found.verdict, found.reason) == ("can't tell", "the interval holds 0")
    assert found.needed is not None
    assert found.needed > found.n
    assert found.detectable is not None
    assert found.detectable > found.estimate if found.estimate else False


def test_a_size_to_plan_for_may_be_given(make: Make) -> None:
    rows = arms(make, table(4, 4, 10, 12))
    assert paired(*rows, seed=0).needed is None
    few = paired(*rows, seed=0, difference=0.2).needed
    many = paired(*rows, seed=0, difference=0.1).needed
    assert few is not None
    assert many is not None
    assert many > 3 * few


@pytest.mark.parametrize("won", [True, False])
def test_arms_that_never_differ_are_not_certain_to_be_equal(make: Make, won: bool) -> None:
    found = paired(*arms(make, [(won, won)] * 20), seed=0)
    assert (found.estimate, found.sign_p, found.verdict) == (0.0, 1.0, "can't tell")
    assert found.low < -0.1
    assert found.high > 0.1
    # no flip in 20: the discordance may be 17 % (Clopper-Pearson 97.5 %), no more
    assert found.high < 1 - 0.025 ** (1 / 20)
    assert found.needed is None


def test_arms_that_always_differ_are_not_certain_either(make: Make) -> None:
    found = paired(*arms(make, [(True, False)] * 20), seed=0)
    assert found.estimate == 1.0
    assert found.low < 0.9
    assert found.verdict == "better"


def test_one_pair_tells_nothing(make: Make) -> None:
    found = paired(*arms(make, [(True, False)]), seed=0)
    assert (found.n, found.estimate, found.verdict, found.here) == (1, 1.0, *["can't tell"] * 2)
    assert found.sign_p == 1.0
    assert found.low < 0 < found.high


def test_no_pairs_tell_nothing(make: Make) -> None:
    for rows in ([], [make(True, task=1, arm="react")]):
        found = paired(rows, [make(True, task=2, arm="bare")], seed=0)
        assert (found.n, found.estimate, found.low, found.high) == (0, None, -1.0, 1.0)
        assert (found.verdict, found.needed, found.detectable) == ("can't tell", None, None)
        assert found.reason == "no task was played by both"
        assert found.unpaired == len(rows) + 1


def test_in_four_rooms_it_holds_for_these_rooms_alone(make: Make) -> None:
    found = paired(*arms(make, table(30, 2, 5, 10), rooms=4), seed=0)
    assert (found.verdict, found.here, found.few_clusters) == ("can't tell", "better", True)
    assert found.reason == "4 rooms, fewer than 5: too few to speak for others"
    assert found.clusters == 4


def test_a_gain_in_one_room_alone_is_not_a_gain_in_rooms(make: Make) -> None:
    rooms = [make(i < 10, task=i, room=i // 10, arm="react") for i in range(60)]
    spread = [make(i % 6 == 0, task=i, room=i // 10, arm="react") for i in range(60)]
    bare = [make(False, task=i, room=i // 10, arm="bare") for i in range(60)]
    assert paired(rooms, bare, seed=0).verdict == "can't tell"
    assert paired(spread, bare, seed=0).verdict == "better"


def test_seeds_of_one_task_are_not_more_tasks(make: Make) -> None:
    one = arms(make, table(6, 1, 5, 5), rooms=17)
    many = [
        [row.model_copy(update={"seed": seed}) for row in rows for seed in range(8)] for rows in one
    ]
    single, copied = paired(*one, seed=0), paired(*many, seed=0)
    assert copied.n == 8 * single.n
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high), abs=1e-12)
    assert (copied.sign_p, copied.tasks) == (single.sign_p, single.tasks)
    assert copied.needed == pytest.approx(8 * (single.needed or 0), rel=0.2)


def test_an_arm_of_one_seed_is_held_against_every_seed(make: Make) -> None:
    sampled = [make(seed == task, task=task, seed=seed) for task in (1, 2) for seed in (1, 2, 3)]
    greedy = [make(True, task=task, seed=0) for task in (1, 2)]
    assert len(pairs(sampled, greedy)) == 6
    assert len(pairs(greedy, sampled)) == 6
    twice = [make(True, task=task, seed=seed) for task in (1, 2) for seed in (1, 2)]
    assert len(pairs(sampled, twice)) == 4


def test_checkpoints_pair_where_both_learn_and_not_otherwise(make: Make) -> None:
    learner = [make(True, task=1, learned=n) for n in (0, 5, 10)]
    other = [make(True, task=1, learned=n) for n in (0, 5)]
    bare = [make(True, task=1)]
    assert [(p.arm.learned, p.against.learned) for p in pairs(learner, other)] == [(0, 0), (5, 5)]
    assert [(p.arm.learned, p.against.learned) for p in pairs(learner, bare)] == [
        (0, 0),
        (5, 0),
        (10, 0),
    ]


def test_tasks_of_two_sets_with_one_name_do_not_pair(make: Make) -> None:
    assert pairs([make(True, split="val")], [make(True, split="test")]) == ()


def test_a_cell_that_comes_twice_is_refused(make: Make) -> None:
    with pytest.raises(UserError, match="two rows of 'bare' on task 't0', seed 0"):
        pairs([make(True), make(False)], [])


def test_retries_are_not_compared_with_one_attempt(make: Make) -> None:
    again = [
        make(True, task=i, arm="reflexion", attempts=1 + i, first_passed=i == 0) for i in (0, 1)
    ]
    bare = [make(False, task=i, arm="bare") for i in (0, 1)]
    assert comparable(bare, again) == comparable(again, bare)
    assert "'reflexion' began episodes again after a failure (up to 2 attempts)" in comparable(
        again, bare
    )
    with pytest.raises(UserError, match="compare first attempts"):
        paired(again, bare, seed=0)
    assert comparable(again, again) == comparable(bare, bare) == comparable([], again) == ""


def test_first_attempts_compare(make: Make) -> None:
    again = [
        make(True, task=0, arm="reflexion", attempts=3, first_passed=False),
        make(True, task=1, arm="reflexion", attempts=1, first_passed=True),
        make(True, task=2, arm="reflexion", attempts=1, first_passed=None),
        make(None, task=3, arm="reflexion", attempts=2, first_passed=None),
    ]
    first = first_attempts(again)
    assert [row.passed for row in first] == [False, True, True, None]
    assert paired(first, [make(False, task=i) for i in range(4)], seed=0).wrong_to_right == 2


def test_equivalence_needs_the_whole_interval_inside(make: Make) -> None:
    same = paired(*arms(make, [(True, True)] * 100), seed=0)
    assert equivalent(same, margin=0.05)
    assert not equivalent(same, margin=0.02)
    assert not equivalent(paired(*arms(make, table(10, 10, 40, 40)), seed=0), margin=0.05)
    assert not equivalent(paired(*arms(make, [(True, True)] * 100, rooms=3), seed=0), margin=0.05)
    with pytest.raises(UserError, match="between 0 and 1"):
        equivalent(same, margin=0)


def test_bonett_price_by_hand() -> None:
    # 13/52 - 4/52 = 0.173077, +- 1.96 sqrt((0.326923 - 0.029956) / 52) = 0.148116
    assert bonett_price(12, 3, 50) == pytest.approx((0.024961, 0.321193), abs=1e-5)


@pytest.mark.parametrize("n", [5, 12, 20])
def test_bonett_price_covers_by_full_enumeration(n: int) -> None:
    outcomes = [(a, b) for a, b in product(range(n + 1), repeat=2) if a + b <= n]
    ends = {cell: bonett_price(*cell, n) for cell in outcomes}
    grid = [(up, down) for up, down in product((0.02, 0.1, 0.25, 0.4), repeat=2)]
    covered = []
    for up, down in grid:
        held = [(a, b) for a, b in outcomes if ends[a, b][0] <= up - down <= ends[a, b][1]]
        covered.append(
            sum(
                comb(n, a) * comb(n - a, b) * up**a * down**b * (1 - up - down) ** (n - a - b)
                for a, b in held
            )
        )
    assert min(covered) > 0.92
    assert sum(covered) / len(covered) > 0.95


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=25),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_the_interval_holds_the_estimate_and_turns_round_with_the_arms(
    make: Make, cases: list[tuple[bool, bool]], rooms: int, shuffler: random.Random
) -> None:
    left, right = arms(make, cases, rooms=rooms)
    found = paired(left, right, seed=3, samples=100)
    turned = paired(right, left, seed=3, samples=100)
    shuffler.shuffle(left)
    assert paired(left, right, seed=3, samples=100) == found
    assert -1 <= found.low <= (found.estimate or 0) <= found.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=0.15)
    assert turned.sign_p == found.sign_p
    assert found.n == len(cases)


def test_holm_multiplies_the_smallest_by_all_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
