from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lab.types import Row
from bench.stats.passk import all_of, any_of, pass_k
from envs.errors import UserError

Make = Callable[..., Row]


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.data())
def test_they_are_shares_of_all_choices_of_k_tries(tries: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(tries)))
    chosen = list(combinations(tries, k))
    some = sum(any(c) for c in chosen) / len(chosen)
    every = sum(all(c) for c in chosen) / len(chosen)
    assert any_of(k, trials=len(tries), solved=sum(tries)) == pytest.approx(some)
    assert all_of(k, trials=len(tries), solved=sum(tries)) == pytest.approx(every)


def test_by_hand() -> None:
    assert any_of(2, trials=4, solved=1) == pytest.approx(1 / 2)
    assert all_of(2, trials=4, solved=3) == pytest.approx(1 / 2)
    assert any_of(1, trials=10, solved=3) == pytest.approx(0.3)
    assert all_of(1, trials=10, solved=3) == pytest.approx(0.3)


def test_rows_are_grouped_by_task(make: Make) -> None:
    won = {1: (True, True, False), 2: (False, False, False), 3: (True, True, True), 4: (True,)}
    rows = [make(w, task=t, seed=s) for t, ws in won.items() for s, w in enumerate(ws)]
    found = pass_k(rows, k=2)
    assert (found.tasks, found.left_out) == (3, 1)
    assert found.any == pytest.approx((1 + 0 + 1) / 3)
    assert found.all == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert pass_k(rows[:1], k=2).any is None


def test_what_cannot_be_drawn_is_refused(make: Make) -> None:
    with pytest.raises(UserError, match="5 of 4 tries cannot be drawn"):
        any_of(5, trials=4, solved=1)
    with pytest.raises(UserError, match="5 of 4 tries solved"):
        all_of(1, trials=4, solved=5)
    with pytest.raises(UserError, match="0 tries cannot be"):
        pass_k([make(True)], k=0)
