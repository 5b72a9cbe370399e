"""Reflections in memory rise and fall by how the retries that followed them ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agent.proposers.types import Desk
from agent.reflector import lesson_id
from agent.reflectors.retried import KIND, LOWERED, RAISED
from distill.rows_reflections import outcomes, standings
from memory.text import normal
from memory.types import Change, Lesson, Status, Trajectory

ACTOR = "proposer:retried"
SETTLED: frozenset[Status] = frozenset({"candidate", RAISED, LOWERED})
"""Stages that the outcomes of retries may change; what evidence or a person decided stays."""


class Retried:
    """By all retries on record, each reflection kept by the reflector of that name: no model.

    More accepted retries than rejected ones: on probation, where it may be recalled and measured;
    else quarantined. The same words at other tasks count too. Success is the verdict, not the
    score. What differs from the paper: it rewards tokens while it trains, and keeps no reflection;
    see `distill/rows_reflections.py`; catalogue row reflect-retry-reward.
    """

    paper: ClassVar[str] = "Bensal et al. 2025, Reflect, Retry, Reward, arXiv 2505.24726"
    does: ClassVar[str] = "raises reflections whose retries succeeded and lowers the others"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """A change of stage for each reflection in memory whose record asks for another one."""
        found = list(outcomes(run for run in trajectories if run.split == "train"))
        counted = standings(found)
        runs = {normal(one.reflection): one.trajectory for one in found}
        ids = dict.fromkeys(
            lesson_id(one.env, one.task_key, kind=KIND, text=one.reflection) for one in found
        )
        changes: list[Change] = []
        for lesson in filter(None, map(self._desk.memory.lesson, ids)):
            words = normal(lesson.text)
            standing = counted.get(words)
            if standing is None or lesson.pinned or lesson.status not in SETTLED:
                continue
            stage = RAISED if standing.raised else LOWERED
            if stage != lesson.status:
                why = f"its retries: {standing.won} accepted, {standing.lost} rejected"
                changes.append(_moved(lesson, stage, why, runs[words]))
        return tuple(changes)


def _moved(lesson: Lesson, stage: Status, reason: str, run: str) -> Change:
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
        actor=ACTOR,
    )
