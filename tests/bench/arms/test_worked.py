"""One solved example in the prompt."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bench.arms.types import Desk
from bench.arms.worked import WorkedExample, example_text
from envs.errors import UserError
from envs.toy import Toy
from envs.types import Task
from memory.text import estimate_tokens

FIRST = (
    "You are in the middle of a room. Looking quickly around you, you see a countertop 1, "
    "a fridge 1, a microwave 1, and a sidetable 1.\n\nYour task is to: heat some egg and put it in "
    "sidetable."
)
WAY = (
    ("look", "You are in the middle of a room. Looking quickly around you, you see nothing."),
    ("go to countertop 1", "You arrive at countertop 1. On the countertop 1, you see a mug 2."),
    ("go to fridge 1", "You arrive at fridge 1. The fridge 1 is closed."),
    ("open fridge 1", "You open the fridge 1. In it, you see an egg 1."),
    ("take egg 1 from fridge 1", "You pick up the egg 1 from the fridge 1."),
    ("go to microwave 1", "You arrive at microwave 1. The microwave 1 is closed."),
    ("heat egg 1 with microwave 1", "You heat the egg 1 using the microwave 1."),
    ("go to sidetable 1", "You arrive at sidetable 1. On it, you see nothing."),
    ("move egg 1 to sidetable 1", "You move the egg 1 to the sidetable 1."),
)
GOAL = "heat some egg and put it in sidetable."


def task(key: str = "heat egg | room 1") -> Task:
    return Task(id="t", env="alfworld", goal=GOAL, key=key, split="train", tags=("heat",))


def replies(text: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_an_example_speaks_as_the_solver_does_and_leaves_out_what_led_nowhere() -> None:
    text = example_text(task(), FIRST, WAY, think=False)
    assert [reply["action"] for reply in replies(text)] == [action for action, _ in WAY[2:]]
    assert all(list(reply) == ["action"] for reply in replies(text))
    assert FIRST in text
    assert WAY[-1][1] in text


def test_thoughts_name_what_is_missing_for_the_goal() -> None:
    text = example_text(task(), FIRST, WAY, think=True)
    assert [reply["thought"] for reply in replies(text)] == [
        "I need to find an egg. I look at fridge 1.",
        "fridge 1 is closed. I need to open it.",
        "Now I find egg 1. Next, I need to take it.",
        "Now I have egg 1. Next, I need to heat it with microwave 1.",
        "Now I heat egg 1 with microwave 1.",
        "Now I have egg 1. Next, I need to go to sidetable 1 and put it there.",
        "I have egg 1. Next, I need to put it in/on sidetable 1.",
    ]


def test_the_goal_is_told_where_the_first_observation_does_not() -> None:
    assert f"Your task is to: {GOAL}" in example_text(task(), "A kitchen.", WAY, think=False)


@pytest.mark.parametrize("tokens", [230, 160])
def test_an_example_is_shortened_until_it_fits(tokens: int) -> None:
    full = example_text(task(), FIRST, WAY, think=True)
    text = example_text(task(), FIRST, WAY, think=True, tokens=tokens)
    assert estimate_tokens(full) > tokens >= estimate_tokens(text)
    assert "Looking quickly" not in text
    assert GOAL in text
    assert text.endswith(WAY[-1][1])


async def test_the_example_is_of_the_same_type_and_of_another_task(
    make_desk: Callable[..., Desk],
) -> None:
    arm = WorkedExample(make_desk())
    one = {"id": "rX", "task_key": "heat egg | room 1", "text": "first"}
    other = {"id": "rY", "task_key": "heat egg | room 2", "text": "second"}
    arm.load({"examples": {"heat": [one, other], "cool": one}})
    (note,) = await arm.notes(task("heat egg | room 9"))
    assert (note.text, note.runs, note.task_keys) == ("first", ("rX",), ("heat egg | room 1",))
    assert [note.text for note in await arm.notes(task("heat egg | room 1"))] == ["second"]
    assert arm.fixed() == {"rX", "rY"}
    assert await arm.notes(Toy().tasks("train")[0]) == ()


async def test_what_is_kept_comes_back(make_desk: Callable[..., Desk]) -> None:
    arm, again = WorkedExample(make_desk()), WorkedExample(make_desk(), think=False)
    arm.load({"examples": {"heat": {"id": "rX", "task_key": "k", "text": "way"}}})
    again.load(json.loads(json.dumps(arm.dump())))
    assert again.dump() == arm.dump()
    assert await again.notes(task()) == await arm.notes(task())


def test_an_example_over_the_budget_is_refused(make_desk: Callable[..., Desk]) -> None:
    arm = WorkedExample(make_desk(note_tokens=10))
    kept = {"examples": {"heat": {"id": "rX", "task_key": "k", "text": "way " * 20}}}
    with pytest.raises(UserError, match="takes 26 tokens of prompt, and 10 are allowed; make it"):
        arm.load(kept)


def test_an_example_without_its_task_is_refused(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(UserError, match="'heat' has no task_key; make it of a demonstration"):
        WorkedExample(make_desk()).load({"examples": {"heat": {"id": "rX", "text": "way"}}})
