"""A weak solver takes what a remembered way would do next, in the present goal's names."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.following import followed, follows, leads, ways_in
from agent.settings import SolverSettings
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.query import Query
from memory.ranking import Ranking
from memory.recall import Memory
from memory.types import Lesson, Recalled, Scope, Source, StepRecord

CLEAN = (
    "Solved before: put a clean mug in coffeemachine. The way: go to shelf 2 > take mug 1 from "
    "shelf 2 > go to sinkbasin 1 > clean mug 1 with sinkbasin 1 > go to coffeemachine 1 > "
    "move mug 1 to coffeemachine 1"
)
TWO = (
    "Solved before: put two pen in drawer. The way: go to desk 1 > take pen 1 from desk 1 > "
    "go to drawer 1 > open drawer 1 > move pen 1 to drawer 1 > go to desk 1 > "
    "take pen 2 from desk 1 > go to drawer 1 > move pen 2 to drawer 1"
)
GOAL = "put a clean lettuce in diningtable."
MOVES = tuple(
    f"go to {name}" for name in ("shelf 1", "shelf 3", "fridge 1", "sinkbasin 1", "diningtable 1")
)


def lesson(text: str) -> Recalled:
    return Recalled(lesson="L1", version=1, text=text, similarity=1, tokens=9, source=Source())


def after(*actions: str) -> list[StepRecord]:
    return [StepRecord(index=n, action=a, observation="You do.") for n, a in enumerate(actions)]


def next_of(choices: tuple[str, ...], *done: str, goal: str = GOAL, text: str = CLEAN) -> set[str]:
    return set(followed(choices, after(*done), ways_in([lesson(text)]), goal=goal))


def test_the_search_begins_where_the_way_found_it() -> None:
    assert next_of((*MOVES, "inventory")) == {"go to shelf 1", "go to shelf 3"}


def test_where_nothing_is_left_of_that_all_places_are_searched_and_doors_opened() -> None:
    assert next_of(MOVES[2:], "go to shelf 1", "go to shelf 3") == set(MOVES[2:])
    here = (*MOVES[3:], "open fridge 1", "inventory")
    assert next_of(here, "go to fridge 1") == {"open fridge 1"}


def test_a_search_looks_into_each_kind_of_place_before_it_looks_into_more_of_one() -> None:
    cabinets = tuple(f"go to cabinet {n}" for n in range(2, 9))
    been = ("go to shelf 1", "go to cabinet 1")
    assert next_of((*cabinets, "go to bin 1"), *been) == {"go to bin 1"}
    assert next_of(cabinets, *been, "go to bin 1") == set(cabinets)


def test_each_deed_is_done_with_the_present_goals_things_in_the_ways_order() -> None:
    take = "take lettuce 2 from fridge 1"
    assert next_of((*MOVES, take, "take egg 1 from fridge 1"), "go to fridge 1") == {take}
    put = "move lettuce 2 to fridge 1"
    assert next_of((*MOVES, put), take) == {"go to sinkbasin 1"}
    clean = "clean lettuce 2 with sinkbasin 1"
    assert next_of((*MOVES, clean, "move lettuce 2 to sinkbasin 1"), take) == {clean}
    assert next_of((*MOVES, put), take, clean) == {"go to diningtable 1"}
    there = "move lettuce 2 to diningtable 1"
    assert next_of((*MOVES, there), take, clean) == {there}
    assert next_of((*MOVES, put), take, clean, there) == {*MOVES, put}, "the way is at its end"


def test_what_did_not_happen_is_not_done() -> None:
    failed = StepRecord(
        index=0, action="take lettuce 2 from shelf 1", observation="Nothing happens."
    )
    ways = ways_in([lesson(CLEAN)])
    choices = ("take lettuce 1 from shelf 1", "go to sinkbasin 1")
    assert followed(choices, [failed], ways, goal=GOAL) == choices[:1]


def test_what_stands_somewhere_is_looked_for_where_the_way_went_for_it() -> None:
    look = (
        "Solved before: look at pen under the desklamp. The way: go to bed 1 > take pen 1 from "
        "bed 1 > go to desk 2 > use desklamp 1"
    )
    took, goal = "take box 1 from shelf 1", "look at box under the desklamp."
    moves = ("go to bed 1", "go to desk 1", "go to shelf 2")
    assert next_of(moves, took, goal=goal, text=look) == {"go to desk 1"}
    assert next_of((*moves, "use desklamp 2"), took, goal=goal, text=look) == {"use desklamp 2"}


def test_without_numbers_too() -> None:
    way = "Solved before: Bring me the key. The way: open red drawer > take key > give key"
    drawers = tuple(f"open {colour} drawer" for colour in ("blue", "red", "green"))
    goal = "Bring me the key."
    assert next_of(drawers, goal=goal, text=way) == {"open red drawer"}
    assert next_of((*drawers, "take key"), drawers[1], goal=goal, text=way) == {"take key"}
    assert next_of((*drawers, "give key"), drawers[1], "take key", goal=goal, text=way) == {
        "give key"
    }


def test_where_this_very_thing_was_found_counts_before_where_others_were() -> None:
    def tells(thing: str, colour: str) -> str:
        return (
            f"Solved before: Bring me the {thing}. The way: "
            f"open {colour} drawer > take {thing} > give {thing}"
        )

    ways = ways_in([lesson(tells("key", "red")), lesson(tells("pen", "blue"))])
    drawers = ("open blue drawer", "open red drawer", "open green drawer")
    assert followed(drawers, (), ways, goal="Bring me the pen.") == drawers[:1]
    assert followed(drawers, (), ways, goal="Bring me the cup.") == drawers[:2]


def test_two_things_are_two_and_go_to_one_place() -> None:
    goal = "put two cup in cabinet."
    took, put = "take cup 3 from shelf 1", "move cup 3 to cabinet 2"
    back, other = "take cup 3 from cabinet 2", "take cup 1 from shelf 1"
    assert next_of((back, other, "go to shelf 1"), took, put, goal=goal, text=TWO) == {other}
    moves = ("go to cabinet 1", "go to cabinet 2", "go to shelf 1")
    assert next_of(moves, took, put, other, goal=goal, text=TWO) == {"go to cabinet 2"}


@pytest.mark.parametrize(
    "goal",
    [
        "put a lettuce in diningtable.",
        "put a cool lettuce in diningtable.",
        "clean two lettuce and put them in diningtable.",
        "look at lettuce under the desklamp.",
    ],
)
def test_a_way_to_a_goal_that_is_worded_otherwise_says_nothing(goal: str) -> None:
    assert next_of((*MOVES, "inventory"), goal=goal) == {*MOVES, "inventory"}


def test_other_words_for_the_same_are_understood_when_they_name_as_many_things() -> None:
    goal = "clean some lettuce and put it in diningtable."
    assert next_of((*MOVES, "inventory"), goal=goal) == {"go to shelf 1", "go to shelf 3"}
    take = "take lettuce 2 from fridge 1"
    assert next_of((*MOVES, take, "take egg 1 from fridge 1"), goal=goal) == {take}
    found = "find two cup and put them in cabinet."
    moves = ("go to cabinet 1", "go to desk 1", "inventory")
    assert next_of(moves, goal=found, text=TWO) == set(moves), "is it find or cup?"
    here = ("take cup 1 from shelf 1", "take egg 1 from shelf 1", *moves)
    assert next_of(here, goal=found, text=TWO) == {here[0]}


def test_only_ways_are_followed_not_advice() -> None:
    assert ways_in([lesson("Look into the fridge first. The way: > is long")]) == ()
    assert followed(MOVES, (), (), goal=GOAL) == MOVES
    assert followed((), (), ways_in([lesson(CLEAN)]), goal=GOAL) == ()


@pytest.mark.parametrize(
    ("name", "led"),
    [
        ("SmolLM2-135M-Instruct (embedded)", True),
        ("Qwen2.5-Coder-1.5B-Instruct Q4_K_M", True),
        ("llama-3.1-70b", False),
        ("gpt-5", False),
    ],
)
def test_small_models_are_led_unless_it_is_said_otherwise(name: str, led: bool) -> None:
    assert follows(SolverSettings(), name) is led
    assert follows(SolverSettings(follow=False), name) is False
    assert follows(SolverSettings(follow=True), name) is True


def test_recall_puts_ways_that_could_be_gone_here_before_closer_ones(tmp_path: Path) -> None:
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    heat = CLEAN.replace("put a clean", "put a hot").replace("clean mug 1 with", "heat mug 1 with")
    for number, text in enumerate((heat, CLEAN)):
        goal = text.removeprefix("Solved before: ").partition(" The way")[0]
        scope = Scope(env="house")
        memory.add(
            Lesson(id=f"L{number}", kind="workflow", text=text, situation=goal, scope=scope),
            reason="told",
        )
    query = Query(goal="put a clean mug in shelf.", env="house", observation="You see a shelf 1.")
    for goal, first in (("put a hot mug in shelf.", "L0"), ("put a clean mug in shelf.", "L1")):
        found = memory.recall(
            query, budget_tokens=400, floor=-1, most=2, guard=False,
            ranking=Ranking(fits=leads(MOVES, (), goal=goal)),
        )  # fmt: skip
        assert found[0].lesson == first
        assert len(found) == 2
    memory.close()


def test_another_thing_does_not_stand_in_where_the_goal_names_none() -> None:
    way = "Solved before: log in as Ann. The way: click button Login > type Ann into user"
    page = ("click button Cancel", "click button Help", "type Bob into user")
    assert next_of(page, goal="log in as Bob.", text=way) == set(page)
    here = (*page, "click button Login")
    assert next_of(here, goal="log in as Bob.", text=way) == {"click button Login"}
