"""What strategies that steer another one share: the choices, an action in place of its own, notes.

For environments that take text; a conversation is left alone (`steers`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from agent.following import followed, follows, small, ways_in
from agent.kit import Kit
from agent.loops import worthwhile
from agent.pointing import pointed
from agent.state import State, recalled_of, seen_of, steps_of
from envs.types import Action
from memory.lexical import PLAIN
from memory.text import normal
from memory.types import Usage
from skills.types import Call


def steers(kit: Kit) -> bool:
    """Whether there are actions to choose among; a conversation has none."""
    return kit.task.env != "chat"


def choices_of(state: State, kit: Kit) -> tuple[str, ...]:
    """The actions that the solver may choose now; empty where they are not listed.

    Without those that go in circles, and for weak models first what a remembered way would do, or
    what the goal names on a page; calls of skills stay beside that.
    """
    choices, solver, steps = seen_of(state).admissible or (), kit.settings.solver, steps_of(state)
    if solver.break_loops:
        choices = worthwhile(choices, steps, goal=kit.task.goal)
    ways = ways_in(recalled_of(state)) if follows(solver, kit.model.name) else ()
    points = small(kit.model.name) if solver.point is None else solver.point
    if not ways and not points:
        return choices
    calls = {str(Call(**one["call"])) for one in state.get("offers", ())}
    plain = tuple(choice for choice in choices if choice not in calls)
    led = followed(plain, steps, ways, goal=kit.task.goal)
    if points and led == plain:
        led = pointed(plain, steps, goal=kit.task.goal)
    return tuple(choice for choice in choices if choice in (*calls, *led))


def place_of(state: State) -> int:
    """Number of the coming step, over all attempts."""
    return len(state.get("steps", ()))


def acting(text: str) -> State:
    """An update that acts without a model being asked."""
    said = json.dumps({"action": text}, ensure_ascii=False)
    return {"action": Action(text=text).model_dump(), "thought": "", "said": [said]}


def steered(update: State, text: str) -> State:
    """`update` with another action in it; what was thought before it stays."""
    said: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        said = json.loads((update.get("said") or ["{}"])[-1])
    spoken = json.dumps({**said, "action": text}, ensure_ascii=False)
    return {**update, "action": Action(text=text).model_dump(), "said": [spoken]}


def text_of(update: State) -> str:
    """The text of the action that was chosen; empty for a call of a tool."""
    action = Action(**update.get("action", {}))
    return "" if action.tool else action.text


def with_note(update: State, note: dict[str, Any], *, spent: Usage = Usage()) -> State:
    """`update` with one note more, and what that cost."""
    usage = Usage(**update.get("usage", {})) + spent
    return {**update, "notes": [*update.get("notes", ()), note], "usage": usage.model_dump()}


def notes_by(state: State, name: str) -> list[dict[str, Any]]:
    """The notes of one mechanism in the current attempt."""
    attempt = state.get("attempt", 0)
    found = [note for note in state.get("notes", ()) if note.get("by") == name]
    return [note for note in found if note.get("attempt") == attempt]


def words_of(text: str) -> frozenset[str]:
    """What a text is about: its words, without those that say nothing, plurals cut.

    >>> sorted(words_of("Put the two mugs on a shelf."))
    ['mug', 'put', 'shelf', 'two']
    """
    return frozenset(
        word.removesuffix("s") if len(word) > 3 else word
        for word in normal(text).split()
        if word not in PLAIN
    )


def nearest(goal: str, choices: Sequence[str]) -> str:
    """The choice that shares most words with the goal, of equals the first; empty for none."""
    wanted = words_of(goal)
    return max(choices, key=lambda choice: len(wanted & words_of(choice)), default="")
