"""Insights of two scales, from a run that was solved and one that was not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from agent.proposers.types import (
    Desk,
    attempt,
    joined,
    place_of,
    source_of,
    stable_id,
    story,
    trust_of,
    won,
)
from envs.errors import one_line
from memory.types import Change, Lesson, Scope, Trajectory

ACTOR = "proposer:insights"
PAIRS = 8
"""Most pairs of one consolidation, each one call."""
INSIGHTS = 4
"""Most insights of one pair."""
REPLY = 700
"""Most tokens of a reply."""

Pair = tuple[Trajectory, Trajectory]


class Insights:
    """Selects pairs of experiences, writes insights with a scale; recall selects by scale.

    1. Experience selector: for each type of task, failures beside the solved run that is closest
    to each in goal. 2. Insight generator: one call a pair; scale `task` (scope: environment and
    type of task) or `general` (no scope at all). 3. Insight selector: the lens `scales`
    (`memory/scales.py`). What differs from the paper: two scales where
    it has three (general, environment, sub-task); insights are added and merged by memory's own
    admission where it lets the model add, edit and remove; general ones hold everywhere, so
    that they survive a change of domain, and a run on another domain never sees those of a task.
    """

    paper: ClassVar[str] = "Fu et al. 2024, MSI-Agent, arXiv 2409.16686"
    does: ClassVar[str] = "writes insights of the task's scale and general ones from pairs of runs"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Changes that add insights; pairs that were compared before are left out."""
        changes: dict[str, Change] = {}
        for good, bad in self._pairs(trajectories)[:PAIRS]:
            self._desk.progress(f"comparing {good.id} and {bad.id}")
            lessons = await self._compared(good, bad)
            planned = self._desk.memory.plan(
                lessons,
                reason=f"insights from {good.id} and {bad.id}",
                evidence=(good.id, bad.id),
                actor=ACTOR,
            )
            for change in planned:
                changes.setdefault(change.target, change)
        return tuple(changes.values())

    def _pairs(self, runs: Sequence[Trajectory]) -> list[Pair]:
        types: dict[tuple[str, str], list[Trajectory]] = {}
        for run in runs:
            if attempt(run) and not run.error:
                types.setdefault((place_of(run.env), run.task_type), []).append(run)
        pairs: list[Pair] = []
        for some in types.values():
            good = [run for run in some if won(run)]
            bad = [run for run in some if run.score is not None and not won(run)]
            if good and bad:
                vectors = self._desk.memory.embed([run.goal for run in (*good, *bad)])
                close = vectors[len(good) :] @ vectors[: len(good)].T
                pairs += [
                    (good[int(row.argmax())], one) for row, one in zip(close, bad, strict=True)
                ]
        return [pair for pair in pairs if not self._known(pair)]

    def _known(self, pair: Pair) -> bool:
        return any(self._desk.memory.history(_id(pair, number)) for number in range(INSIGHTS))

    async def _compared(self, good: Trajectory, bad: Trajectory) -> list[Lesson]:
        content = f"Run 0, solved. {story(good)}\n\nRun 1, not solved. {story(bad)}"
        data = await self._desk.ask("insights", content, _schema((good, bad)), tokens=REPLY)
        lessons: list[Lesson] = []
        for number, given in enumerate((data or {}).get("insights", ())[:INSIGHTS]):
            lesson = self._lesson((good, bad), number, given)
            if lesson is not None and all(lesson.text != one.text for one in lessons):
                lessons.append(lesson)
        return lessons

    def _lesson(self, pair: Pair, number: int, given: dict[str, Any]) -> Lesson | None:
        text, situation = one_line(str(given["text"])), one_line(str(given["situation"]))
        run, other = pair[given["run"]], pair[1 - given["run"]]
        step = next((s for s in attempt(run) if s.index == given["step"]), None)
        if not text or not situation or step is None:
            return None
        reader, task = self._desk.memory, given["scale"] == "task"
        scope = Scope(env=place_of(run.env), task_type=run.task_type) if task else Scope()
        lesson = Lesson(
            id=_id(pair, number),
            kind="strategy",
            text=f"[{given['scale']}] {text}",
            situation=situation,
            scope=scope,
            trust=trust_of(pair, reader),
        )
        return joined(lesson, [source_of(run, step, reader), source_of(other, None, reader)])


def _id(pair: Pair, number: int) -> str:
    return stable_id("insight", pair[0].id, pair[1].id, str(number))


def _schema(pair: Pair) -> dict[str, Any]:
    steps = sorted({step.index for run in pair for step in attempt(run)})
    fields: dict[str, Any] = {
        "scale": {"enum": ["task", "general"]},
        "run": {"enum": [0, 1]},
        "step": {"enum": steps},
        "situation": {"type": "string", "maxLength": 160},
        "text": {"type": "string", "maxLength": 240},
    }
    insight = {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    array = {"type": "array", "items": insight, "minItems": 1, "maxItems": INSIGHTS}
    return {
        "type": "object",
        "properties": {"insights": array},
        "required": ["insights"],
        "additionalProperties": False,
    }
