"""Reflections are kept with the outcome of the retry that followed them, and rise or fall by it.

After "Reflect, Retry, Reward" (Bensal et al. 2025, arXiv 2505.24726; catalogue row
reflect-retry-reward). The paper rewards the reflection's tokens where the retry succeeds; here that
is a training row (`distill/rows_reflections.py`), and in memory the lesson's stage: a reflection
after which the retry was accepted enters on probation, where it may be recalled and measured; one
after which it failed is quarantined. What counts is the verdict, never the score. Where the same
words helped once and failed another time, `Retried.propose` settles it by the count over all runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.crossing import off
from agent.kit import Reflector
from agent.reflector import lesson_from
from agent.state import Attempt
from distill.rows_reflections import outcomes, standings
from memory.ledger import Ledger
from memory.text import normal
from memory.types import Change, Lesson, Status, Trajectory, Usage, Verdict

RAISED: Status = "probation"
LOWERED: Status = "quarantined"
SETTLED: frozenset[Status] = frozenset({"candidate", RAISED, LOWERED})
"""Stages that a retry's outcome may change; what evidence or a person decided stays."""
LEAST = 16
"""Characters of the shortest reflection that is kept."""


class Retried:
    """Another reflector, whose last reflection becomes a lesson with its retry's outcome."""

    def __init__(self, inner: Reflector) -> None:
        self._inner = inner

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """As the inner reflector does."""
        return await self._inner.reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """The inner reflector's lessons, and the reflection that this attempt was made with."""
        lessons, usage = await self._inner.draft(attempt, verdict)
        advice = attempt.advice[-1] if attempt.advice else ""
        if verdict.accepted is None or not attempt.steps or len(advice) < LEAST or attempt.answer:
            return lessons, usage
        last = attempt.steps[-1]
        kept = lesson_from(
            attempt,
            kind="strategy",
            text=advice,
            situation=attempt.task.goal,
            span=(last.index, last.index),
            quote=f"{last.action}\n{last.observation}",
        )
        stage = RAISED if verdict.accepted else LOWERED
        return [*lessons, kept.model_copy(update={"status": stage})], usage


class Standings:
    """A proposer that raises and lowers reflections by all retries on record; asks no model."""

    name = "retried"

    def __init__(self, lessons: Callable[[], Sequence[Lesson]]) -> None:
        self._lessons = lessons

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """A change of stage for each reflection in memory whose record asks for another one."""
        counted = standings(outcomes(run for run in trajectories if run.split == "train"))
        runs = {
            normal(one.reflection): one.trajectory for one in outcomes(trajectories)
        }  # the latest run with those words
        changes: list[Change] = []
        for lesson in await off(self._lessons):
            found = counted.get(normal(lesson.text))
            if found is None or lesson.pinned or lesson.status not in SETTLED:
                continue
            stage = RAISED if found.raised else LOWERED
            if stage != lesson.status:
                why = f"its retries: {found.won} accepted, {found.lost} rejected"
                changes.append(moved(lesson, stage, why, runs[normal(lesson.text)]))
        return tuple(changes)


def moved(lesson: Lesson, stage: Status, reason: str, run: str) -> Change:
    """The change that moves a lesson to another stage."""
    before = lesson.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="lesson",
        target=lesson.id,
        op="status",
        reason=reason,
        before=before,
        after={**before, "status": stage},
        evidence=(run,),
    )


def strategies_of(ledger: Ledger) -> Callable[[], Sequence[Lesson]]:
    """Reads the lessons among which reflections are."""

    def read() -> Sequence[Lesson]:
        return ledger.lessons(kind="strategy", limit=-1)

    return read
