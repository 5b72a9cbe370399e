"""Writes a generated house as a game file of ALFWorld: PDDL problem, goal, walkthrough.

A game is a folder with `game.tw-pddl` (JSON: domain, text grammar, problem) and `traj_data.json`
(what ALFWorld's handcoded expert reads). Domain and grammar are those of the `alfworld` wheel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from envs.houses import LAMP, Errand, House, Place, TaskType, Thing
from envs.rooms import ABLE, CONTAINS, FIXED

_EVERY_DOMAIN_TYPE = ("ButterKnifeType", "KnifeType")
_EVERY_PLACE_TYPE = ("FridgeType", "MicrowaveType", "SinkBasinType", "SinkType")
_HERE = "(objectType ?o {thing}Type) (receptacleType ?r {target}Type) (inReceptacle ?o ?r)"
_ONE = "(exists (?r - receptacle) (exists (?o - object) (and {able}" + _HERE + ")))"
_GOALS: dict[TaskType, str] = {
    "pick_and_place_simple": _ONE.replace("{able}", ""),
    "pick_clean_then_place_in_recep": _ONE.replace("{able}", "(cleanable ?o) (isClean ?o) "),
    "pick_heat_then_place_in_recep": _ONE.replace("{able}", "(heatable ?o) (isHot ?o) "),
    "pick_cool_then_place_in_recep": _ONE.replace("{able}", "(coolable ?o) (isCool ?o) "),
    "pick_two_obj_and_place": (
        "(exists (?r - receptacle) (exists (?o1 - object) (and"
        " (objectType ?o1 {thing}Type) (receptacleType ?r {target}Type) (inReceptacle ?o1 ?r)"
        " (exists (?o2 - object) (and (not (= ?o1 ?o2))"
        " (objectType ?o2 {thing}Type) (receptacleType ?r {target}Type) (inReceptacle ?o2 ?r)"
        ")))))"
    ),
    "look_at_obj_in_light": (
        "(exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and"
        " (objectType ?ot {target}Type) (toggleable ?ot) (isToggled ?ot)"
        " (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)))"
        " (exists (?o - object ?a - agent) (and (objectType ?o {thing}Type) (holds ?a ?o)))"
    ),
}
"""The goals of ALFRED, as `gen/goal_library.py` of the wheel has them."""
_CHANGES = {
    "pick_clean_then_place_in_recep": ("clean", "SinkBasin"),
    "pick_heat_then_place_in_recep": ("heat", "Microwave"),
    "pick_cool_then_place_in_recep": ("cool", "Fridge"),
}


def game(house: House, *, domain: str, grammar: str) -> dict[str, Any]:
    """The contents of `game.tw-pddl`; `domain` and `grammar` are the wheel's two texts."""
    return {
        "pddl_domain": domain,
        "grammar": grammar.replace("UNKNOWN GOAL", house.errand.goal),
        "pddl_problem": problem(house),
        "solvable": True,
        "walkthrough": list(walkthrough(house)),
    }


def traj_data(house: House) -> dict[str, Any]:
    """The contents of `traj_data.json`."""
    errand = house.errand
    look = errand.target == LAMP
    return {
        "task_id": f"{house.level}-{errand.kind}-{house.seed}",
        "task_type": errand.kind,
        "pddl_params": {
            "mrecep_target": "",
            "object_sliced": False,
            "object_target": errand.thing,
            "parent_target": "" if look else errand.target,
            "toggle_target": errand.target if look else "",
        },
        "scene": {"floor_plan": f"{house.room}-{house.layout()}"},
    }


def problem(house: House) -> str:
    """The PDDL problem: all objects, the state at the start, the goal."""
    place_ids = _ids(house.places)
    thing_ids = _ids(house.things)
    spots = sorted({place.spot for place in house.places})
    kinds = sorted({thing.kind for thing in house.things})
    objects = [
        "agent1 - agent",
        *(f"{kind} - object" for kind in kinds),
        *(f"{name} - otype" for name in sorted({*_typed(kinds), *_EVERY_DOMAIN_TYPE})),
        *(f"{name} - rtype" for name in _place_types(house.places)),
        *(f"{name} - object" for name in thing_ids),
        *(f"{name} - receptacle" for name in place_ids),
        *(f"loc_bar_{spot} - location" for spot in (0, *spots)),
    ]
    facts = [
        "(atLocation agent1 loc_bar_0)",
        *_place_facts(house.places, place_ids, kinds=kinds),
        *_thing_facts(house, thing_ids, place_ids),
    ]
    return (
        f"(define (problem house_{house.seed})\n(:domain alfred)\n"
        "(:objects\n" + "\n".join(f"    {line}" for line in objects) + "\n)\n"
        "(:init\n" + "\n".join(f"    {line}" for line in facts) + "\n)\n"
        f"(:goal (and {_goal(house.errand)}))\n)\n"
    )


