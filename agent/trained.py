"""What a student was trained under, as the ledger tells it, and what has left the prompt since."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from agent.models.students import SHIPPED, listed
from agent.promotion import Student, current, students
from envs.errors import UnknownName
from envs.types import Frozen
from memory import rows
from memory.absorbed import ABSORBED, Unit
from memory.ledger import Ledger
from memory.recall import Memory
from memory.text import estimate_tokens
from memory.types import SHOWABLE, Change, Lesson, Trajectory
from memory.withholding import unit_of

AT_ONCE = 500
"""Runs that are read with one query."""


class Left(Frozen):
    """Lessons that went for a student which does not answer any more."""

    student: str
    """Whose."""
    lessons: tuple[str, ...]
    """Their ids."""
    undo: str
    """What to undo to bring them back."""


def trained_on(ledger: Ledger, name: str, *, home: Path) -> frozenset[str]:
    """Ids of the runs that a student's rows come from, and those of the students it began from.

    By the ledger and by the records of their trainings. Raises `UnknownName`.
    """
    noted = {id_.removeprefix(SHIPPED): one for id_, one in students(ledger).items()}
    kept = {one.id: one for one in listed(home).adapters}
    if name not in noted and name not in kept:
        raise UnknownName("student", name, [*noted, *kept])
    runs: set[str] = set()
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        one = ahead.pop()
        if one in seen:
            continue
        seen.add(one)
        known, adapter = noted.get(one), kept.get(one)
        if known is not None:
            runs.update(known.runs)
            ahead += (parent.removeprefix(SHIPPED) for parent in known.parents)
        if adapter is not None:
            runs.update(adapter.manifest.sources if adapter.manifest else ())
            ahead += (parent.removeprefix(SHIPPED) for parent in adapter.parents)
    return frozenset(runs)


def read(ledger: Ledger, ids: Collection[str]) -> list[Trajectory]:
    """Those of these runs that the ledger has."""
    wanted, found = sorted(ids), list[Trajectory]()
    for first in range(0, len(wanted), AT_ONCE):
        part = wanted[first : first + AT_ONCE]
        marks = ", ".join("?" * len(part))
        query = f"SELECT body FROM trajectories WHERE id IN ({marks})"  # noqa: S608
        found += [rows.parse(Trajectory, body) for (body,) in ledger.ask(query, *part)]
    return found


def tested(memory: Memory, ids: Collection[str], *, env: str) -> list[Lesson]:
    """Those of these lessons that may be shown in an environment, and may go."""
    room, standing = env.partition(":")[0], memory.standing()
    return [
        standing[id_] for id_ in sorted(ids) if id_ in standing and _may_go(standing[id_], room)
    ]


def units(memory: Memory, lessons: Sequence[Lesson]) -> list[Unit]:
    """Lessons, each with its near-duplicates: what is known of one of them, all of them say."""
    standing, made, seen = memory.standing(), list[Unit](), set[str]()
    for lesson in lessons:
        family = [standing[id_] for id_ in unit_of(memory, lesson) if id_ in standing]
        members = [one for one in family if one.id not in seen and _may_go(one, one.scope.env)]
        if lesson.id not in seen:
            seen.update(one.id for one in members)
            tokens = max(estimate_tokens(f"- [{one.id}] {one.text}") for one in members)
            made.append(Unit(members=tuple(one.id for one in members), tokens=tokens))
    return made


def promotion(ledger: Ledger, name: str) -> Change | None:
    """The change by which that student answers; None: it does not."""
    now = current(ledger)
    if now is None or now.id.removeprefix(SHIPPED) != name:
        return None
    made = ledger.changes(target=now.id, kind="adapter", limit=-1)
    return next((one for one in made if _promotes(one, now)), None)


def brought_back(ledger: Ledger, name: str, by: Change | None) -> frozenset[str]:
    """Lessons that went after this very promotion, and may be shown again: somebody wanted them."""
    return frozenset(
        one.target
        for one in _absorptions(ledger)
        if by is not None and by.id in one.parents and _student_of(one) == name
    )


def left_out(memory: Memory, *, but: str) -> tuple[Left, ...]:
    """Lessons that are out for students which do not answer now, by the batch in which they went.

    `but` is the one that is asked about.
    """
    now = current(memory.ledger)
    able = {but, now.id.removeprefix(SHIPPED) if now else but}
    standing, found = memory.standing(), dict[tuple[str, str], set[str]]()
    for one in _absorptions(memory.ledger):
        who, lesson = _student_of(one), standing.get(one.target)
        if who not in able and lesson is not None and lesson.status == "retired":
            found.setdefault((who, one.batch or one.id), set()).add(one.target)
    return tuple(
        Left(student=who, lessons=tuple(sorted(ids)), undo=batch)
        for (who, batch), ids in found.items()
    )


def _may_go(lesson: Lesson, room: str) -> bool:
    return lesson.status in SHOWABLE and not lesson.pinned and lesson.scope.env in ("", room)


def _promotes(change: Change, now: Student) -> bool:
    turns = [int((state or {}).get("turn", 0)) for state in (change.before, change.after)]
    made = change.decision == "applied" and change.op != "undo"
    return made and turns[0] != turns[1] == now.turn


def _absorptions(ledger: Ledger) -> list[Change]:
    """Retirements of this kind, oldest first, those that were undone too."""
    query = (
        "SELECT body FROM changes WHERE kind = 'lesson' AND op = 'status' "
        "AND decision = 'applied' AND instr(body, ?) > 0 ORDER BY seq"
    )
    found = [rows.parse(Change, body) for (body,) in ledger.ask(query, ABSORBED)]
    return [one for one in found if one.reason.startswith(ABSORBED)]


def _student_of(change: Change) -> str:
    return change.reason.removeprefix(ABSORBED).partition(":")[0]
