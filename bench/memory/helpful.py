"""Which past episode helps at this step: a rule over what the game files hold, in four grades.

What helps depends on what comes next (a grade of 2 or 3 counts as relevant):

- find the thing. 3: the same thing, which lay in the same kind of place; 2: the same thing in the
  same kind of room; 1: the same task with another thing.
- change it (heat, cool, clean, light). 3: the same change of the same thing; 2: the same change.
- put it. 3: the same task, thing and target; 2: the same task and target; 1: the same target.
- do it again (two things). 3: two of the same thing; 2: two of another.

Everything else is 0. A near miss is a 0 that looks alike: the same thing or the same target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from envs.types import Frozen

Phase = Literal["find", "change", "put", "again"]
CHANGES = {
    "pick_heat_then_place_in_recep": "heat",
    "pick_cool_then_place_in_recep": "cool",
    "pick_clean_then_place_in_recep": "clean",
    "look_at_obj_in_light": "light",
    "pick_two_obj_and_place": "two",
    "pick_and_place_simple": "",
}
"""What each type of task asks for besides carrying."""
DEEDS = {"heat ": "heat", "cool ": "cool", "clean ": "clean", "use ": "light"}
RELEVANT = 2
"""Least grade that counts as found."""


class Facts(Frozen):
    """What a game is about, from its folder and its walkthrough."""

    kind: str
    """Type of task."""
    thing: str
    """What has to be carried, `mug`."""
    target: str
    """Where to, `fridge`; the lamp, for tasks of looking."""
    room: int
    """Number of the room."""
    lay: tuple[str, ...]
    """Kinds of the places that the things were taken from, in order."""

    @property
    def change(self) -> str:
        """What has to be done to the thing; empty for nothing."""
        return CHANGES[self.kind]

    @property
    def place(self) -> str:
        """Kind of room: ALFRED numbers kitchens to 30, then living rooms, bedrooms, bathrooms."""
        return ("kitchen", "", "living room", "bedroom", "bathroom")[self.room // 100]


def facts_of(task_id: str, walkthrough: Sequence[str]) -> Facts:
    """From an id TYPE-OBJECT-MOVABLE-RECEPTACLE-ROOM/TRIAL and the plan that solves the game."""
    kind, thing, _, target, room = task_id.partition("/")[0].split("-")
    lay = [
        kind_of(action.partition(" from ")[2])
        for action in walkthrough
        if action.startswith("take ")
    ]
    return Facts(
        kind=kind, thing=thing.lower(), target=target.lower(), room=int(room), lay=tuple(lay)
    )


def kind_of(name: str) -> str:
    """The name without its number: `drawer 3` is a `drawer`."""
    return name.strip().rpartition(" ")[0] or name.strip()


def phases(facts: Facts, walkthrough: Sequence[str]) -> list[tuple[int, Phase]]:
    """Steps of the plan before which something new comes next, and what."""
    found: list[tuple[int, Phase]] = [(0, "find")]
    changed, carried = facts.change not in ("heat", "cool", "clean", "light"), 0
    for number, action in enumerate(walkthrough[:-1]):
        if action.startswith("take "):
            carried += 1
            found.append((number + 1, "put" if changed else "change"))
        elif DEEDS.get(action.partition(" ")[0] + " ") == facts.change:
            changed = True
            if facts.change != "light":
                found.append((number + 1, "put"))
        elif action.startswith("move ") and facts.change == "two" and carried == 1:
            found.append((number + 1, "again"))
    return found


def helpful(here: Facts, phase: Phase, past: Facts) -> int:
    """How much the episode `past` helps, 0 to 3; `lay` of `here` is what the player can't know."""
    thing, change = past.thing == here.thing, past.change == here.change
    target = past.target == here.target
    if phase == "find":
        if thing and past.place == here.place:
            return 3 if set(past.lay[:1]) & set(here.lay[:1]) else 2
        return int(change and target)
    if phase == "change":
        return (3 if thing else 2) if change else 0
    if phase == "again":
        return (3 if thing else 2) if change else 0
    if not target:
        return 0
    return (3 if thing else 2) if change else 1


def near_miss(here: Facts, phase: Phase, past: Facts) -> bool:
    """Whether it looks alike and doesn't help."""
    alike = past.thing == here.thing or past.target == here.target
    return alike and helpful(here, phase, past) == 0
