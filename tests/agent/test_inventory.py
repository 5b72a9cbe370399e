from __future__ import annotations

import pytest

from agent.inventory import carried
from memory.types import StepRecord


def steps(*done: str | tuple[str, str]) -> list[StepRecord]:
    pairs = [one if isinstance(one, tuple) else (one, "You did it.") for one in done]
    return [StepRecord(index=n, action=a, observation=o) for n, (a, o) in enumerate(pairs)]


def test_what_was_taken_is_carried_until_it_is_put_somewhere() -> None:
    assert carried([]) == ""
    way = steps("go to desk 1", "take mug 1 from desk 1")
    assert carried(way) == "mug 1"
    assert carried([*way, *steps("heat mug 1 with microwave 1", "open fridge 1")]) == "mug 1"
    assert carried([*way, *steps("move mug 1 to fridge 1")]) == ""


@pytest.mark.parametrize(
    ("take", "put"),
    [
        ("take mug 1 from desk 1", "put mug 1 in/on shelf 2"),
        ("pick up the mug 1", "drop mug 1"),
        ("GET mug 1", "put down mug 1"),
        ("grab mug 1 off shelf 3", "insert mug 1 into box 1"),
        ("take mug 1", "give mug 1 to ann"),
    ],
)
def test_other_wordings_mean_the_same(take: str, put: str) -> None:
    assert carried(steps(take)) == "mug 1"
    assert carried(steps(take, put)) == ""


def test_what_did_not_happen_changes_nothing() -> None:
    assert carried(steps(("take mug 1 from desk 1", "Nothing happens."))) == ""
    assert carried(steps(("take mug 1 from desk 1", "You can't reach it."))) == ""
    kept = steps("take mug 1 from desk 1", ("move mug 1 to safe 1", "Nothing happens."))
    assert carried(kept) == "mug 1"


def test_several_things_are_listed_in_the_order_they_were_taken() -> None:
    way = steps("take mug 1", "take egg 2", "put egg 1 in pan 1", "drop mug 1", "take pen 3")
    assert carried(way) == "egg 2, pen 3"


def test_the_games_own_list_counts() -> None:
    told = ("inventory", "You are carrying: a mug 1, an egg 2 and a red pen.")
    assert carried(steps("take lamp 1", told)) == "mug 1, egg 2, red pen"
    assert carried(steps("take lamp 1", ("inventory", "You are carrying nothing."))) == ""


def test_calls_of_tools_are_no_text_commands() -> None:
    assert carried(steps('{"tool":"take","arguments":{}}')) == ""
