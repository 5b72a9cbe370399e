"""Reflections are kept with the outcome of the retry that followed them, and rise or fall by it.

After "Reflect, Retry, Reward" (Bensal et al. 2025, arXiv 2505.24726; catalogue row
reflect-retry-reward). The paper rewards the reflection's tokens where the retry succeeds; here that
is a training row (`distill/rows_reflections.py`), and in memory the lesson's stage: a reflection
after which the retry was accepted enters on probation, where it may be recalled and measured; one
after which it failed is quarantined. What counts is the verdict, never the score. Where the same
words helped once and failed another time, `agent/proposers/retried.py` settles it by the count over
all runs.
"""

from __future__ import annotations

from agent.kit import Reflector
from agent.reflector import lesson_from
from agent.state import Attempt
from memory.types import Lesson, LessonKind, Status, Usage, Verdict

RAISED: Status = "probation"
LOWERED: Status = "quarantined"
KIND: LessonKind = "strategy"
"""What sort of lesson a reflection is."""
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
            kind=KIND,
            text=advice,
            situation=attempt.task.goal,
            span=(last.index, last.index),
            quote=f"{last.action}\n{last.observation}",
        )
        stage = RAISED if verdict.accepted else LOWERED
        return [*lessons, kept.model_copy(update={"status": stage})], usage
