"""Asking before acting: what isn't known is asked once, kept, and not asked again.

Where an environment can be asked (`ask ...` among its possible actions), the questions that have
to do with the goal come before any other action, each once, and only where memory holds no answer.
Answers become lessons: facts, each under the id of its question in its place, so that a later task
in that place finds them by name, however differently it is worded. They are tossed, shown, measured
and taken back like all lessons; where one is withheld, it is asked for again.

Source: Chen et al. 2023, Asking Before Action, arXiv 2305.15695 (catalogue row
`asking-before-action`). What differs: when to ask is told by a rule, not learnt by imitation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from agent.crossing import off
from agent.kit import Kit, Reflector, Strategy
from agent.nodes import occasion
from agent.reflector import lesson_from
from agent.state import Attempt, State, recalled_of, seen_of, steps_of
from agent.steering import acting, place_of, steers, with_note, words_of
from envs.errors import UnknownName, one_line
from memory.essence import IDLE
from memory.ledger import Ledger
from memory.text import estimate_tokens
from memory.types import SHOWABLE, Lesson, Recalled, Usage, Verdict

NAME = "asking"
ASK = "ask "
"""How questions begin, among possible actions."""


class Asking:
    """Strategy and reflector at once: asks first, and keeps what it was told."""

    def __init__(self, strategy: Strategy, reflector: Reflector, ledger: Ledger) -> None:
        self._strategy = strategy
        self._reflector = reflector
        self._known: Callable[[str], Lesson | None] = _reader(ledger)

    async def choose(self, state: State, kit: Kit) -> State:
        """A question that is open, else what the strategy within chooses, with what is known."""
        here = seen_of(state)
        questions = [one for one in here.admissible or () if one.startswith(ASK)]
        if not steers(kit) or not questions:
            return await self._strategy.choose(state, kit)
        done = {step.action for step in steps_of(state)}
        update, facts = await self._facts(state, kit, pertinent(kit.task.goal, questions), done)
        answered = done | {question for question, _ in facts}
        for question in pertinent(kit.task.goal, questions):
            if question not in answered:
                note = {
                    "by": NAME,
                    "attempt": state.get("attempt", 0),
                    "step": place_of(state),
                    "question": question,
                }
                return with_note({**update, **acting(question)}, note)
        shown = {one.lesson: one for one in (*recalled_of(state), *(fact for _, fact in facts))}
        left = tuple(one for one in here.admissible or () if one not in questions)
        told: State = {
            **state,
            "recalled": [one.model_dump() for one in shown.values()],
            "seen": here.model_copy(update={"admissible": left or here.admissible}).model_dump(),
        }
        chosen = await self._strategy.choose(told, kit)
        return {**update, **chosen, "recalled": told.get("recalled", [])}

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """As the reflector within."""
        return await self._reflector.reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """What the reflector within drafts, and every answer that was given, as a fact."""
        lessons, usage = await self._reflector.draft(attempt, verdict)
        if attempt.answer:
            return lessons, usage
        for step in attempt.steps:
            if not step.action.startswith(ASK) or step.observation.startswith(IDLE):
                continue
            fact = lesson_from(
                attempt,
                kind="fact",
                text=f"{step.action}: {one_line(step.observation)}",
                situation=f"{step.action.removeprefix(ASK)} {attempt.task.goal}",
                span=(step.index, step.index),
                quote=step.observation,
            )
            name = fact_id(attempt.task.env, attempt.task.goal, attempt.first, step.action)
            lessons.append(fact.model_copy(update={"id": name}))
        return lessons, usage

    async def _facts(
        self, state: State, kit: Kit, questions: Sequence[str], done: set[str]
    ) -> tuple[State, list[tuple[str, Recalled]]]:
        """Answers in memory that may be shown, each with its question; and what is noted of it."""
        if kit.memory is None or not kit.settings.memory.recall:
            return {}, []
        found: list[tuple[str, Recalled]] = []
        for question in questions:
            name = fact_id(kit.task.env, kit.task.goal, state.get("first", ""), question)
            lesson = await off(self._known, name)
            if lesson is None or lesson.trust not in kit.settings.memory.trust or question in done:
                continue
            same = kit.task.key in lesson.source.task_keys
            if not (kit.guard and same):
                found.append((question, _as_recalled(lesson, same_task=same)))
        known, withheld = set(state.get("exposed", ())), set(state.get("withheld", ()))
        new = [fact for _, fact in found if fact.lesson not in known]
        update: State = {}
        if new:
            told = set(await off(kit.memory.shown, new, occasion(place_of(state), kit)))
            kept = [one.lesson for one in new if one.lesson not in told]
            withheld |= set(kept)
            update = {"exposed": [one.lesson for one in new], "withheld": kept}
        return update, [(question, fact) for question, fact in found if fact.lesson not in withheld]


def pertinent(goal: str, questions: Sequence[str]) -> list[str]:
    """Those that have to do with the goal: by a word that not all of them share.

    >>> pertinent("Put the tea on the bed.", ["ask where the tea is", "ask where the map is"])
    ['ask where the tea is']
    """
    words = {question: words_of(question) for question in questions}
    shared = frozenset.intersection(*words.values()) if len(words) > 1 else frozenset({"ask"})
    wanted = words_of(goal)
    return [question for question, own in words.items() if (own - shared) & wanted]


def fact_id(env: str, goal: str, first: str, question: str) -> str:
    """Id of the answer to a question in a place: what stood there first, without the goal."""
    place = one_line(first.replace(goal, ""))
    key = f"{env.partition(':')[0]}|{place}|{question}"
    return f"L{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _as_recalled(lesson: Lesson, *, same_task: bool) -> Recalled:
    return Recalled(
        lesson=lesson.id,
        version=lesson.version,
        text=lesson.text,
        similarity=1.0,
        tokens=estimate_tokens(lesson.text),
        source=lesson.source,
        same_task=same_task,
    )


def _reader(ledger: Ledger) -> Callable[[str], Lesson | None]:
    """A lesson that may be shown, by its id; nothing else of the ledger is within reach."""

    def known(name: str) -> Lesson | None:
        try:
            lesson = ledger.lesson(name)
        except UnknownName:
            return None
        return lesson if lesson.status in SHOWABLE else None

    return known
