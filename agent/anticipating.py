"""Anticipating failures: before each action what could go wrong, and what to do then.

Three looks at a plan. Before an action, one failure and its remedy are put into the run's notes.
After it, what came back is checked; where it failed, the way back is taken if there is one, and the
remedy is done without the solver being asked again. At the end the attempt is reviewed, and the
review is one lesson.

Source: Wang et al. 2024, Devil's Advocate, arXiv 2405.16334 (catalogue row `devils-advocate`). What
differs: the plan is the solver's next action instead of a list of sub-tasks, and remedies are
actions that are possible there; without a model a rule anticipates (nothing happens, so do the
possible action closest to the goal) and checks (nothing happened, or nothing changed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.kit import Kit, Reflector, Strategy
from agent.models.types import Message, Model
from agent.reflector import lesson_from
from agent.reflectors.types import Asker, line, one_of
from agent.state import Attempt, State, seen_of, steps_of
from agent.steering import (
    acting,
    choices_of,
    nearest,
    notes_by,
    place_of,
    steers,
    text_of,
    with_note,
)
from agent.transcript import prompt
from distill.attempts import story
from envs.errors import ModelError, clip, one_line
from memory.essence import IDLE, LOOKS, reverse
from memory.text import strip_marked
from memory.types import Lesson, LessonKind, StepRecord, Usage, Verdict

NAME = "anticipation"
OFFERED = 40
"""Most actions among which a model names a remedy."""
PLANNED, FAILED = "as planned", "failed"
BACK = ("go back", "back", "return", "press Escape")
"""How ways back begin, where nothing better is known."""


class Anticipating:
    """Strategy and reflector at once: acts as `inner` does, with a remedy at hand."""

    def __init__(self, strategy: Strategy, reflector: Reflector, *, model: Model | None) -> None:
        self._strategy = strategy
        self._reflector = reflector
        self._model = model

    async def choose(self, state: State, kit: Kit) -> State:
        """A remedy where the last action failed, else what the strategy within chooses."""
        if not steers(kit):
            return await self._strategy.choose(state, kit)
        last, spent = _latest(state), Usage()
        if last is not None:
            remedy, back, spent = await self._remedy(state, kit, last)
            if remedy:
                wrong = last["because"] if last.get("owed") else last["step"]
                note = _expected(state, kit, back or remedy, because=wrong)
                note["owed"] = remedy if back else ""
                return with_note(acting(back or remedy), note, spent=spent)
        update = await self._strategy.choose(state, kit)
        action = text_of(update)
        if not action:
            return update
        note, more = await self._anticipated(state, kit, action)
        return with_note(update, note, spent=spent + more)

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """As the reflector within."""
        return await self._reflector.reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """What the reflector within drafts, and one lesson that reviews the plan."""
        lessons, usage = await self._reflector.draft(attempt, verdict)
        if attempt.answer or not attempt.steps or verdict.accepted is None:
            return lessons, usage
        text, span, spent = await self._reviewed(attempt, verdict)
        kind: LessonKind = "strategy" if verdict.accepted else "pitfall"
        lesson = lesson_from(
            attempt,
            kind=kind,
            text=text,
            situation=attempt.task.goal,
            span=(span.index, span.index),
            quote=f"{span.action}\n{span.observation}",
        )
        return [*lessons, lesson], usage + spent

    async def _remedy(self, state: State, kit: Kit, last: dict[str, Any]) -> tuple[str, str, Usage]:
        """The remedy to be done now and the way back before it; empty where all goes as planned."""
        choices = seen_of(state).admissible
        owed, done = str(last.get("owed", "")), steps_of(state)[-1].action
        if owed:
            return (owed if choices is None or owed in choices else ""), "", Usage()
        if last.get("because") is not None:
            return "", "", Usage()  # a remedy that fails is a matter for the solver
        failed, spent = await self._failed(state, kit, last)
        remedy = str(last["remedy"])
        if not failed or not remedy or remedy == done:
            return "", "", spent
        if choices is None or remedy in choices:
            return remedy, "", spent
        known = [way for way in (reverse(done),) if way in choices]
        back = next(iter([*known, *(way for way in choices if way.startswith(BACK))]), "")
        return (remedy if back else ""), back, spent

    async def _failed(self, state: State, kit: Kit, last: dict[str, Any]) -> tuple[bool, Usage]:
        steps = list(steps_of(state))
        step, earlier = steps[-1], steps[:-1]
        before = earlier[-1].observation if earlier else state.get("first", "")
        if step.observation.startswith(IDLE) or step.observation == before:
            return True, Usage()
        if self._model is None:
            return False, Usage()
        told = (
            f"Task: {kit.task.goal}\nExpected to go wrong: {last['failure']}\n"
            f"Done: {step.action}\nCame back: {clip(step.observation, most=1200)}"
        )
        said, usage = await _asked(
            self._model, _messages("outcome", told), outcome=one_of((PLANNED, FAILED))
        )
        return said.get("outcome") == FAILED, usage

    async def _anticipated(
        self, state: State, kit: Kit, action: str
    ) -> tuple[dict[str, Any], Usage]:
        note, spent = _expected(state, kit, action), Usage()
        if self._model is None:
            return note, spent
        others = [one for one in choices_of(state, kit) if one != action][:OFFERED]
        told = (
            f"Task: {kit.task.goal}\nNow: {clip(seen_of(state).observation, most=1200)}\n"
            f"About to be done: {action}"
        )
        remedy = one_of(others) if others else line(120)
        said, spent = await _asked(
            self._model, _messages("anticipate", told), failure=line(160), remedy=remedy
        )
        failure, then = (one_line(str(said.get(name, ""))) for name in ("failure", "remedy"))
        return {**note, **({"failure": failure, "remedy": then} if failure and then else {})}, spent

    async def _reviewed(self, attempt: Attempt, verdict: Verdict) -> tuple[str, StepRecord, Usage]:
        """The review's words, the step that it quotes, and what it cost."""
        remedied = _remedied(attempt)
        text, spent = _plainly(attempt, verdict, remedied), Usage()
        span = remedied[-1][1] if remedied else attempt.steps[-1]
        if self._model is None:
            return text, span, spent
        told = story(attempt.task.goal, attempt.first, attempt.steps, verdict)
        said, spent = await _asked(
            self._model, _messages("hindsight", f"{told}\n\n{text}"), plan=line(300)
        )
        plan = one_line(str(said.get("plan", "")))
        return (plan if len(plan) > 15 else text), span, spent


