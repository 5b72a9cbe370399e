"""Experience written after every sub-task, while the run goes on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from agent.crossing import off
from agent.kit import Kit, Reflector, Strategy
from agent.models.types import Model, Sampling
from agent.reflector import lesson_from
from agent.state import Attempt, State, attempt_of
from agent.transcript import prompt
from envs.errors import ModelError, clip, one_line
from envs.types import Frozen
from memory.essence import IDLE, LOOKS, MOVES, NEXT, OPENS, WAY, essential
from memory.recall import Memory
from memory.text import strip_marked
from memory.types import Lesson, LessonKind, StepRecord, Usage, Verdict

Level = Literal["strategic", "procedural", "tool"]
Outcome = Literal["done", "not done"]
KINDS: dict[Level, LessonKind] = {
    "strategic": "strategy",
    "procedural": "workflow",
    "tool": "fact",
}
CALLS = 8
"""Most requests to the model in one run; what ends after that is written by the rule."""
REPLY = 240
"""Most tokens of a reply."""
LATEST = 500
"""Latest changes among which those of a run that is taken up again are looked for."""
LONG = 12
"""Most actions that an entry lists."""
ENTRY = re.compile(
    r"\[(?P<level>strategic|procedural|tool)\] (?P<subtask>.+?): (?P<outcome>done|not done)\. "
    r"(?P<experience>.+)",
    re.DOTALL,
)


class Entry(Frozen):
    """What one sub-task taught, as it stands in the text of a lesson."""

    level: Level
    """`procedural`: how it is done; `strategic`: a dilemma and its way out; `tool`: one action."""
    subtask: str
    """What was to be done."""
    outcome: Outcome
    """By what the steps show."""
    experience: str
    """What is worth knowing the next time."""

    def text(self) -> str:
        """The words of the lesson."""
        return f"[{self.level}] {self.subtask}: {self.outcome}. {self.experience}"


def entry_of(lesson: Lesson) -> Entry | None:
    """The inverse of `Entry.text`; None for other lessons."""
    found = ENTRY.fullmatch(lesson.text)
    return Entry.model_validate(found.groupdict()) if found else None


def subtasks(steps: Sequence[StepRecord]) -> list[tuple[StepRecord, ...]]:
    """The stretches of an attempt that end with a deed; what stands after the last one is open.

    A deed is an action that does something: no look, no move, no opening or closing, and one that
    was understood.
    """
    found: list[tuple[StepRecord, ...]] = []
    begun = 0
    for number, step in enumerate(steps):
        if is_deed(step):
            found.append(tuple(steps[begun : number + 1]))
            begun = number + 1
    return found


def is_deed(step: StepRecord) -> bool:
    """Whether a step did something that ends a sub-task."""
    idle = step.observation.startswith(IDLE)
    return not idle and not step.action.startswith((*LOOKS, *MOVES, *OPENS, "close "))


class Subtasks:
    """Strategy and reflector at once: chooses as `inner` does, and writes when a sub-task is over.

    The entry of a sub-task is in the ledger before the next action is chosen; the last one, and a
    stretch that came to nothing, are written with the run. A run that is taken up again writes
    nothing twice; undoing the run takes its entries back. With a model, its words and one call
    each, `CALLS` at most; without one, or where it fails, the rule's. What differs from the paper:
    sub-tasks are told by what the actions do, since there is no list of them to plan by; entries
    are recalled like all lessons instead of being loaded by level; nothing is written on val and
    test tasks.

    Paper: Yang et al. 2025, MUSE: Learning on the Job, arXiv 2510.08002 (row `muse`).
    """

    def __init__(
        self, strategy: Strategy, reflector: Reflector, memory: Memory, *, model: Model | None
    ) -> None:
        self._strategy = strategy
        self._reflector = reflector
        self._memory = memory
        self._model = model
        self._known: dict[str, set[tuple[int, int]]] = {}

    async def choose(self, state: State, kit: Kit) -> State:
        """Writes what the latest step has ended, then chooses."""
        spent = Usage()
        if kit.learn:
            spent = await self._write(attempt_of(state, kit.task), kit.run)
        update = await self._strategy.choose(state, kit)
        usage = Usage(**update.get("usage", {})) + spent
        return {**update, "usage": usage.model_dump()}

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """As the reflector within."""
        return await self._reflector.reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """What the reflector within drafts, the entry of the last sub-task, and of what is open."""
        self._known.clear()
        lessons, usage = await self._reflector.draft(attempt, verdict)
        if attempt.answer or verdict.accepted is None:
            return lessons, usage
        ended = subtasks(attempt.steps)
        last = ended[-1][-1].index if ended else -1
        rest = tuple(step for step in attempt.steps if step.index > last)
        if ended and not rest:
            lesson, more = await self._entry(attempt, ended[-1], "done", calls=CALLS - len(ended))
            lessons, usage = [*lessons, lesson], usage + more
        elif rest and verdict.accepted is False:
            lesson, more = await self._entry(attempt, rest, "not done", calls=CALLS - len(ended))
            lessons, usage = [*lessons, lesson], usage + more
        return lessons, usage

    async def _write(self, attempt: Attempt, run: str) -> Usage:
        usage = Usage()
        for number, steps in enumerate(subtasks(attempt.steps)):
            span = (steps[0].index, steps[-1].index)
            known = await off(self._spans, run)
            if span not in known:
                lesson, spent = await self._entry(attempt, steps, "done", calls=CALLS - number)
                source = lesson.source.model_copy(update={"trajectory": run})
                await off(self._store, lesson.model_copy(update={"source": source}), run)
                known.add(span)
                usage += spent
        return usage

    def _spans(self, run: str) -> set[tuple[int, int]]:
        """Sub-tasks of this run that are written, also by a process that was killed."""
        if run not in self._known:
            changes = self._memory.ledger.changes(kind="lesson", limit=LATEST)
            ours = [(c.after or {}).get("source") for c in changes if c.batch == run]
            self._known[run] = {(s["first_step"], s["last_step"]) for s in ours if s}
        return self._known[run]

    def _store(self, lesson: Lesson, run: str) -> None:
        changes = self._memory.plan([lesson], reason=f"a sub-task of run {run}", evidence=(run,))
        self._memory.write(*(change.model_copy(update={"batch": run}) for change in changes))

    async def _entry(
        self, attempt: Attempt, steps: Sequence[StepRecord], outcome: Outcome, *, calls: int
    ) -> tuple[Lesson, Usage]:
        entry, usage = ruled(steps, outcome), Usage()
        if self._model is not None and calls > 0:
            try:
                entry, usage = await self._worded(self._model, attempt, steps)
            except ModelError:
                usage = Usage(calls=1)
        lesson = lesson_from(
            attempt,
            kind=KINDS[entry.level],
            text=entry.text(),
            situation=f"{attempt.task.goal} {entry.subtask}",
            span=(steps[0].index, steps[-1].index),
            quote=f"{steps[-1].action}\n{steps[-1].observation}",
        )
        return lesson, usage

    async def _worded(
        self, model: Model, attempt: Attempt, steps: Sequence[StepRecord]
    ) -> tuple[Entry, Usage]:
        told = "\n".join(
            f"[{s.index}] {s.action} -> {clip(s.observation, most=200)}" for s in steps[-30:]
        )
        content = strip_marked(f"The whole task: {attempt.task.goal}\n\n{told}")
        reply = await model.reply(
            [
                {"role": "system", "content": prompt("subtask")},
                {"role": "user", "content": content},
            ],
            schema=SCHEMA,
            sampling=Sampling(max_tokens=REPLY),
        )
        data = {key: one_line(str(value)) for key, value in (reply.data or {}).items()}
        return Entry.model_validate(data), reply.usage


def ruled(steps: Sequence[StepRecord], outcome: Outcome) -> Entry:
    """An entry without a model: the way that led to the deed, or what led nowhere."""
    if outcome == "done":
        way = [step.action for step in essential(steps)][-LONG:]
        return Entry(
            level="procedural",
            subtask=steps[-1].action,
            outcome=outcome,
            experience=WAY + NEXT.join(way),
        )
    tried = list(dict.fromkeys(step.action for step in steps))
    idle = all(step.observation.startswith(IDLE) for step in steps)
    return Entry(
        level="tool" if idle else "strategic",
        subtask=f"after {len(steps)} more steps",
        outcome=outcome,
        experience=f"{'Not understood' if idle else 'Led nowhere'}: {'; '.join(tried[:LONG])}",
    )


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "level": {"enum": ["strategic", "procedural", "tool"]},
        "subtask": {"type": "string", "minLength": 3, "maxLength": 100},
        "outcome": {"enum": ["done", "not done"]},
        "experience": {"type": "string", "minLength": 10, "maxLength": 300},
    },
    "required": ["level", "subtask", "outcome", "experience"],
    "additionalProperties": False,
}
"""Of the reply that words an entry."""
