"""From a solved attempt to a workflow lesson, without a model: the actions that mattered."""

from __future__ import annotations

from collections.abc import Sequence

from agent.loops import IDLE
from memory.types import StepRecord

LOOKS = ("look", "inventory", "examine ", "help")
MOVES = ("go to ",)
OPENS = ("open ", "close ")


def essential(steps: Sequence[StepRecord]) -> list[StepRecord]:
    """Steps that led to the goal: no idle ones, no looks, no searches that found nothing.

    A move counts when something is done before the next move, and opening counts when what was
    opened is named by a later action. The last step always counts.
    """
    kept: list[StepRecord] = []
    for step in reversed(steps):
        idle = step.observation.startswith(IDLE) or step.action.startswith(LOOKS)
        if idle and kept:
            continue
        if kept and step.action.startswith(MOVES) and kept[-1].action.startswith(MOVES):
            continue
        if kept and step.action.startswith(OPENS):
            thing = step.action.partition(" ")[2]
            if step.action.startswith("close ") or not _named(thing, kept):
                continue
        kept.append(step)
    kept.reverse()
    return kept


def _named(thing: str, later: Sequence[StepRecord]) -> bool:
    here = []
    for step in reversed(later):
        if step.action.startswith(MOVES):
            break
        here.append(step.action)
    return any(action.endswith(thing) for action in here)
