"""What the page of speeds says is worked out from episodes; a way that fails is told."""

from __future__ import annotations

import sys

import pytest

from bench.web.speed import Figures, Player, figures, table
from envs.errors import EnvError

ROW = {"begin_s": 0.1, "step_s": 0.02, "whole_s": 0.2, "text": "one two three four", "again": True}


def test_beginnings_are_those_of_a_page_that_was_played_right_before() -> None:
    fresh = ROW | {"again": False, "begin_s": 9.0, "whole_s": 9.0, "step_s": 0.04}
    found = figures([fresh, ROW, ROW], first_s=3.0)
    assert found.begin_s == 0.1
    assert found.per_s == 5.0
    assert found.step_s == 0.02
    assert (found.tokens, found.characters, found.episodes) == (6, 18, 3)


def test_others_are_told_with_their_ratio_to_ours() -> None:
    ours = figures([ROW], first_s=2.0)
    slow = Figures.model_validate(ours.model_dump() | {"begin_s": 0.25, "per_s": 2.5})
    lines = table({"journeyman": ours, "other": slow}).splitlines()
    assert lines[2] == "| journeyman | 2.0 | 100 | 20 | 5.00 | 6 | 1 |"
    assert lines[3] == "| other | 2.0 | 250 (x 2.50) | 20 | 2.50 (x 0.50) | 6 | 1 |"


def test_a_way_that_ends_says_why() -> None:
    player = Player("browsergym", sys.executable)
    try:
        with pytest.raises(EnvError, match="No module named 'browsergym'"):
            player.play("click-test", 0)
    finally:
        player.close()
