"""Effects in words: what is claimed, how sure it is, and never more."""

from __future__ import annotations

import pytest

from memory.telling import WIDTH, drawn, in_words, place, points
from memory.types import Effect, Measured


def effect(**fields: object) -> Effect:
    given = {
        "estimate": 0.12,
        "low": -0.03,
        "high": 0.27,
        "shown": 60,
        "withheld": 40,
        "won_shown": 31,
        "won_withheld": 15,
        "unit": "L1",
        "version": 2,
        "model": "smol",
        "policy": "abc",
        "since": "2026-11-20T10:00:00.000+00:00",
    }
    return Effect.model_validate({**given, **fields})


def test_an_interval_with_zero_in_it_is_not_called_a_help() -> None:
    told = in_words(effect(needed=1600))
    assert told[0] == (
        "effect +12 points (95% interval -3 to +27, however often one looks): can't tell yet; "
        "about 1,600 training episodes would tell to within 5 points"
    )
    assert "shown in 60 training episodes, 31 of them solved; withheld in 40, 15 solved" in told
    assert told[-1].startswith("holds for version 2, model smol, settings abc, since 2026-11-20T10")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verdict": "helps", "low": 0.02}, "it helps"),
        ({"verdict": "harms", "high": -0.02, "estimate": -0.1}, "it does harm"),
        ({"verdict": "useless", "low": -0.04, "high": 0.04}, "no difference that would matter"),
        ({}, "replays might"),
    ],
)
def test_what_the_interval_says(fields: dict[str, object], said: str) -> None:
    assert said in in_words(effect(**fields))[0]


def test_nothing_measured_is_said_so() -> None:
    assert in_words(Effect()) == (
        "effect not measured yet: no training episode tossed whether to show it",
    )
    assert points(Measured()) == "unknown"


def test_replays_and_families_are_told() -> None:
    pairs = Measured(estimate=0.5, low=0.1, high=0.9, shown=10, won_shown=6, won_withheld=1)
    told = " ".join(in_words(effect(unit="L1+L2", replayed=pairs, adapter="a7")))
    assert "replayed on 10 tasks, with and without it: +50 points" in told
    assert "6 solved only with it, 1 only without" in told
    assert "near-duplicates: L1, L2" in told
    assert "adapter a7" in told
    alone = in_words(Effect(unit="L1", replayed=pairs))
    assert alone[0].startswith("replayed on 10 tasks")


def test_the_line_shows_where_zero_and_the_interval_are() -> None:
    line = drawn(effect())[5:-5]
    assert len(line) == WIDTH
    assert line.index("|") == place(0.0) == WIDTH // 2
    assert line.index("├") < line.index("|") < line.index("o") < line.index("┤")
    assert drawn(Measured())[5:-5].count("─") == WIDTH - 3
