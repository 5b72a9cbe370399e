"""What a search passed by is looked at again before anything else."""

from __future__ import annotations

from agent.loops import worthwhile
from agent.overlooked import overlooked
from memory.types import StepRecord

GOAL = "cool some pan and put it in diningtable."
ROOM = {
    "diningtable 1": "On the diningtable 1, you see nothing.",
    "countertop 1": "On the countertop 1, you see a mug 1, and a lettuce 1.",
    "stoveburner 4": "On the stoveburner 4, you see a pan 1.",
    "fridge 1": "The fridge 1 is closed.",
    "sinkbasin 1": "On the sinkbasin 1, you see a fork 1, and a spoon 2.",
    "toaster 1": "On the toaster 1, you see nothing.",
}


def walk(*actions: tuple[str, str]) -> list[StepRecord]:
    return [StepRecord(index=n, action=a, observation=o) for n, (a, o) in enumerate(actions)]


def seen(*names: str) -> list[tuple[str, str]]:
    return [(f"go to {name}", f"You arrive at {name}. {ROOM[name]}") for name in names]


MOVES = tuple(f"go to {name}" for name in ROOM)


def test_the_place_that_showed_what_the_goal_names_comes_first_when_all_were_seen() -> None:
    steps = walk(*seen(*ROOM))
    assert overlooked(GOAL, steps) == {"go to stoveburner 4": frozenset({"pan 1"})}
    choices = (*MOVES, "inventory")
    assert worthwhile(choices, steps, goal=GOAL) == ("go to stoveburner 4", "inventory")
    assert set(worthwhile(choices, steps)) == set(choices)


def test_while_a_place_is_unseen_the_search_goes_on() -> None:
    steps = walk(*seen(*list(ROOM)[:-1]))
    assert "go to toaster 1" in worthwhile(MOVES, steps, goal=GOAL)
    assert "go to stoveburner 4" not in worthwhile(MOVES, steps, goal=GOAL)


def test_what_names_it_is_done_before_going_on_once() -> None:
    steps = walk(*seen("countertop 1", "stoveburner 4"))
    here = ("take pan 1 from stoveburner 4", "examine stoveburner 4", "inventory")
    choices = (*MOVES, *here)
    assert worthwhile(choices, steps, goal=GOAL) == here[:1]
    took = [*steps, *walk((here[0], "You pick up the pan 1."))]
    assert "go to fridge 1" in worthwhile(MOVES, took, goal=GOAL)


def test_with_empty_hands_the_second_is_fetched_from_where_it_was_seen() -> None:
    steps = walk(
        ("go to sofa 1", "On the sofa 1, you see a pillow 2, and a pillow 1."),
        ("take pillow 1 from sofa 1", "You pick up the pillow 1."),
        ("go to armchair 1", "On the armchair 1, you see a box 1."),
    )
    choices = ("go to sofa 1", "go to shelf 1", "go to shelf 2")
    goal = "find two pillow and put them in armchair."
    assert worthwhile(choices, steps, goal=goal) == choices
    brought = [*steps, *walk(("move pillow 1 to armchair 1", "You move the pillow 1."))]
    assert worthwhile(choices, brought, goal=goal) == ("go to sofa 1",)
    alone = [step for step in brought if step.action != "go to sofa 1"]
    first = walk(("go to sofa 1", "On the sofa 1, you see a pillow 1."))
    assert worthwhile(choices, [*first, *alone], goal=goal) == choices


def test_what_is_carried_is_not_put_down_for_another_of_its_kind() -> None:
    steps = walk(
        *seen("countertop 1"),
        ("take mug 1 from countertop 1", "You pick up the mug 1."),
        ("go to sidetable 1", "On the sidetable 1, you see a mug 2."),
    )
    choices = ("go to shelf 1", "move mug 1 to sidetable 1")
    assert worthwhile(choices, steps, goal="put two mug in shelf") == choices


def test_what_was_brought_somewhere_was_not_overlooked_and_an_opened_box_was_looked_into() -> None:
    brought = walk(
        *seen("stoveburner 4"),
        ("take pan 1 from stoveburner 4", "You pick up the pan 1."),
        *seen("diningtable 1"),
        ("move pan 1 to diningtable 1", "You move the pan 1 to the diningtable 1."),
        *seen("countertop 1"),
    )
    assert "go to diningtable 1" not in overlooked(GOAL, brought)
    inside = walk(
        *seen(*list(ROOM)[:3]), *seen("fridge 1"), ("open fridge 1", "In it, you see a pan 2.")
    )
    assert "go to fridge 1" in overlooked(GOAL, inside)


def test_words_that_most_places_show_tell_nothing() -> None:
    everywhere = walk(*((f"go to desk {n}", "Here lies a pen 1 and a mug 2.") for n in range(6)))
    assert overlooked("put some pen on the shelf", everywhere) == {}
    assert overlooked("see what is on the you and a", walk(*seen(*ROOM))) == {}


def test_a_place_named_by_the_goal_is_not_overlooked_for_its_name() -> None:
    steps = walk(*seen(*ROOM))
    assert overlooked("put some toaster on countertop", steps) == {}
