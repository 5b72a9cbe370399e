"""Structured reflection: which step was the earliest wrong one, and what to do there instead.

A failed attempt leaves a record that names both. The next attempt repeats what was done up to that
step without the solver being asked, deviates there, and goes on from it; what was named wrong in a
place is never done in that place again, over all attempts.

Source: Li et al. 2023, A Zero-Shot Language Agent for Computer Control with Structured Reflection,
arXiv 2310.08740 (catalogue row `structured-reflection`). What differs: the paper plans a stage of
actions at once and disables actions of the screen; here one action is chosen at a time, and the
replacement is one of those that were possible. Without a model a rule names the step (nothing came
of it, or it had been done before; else the latest that can be varied) and the possible action
closest to the goal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.kit import Kit, Reflector, Strategy
from agent.models.types import Message, Model
from agent.reflectors.types import Asker, line, one_of
from agent.state import Attempt, State, seen_of, steps_of
from agent.steering import (
    acting,
    choices_of,
    nearest,
    place_of,
    steered,
    steers,
    text_of,
    with_note,
)
from agent.transcript import prompt
from distill.attempts import TOLD, story
from envs.errors import ModelError
from envs.types import Frozen
from memory.essence import IDLE
from memory.types import Lesson, Usage, Verdict

NAME = "structured-reflection"
MOST = 40
"""Most possible actions of a step that are kept to choose a replacement from."""
RECORD = re.compile(
    r"Step (?P<step>\d+) was the earliest wrong one: not (?P<wrong>'.*'), but (?P<instead>'.*')\.",
    re.DOTALL,
)


class Record(Frozen):
    """What is wrong with an attempt."""

    step: int
    """Place of the earliest wrong step in its attempt, from 0."""
    wrong: str
    """What was done there."""
    instead: str
    """What is to be done there; empty: anything else."""

    def text(self) -> str:
        """The words that stand among the reflections."""
        return (
            f"Step {self.step} was the earliest wrong one: "
            f"not '{self.wrong}', but '{self.instead}'."
        )


def record_of(text: str) -> Record | None:
    """The inverse of `Record.text`; None for other advice."""
    found = RECORD.fullmatch(text)
    if found is None:
        return None
    wrong, instead = (found[name][1:-1] for name in ("wrong", "instead"))
    return Record(step=int(found["step"]), wrong=wrong, instead=instead)


class Structured:
    """Strategy and reflector at once: the record, and the attempt that goes by it."""

    def __init__(self, strategy: Strategy, reflector: Reflector, *, model: Model | None) -> None:
        self._strategy = strategy
        self._reflector = reflector
        self._model = model

    async def choose(self, state: State, kit: Kit) -> State:
        """What was done before up to the wrong step, the replacement there, then as within."""
        if not steers(kit) or not kit.settings.solver.retries:
            return await self._strategy.choose(state, kit)
        known = _attempts(state)
        refused = _refused(known, [step.action for step in steps_of(state)])
        again = _again(state, known)
        if again and _possible(again, state) and again not in refused:
            return _kept(acting(again), state, kit)
        seen = seen_of(state)
        open_ = tuple(one for one in seen.admissible or () if one not in refused)
        if not refused or (seen.admissible and not open_):
            return _kept(await self._strategy.choose(state, kit), state, kit)
        fewer: State = state
        if open_:
            fewer = {**state, "seen": seen.model_copy(update={"admissible": open_}).model_dump()}
        update = await self._strategy.choose(fewer, kit)
        if text_of(update) in refused and open_:
            update = steered(update, nearest(kit.task.goal, open_))
        return _kept(update, state, kit)

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """The record in words; as the reflector within where there is no step to name."""
        if not attempt.steps or attempt.answer:
            return await self._reflector.reflect(attempt, verdict)
        options = _options(attempt)
        place, spent = _by_rule(attempt, options), Usage()
        instead = nearest(attempt.task.goal, options.get(place, ()))
        if self._model is not None:
            place, instead, spent = await self._named(
                self._model, attempt, verdict, options, rule=(place, instead)
            )
        wrong = attempt.steps[place].action
        return Record(step=place, wrong=wrong, instead=instead).text(), spent

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """What the reflector within drafts."""
        return await self._reflector.draft(attempt, verdict)

    async def _named(
        self,
        model: Model,
        attempt: Attempt,
        verdict: Verdict,
        options: dict[int, tuple[str, ...]],
        *,
        rule: tuple[int, str],
    ) -> tuple[int, str, Usage]:
        """Which step, and what instead: two questions, each with nothing else to be named."""
        ask, steps = Asker(model, most=2), attempt.steps
        places = {str(s.index): place for place, s in enumerate(steps)}
        asked = [name for name, place in places.items() if options.get(place)] or list(places)
        told = story(attempt.task.goal, attempt.first, steps, verdict)
        try:
            said = await ask.ask(_messages("wrong_step", told), step=one_of(asked[-TOLD:]))
            place = places[str(said["step"])]
            upto = story(attempt.task.goal, attempt.first, steps[: place + 1], verdict)
            ways = options.get(place, ())
            said = await ask.ask(
                _messages("instead", upto), action=one_of(ways) if ways else line(120)
            )
        except ModelError:
            return *rule, ask.usage
        return place, str(said["action"]).strip(), ask.usage


def _attempts(state: State) -> list[tuple[Record | None, list[str]]]:
    """For each failed attempt its record, and what was done in it."""
    told = state.get("reflections", ())
    done: dict[int, list[str]] = {}
    for step in state.get("steps", ()):
        done.setdefault(step["attempt"], []).append(step["action"])
    return [(record_of(text), done.get(number, [])) for number, text in enumerate(told)]


def _refused(known: Sequence[tuple[Record | None, list[str]]], done: list[str]) -> set[str]:
    """What was named wrong in this very place: after the same actions."""
    return {
        record.wrong
        for record, actions in known
        if record is not None and actions[: record.step] == done
    }


def _again(state: State, known: Sequence[tuple[Record | None, list[str]]]) -> str:
    """What the latest record has done next: the same as before, then the replacement; or empty."""
    if not known or known[-1][0] is None:
        return ""
    record, actions = known[-1]
    done = [step.action for step in steps_of(state)]
    if record is None or len(done) > record.step or done != actions[: len(done)]:
        return ""
    return record.instead if len(done) == record.step else actions[len(done)]


def _possible(action: str, state: State) -> bool:
    admissible = seen_of(state).admissible
    return admissible is None or action in admissible


def _kept(update: State, state: State, kit: Kit) -> State:
    """With what was possible here as a note, for the record, where an attempt may follow."""
    attempt = state.get("attempt", 0)
    if attempt >= kit.settings.solver.retries:
        return update
    note = {
        "by": NAME,
        "attempt": attempt,
        "step": place_of(state),
        "choices": list(choices_of(state, kit)[:MOST]),
    }
    return with_note(update, note)


def _options(attempt: Attempt) -> dict[int, tuple[str, ...]]:
    """By place: what may still be tried there; without what was done, and named wrong, there."""
    first = attempt.steps[0].index
    mine = [n for n in attempt.notes if n.get("by") == NAME and n.get("attempt") == attempt.number]
    kept = {int(note["step"]) - first: note["choices"] for note in mine}
    named = [record for text in attempt.advice if (record := record_of(text)) is not None]
    return {
        place: tuple(
            one
            for one in kept.get(place, ())
            if one != step.action
            and not any(r.step == place and one in (r.wrong, r.instead) for r in named)
        )
        for place, step in enumerate(attempt.steps)
    }


def _by_rule(attempt: Attempt, options: dict[int, tuple[str, ...]]) -> int:
    """The first step that came to nothing or was done before, and can be varied; else the latest
    that can be.
    """
    known: set[tuple[str, str]] = set()
    open_ = [place for place in range(len(attempt.steps)) if options.get(place)]
    for place, step in enumerate(attempt.steps):
        idle = step.observation.startswith(IDLE) or (step.action, step.observation) in known
        if idle and place in open_:
            return place
        known.add((step.action, step.observation))
    return open_[-1] if open_ else len(attempt.steps) - 1


def _messages(name: str, told: str) -> list[Message]:
    return [{"role": "system", "content": prompt(name)}, {"role": "user", "content": told}]
