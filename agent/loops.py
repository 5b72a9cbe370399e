"""Keeping a weak solver from going in circles.

A bare model repeats itself (open, close, open ...), and then nothing else can be seen. An action
is withdrawn when it was tried often enough in this attempt: once if nothing happened, else twice,
and a third time only while it still showed something new.
"""

from __future__ import annotations

from collections.abc import Sequence

from memory.types import StepRecord

IDLE = "Nothing happens."


def worthwhile(choices: Sequence[str], steps: Sequence[StepRecord]) -> tuple[str, ...]:
    """`choices` without those that go in circles; all of them if none would be left."""
    tried: dict[str, int] = {}
    idle: set[str] = set()
    news: dict[str, bool] = {}
    known: set[str] = set()
    for step in steps:
        tried[step.action] = tried.get(step.action, 0) + 1
        news[step.action] = step.observation not in known
        known.add(step.observation)
        if step.observation.startswith(IDLE):
            idle.add(step.action)
        else:
            idle.discard(step.action)

    def often(choice: str) -> bool:
        limit = 1 if choice in idle else 3 if news.get(choice) else 2
        return tried.get(choice, 0) >= limit

    return tuple(choice for choice in choices if not often(choice)) or tuple(choices)
