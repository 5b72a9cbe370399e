from __future__ import annotations

import pytest

from agent.models.schema import choice_of, closest, fault_of, in_words, read_object

CHOICE = {
    "type": "object",
    "properties": {"action": {"type": "string", "enum": ["go to desk 1", "go to desk 12"]}},
    "required": ["action"],
}
TWO = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"action": "go to desk 1"}', {"action": "go to desk 1"}),
        ('{"x": 1} then {"action": "go to desk 12"}', {"action": "go to desk 12"}),
        ('{"x": 1} and no more', {"x": 1}),
        ('{ not { yet {"action": "go to desk 1"} }', {"action": "go to desk 1"}),
        ('<think>{"action": "go to desk 12"}</think>{"action": "go to desk 1"}', None),
        ("[1, 2]", None),
        ("", None),
    ],
)
def test_the_first_fitting_object_is_read(text: str, found: dict[str, object] | None) -> None:
    expected = {"action": "go to desk 1"} if "</think>" in text else found
    assert read_object(text, CHOICE) == expected


def test_a_fault_names_the_field() -> None:
    assert fault_of({"action": "go to desk 1"}, CHOICE) == ""
    assert fault_of({"action": "fly"}, CHOICE).startswith("action: 'fly' is not one of")


def test_a_choice_is_recognised_only_where_nothing_else_is_asked() -> None:
    assert choice_of(CHOICE) == ("action", ("go to desk 1", "go to desk 12"))
    assert choice_of(TWO) is None
    assert choice_of({"type": "object", "properties": CHOICE["properties"]}) is None


def test_the_longest_choice_that_is_named_is_the_closest() -> None:
    assert closest("I'll Go to desk 12!", CHOICE) == {"action": "go to desk 12"}
    assert closest('{"action": "go to dest 1"}', CHOICE) == {"action": "go to desk 1"}
    assert closest("no idea at all", CHOICE) is None
    assert closest("a", TWO) is None


def test_words_go_to_the_end_so_that_the_prefix_survives() -> None:
    asked = in_words([{"role": "user", "content": "a"}], CHOICE)
    assert len(asked) == 1
    assert asked[0]["content"].startswith("a\n\nAnswer with one JSON object")
    asked = in_words([{"role": "tool", "content": "a", "tool_call_id": "1"}], CHOICE)
    assert [message["role"] for message in asked] == ["tool", "user"]
