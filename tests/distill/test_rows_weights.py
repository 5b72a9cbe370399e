"""What is rare counts more, and what is not learnt stays so."""

from __future__ import annotations

import pytest

from distill.rows_weights import by_rarity
from tests.distill import tiny


def weights(rows) -> list[float]:
    return [row.messages[1]["weight"] for row in by_rarity(rows)]


def test_a_rare_action_weighs_more_and_the_mean_stays() -> None:
    rows = [tiny.row("x", '{"action": "go to desk 1"}') for _ in range(8)]
    rows += [tiny.row("x", '{"action": "take cd 1 from desk 1"}') for _ in range(2)]

    found = weights(rows)

    assert found[8] == pytest.approx(2 * found[0], rel=0.01)
    assert sum(found) == pytest.approx(10, rel=0.01)


def test_one_kind_alone_is_as_it_was_and_the_rarest_has_a_ceiling() -> None:
    assert weights([tiny.row("x", '{"action": "go on"}')] * 3) == [1, 1, 1]
    rows = [tiny.row("x", '{"action": "go on"}')] * 400 + [tiny.row("x", '{"action": "take it"}')]
    assert weights(rows)[-1] == 3.0


def test_turns_that_are_only_seen_stay_so_and_answers_in_words_are_one_kind() -> None:
    rows = [tiny.row("x", '{"action": "go on"}', weight=0), tiny.row("x", "Lisbon.")]
    assert weights(rows) == [0, 1]
