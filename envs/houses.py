"""Houses in ALFWorld's format, made from a seed: rooms, what lies where, and what to do there.

Pure and deterministic: the same seed, level and type of task give the same house on any machine.
Every house can be solved, and none is solved at the start. `envs/houseproblem.py` writes one as a
game. The real rooms that `LEVELS["real"]` matches are counted in `envs/rooms.py`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal, TypeVar, get_args

from pydantic import Field

from envs.rooms import (
    ABLE,
    ALWAYS_SHUT,
    BESIDE,
    CONTAINS,
    FIXED,
    MOSTLY_SHUT,
    ROOMS,
    Room,
    RoomName,
    Sort,
)
from envs.types import Frozen

TaskType = Literal[
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
]
TASK_TYPES: tuple[TaskType, ...] = get_args(TaskType)
"""The six types of task, in ALFWorld's order."""

LAMP = "DeskLamp"
"""The only thing that can be switched on."""


class Level(Frozen):
    """How large a house is."""

    name: str
    """What a user calls it."""
    steps: int
    """Actions before an episode is cut off."""
    places: tuple[int, int] | None = None
    """Least and most receptacles; None: as many as in real rooms."""
    things: tuple[int, int] | None = None
    """Least and most things; None: as many as in real rooms."""
    copies: int = 4
    """Most copies of the thing that is asked for."""
    shut: bool = True
    """Whether things may lie behind doors and in drawers."""
    kinds: tuple[TaskType, ...] = TASK_TYPES
    """Types of task that are set."""


LEVELS: dict[str, Level] = {
    level.name: level
    for level in (
        Level(
            name="nook",
            steps=30,
            places=(2, 3),
            things=(2, 3),
            copies=2,
            shut=False,
            kinds=("pick_and_place_simple", "look_at_obj_in_light"),
        ),
        Level(name="tiny", steps=30, places=(3, 4), things=(3, 4), copies=2, shut=False),
        Level(name="small", steps=50, places=(6, 8), things=(7, 11), copies=3),
        Level(name="medium", steps=50, places=(12, 16), things=(16, 24), copies=3),
        Level(name="real", steps=50),
    )
}
"""The sizes that can be asked for."""


class Errand(Frozen):
    """What is to be done in a house."""

    kind: TaskType
    """Type of task."""
    thing: str
    """Kind of thing that it is about."""
    target: str
    """Kind of receptacle that it goes to; the lamp's kind for `look_at_obj_in_light`."""
    goal: str
    """In ALFWorld's words."""


class Place(Frozen):
    """A receptacle."""

    kind: str
    """As ALFRED writes it."""
    number: int
    """Counted from 1 within its kind."""
    shut: bool
    """Has to be opened first."""
    spot: int
    """Where it stands, counted from 1; two receptacles may share a spot."""

    @property
    def name(self) -> str:
        """As a player reads it: `cabinet 3`."""
        return f"{self.kind.lower()} {self.number}"


class Thing(Frozen):
    """An object."""

    kind: str
    """As ALFRED writes it."""
    number: int
    """Counted from 1 within its kind."""
    place: int
    """Index of the receptacle that it lies in or on."""

    @property
    def name(self) -> str:
        """As a player reads it: `apple 2`."""
        return f"{self.kind.lower()} {self.number}"


class House(Frozen):
    """A room with what is in it, and something to do."""

    seed: int
    """Seed that it was made from."""
    level: str
    """Name of its level."""
    room: RoomName
    """Kind of room."""
    errand: Errand
    """What is to be done."""
    places: tuple[Place, ...] = Field(min_length=2)
    """Receptacles."""
    things: tuple[Thing, ...] = Field(min_length=1)
    """Objects."""

    def layout(self) -> str:
        """12 hex digits for the receptacles and what lies where, whatever the numbering."""
        inside = defaultdict(list)
        for thing in self.things:
            inside[thing.place].append(thing.kind)
        rows = sorted(
            f"{place.kind}{'!' if place.shut else ''} {' '.join(sorted(inside[index]))}"
            for index, place in enumerate(self.places)
        )
        return sha256("\n".join((self.room, *rows)).encode()).hexdigest()[:12]


# ------------------------------------------------------------------------------ types of task


class _Recipe(Frozen):
    """What one type of task needs."""

    rooms: dict[RoomName, int]
    """Kinds of rooms with the number of real train games in each."""
    goals: tuple[str, str]
    """ALFWorld's two wordings."""
    able: str = ""
    """Property that the thing must have."""
    fixture: str = ""
    """Kind of receptacle that changes the thing."""
    apart: bool = True
    """No copy lies in the kind of receptacle where it has to go."""


