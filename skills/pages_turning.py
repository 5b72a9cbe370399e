"""Pages that are turned until something stands there: ways that differ in how often that was done.

What is wanted lies on the first page of a table for one task and on the third for another. An
action that led to nothing but the next one, and was done twice in a row, or not at all in another
way that goes on the same, is a turn; programs do it as often as it takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from skills.pages import understood
from skills.types import Shown


def turns_of(ways: Sequence[Shown]) -> frozenset[str]:
    """The actions by which some of these ways turned pages."""
    runs = {number: runs_of(way) for number, way in enumerate(ways)}
    found = {line for some in runs.values() for line, begin, end in some if end - begin > 1}
    shapes: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, way in enumerate(ways):
        shapes[shape(way.actions)].add(number)
    for number, some in runs.items():
        for line, begin, end in some:
            actions = ways[number].actions
            if shapes[shape([*actions[:begin], *actions[end:]])] - {number}:
                found.add(line)
    return frozenset(found)


def runs_of(way: Shown) -> list[tuple[str, int, int]]:
    """Clicks, one or the same again and again, after which there was what was done next and
    before which there was not: the action, where it begins, where the next one is.
    """
    found: list[tuple[str, int, int]] = []
    begin = 0
    seen = [way.first, *way.steps]
    while begin < len(way.actions):
        line, end = way.actions[begin], begin + 1
        while end < len(way.actions) and way.actions[end] == line:
            end += 1
        action = understood(line)
        if end < len(way.actions) and action and action.verb == "click" and not action.near:
            there = [way.actions[end] in (one.admissible or ()) for one in seen[begin : end + 1]]
            if there[-1] and not any(there[:-1]):
                found.append((line, begin, end))
        begin = end
    return found


def unturned(ways: Sequence[Shown]) -> list[tuple[list[str], dict[int, str]]]:
    """For each way its actions without the turns, and before which of these it turned how."""
    kinds: defaultdict[tuple[str, ...], list[Shown]] = defaultdict(list)
    for way in ways:
        kinds[way.task.tags[:1]].append(way)
    turns = {kind: turns_of(some) for kind, some in kinds.items()}
    return [_unturned(way, turns[way.task.tags[:1]]) for way in ways]


def _unturned(way: Shown, turns: frozenset[str]) -> tuple[list[str], dict[int, str]]:
    runs = [run for run in runs_of(way) if run[0] in turns]
    kept: list[str] = []
    where: dict[int, str] = {}
    at = 0
    for line, begin, end in runs:
        kept += way.actions[at:begin]
        where[len(kept)] = line
        at = end
    return [*kept, *way.actions[at:]], where


def shape(actions: Iterable[str], turns: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What is done to what roles, in order, but for turns."""
    found = [understood(line) for line in actions if line not in turns]
    return tuple(f"{one.verb} {one.role}" if one else "" for one in found)
