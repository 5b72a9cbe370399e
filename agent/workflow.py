"""From a solved attempt to a workflow lesson, without a model: the actions that mattered."""

from __future__ import annotations

from collections.abc import Sequence

from agent.loops import IDLE, LOOKS, MOVES
from memory.types import StepRecord

OPENS = ("open ",)


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
    return kept