_RECIPES: dict[TaskType, _Recipe] = {
    "pick_and_place_simple": _Recipe(
        rooms={"Bathroom": 264, "Bedroom": 237, "LivingRoom": 210, "Kitchen": 79},
        goals=("put a {0} in {1}", "put some {0} on {1}"),
    ),
    "look_at_obj_in_light": _Recipe(
        rooms={"Bedroom": 257, "LivingRoom": 51},
        goals=("look at {0} under the {1}", "examine the {0} with the {1}"),
    ),
    "pick_clean_then_place_in_recep": _Recipe(
        rooms={"Kitchen": 501, "Bathroom": 149},
        goals=("put a clean {0} in {1}", "clean some {0} and put it in {1}"),
        able="cleanable",
        fixture="SinkBasin",
        apart=False,
    ),
    "pick_heat_then_place_in_recep": _Recipe(
        rooms={"Kitchen": 459},
        goals=("put a hot {0} in {1}", "heat some {0} and put it in {1}"),
        able="heatable",
        fixture="Microwave",
        apart=False,
    ),
    "pick_cool_then_place_in_recep": _Recipe(
        rooms={"Kitchen": 533},
        goals=("put a cool {0} in {1}", "cool some {0} and put it in {1}"),
        able="coolable",
        fixture="Fridge",
        apart=False,
    ),
    "pick_two_obj_and_place": _Recipe(
        rooms={"Bedroom": 240, "Bathroom": 233, "LivingRoom": 216, "Kitchen": 124},
        goals=("put two {0} in {1}", "find two {0} and put them in {1}"),
    ),
}
_COPIES = {1: 40, 2: 29, 3: 19, 4: 12}
"""How often real rooms hold so many copies of what is asked for."""
_HANGERS = frozenset({"CoffeeMachine", "HandTowelHolder", "ToiletPaperHanger", "TowelHolder"})
"""Receptacles in which two of a kind make no sense."""


_SHUT = ALWAYS_SHUT | MOSTLY_SHUT
_SHUT_SHARE = 0.82
"""Share of cabinets and drawers that have to be opened."""

Kind = TypeVar("Kind", bound=str)


def generate(seed: int, *, level: Level, task_type: TaskType) -> House:
    """The house of a seed. Raises `ValueError` for a type of task that does not exist."""
    if task_type not in _RECIPES:
        raise ValueError(f"no task type {task_type!r}; there are {', '.join(TASK_TYPES)}")
    rng = random.Random(f"{level.name}/{task_type}/{seed}")
    room, kinds, errand = _choose(rng, level=level, task_type=task_type)
    if level.places is not None:
        kinds = _trim(rng, room=room, kinds=kinds, level=level, errand=errand)
    places = _stand(rng, kinds=kinds)
    return House(
        seed=seed,
        level=level.name,
        room=room.name,
        errand=errand,
        places=places,
        things=_furnish(rng, room=room, places=places, level=level, errand=errand),
    )


def _choose(
    rng: random.Random, *, level: Level, task_type: TaskType
) -> tuple[Room, dict[str, int], Errand]:
    """A room, how many receptacles of each kind it has, and something that can be done there."""
    recipe = _RECIPES[task_type]
    while True:
        room = ROOMS[_pick(rng, recipe.rooms)]
        kinds = _inventory(rng, room=room, level=level, fixture=recipe.fixture)
        errand = _errand(rng, room=room, kinds=kinds, level=level, task_type=task_type)
        if errand is not None:
            return room, kinds, errand


def _pick(rng: random.Random, weights: Mapping[Kind, float]) -> Kind:
    return rng.choices(list(weights), list(weights.values()))[0]


def _inventory(rng: random.Random, *, room: Room, level: Level, fixture: str) -> dict[str, int]:
    """How many receptacles of each kind there are."""
    counts = {kind: rng.choice(numbers) for kind, numbers in room.receptacles.items()}
    return {
        kind: count
        for kind, count in counts.items()
        if count and (level.shut or kind == fixture or kind not in _SHUT)
    }


def _lies(sort: Sort, *, kinds: Mapping[str, int], level: Level) -> dict[str, int]:
    """Where a thing may lie in a room, with weights."""
    return {
        kind: weight
        for kind, weight in sort.lies.items()
        if kind in kinds and (level.shut or kind not in _SHUT)
    }


