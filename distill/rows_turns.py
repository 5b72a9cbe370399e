"""A run's turns as a student is to say them: calls of skills as the actions that they did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from memory.types import StepRecord, Trajectory

Turn = dict[str, Any]


def attempted(run: Trajectory, *, attempt: int | None = None) -> tuple[StepRecord, ...]:
    """The steps of an attempt, counted from 0; of the last one without a number."""
    number = run.attempts - 1 if attempt is None else attempt
    return tuple(step for step in run.steps if step.attempt == number)


def spoken(run: Trajectory, attempt: Sequence[StepRecord]) -> tuple[list[Turn], bool]:
    """The conversation of an attempt, and whether the run kept none and it is put together.

    Where a skill acted, each turn says the primitive action and nothing else.
    """
    said = sum(message.get("role") == "assistant" for message in run.messages)
    last = bool(attempt) and attempt[0].attempt == run.attempts - 1
    # More turns than steps are earlier turns of a conversation, or attempts that failed.
    kept = said >= len(attempt) if run.attempts == 1 else said == len(attempt)
    kept = kept and last
    turns = [dict(message) for message in run.messages] if kept else retold(run, attempt)
    return flattened(turns, attempt), not kept


def flattened(turns: Sequence[Turn], attempt: Sequence[StepRecord]) -> list[Turn]:
    """The turns, the last of them those of `attempt`; each that a skill did says its action."""
    places = [n for n, turn in enumerate(turns) if turn.get("role") == "assistant"]
    if not attempt:
        return list(turns)
    done = dict(zip(places[-len(attempt) :], attempt, strict=False))
    return [
        {**turn, "content": said(done[n].action)} if n in done and done[n].skill else turn
        for n, turn in enumerate(turns)
    ]


def retold(run: Trajectory, attempt: Sequence[StepRecord]) -> list[Turn]:
    """What the player saw, and what it did in the JSON that the text solver speaks."""
    messages: list[Turn] = []
    seen = run.first_observation or run.goal
    for step in attempt:
        messages.append({"role": "user", "content": seen})
        messages.append({"role": "assistant", "content": said(step.action, thought=step.thought)})
        seen = step.observation
    return messages


def said(action: str, *, thought: str = "") -> str:
    """A reply of the text solver.

    >>> said("go to desk 1")
    '{"action": "go to desk 1"}'
    """
    reply = {"thought": thought} if thought else {}
    return json.dumps({**reply, "action": action}, ensure_ascii=False)


def turns_of(turns: Sequence[Turn], *, steps: int) -> list[int]:
    """Places of the assistant's last `steps` turns."""
    places = [n for n, turn in enumerate(turns) if turn.get("role") == "assistant"]
    return places[-steps:] if steps else []


def weighted(turns: Sequence[Turn], *, trained: int) -> tuple[Turn, ...]:
    """The turns up to the assistant's last; its last `trained` ones with weight 1, others with 0.

    No turn of other roles carries a weight.
    """
    places = [n for n, turn in enumerate(turns) if turn.get("role") == "assistant"]
    weights = {n: int(places.index(n) >= len(places) - trained) for n in places}
    return tuple(
        {**turn, "weight": weights[n]} if n in weights else dict(turn)
        for n, turn in enumerate(turns[: places[-1] + 1])
    )


def teacher_of(run: Trajectory, attempt: Sequence[StepRecord]) -> str:
    """Who chose the actions: `expert`, `skills` (all of them), or `model NAME`."""
    if run.model == "expert":
        return "expert"
    by_skill = bool(attempt) and all(step.skill for step in attempt)
    return "skills" if by_skill else f"model {run.model}"


def called(run: Trajectory, *, attempt: int | None = None) -> tuple[str, ...]:
    """Ids of skills that were called, in an attempt or in all."""
    return tuple(
        sorted(
            {
                str(one["call"]["skill"])
                for one in run.calls
                if attempt is None or one.get("attempt") == attempt
            }
        )
    )
