"""Lists in ways through pages: one thing done to each of what a goal counts up.

`check checkbox "a"`, `check checkbox "b"` under "Select a, b and go on" is one move over a list, so
that ways which differ in nothing but the length of their lists can be laid over each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from envs.pages import PageAction
from skills.pages_words import phrase

VERBS = ("check", "uncheck", "click")
"""What may be done to each element of a list."""
BETWEEN = re.compile(r",? and |, ")
"""What stands between things that are counted up."""
BINDS_LIST = re.compile(r"\w[\w \-',.]*")
"""What a parameter for a list can stand for (`skills/calling.py`)."""


def runs_of(goal: str, actions: Sequence[PageAction]) -> list[tuple[int, int, str]]:
    """Where a list of the goal is gone through: first action, the one behind the last, the list."""
    found: list[tuple[int, int, str]] = []
    begin = 0
    while begin < len(actions):
        end = begin + 1
        while end < len(actions) and _alike(actions[begin], actions[end]):
            end += 1
        told = _told(goal, [one.name for one in actions[begin:end]])
        if told and actions[begin].verb in VERBS:
            found.append((begin, end, told))
        begin = end
    return found


def collapsed(
    goal: str, actions: Sequence[PageAction], *, verbs: frozenset[tuple[str, str]]
) -> tuple[list[PageAction], frozenset[int]]:
    """The actions with one in the place of each list of such verbs and roles, named as the goal
    names the list; and which of them these are.
    """
    short: list[PageAction] = []
    lists: set[int] = set()
    at = 0
    for begin, end, told in runs_of(goal, actions):
        if (actions[begin].verb, actions[begin].role) in verbs:
            short += [*actions[at:begin], actions[begin].model_copy(update={"name": told})]
            lists.add(len(short) - 1)
            at = end
    return [*short, *actions[at:]], frozenset(lists)


def listed(ways: Sequence[tuple[str, Sequence[PageAction]]]) -> frozenset[tuple[str, str]]:
    """Verbs and roles of which some way goes through a list of several."""
    return frozenset(
        (actions[begin].verb, actions[begin].role)
        for goal, actions in ways
        for begin, end, _ in runs_of(goal, actions)
        if end - begin > 1
    )


def _alike(one: PageAction, other: PageAction) -> bool:
    same = (one.verb, one.role, one.nth) == (other.verb, other.role, other.nth)
    return same and one.near == other.near


def _told(goal: str, names: Sequence[str]) -> str:
    """The words of a goal that count up these names, in any order, and nothing besides."""
    spans = [phrase(goal, name) for name in names]
    order = sorted(span for span in spans if span)
    if len(order) < len(names) or len(set(order)) < len(names):
        return ""
    between = [goal[a:b] for (_, a), (b, _) in pairwise(order)]
    whole = goal[order[0][0] : order[-1][1]]
    fits = all(BETWEEN.fullmatch(one) for one in between) and BINDS_LIST.fullmatch(whole)
    return whole if fits else ""
