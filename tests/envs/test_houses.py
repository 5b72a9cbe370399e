"""Generated houses are the same everywhere, can be solved, and are not solved at the start."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from envs.houseproblem import problem, traj_data, walkthrough
from envs.houses import LAMP, LEVELS, TASK_TYPES, House, Level, TaskType, generate
from envs.rooms import ABLE, CONTAINS, FIXED, ROOMS

REAL_ROOMS = {
    "Kitchen": (33.6, 45.5, 0.29),
    "LivingRoom": (14.6, 20.5, 0.05),
    "Bedroom": (14.6, 23.0, 0.12),
    "Bathroom": (14.3, 15.7, 0.18),
}
"""Mean receptacles and things, and share of things behind doors, in ALFWorld's train games."""
FIXTURES = {"clean": "SinkBasin", "heat": "Microwave", "cool": "Fridge"}


@pytest.fixture(scope="module")
def houses() -> list[House]:
    return [
        generate(seed, level=level, task_type=kind)
        for level in LEVELS.values()
        for kind in TASK_TYPES
        for seed in range(60)
    ]


def test_a_seed_gives_the_same_house_on_every_machine() -> None:
    layouts = [generate(7, level=LEVELS["real"], task_type=kind).layout() for kind in TASK_TYPES]
    assert layouts == [
        "27c62e4e0871",
        "1d12ad7cde53",
        "fcc1bf80c343",
        "89e9ce0daefd",
        "0782e0d7f220",
        "d9967eb4cb9d",
    ]