def _errand(
    rng: random.Random, *, room: Room, kinds: dict[str, int], level: Level, task_type: TaskType
) -> Errand | None:
    """Something that can be done with these receptacles; None where nothing can."""
    recipe = _RECIPES[task_type]
    options: dict[str, list[str]] = {}
    for sort in room.sorts:
        able = sort.kind in ABLE[recipe.able] if recipe.able else sort.kind not in FIXED
        lies = _lies(sort, kinds=kinds, level=level) if able else {}
        if task_type == "look_at_obj_in_light":
            targets = [LAMP] * bool(lies and _lamps(room, kinds=kinds, level=level))
        else:
            targets = [
                kind
                for kind in kinds
                if sort.kind in CONTAINS.get(kind, ())
                and kind != recipe.fixture
                and (level.shut or kind not in _SHUT)
                and not (task_type == "pick_two_obj_and_place" and kind in _HANGERS)
                and lies.keys() - {kind}
            ]
        if targets:
            options[sort.kind] = targets
    if not options:
        return None
    thing = _pick(rng, {s.kind: s.present for s in room.sorts if s.kind in options})
    target = rng.choice(options[thing])
    goal = rng.choice(recipe.goals).format(thing.lower(), target.lower())
    return Errand(kind=task_type, thing=thing, target=target, goal=goal)


def _sort(room: Room, kind: str) -> Sort:
    return next(sort for sort in room.sorts if sort.kind == kind)


def _lamps(room: Room, *, kinds: Mapping[str, int], level: Level) -> dict[str, int]:
    return _lies(_sort(room, LAMP), kinds=kinds, level=level)


def _trim(
    rng: random.Random, *, room: Room, kinds: dict[str, int], level: Level, errand: Errand
) -> dict[str, int]:
    """What the errand needs, and others up to the size of the level."""
    recipe = _RECIPES[errand.kind]
    lies = _lies(_sort(room, errand.thing), kinds=kinds, level=level)
    lies.pop(errand.target, None)
    needed = {_pick(rng, lies)}
    if errand.kind == "look_at_obj_in_light":
        needed.add(_pick(rng, _lamps(room, kinds=kinds, level=level)))
    else:
        needed |= {errand.target, recipe.fixture} - {""}
    kept = Counter({kind: 1 for kind in kinds if kind in needed})
    left = Counter(kinds) - kept
    least, most = level.places or (0, 0)
    size = rng.randint(least, most)
    while kept.total() < size and left:
        kind = rng.choice(list(left))
        kept[kind] += 1
        left -= Counter([kind])
    return {kind: kept[kind] for kind in kinds if kept[kind]}


def _stand(rng: random.Random, *, kinds: dict[str, int]) -> tuple[Place, ...]:
    """Numbers the receptacles and says where each stands."""
    places: list[Place] = []
    spot = 0
    for kind, count in kinds.items():
        for number in range(1, count + 1):
            spot += not (number > 1 and rng.random() < BESIDE.get(kind, 0.0))
            shut = kind in ALWAYS_SHUT or (kind in MOSTLY_SHUT and rng.random() < _SHUT_SHARE)
            places.append(Place(kind=kind, number=number, shut=shut, spot=spot))
    return tuple(places)


def _furnish(
    rng: random.Random, *, room: Room, places: tuple[Place, ...], level: Level, errand: Errand
) -> tuple[Thing, ...]:
    """Lays things out: what the errand is about, then the rest of the room."""
    at: dict[str, list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        at[place.kind].append(index)
    counts = Counter[str]()
    things: list[Thing] = []

    def lay(sort: Sort, *, avoid: str = "") -> None:
        lies = _lies(sort, kinds={kind: 1 for kind in at if kind != avoid}, level=level)
        if not lies:
            return
        counts[sort.kind] += 1
        where = rng.choice(at[_pick(rng, lies)])
        things.append(Thing(kind=sort.kind, number=counts[sort.kind], place=where))

    two = errand.kind == "pick_two_obj_and_place"
    chances = {n: w for n, w in _COPIES.items() if 1 + two <= n <= max(level.copies, 1 + two)}
    for _ in range(rng.choices(list(chances), list(chances.values()))[0]):
        lay(_sort(room, errand.thing), avoid=errand.target if _RECIPES[errand.kind].apart else "")
    if errand.target == LAMP:
        lay(_sort(room, LAMP))
    rest = [sort for sort in room.sorts if sort.kind not in (errand.thing, errand.target)]
    for sort in _others(rng, rest=rest, laid=len(things), level=level):
        lay(sort)
    return tuple(things)


def _others(rng: random.Random, *, rest: list[Sort], laid: int, level: Level) -> list[Sort]:
    """The things that have nothing to do with the errand."""
    if level.things is not None:
        size = max(0, rng.randint(*level.things) - laid)
        return rng.choices(rest, [sort.present for sort in rest], k=size)
    found: list[Sort] = []
    for sort in rest:
        if rng.random() < sort.present:
            more = sum(rng.random() < (sort.mean - 1) / 2 for _ in range(2))
            found += [sort] * (1 + more)
    return found
