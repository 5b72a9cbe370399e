"""Verdicts on claims: each of the three, what cannot tell, and several claims at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.lab.types import Expects, Row
from bench.stats.claims import Asked, Judged, judge, resolution, strictness
from bench.stats.differences import bonett_price, paired

Make = Callable[..., Row]


def rows(make: Make, name: str, won: Sequence[bool], *, rooms: int) -> list[Row]:
    return [make(one, task=i, room=i % rooms, arm=name) for i, one in enumerate(won)]


def asked(
    make: Make, up: int, down: int, same: int, *, expects: Expects = "better", margin: float = 0.0,
    rooms: int = 20,
) -> Asked:  # fmt: skip
    """`up` pairs that only the arm solved, `down` that only the other one solved, mixed up."""
    kinds = [(True, False)] * up + [(False, True)] * down + [(True, True)] * same
    order = np.random.default_rng(3).permutation(len(kinds))
    mixed = [kinds[int(at)] for at in order]
    arm = rows(make, "new", [a for a, _ in mixed], rooms=rooms)
    against = rows(make, "old", [b for _, b in mixed], rooms=rooms)
    return Asked(arm, against, expects, margin)


def one(claim: Asked) -> Judged:
    (found,) = judge([claim])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("expects", "margin", "up", "down", "same", "verdict"),
    [
        ("better", 0.0, 30, 3, 67, "holds"),
        ("better", 0.0, 3, 30, 67, "does not hold"),
        ("better", 0.0, 12, 8, 80, "can't tell"),
        ("better", 0.1, 30, 3, 67, "holds"),
        ("better", 0.2, 30, 3, 67, "can't tell"),
        ("better", 0.2, 6, 3, 91, "does not hold"),
        ("no worse", 0.1, 3, 3, 94, "holds"),
        ("no worse", 0.1, 30, 3, 67, "holds"),
        ("no worse", 0.1, 12, 12, 76, "can't tell"),
        ("no worse", 0.1, 2, 40, 58, "does not hold"),
        ("no better", 0.1, 3, 3, 94, "holds"),
        ("no better", 0.1, 3, 30, 67, "holds"),
        ("no better", 0.1, 12, 12, 76, "can't tell"),
        ("no better", 0.1, 40, 2, 58, "does not hold"),
    ],
)
def test_a_verdict_goes_by_the_side_on_which_the_whole_interval_lies(
    make: Make, expects: Expects, margin: float, up: int, down: int, same: int, verdict: str
) -> None:
    assert one(asked(make, up, down, same, expects=expects, margin=margin)).verdict == verdict


def test_not_having_seen_a_difference_is_not_being_no_worse(make: Make) -> None:
    found = one(asked(make, 1, 1, 8, expects="no worse", margin=0.1, rooms=10))
    assert found.plain.verdict == "can't tell"
    assert found.verdict == "can't tell"


def test_a_small_loss_that_is_certain_is_within_a_larger_margin(make: Make) -> None:
    found = one(asked(make, 0, 15, 385, expects="no worse", margin=0.1, rooms=50))
    assert found.plain.verdict == "worse"
    assert found.verdict == "holds"


def test_ties_claim_no_certainty_that_so_few_pairs_do_not_give(make: Make) -> None:
    few = one(asked(make, 0, 0, 20, expects="no worse", margin=0.05))
    many = one(asked(make, 0, 0, 200, expects="no worse", margin=0.05, rooms=40))
    assert (few.verdict, many.verdict) == ("can't tell", "holds")
    assert one(asked(make, 0, 0, 200)).verdict == "can't tell"


def test_four_rooms_speak_for_themselves_alone(make: Make) -> None:
    found = one(asked(make, 30, 3, 67, rooms=4))
    assert (found.verdict, found.here) == ("can't tell", "holds")


def test_no_pairs_tell_nothing(make: Make) -> None:
    found = one(Asked([make(True, task=1)], [make(True, task=2)], "better", 0.0))
    assert (found.verdict, found.plain.n, found.detectable) == ("can't tell", 0, None)


def test_a_single_claim_has_the_interval_that_comparisons_have(make: Make) -> None:
    claim = asked(make, 20, 8, 72)
    found = one(claim)
    assert found.level == 0.95
    assert found.deciding == found.plain == paired(claim.arm, claim.against, seed=0)


def test_more_claims_make_each_harder_whatever_becomes_of_the_others(make: Make) -> None:
    close = asked(make, 20, 6, 74)
    nothing = asked(make, 10, 10, 80)
    assert one(close).verdict == "holds"
    found = judge([close, nothing, nothing, nothing])[0]
    assert found is not None
    assert (found.verdict, found.level) == ("can't tell", strictness(4))
    assert found.deciding.low < found.plain.low
    waiting = judge([close, None, None, None])[0]
    assert waiting is not None
    assert waiting.verdict == "can't tell"


def test_what_is_decided_makes_the_rest_easier(make: Make) -> None:
    clear, close = asked(make, 60, 0, 40), asked(make, 20, 6, 74)
    found = judge([close, clear])
    assert [one and one.verdict for one in found] == ["holds", "holds"]
    assert [one and one.level for one in found] == [0.95, strictness(2)]


def test_the_order_in_which_claims_are_stated_decides_nothing(make: Make) -> None:
    claims = {
        "clear": asked(make, 60, 0, 40), "close": asked(make, 20, 6, 74),
        "unclear": asked(make, 12, 8, 80),
    }  # fmt: skip
    seen = set()
    for names in (["clear", "close", "unclear"], ["unclear", "close", "clear"]):
        found = judge([claims[name] for name in names])
        verdicts = [one.verdict if one else "" for one in found]
        seen.add(tuple(sorted(zip(names, verdicts, strict=True))))
    assert len(seen) == 1


def test_no_claims_are_judged_as_none() -> None:
    assert judge([]) == []
    assert judge([None]) == [None]


@pytest.mark.parametrize("claims", [1, 6])
@pytest.mark.parametrize("expects", ["better", "no worse"])
def test_what_can_be_told_agrees_with_a_simulation(claims: int, expects: Expects) -> None:
    n, flips = 200, 0.2
    size = resolution(n, claims=claims, flips=flips, expects=expects)
    true, bar = (size, 0.0) if expects == "better" else (0.0, -size)
    up, down = (flips + true) / 2, (flips - true) / 2
    drawn = np.random.default_rng(1).multinomial(n, [up, down, 1 - flips], size=1000)
    level = strictness(claims)
    told = [bonett_price(more, less, n, level=level)[0] > bar for more, less, _ in drawn]
    assert 0.72 < np.mean(told) < 0.86


def test_more_claims_and_fewer_pairs_tell_less() -> None:
    assert resolution(300, claims=6, flips=0.2) > resolution(300, claims=1, flips=0.2)
    assert resolution(100, claims=6, flips=0.2) > resolution(300, claims=6, flips=0.2)
    assert resolution(3, claims=6, flips=0.2) == 1.0


def test_a_difference_beyond_the_flips_that_were_seen_brings_its_own() -> None:
    assert resolution(60, claims=1, flips=0.02) == pytest.approx(0.11, abs=0.02)


def test_pairs_of_one_place_are_worth_less(make: Make) -> None:
    won = [at % 10 < 5 for at in range(100)]  # all of a room or none
    arm, against = rows(make, "new", won, rooms=10), rows(make, "old", [False] * 100, rooms=10)
    found = one(Asked(arm, against, "better", 0.0))
    assert found.deciding.worth == pytest.approx(10, abs=1)
    assert found.detectable is not None
    assert found.detectable > 0.5
