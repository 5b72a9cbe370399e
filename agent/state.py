"""The state of a run: plain JSON, checkpointed after every node."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from agent.player import Seen
from envs.types import Action, Frozen, Task
from memory.types import Recalled, StepRecord, Usage, Verdict


def add_usage(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """Reducer: consumption adds up."""
    return (Usage(**(old or {})) + Usage(**(new or {}))).model_dump()


class State(TypedDict, total=False):
    """What is known of a run so far. Nodes return updates of it."""

    attempt: int
    """Counted from 0."""
    first: str
    """The observation before the first action."""
    seen: dict[str, Any]
    """The latest `Seen`."""
    steps: Annotated[list[dict[str, Any]], operator.add]
    """`StepRecord`s of all attempts."""
    recalled: list[dict[str, Any]]
    """`Recalled` for the coming action."""
    exposed: Annotated[list[str], operator.add]
    """Lessons that came up in this run."""
    withheld: Annotated[list[str], operator.add]
    """Of those, the ones that are kept from the solver for the whole run."""
    offers: list[dict[str, Any]]
    """Calls of skills that may be chosen like actions (see `agent/skilled.py`)."""
    call: dict[str, Any]
    """The call that runs, with what it did and saw; empty while none does."""
    called: Annotated[list[dict[str, Any]], operator.add]
    """Calls that ended, of all attempts."""
    action: dict[str, Any]
    """The `Action` that was chosen."""
    thought: str
    """What the solver said before it acted."""
    said: Annotated[list[str], operator.add]
    """The solver's replies as they came, one a step."""
    answer: str
    """The answer, in chat."""
    reflections: Annotated[list[str], operator.add]
    """What to do better, one for each rejected attempt."""
    notes: Annotated[list[dict[str, Any]], operator.add]
    """What second looks came to; each names its kind in `by`."""
    verdicts: Annotated[list[dict[str, Any]], operator.add]
    """One for each attempt."""
    usage: Annotated[dict[str, Any], add_usage]
    """Consumption of all models."""
    elapsed: Annotated[float, operator.add]
    """Seconds in nodes, over restarts of the process."""
    stop: str
    """Why the run ends; empty while it goes on."""
    drafts: list[dict[str, Any]]
    """Lessons to be written when the run is."""


class Attempt(Frozen):
    """One attempt as verifier and reflector see it."""

    task: Task
    """What was asked."""
    number: int
    """Counted from 0."""
    first: str
    """The observation before the first action."""
    steps: tuple[StepRecord, ...]
    """Its steps."""
    last: Seen
    """What stands there now."""
    answer: str = ""
    """The answer, in chat."""
    stop: str = ""
    """Why it was stopped from outside, if it was."""
    advice: tuple[str, ...] = ()
    """What was to be done better after each attempt before it."""
    notes: tuple[dict[str, Any], ...] = ()
    """What mechanisms noted in this run, of all attempts; each names its kind in `by`."""


def steps_of(state: State) -> tuple[StepRecord, ...]:
    """The steps of the current attempt."""
    number = state.get("attempt", 0)
    return tuple(StepRecord(**s) for s in state.get("steps", ()) if s["attempt"] == number)


def attempt_of(state: State, task: Task) -> Attempt:
    """The current attempt."""
    return Attempt(
        task=task,
        number=state.get("attempt", 0),
        first=state.get("first", ""),
        steps=steps_of(state),
        last=seen_of(state),
        answer=state.get("answer", ""),
        stop=state.get("stop", ""),
        advice=tuple(state.get("reflections", ())),
        notes=tuple(state.get("notes", ())),
    )


def seen_of(state: State) -> Seen:
    """What stands there now."""
    return Seen(**state.get("seen", {}))


def action_of(state: State) -> Action:
    """The action that was chosen."""
    return Action(**state.get("action", {}))


def recalled_of(state: State) -> tuple[Recalled, ...]:
    """The lessons for the coming action."""
    return tuple(Recalled(**item) for item in state.get("recalled", ()))


def begun(seen: Seen) -> State:
    """The state at the beginning of a run."""
    return {
        "attempt": 0,
        "first": seen.observation,
        "seen": seen.model_dump(),
        "stop": "",
        "call": {},
    }


def verdicts_of(state: State) -> tuple[Verdict, ...]:
    """The verdicts so far."""
    return tuple(Verdict(**item) for item in state.get("verdicts", ()))