def _goal(errand: Errand) -> str:
    return _GOALS[errand.kind].format(thing=errand.thing, target=errand.target)


def _typed(kinds: Sequence[str]) -> list[str]:
    return [f"{kind}Type" for kind in kinds]


def _place_types(places: Sequence[Place]) -> list[str]:
    return sorted({*_typed([place.kind for place in places]), *_EVERY_PLACE_TYPE})


def _ids(named: Sequence[Place] | Sequence[Thing]) -> list[str]:
    """Ids from which ALFWorld makes our names: it counts down within a kind, in sorted order."""
    counts = Counter(one.kind for one in named)
    return [_id(one.kind, number=counts[one.kind] + 1 - one.number) for one in named]


def _id(kind: str, *, number: int) -> str:
    stem = kind.removesuffix("Basin")
    return f"{stem}_bar_{number:02}" + (f"_bar_{kind}" if stem != kind else "")


def _place_facts(
    places: Sequence[Place], ids: Sequence[str], *, kinds: Sequence[str]
) -> Iterator[str]:
    for place, name in zip(places, ids, strict=True):
        yield f"(receptacleType {name} {place.kind}Type)"
        yield f"(receptacleAtLocation {name} loc_bar_{place.spot})"
        if place.shut:
            yield f"(openable {name})"
    for holder in sorted({place.kind for place in places}):
        for kind in kinds:
            if kind in CONTAINS.get(holder, ()):
                yield f"(canContain {holder}Type {kind}Type)"


def _thing_facts(house: House, ids: Sequence[str], place_ids: Sequence[str]) -> Iterator[str]:
    for thing, name in zip(house.things, ids, strict=True):
        yield f"(objectType {name} {thing.kind}Type)"
        yield f"(inReceptacle {name} {place_ids[thing.place]})"
        yield f"(objectAtLocation {name} loc_bar_{house.places[thing.place].spot})"
        if thing.kind not in FIXED:
            yield f"(pickupable {name})"
        if thing.kind == LAMP:
            yield f"(toggleable {name})"
        for able, kinds in ABLE.items():
            if thing.kind in kinds:
                yield f"({able} {name})"


def walkthrough(house: House) -> tuple[str, ...]:
    """Commands that solve it from the start, for a player who knows where everything is."""
    commands: list[str] = []
    spot = 0
    for place, command, inside in _deeds(house):
        if place.spot != spot:
            commands.append(f"go to {place.name}")
            spot = place.spot
        door = f"open {place.name}"
        if inside and place.shut and door not in commands:
            commands.append(door)
        commands.append(command)
    return tuple(commands)


def _deeds(house: House) -> Iterator[tuple[Place, str, bool]]:
    """What has to be done where, and whether that is done inside."""
    errand, places = house.errand, house.places
    copies = [thing for thing in house.things if thing.kind == errand.thing]
    copies.sort(key=lambda thing: places[thing.place].shut)
    for thing in copies[: 1 + (errand.kind == "pick_two_obj_and_place")]:
        source = places[thing.place]
        yield source, f"take {thing.name} from {source.name}", True
        if errand.target == LAMP:
            lamp = next(other for other in house.things if other.kind == LAMP)
            yield places[lamp.place], f"use {lamp.name}", False
            return
        if errand.kind in _CHANGES:
            verb, kind = _CHANGES[errand.kind]
            fixture = next(place for place in places if place.kind == kind)
            yield fixture, f"{verb} {thing.name} with {fixture.name}", False
        targets = (place for place in places if place.kind == errand.target)
        target = min(targets, key=lambda place: place.shut)
        yield target, f"move {thing.name} to {target.name}", True
