from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lab.types import Row
from bench.stats.flips import Flips, flips, from_rows, gate, lines
from envs.errors import UserError

Make = Callable[..., Row]
TEN = [
    (True, True),
    (True, True),
    (True, True),
    (True, False),
    (True, False),
    (True, True),
    (False, True),
    (False, False),
    (False, False),
    (False, True),
]
"""Six right before, of which four stay right; four wrong, of which two are mended."""


def ten() -> Flips:
    return flips([before for before, _ in TEN], [after for _, after in TEN])


@pytest.mark.paper("keep-fix-metrics")
def test_the_figures_of_ten_cases_and_a_gate_on_what_stays_right(mechanism: bool) -> None:
    counts = ten()
    assert (counts.stayed_right, counts.right_to_wrong) == (4, 2)
    assert (counts.wrong_to_right, counts.stayed_wrong) == (2, 2)
    assert counts.kept == pytest.approx(4 / 6)
    assert counts.fixed == pytest.approx(2 / 4)
    # Acc1 = Acc2 = 0.6: (0.6 - 0.36) / (2 x 0.6 x 0.4)
    assert counts.relative == pytest.approx(0.5)
    assert lines(counts) == (
        "right before         60.0% (6/10)",
        "right after          60.0% (6/10)",
        "kept right (CL)      66.7% (4/6)",
        "wrong to right (CS)  50.0% (2/4)",
        "overall (RSS)        50.0%",
    )
    verdict = gate(counts, keep_floor=0.9 if mechanism else None)
    assert not verdict.passed
    assert verdict.reason.startswith("4 of 6 right answers stayed right, 66.7%")
    assert verdict.reason.endswith("the floor is 90.0%")


def test_the_gate_opens_at_its_floor() -> None:
    assert gate(ten(), keep_floor=0.6).passed
    assert gate(flips([True] * 10, [True] * 9 + [False]), keep_floor=0.9).passed
    assert not gate(flips([True] * 10, [True] * 8 + [False] * 2), keep_floor=0.9).passed


def test_more_mended_than_broken_does_not_open_the_gate() -> None:
    counts = flips([True] * 4 + [False] * 16, [False] * 2 + [True] * 18)
    assert counts.after is not None
    assert counts.before is not None
    assert counts.after > counts.before
    assert not gate(counts, keep_floor=0.9).passed


def test_without_right_answers_the_gate_stays_shut() -> None:
    verdict = gate(flips([False] * 3, [True] * 3), keep_floor=0.5)
    assert not verdict.passed
    assert "nothing was right before" in verdict.reason


def test_figures_that_do_not_exist_are_none() -> None:
    none = flips([], [])
    assert (none.before, none.after, none.kept, none.fixed, none.relative) == (None,) * 5
    right = flips([True, True], [True, False])
    assert (right.kept, right.fixed, right.relative) == (0.5, None, None)
    assert lines(none)[0] == "right before             - (0/0)"


def test_rows_go_from_the_first_attempt_to_the_last(make: Make) -> None:
    rows = [
        make(True, task=0, attempts=2, first_passed=False),
        make(True, task=1, attempts=1, first_passed=True),
        make(True, task=2),
        make(False, task=3, attempts=3, first_passed=False),
        make(False, task=4, attempts=2, first_passed=True),
        make(None, task=5),
    ]
    counts = from_rows(rows)
    assert (counts.stayed_right, counts.right_to_wrong) == (2, 1)
    assert (counts.wrong_to_right, counts.stayed_wrong) == (1, 2)


def test_what_does_not_pair_is_refused() -> None:
    with pytest.raises(UserError, match="1 results before and 2 after"):
        flips([True], [True, False])
    with pytest.raises(UserError, match="floor of 2"):
        gate(ten(), keep_floor=2)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_accuracy_after_is_the_papers_weighted_sum(cases: list[tuple[bool, bool]]) -> None:
    counts = flips([a for a, _ in cases], [b for _, b in cases])
    first = counts.before or 0.0
    after = first * (counts.kept or 0.0) + (1 - first) * (counts.fixed or 0.0)
    assert counts.after == pytest.approx(after)
    assert counts.n == len(cases)
