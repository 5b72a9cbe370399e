"""Prompts that fit: what is old goes first, and a page that is too large is cut and says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.models.types import Message
from agent.transcript import CUT, REPLY, _cut, _fit, _tokens, _within, tokens_of

PAGE = "\n".join(f"circle 20x20 at ({x}, {x + 7})" for x in range(100, 400))


def turns(*seen: str) -> list[Message]:
    said: list[Message] = []
    for number, text in enumerate(seen[:-1]):
        said.append({"role": "user", "content": text})
        said.append({"role": "assistant", "content": f'{{"action": "a{number}"}}'})
    return [*said, {"role": "user", "content": seen[-1]}]


def contents(some: Sequence[Message]) -> list[str]:
    return [str(one["content"]) for one in some]


def test_numbers_have_more_tokens_than_words() -> None:
    assert tokens_of("at (123, 456)") > tokens_of("near the window") > 2
    assert tokens_of("") == 0


def test_what_fits_is_left_alone() -> None:
    whole = turns("first", "second", "third")
    assert _fit(whole, 200) == whole
    assert _within(["page", "list"], 50) == ["page", "list"]


@pytest.mark.parametrize("steps", [1, 3, 12, 60])
@pytest.mark.parametrize("room", [400, 3000, 8192 - REPLY])
def test_a_prompt_never_outgrows_its_room_and_the_page_stays(steps: int, room: int) -> None:
    now = _cut(PAGE, 300)
    fitted = _fit(turns(*[f"{number}\n{PAGE}" for number in range(steps)], now), room)
    assert _tokens(fitted) <= room + 30
    assert contents(fitted)[-1].endswith(now)
    assert [one["role"] for one in fitted[::2]] == ["user"] * len(fitted[::2])


def test_what_stood_there_long_ago_goes_before_what_was_done() -> None:
    fitted = _fit(turns(*[f"{number}\n{PAGE}" for number in range(4)], "now"), 9000)
    told = contents(fitted)
    assert len(told) == 9
    assert len(told[0]) < 300 < len(told[6])
    assert told[1] == '{"action": "a0"}'


def test_steps_that_are_left_out_are_told() -> None:
    fitted = _fit(turns(*["x " * 400] * 40, "now"), 4000)
    told = contents(fitted)
    assert told[2].startswith("(") and "steps are left out here.)" in told[2]
    assert told[-1] == "now"


def test_a_page_that_is_too_large_is_cut_and_says_so() -> None:
    page, listed = _within([PAGE, "Possible actions:\n" + "- press Enter\n" * 900], 2000)
    assert page.startswith("circle 20x20") and page.endswith(f"\n{CUT}")
    assert listed.startswith("Possible actions:\n") and listed.endswith(CUT)
    assert 1000 < tokens_of(page) + tokens_of(listed) <= 2000
    (alone,) = _within(["x" * 50_000], 500)
    assert alone.endswith(CUT) and tokens_of(alone) <= 500
