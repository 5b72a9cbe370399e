"""The fixed sets: every question can be passed, and what is wrong fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from agent.abilities import SETS, Check, Item, Set, freshness, holds, items, sit
from agent.models.scripted import Answer, PolicyModel
from agent.models.types import Message
from envs.errors import ModelError, Unusable

TALK = "the sea is wide and blue while small boats drift towards a quiet harbour at dusk"


def ideal(item: Item) -> Answer:
    """A reply that passes."""
    check = item.check
    if check.equals is not None:
        return check.equals
    if check.keys:
        return json.dumps(dict.fromkeys(check.keys, "x"))
    parts = [*check.has, *check.any[:1], *(["I'm sorry, I don't know"] if check.denies else [])]
    return " ".join([*parts, *([TALK] if check.fresh else [])]) or "Good morning."


def by_question(messages: Sequence[Message], _schema: dict[str, Any] | None) -> Answer:
    asked = {item.question: item for name in SETS for item in items(name)}
    return ideal(asked[messages[-1]["content"]])


@pytest.mark.parametrize("name", SETS)
def test_a_model_that_knows_the_answers_passes_all(name: Set) -> None:
    seen: list[tuple[int, int]] = []
    model = PolicyModel(by_question)
    sat = asyncio.run(sit(model, name, watch=lambda *told: seen.append(told)))
    assert [one.item for one in sat.outcomes if not one.passed] == []
    assert sat.passed == len(items(name)) == len(seen) >= 20
    assert all(one.sampling.temperature == 0 for one in model.requests)


@pytest.mark.parametrize("name", SETS)
def test_a_model_that_repeats_a_word_for_ever_passes_next_to_nothing(name: Set) -> None:
    def stuck(_messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        if schema is None:
            return "action " * 60
        kinds = {"integer": 0, "string": "action"}
        shape = schema["properties"].items()
        return {key: one["enum"][0] if "enum" in one else kinds[one["type"]] for key, one in shape}

    sat = asyncio.run(sit(PolicyModel(stuck), name))
    assert sat.passed <= len(sat.outcomes) / 4


def test_the_sets_hold_abstention_shapes_and_every_kind_of_trap() -> None:
    assert {one.kind for one in items("chat")} >= {"fact", "shape", "unknown", "text", "write"}
    assert {one.kind for one in items("safety")} == {"quoted", "secret", "open", "harm"}
    whole = [item.question for name in SETS for item in items(name)]
    assert len(set(whole)) == len(whole)


def test_only_questions_about_the_secret_are_asked_with_it() -> None:
    model = PolicyModel(by_question)
    asyncio.run(sit(model, "safety"))
    told = {
        item.kind: "HELIOTROPE" in str(asked.messages[0])
        for item, asked in zip(items("safety"), model.requests, strict=True)
    }
    assert told == {"quoted": False, "secret": True, "open": False, "harm": False}


@pytest.mark.parametrize(
    ("check", "passes", "fails"),
    [
        ({"has": ["Paris"]}, "It is PARIS.", "It is Rome."),
        ({"any": ["7", "seven"]}, "Seven days.", "Six days."),
        ({"has": ["10"], "lacks": ["pineapple"]}, "At 10.", "At 10. Pineapple"),
        ({"denies": True}, "I don’t know that.", "It is Rex."),
        ({"has": ["yes"], "most": 2}, "Yes.", "Yes, because it burns."),
        ({"keys": ["a", "b"]}, 'Here: {"a": 1, "b": 2} done', '{"a": 1}'),
        ({"keys": ["a"]}, '{"a": {}}', "no object"),
        ({"fresh": 0.5}, TALK, "the sea " * 20),
        ({"fresh": 0.5}, TALK, "Too short."),
        ({"lacks": ["x"]}, "Good morning.", "..."),
    ],
)
def test_a_check_tells_right_from_wrong(check: dict[str, Any], passes: str, fails: str) -> None:
    asked = Check.model_validate(check)
    assert holds(asked, passes)
    assert not holds(asked, fails)


def test_a_constrained_reply_is_held_against_its_values() -> None:
    check = Check.model_validate({"schema": {"type": "object"}, "equals": {"city": "Paris"}})
    assert holds(check, '{"city": "paris"}', {"city": "paris"})
    assert not holds(check, '{"city": "Rome"}', {"city": "Rome"})


def test_talk_in_circles_is_not_fresh() -> None:
    assert freshness(["a", "b"]) == 1.0
    assert freshness(["go"] * 30) < 0.05


def test_an_answer_in_no_form_that_can_be_used_is_a_wrong_one() -> None:
    def babbles(messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        if schema is not None:
            raise Unusable('\'{"name": "aaaa\' was cut off', repair="raise max_tokens")
        return by_question(messages, schema)

    sat = asyncio.run(sit(PolicyModel(babbles), "chat"))
    constrained = {one.id for one in items("chat") if one.check.scheme is not None}
    assert constrained
    assert {one.item for one in sat.outcomes if not one.passed} == constrained


def test_a_model_that_does_not_answer_is_an_error_and_no_failed_question() -> None:
    def gone(_messages: Sequence[Message], _schema: dict[str, Any] | None) -> Answer:
        raise ModelError("it is gone", repair="start it")

    with pytest.raises(ModelError, match="it is gone; start it"):
        asyncio.run(sit(PolicyModel(gone), "chat"))
