"""One note for each type of task, revised with every consolidation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from agent.proposers.types import (
    Desk,
    attempt,
    fresh,
    joined,
    place_of,
    source_of,
    stable_id,
    story,
    trust_of,
)
from envs.errors import one_line
from memory.admission import addition, edition
from memory.lenses import least, places
from memory.types import Change, Lesson, Scope, Trajectory

ACTOR = "proposer:notes"
LATEST = 4
"""Most runs that one revision looks at: the latest that the note does not know yet."""
LONG = 700
"""Most characters of a note."""
REPLY = 400
"""Most tokens of a reply."""


class Notes:
    """Induces from new runs and revises the note on their type of task: one call for each type.

    A revision is an edit of the same lesson, so its history holds every earlier wording and each
    can be brought back. What differs from the paper: induction and revision are one call where it
    has several steps; the note is kept per type of task; weights never change in either. No label
    is used: the model sees actions and observations, never a score.
    """

    paper: ClassVar[str] = "Wang et al. 2024, In-Memory Learning, arXiv 2403.02757"
    does: ClassVar[str] = "keeps one note for each type of task and revises it with new runs"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """One change for each type of task with runs that its note does not know."""
        types: dict[tuple[str, str], list[Trajectory]] = {}
        for run in trajectories:
            if attempt(run) and not run.error:
                types.setdefault((place_of(run.env), run.task_type), []).append(run)
        changes: list[Change] = []
        for (env, kind), runs in types.items():
            id_ = stable_id("note", env, kind)
            old = self._desk.memory.lesson(id_)
            new = fresh(runs, old)[-LATEST:]
            if new:
                self._desk.progress(f"note on {kind or env}: {len(new)} runs")
                changes += await self._revised(id_, env, kind, old, new)
        return tuple(changes)

    async def _revised(
        self, id_: str, env: str, kind: str, old: Lesson | None, runs: Sequence[Trajectory]
    ) -> list[Change]:
        told = "\n\n".join(f"Run {n}. {story(run)}" for n, run in enumerate(runs))
        said = old.text if old else "(empty)"
        content = f"The note on tasks of type {kind or env!r}:\n{said}\n\n{told}"
        data = await self._desk.ask("note", content, _schema(runs), tokens=REPLY)
        text = one_line(str((data or {}).get("note", "")))
        if data is None or not text or (old and text == old.text):
            return []
        shown = runs[int(data.get("run", 0))]
        step = next((s for s in attempt(shown) if s.index == data.get("step")), None)
        reader = self._desk.memory
        sources = [source_of(shown, step, reader)]
        sources += [source_of(run, None, reader) for run in runs if run is not shown]
        sources += places(old) if old else ()
        fields: dict[str, Any] = {
            "text": text,
            "trust": least([trust_of(runs, reader), *([old.trust] if old else [])]),
        }
        evidence = tuple(run.id for run in runs)
        if old is not None:
            note = joined(old.model_copy(update=fields), sources)
            change = edition(note, old, f"revised with {len(runs)} runs", evidence, ACTOR)
            last = [one.id for one in reader.history(id_) if one.decision == "applied"][-1:]
            return [change.model_copy(update={"parents": tuple(last)})]
        goals = dict.fromkeys(run.goal for run in runs)
        note = Lesson(
            id=id_,
            kind="strategy",
            situation=one_line(f"{kind} {' '.join(goals)}"),
            scope=Scope(env=env, task_type=kind),
            source=sources[0],
            **fields,
        )
        why = f"first note on {kind or env}"
        return [addition(joined(note, sources), why, evidence, ACTOR)]


def _schema(runs: Sequence[Trajectory]) -> dict[str, Any]:
    steps = sorted({step.index for run in runs for step in attempt(run)})
    properties: dict[str, Any] = {
        "run": {"enum": list(range(len(runs)))},
        "step": {"enum": steps},
        "note": {"type": "string", "minLength": 1, "maxLength": LONG},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
