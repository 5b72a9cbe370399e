"""Known ways on pages that differ from those that they were found on."""

from __future__ import annotations

import pytest

from agent.exploring_following import TURNS_MOST, Follower
from envs.types import Step

NEXT = 'click button "Next"'


def seen(*lines: str) -> Step:
    return Step(observation="", admissible=lines)


def row(name: str) -> str:
    return f'click button "Edit" in "{name}"'


def test_pages_are_turned_until_the_row_stands_there() -> None:
    follower = Follower(frozenset([NEXT]))
    assert follower.pick(seen(row("Ann"), NEXT), [row("Bo")]) == (NEXT, 0)
    assert follower.pick(seen(row("Bo"), NEXT), [row("Bo")]) == (row("Bo"), 1)
    assert follower.pick(seen(row("Bo"), NEXT), [NEXT, NEXT, row("Bo")]) == (row("Bo"), 3)
    assert Follower(frozenset()).pick(seen(row("Ann"), NEXT), [row("Bo")]) == (row("Bo"), 1)


def test_pages_are_not_turned_for_ever() -> None:
    follower = Follower(frozenset([NEXT]))
    picked = [follower.pick(seen(NEXT), [row("Bo")]) for _ in range(TURNS_MOST + 1)]
    assert picked[-2:] == [(NEXT, 0), (row("Bo"), 1)]


@pytest.mark.parametrize(
    ("there", "picked"),
    [
        (['click item "Light" in "Theme"', 'click item "Off" in "Sound"'], 0),
        (['click item "Off" in "Sound"'], None),
        (['click item "Light" in "Theme"', 'click item "Red" in "Theme"'], None),
        (['click button "Light" in "Theme"'], None),
    ],
)
def test_what_shows_something_else_is_known_by_its_label(
    there: list[str], picked: int | None
) -> None:
    line = 'click item "English" in "Theme"'
    meant = line if picked is None else there[picked]
    assert Follower(frozenset()).pick(seen(*there), [line, "press Enter"]) == (meant, 1)
