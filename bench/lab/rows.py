"""From a finished run to its row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bench.arms.types import Note
from bench.lab.failures import failure
from bench.lab.types import ArmSpec, Cell, Row
from memory.text import estimate_tokens
from memory.types import Trajectory, Usage, Verdict

UNKNOWN = Verdict(accepted=None)


def row_of(
    cell: Cell,
    arm: ArmSpec,
    run: Trajectory,
    *,
    notes: Sequence[Note],
    spent: Usage,
    leak: bool = False,
) -> Row:
    """The row of a cell; `spent` is what learning from the run took, beside the run itself."""
    task, usage = cell.task, run.usage + spent
    last = run.verdicts[-1] if run.verdicts else UNKNOWN
    first = run.verdicts[0].accepted if run.verdicts else None
    passed = run.score.passed if run.score else None
    return Row(
        cell=cell.id,
        arm=arm.name,
        kind=arm.kind,
        model=arm.model,
        seed=cell.seed,
        phase=cell.phase,
        learned=cell.learned,
        env=task.env,
        split=task.split,
        task=task.id,
        task_key=task.key,
        task_type=task.tags[0] if task.tags else "",
        room=place(task.key),
        passed=passed,
        first_passed=passed if run.attempts == 1 else first,
        attempts=run.attempts,
        steps=len(run.steps),
        stop=run.stop,
        failure="leak" if leak else failure(run),
        error=run.error,
        accepted=last.accepted,
        confidence=last.confidence,
        verified_by=last.source,
        notes=tuple(dict.fromkeys((*(note.id for note in notes), *recalled(run)))),
        note_tokens=sum(estimate_tokens(note.text) for note in notes),
        wrote=run.lessons,
        calls=usage.calls,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        digest=digest(run),
        cached_tokens=usage.cached_tokens,
        model_s=usage.seconds,
        cost=usage.cost,
        ended=run.ended,
    )


def place(key: str) -> str:
    """The room of a task key, which is `GOAL | PLACE`."""
    return key.rpartition(" | ")[2]


def recalled(run: Trajectory) -> tuple[str, ...]:
    """Ids of recalled lessons in order of first use."""
    return tuple(dict.fromkeys(item.lesson for step in run.steps for item in step.recalled))


def digest(run: Trajectory) -> str:
    """Hash of all that was done and seen."""
    said = "\n".join(f"{s.attempt}>{s.action}\n{s.observation}" for s in run.steps)
    return hashlib.sha256(f"{run.first_observation}\n{said}".encode()).hexdigest()[:16]


def fitted(notes: Sequence[Note], *, most: int) -> tuple[Note, ...]:
    """Notes that fit into `most` estimated tokens together, best first; none is cut in two."""
    chosen: list[Note] = []
    left = most
    for note in notes:
        tokens = estimate_tokens(note.text)
        if tokens <= left:
            chosen.append(note)
            left -= tokens
    return tuple(chosen)