def test_the_problem_does_not_depend_on_the_order_of_hashes() -> None:
    code = (
        "from envs.houses import *; from envs.houseproblem import problem;"
        "print(problem(generate(3, level=LEVELS['real'], task_type=TASK_TYPES[2])))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_houses_differ(houses: list[House]) -> None:
    assert len({house.layout() for house in houses}) > 0.99 * len(houses)


def test_the_layout_does_not_depend_on_numbering_or_goal() -> None:
    house = generate(1, level=LEVELS["small"], task_type="pick_and_place_simple")
    turned = house.model_copy(
        update={
            "things": house.things[::-1],
            "errand": house.errand.model_copy(update={"goal": ""}),
        }
    )
    moved = house.model_copy(update={"things": house.things[1:]})
    assert turned.layout() == house.layout() != moved.layout()


def test_an_unknown_type_of_task_is_an_error() -> None:
    kind: Any = "pick_and_throw"
    with pytest.raises(ValueError, match="there are pick_and_place_simple"):
        generate(0, level=LEVELS["tiny"], task_type=kind)


def test_levels_keep_their_size(houses: list[House]) -> None:
    for house in houses:
        level = LEVELS[house.level]
        if level.places and level.things:
            assert 2 <= len(house.places) <= level.places[1]
            assert len(house.things) <= level.things[1] + 1


def test_nothing_is_hidden_at_the_tiny_level(houses: list[House]) -> None:
    tiny = [house for house in houses if house.level == "tiny"]
    assert tiny
    assert not any(house.places[thing.place].shut for house in tiny for thing in house.things)
    assert not any("open" in line for house in tiny for line in walkthrough(house))


@pytest.mark.parametrize("room", ROOMS)
def test_the_real_level_is_as_large_as_real_rooms(room: str) -> None:
    found = [
        house
        for kind in TASK_TYPES
        for seed in range(120)
        if (house := generate(seed, level=LEVELS["real"], task_type=kind)).room == room
    ]
    places, things, shut = REAL_ROOMS[room]
    assert mean(len(house.places) for house in found) == pytest.approx(places, rel=0.12)
    assert mean(len(house.things) for house in found) == pytest.approx(things, rel=0.12)
    hidden = mean(h.places[thing.place].shut for h in found for thing in h.things)
    assert hidden == pytest.approx(shut, abs=0.04)


def test_things_lie_only_where_they_can_be_put_back(houses: list[House]) -> None:
    for house in houses:
        for thing in house.things:
            assert thing.kind in FIXED or thing.kind in CONTAINS[house.places[thing.place].kind]


def test_no_house_is_solved_at_the_start(houses: list[House]) -> None:
    for house in houses:
        if house.errand.kind in ("pick_and_place_simple", "pick_two_obj_and_place"):
            there = [house.places[t.place].kind for t in _copies(house)]
            assert house.errand.target not in there


def test_every_house_has_what_its_task_needs(houses: list[House]) -> None:
    for house in houses:
        errand, kinds = house.errand, {place.kind for place in house.places}
        assert len(_copies(house)) >= 1 + (errand.kind == "pick_two_obj_and_place")
        if errand.target == LAMP:
            assert any(thing.kind == LAMP for thing in house.things)
            continue
        assert errand.target in kinds
        assert errand.thing in CONTAINS[errand.target]
        verb = errand.kind.split("_")[1]
        if verb in FIXTURES:
            assert FIXTURES[verb] in kinds - {errand.target}
            assert errand.thing in ABLE[f"{verb}able"]


def test_walkthroughs_open_each_door_once_and_end_with_the_goal(houses: list[House]) -> None:
    for house in houses:
        lines = walkthrough(house)
        opened = [line for line in lines if line.startswith("open")]
        assert len(opened) == len(set(opened))
        assert lines[-1].startswith("use desklamp" if house.errand.target == LAMP else "move ")


def test_names_are_unique(houses: list[House]) -> None:
    for house in houses:
        names = Counter(one.name for one in (*house.places, *house.things))
        assert max(names.values()) == 1


def test_the_problem_declares_what_it_uses(houses: list[House]) -> None:
    for house in houses[:: len(houses) // 48]:
        text = problem(house)
        declared = {line.split()[0] for line in _section(text, "(:objects", ")\n(:init")}
        for line in _section(text, "(:init", ")\n(:goal"):
            assert set(line.strip("()").split()[1:]) <= declared
        assert text.count("(") == text.count(")")


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_the_expert_is_told_what_to_look_for(kind: TaskType) -> None:
    house = generate(0, level=LEVELS["small"], task_type=kind)
    told = traj_data(house)
    assert told["task_type"] == kind
    assert told["pddl_params"]["object_target"] == house.errand.thing
    target = told["pddl_params"]["parent_target"] or told["pddl_params"]["toggle_target"]
    assert target == house.errand.target


def test_goals_are_worded_as_alfworld_words_them() -> None:
    level = Level(name="x", steps=1, places=(4, 4), things=(4, 4))
    goals = {
        kind: {generate(seed, level=level, task_type=kind).errand.goal for seed in range(40)}
        for kind in TASK_TYPES
    }
    begins = {kind: {goal.split()[0] for goal in goals[kind]} for kind in TASK_TYPES}
    assert begins == {
        "pick_and_place_simple": {"put"},
        "look_at_obj_in_light": {"look", "examine"},
        "pick_clean_then_place_in_recep": {"put", "clean"},
        "pick_heat_then_place_in_recep": {"put", "heat"},
        "pick_cool_then_place_in_recep": {"put", "cool"},
        "pick_two_obj_and_place": {"put", "find"},
    }


@pytest.mark.skipif(not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"')
def test_the_tables_are_alfreds() -> None:
    wheel = dict(_wheel_tables())
    contains, able = wheel["VAL_RECEPTACLE_OBJECTS"], wheel["VAL_ACTION_OBJECTS"]
    table_top: dict[str, str] = dict.fromkeys(
        ("CoffeeTable", "DiningTable", "SideTable"), "TableTop"
    )
    ours = {sort.kind for room in ROOMS.values() for sort in room.sorts} - FIXED
    for place, things in CONTAINS.items():
        assert things == contains[table_top.get(place, place)] & ours
    for name in ("Heatable", "Coolable", "Cleanable", "Sliceable"):
        assert ABLE[name.lower()] == able[name] & ours


def _copies(house: House) -> list[Any]:
    return [thing for thing in house.things if thing.kind == house.errand.thing]


def _section(text: str, start: str, end: str) -> list[str]:
    return text.split(start)[1].split(end)[0].strip().splitlines()


def _wheel_tables() -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Literals of `gen/constants.py`, read without importing the wheel."""
    spec = find_spec("alfworld")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "gen" / "constants.py").read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("VAL_RECEPTACLE_OBJECTS", "VAL_ACTION_OBJECTS"):
                yield name, ast.literal_eval(node.value)