def _expected(state: State, kit: Kit, action: str, *, because: int | None = None) -> dict[str, Any]:
    """What a rule anticipates: nothing happens, so do what else is closest to the goal."""
    others = [one for one in choices_of(state, kit) if one != action]
    deeds = [one for one in others if not one.startswith(LOOKS)]
    return {
        "by": NAME,
        "attempt": state.get("attempt", 0),
        "step": place_of(state),
        "action": action,
        "failure": "it changes nothing",
        "remedy": nearest(kit.task.goal, deeds or others) or action,
        "because": because,
    }


def _latest(state: State) -> dict[str, Any] | None:
    """What was anticipated of the step that was made last."""
    found = notes_by(state, NAME)
    return found[-1] if found and found[-1]["step"] == place_of(state) - 1 else None


def _remedied(attempt: Attempt) -> list[tuple[StepRecord, StepRecord]]:
    """Steps that failed, each with the one that was done about it."""
    steps = {step.index: step for step in attempt.steps}
    notes = [n for n in attempt.notes if n.get("by") == NAME and n.get("attempt") == attempt.number]
    pairs = [(n["because"], n["step"]) for n in notes if n.get("because") is not None]
    return [(steps[bad], steps[done]) for bad, done in pairs if bad in steps and done in steps]


def _plainly(
    attempt: Attempt, verdict: Verdict, remedied: Sequence[tuple[StepRecord, StepRecord]]
) -> str:
    ended = "reached" if verdict.accepted else "not reached"
    goal = one_line(attempt.task.goal)
    if not remedied:
        return f"Plan reviewed ({ended}): {goal} Nothing that was anticipated had to be remedied."
    told = "; ".join(
        f"{bad.action!r} failed, {done.action!r} was done instead" for bad, done in remedied[-4:]
    )
    return f"Plan reviewed ({ended}): {goal} Anticipate that {told}."


def _messages(name: str, content: str) -> list[Message]:
    return [
        {"role": "system", "content": prompt(name)},
        {"role": "user", "content": strip_marked(content)},
    ]


async def _asked(
    model: Model, messages: Sequence[Message], **properties: Any
) -> tuple[dict[str, Any], Usage]:
    """What a model says; nothing where it does not answer."""
    ask = Asker(model, most=1)
    try:
        return await ask.ask(messages, **properties), ask.usage
    except ModelError:
        return {}, Usage(calls=1)
