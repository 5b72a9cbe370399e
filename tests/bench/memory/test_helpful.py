import pytest

from bench.memory.helpful import Facts, facts_of, helpful, near_miss, phases

HEAT, COOL = "pick_heat_then_place_in_recep", "pick_cool_then_place_in_recep"
TWO, PUT = "pick_two_obj_and_place", "pick_and_place_simple"


def facts(kind: str, thing: str, target: str, *, room: int = 1, lay: str = "table") -> Facts:
    return Facts(kind=kind, thing=thing, target=target, room=room, lay=(lay,))


HERE = facts(HEAT, "apple", "fridge")


def test_facts_come_from_the_folder_and_the_plan() -> None:
    plan = ["go to shelf 1", "take mug 2 from coffee table 3", "move mug 2 to desk 1"]
    found = facts_of("pick_and_place_simple-Mug-None-Desk-305/trial_T2", plan)
    assert (found.thing, found.target, found.room, found.lay) == (
        "mug",
        "desk",
        305,
        ("coffee table",),
    )
    assert found.place == "bedroom"


def test_a_heated_thing_is_found_then_changed_then_put() -> None:
    plan = ["go to table 1", "take apple 1 from table 1", "go to microwave 1",
            "heat apple 1 with microwave 1", "go to fridge 1",
            "move apple 1 to fridge 1"]  # fmt: skip
    assert phases(HERE, plan) == [(0, "find"), (2, "change"), (4, "put")]


def test_two_things_are_asked_for_again() -> None:
    plan = ["take pen 1 from desk 1", "move pen 1 to drawer 1", "take pen 2 from desk 1",
            "move pen 2 to drawer 1"]  # fmt: skip
    assert phases(facts(TWO, "pen", "drawer"), plan) == [
        (0, "find"),
        (1, "put"),
        (2, "again"),
        (3, "put"),
    ]


@pytest.mark.parametrize(
    ("phase", "other", "grade"),
    [
        ("find", facts(COOL, "apple", "table", room=2), 3),
        ("find", facts(COOL, "apple", "table", room=2, lay="sink"), 2),
        ("find", facts(PUT, "apple", "desk", room=301), 0),
        ("find", facts(HEAT, "egg", "fridge"), 1),
        ("change", facts(HEAT, "apple", "table"), 3),
        ("change", facts(HEAT, "egg", "table"), 2),
        ("change", facts(COOL, "apple", "fridge"), 0),
        ("put", facts(HEAT, "apple", "fridge"), 3),
        ("put", facts(HEAT, "egg", "fridge"), 2),
        ("put", facts(COOL, "apple", "fridge"), 1),
        ("put", facts(HEAT, "apple", "table"), 0),
        ("again", facts(TWO, "apple", "sofa"), 0),
    ],
)
def test_what_helps_depends_on_what_comes_next(phase, other, grade) -> None:
    assert helpful(HERE, phase, other) == grade


def test_the_same_thing_with_another_change_is_a_near_miss() -> None:
    assert near_miss(HERE, "change", facts(COOL, "apple", "desk"))
    assert not near_miss(HERE, "change", facts(HEAT, "egg", "desk"))
    assert not near_miss(HERE, "change", facts(PUT, "pen", "drawer"))
