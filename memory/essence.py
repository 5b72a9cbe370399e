"""What of an attempt's steps led to the goal, without a model: the actions that mattered, and how
a lesson tells them.

The words are those of text games: `go to`, `take`, `move`, `open`, and "Nothing happens."
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from memory.types import StepRecord

IDLE = "Nothing happens."
LOOKS = ("look", "inventory", "examine ", "help")
"""Beginnings of commands that change nothing."""
MOVES = ("go to ",)
BACK = (
    (re.compile(r"take (.+) from (.+)"), "move {0} to {1}"),
    (re.compile(r"move (.+) to (.+)"), "take {0} from {1}"),
    (re.compile(r"open (.+)"), "close {0}"),
    (re.compile(r"close (.+)"), "open {0}"),
)
"""What takes an action back."""
OPENS = ("open ",)
SOLVED = "Solved before: "
"""A lesson that tells a way begins with this, and the goal comes next."""
WAY = "The way: "
NEXT = " > "
"""Between two actions of a way."""


def essential(steps: Sequence[StepRecord]) -> list[StepRecord]:
    """Steps that led to the goal: no idle ones, no looks, no searches that found nothing.

    A move or an opening counts when something is done before the next one. The last step always
    counts.
    """
    kept: list[StepRecord] = []
    for step in reversed(steps):
        idle = step.observation.startswith(IDLE) or step.action.startswith((*LOOKS, "close "))
        if idle and kept:
            continue
        if kept and step.action.startswith(MOVES) and kept[-1].action.startswith(MOVES):
            continue
        if kept and step.action.startswith(OPENS) and kept[-1].action.startswith((*MOVES, *OPENS)):
            continue
        kept.append(step)
    kept.reverse()
    return _without_detours(kept)


def way_told(goal: str, actions: Iterable[str]) -> str:
    """The text of a lesson that tells how a goal was reached."""
    return f"{SOLVED}{goal} {WAY}{NEXT.join(actions)}"


def _without_detours(steps: list[StepRecord]) -> list[StepRecord]:
    """Drops what was taken and put back where it was, and moves that then lead nowhere."""
    for first, step in enumerate(steps):
        back = reverse(step.action)
        after = [other.action for other in steps[first + 1 :]]
        if back and back in after:
            last = first + 1 + after.index(back)
            between = steps[first + 1 : last]
            if all(s.action.startswith((*MOVES, *OPENS)) for s in between):
                return _without_detours(_joined(steps[:first], steps[last + 1 :]))
    return steps


def _joined(head: list[StepRecord], tail: list[StepRecord]) -> list[StepRecord]:
    """Two stretches in a row; of two moves that meet the later counts."""
    if head and tail and head[-1].action.startswith(MOVES) and tail[0].action.startswith(MOVES):
        head = head[:-1]
    return [*head, *tail]


def reverse(action: str) -> str:
    """The action that takes `action` back, or an empty string."""
    for pattern, back in BACK:
        match = pattern.fullmatch(action)
        if match:
            return back.format(*match.groups())
    return ""
