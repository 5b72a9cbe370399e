"""What is kept for being cheaper: shown to be as good, and to cost a fifth less."""

from __future__ import annotations

import random

import pytest

from agent.evolving_savings import SAVED, Looks, as_good, savings
from agent.pairing import Played

MARGIN = 0.1


def pairs(
    n: int,
    *,
    price: float = 0.6,
    wins: tuple[int, int] = (0, 0),
    spread: float = 0.2,
    steps: float = 1.0,
    seed: int = 0,
) -> list[Played]:
    """`n` pairs, so many of which only the challenger and only the champion solved."""
    rng = random.Random(seed)
    found: list[Played] = []
    flips = [(False, True)] * wins[0] + [(True, False)] * wins[1]
    outcomes = [*flips, *[(True, True)] * (n - len(flips))]
    rng.shuffle(outcomes)
    for number, won in enumerate(outcomes):
        tokens, played = 1000 * rng.uniform(0.5, 1.5), rng.randint(5, 9)
        found.append(
            Played(
                task=f"t{number}",
                place=f"room {number}",
                runs=(f"a{number}", f"b{number}"),
                won=won,
                tokens=(round(tokens), round(tokens * price * rng.uniform(1 - spread, 1 + spread))),
                steps=(played, round(played * steps)),
            )
        )
    return found


def decided(played: list[Played], *, every: int = 4) -> tuple[bool, str, str, int]:
    """Looks as a contest does: kept, why, how it ended, after how many pairs."""
    looks = Looks(margin=MARGIN, least=20)
    for n in range(every, len(played) + 1, every):
        ended = looks(played[:n], len(played))
        if ended or n == len(played):
            return *looks.cheaper(), ended, n
    return False, "", "", 0


def test_what_is_as_good_and_cheaper_is_kept_and_a_clear_case_ends_early() -> None:
    kept, why, ended, n = decided(pairs(60))
    assert kept
    assert n < 60
    assert ended == f"clear after {n} of 60 tasks: as good, and cheaper"
    assert why.startswith("4")
    assert "of the tokens saved (" in why
    assert why.endswith(", and not worse by 10 points")


def test_steps_count_as_well_as_tokens() -> None:
    kept, why, _, _ = decided(pairs(60, price=1.0, spread=0.0, steps=0.5))
    assert kept
    assert "of the steps saved" in why
    assert "tokens" not in why


@pytest.mark.parametrize(
    ("played", "why"),
    [
        (pairs(60, price=0.95), ""),
        (pairs(60, price=0.76, spread=0.6), "which may be less than 20%"),
        (pairs(60, wins=(0, 7)), "but it may be worse by 10 points or more"),
        (pairs(16), "of too few tasks that can be compared"),
        (pairs(60, price=1.4), ""),
    ],
    ids=["saves little", "may save little", "is worse", "few tasks", "costs more"],
)
def test_what_is_not_shown_is_not_kept(played: list[Played], why: str) -> None:
    kept, said, _, _ = decided(played)
    assert not kept
    assert (why in said) if why else said == ""


def test_a_champion_that_broke_lets_nobody_in_by_its_price() -> None:
    broken = [one.model_copy(update={"broke": (True, False)}) for one in pairs(60)]
    assert not decided(broken)[0]


def test_without_prices_there_is_nothing_to_save() -> None:
    free = [one.model_copy(update={"tokens": (0, 0), "steps": (0, 0)}) for one in pairs(40)]
    assert savings(free) == ()
    assert decided(free)[:2] == (False, "")
    assert not as_good([], margin=MARGIN)


@pytest.mark.parametrize(("price", "lost"), [(1 - SAVED, 0.0), (0.5, MARGIN)])
def test_what_just_misses_either_bound_seldom_gets_in(price: float, lost: float) -> None:
    """At the very bounds: no more than 5 % of such changes, however often one looks."""
    rng, kept, worlds = random.Random(7), 0, 60
    for world in range(worlds):
        wins = (0, sum(rng.random() < lost for _ in range(60)))
        kept += decided(pairs(60, price=price, wins=wins, spread=0.5, seed=world), every=20)[0]
    assert kept <= 3
