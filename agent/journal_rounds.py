"""Rounds of learning as a story that a stranger understands: what was learned, refused, and gained.

Read from what `journeyman learn` leaves under `HOME/learning/NAME`, and from the ledger, which
knows what was taken back since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from agent.evolving import Decided, Evolved
from agent.journal import said
from agent.roundlog import Held, Round
from agent.stages import load
from envs.errors import UnknownName, clip
from envs.types import Frozen
from memory.intervals import newcombe, wilson
from memory.ledger import Ledger
from memory.types import Change

FOLDER = "learning"
"""Under the home folder."""
NAMED = 4
"""Lessons of a round that are quoted."""
WHY = 300
"""Most letters of a gate's reasons."""
Fate = Literal["kept", "refused", "undone"]


class Line(Frozen):
    """One thing that happened in a round."""

    tag: Literal["played", "learned", "kept", "refused", "undone", "nothing", "held-out", "cost"]
    """What sort of thing."""
    text: str
    """In words."""
    undo: str = ""
    """By which it can be taken back, where it can."""


class Told(Frozen):
    """One round, told."""

    name: str
    """Of the rounds that it belongs to."""
    number: int
    """Counted from 1; 0 stands before the first."""
    lines: tuple[Line, ...]
    """What happened, in order."""
    held: Held
    """Held-out success after it."""
    kept: int = 0
    """Changes that the gates let in, without single lessons."""
    refused: int = 0
    """Those that they did not."""


def rounds(home: Path, ledger: Ledger) -> list[Told]:
    """All rounds of a home, by name and number. Raises `StoreError` for damaged records."""
    changes = list(reversed(ledger.changes(limit=-1)))
    fates, undone = fates_of(changes), undone_by(changes)
    known = {change.id: change for change in changes}
    told: list[Told] = []
    for folder in sorted((home / FOLDER).glob("*/")):
        start = folder / "start.json"
        if not start.is_file():
            continue
        before = load(start, Held)
        begun = f"before anything was learned: {_rate(before)} held-out tasks solved"
        lines = (Line(tag="held-out", text=begun),)
        told.append(Told(name=folder.name, number=0, lines=lines, held=before))
        for path in sorted(folder.glob("round-*/round.json"), key=_number):
            if (path.parent / "tasks.json").is_file():
                one = load(path, Evolved)
                about = _learned(ledger, one, fates, undone, known)
                held = one.held
                kept = sum(item.decision.promote for item in one.decided)
                counts = {"kept": kept, "refused": len(one.decided) - kept}
            else:
                student = load(path, Round)
                about, held = _trained(student), student.held or before
                lets = student.outcome == "promoted"
                counts = {"kept": int(lets), "refused": int(bool(student.adapter) and not lets)}
            number = _number(path)
            lines = (*about, _gain(before, held, start=told[-number].held if number > 1 else None))
            told.append(Told(name=folder.name, number=number, lines=lines, held=held, **counts))
            before = held
    return told


def fates_of(changes: Iterable[Change]) -> dict[str, Fate]:
    """What became of each change by now; `changes` oldest first. What was redone is kept again."""
    some = list(changes)
    gone = undone_by(some)
    return {
        one.id: "refused" if one.decision == "rejected" else "undone" if one.id in gone else "kept"
        for one in some
    }


def undone_by(changes: Sequence[Change]) -> dict[str, str]:
    """By which standing undoing a change was taken back; an undoing can itself be undone."""
    gone: dict[str, str] = {}
    for one in reversed(changes):
        if one.op == "undo" and one.decision == "applied" and one.id not in gone:
            gone |= {back: one.id for back in one.parents[:1] if back not in gone}
    return gone


def _learned(
    ledger: Ledger,
    one: Evolved,
    fates: Mapping[str, Fate],
    undone: Mapping[str, str],
    known: Mapping[str, Change],
) -> tuple[Line, ...]:
    why = f" ({one.why})" if one.why else ""
    lines = [
        Line(tag="played", text=f"{one.played} train tasks{why}, {one.won} of them solved"),
        *_lessons(ledger, one.lessons),
        *(line for item in one.decided for line in _decided(item, fates, undone, known)),
    ]
    for proposal in one.proposals:
        if not proposal.changes:
            note = f": {proposal.note}" if proposal.note else ""
            lines.append(Line(tag="nothing", text=f"{proposal.by} proposed nothing new{note}"))
    text = f"{one.episodes:,} train episodes and {one.tokens:,} tokens since the first round"
    return (*lines, Line(tag="cost", text=text))


def _lessons(ledger: Ledger, ids: Sequence[str]) -> list[Line]:
    """Single lessons: they are let in by their own evidence, one at a time."""
    if not ids:
        return [Line(tag="nothing", text="no new lesson was written")]
    texts: list[str] = []
    for id_ in ids[:NAMED]:
        try:
            lesson = ledger.lesson(id_)
        except UnknownName:
            texts.append(f"{id_} (gone since)")
        else:
            texts.append(f"“{clip(' '.join(lesson.text.split()), most=120)}” ({lesson.status} now)")
    rest = f", and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    count = f"{len(ids)} lesson{'s' if len(ids) > 1 else ''}"
    return [Line(tag="learned", text=f"{count} from its own runs: {', '.join(texts)}{rest}")]


def _decided(
    item: Decided,
    fates: Mapping[str, Fate],
    undone: Mapping[str, str],
    known: Mapping[str, Change],
) -> list[Line]:
    what = "; ".join(said(known[id_]) for id_ in item.changes if id_ in known)
    what = what or "; ".join(item.about)
    why = clip(str(item.decision), most=WHY)
    if not item.decision.promote:
        return [Line(tag="refused", text=f"{what}, proposed by {item.by}, because {why}")]
    gone = [undone[id_] for id_ in item.changes if fates.get(id_) == "undone" and id_ in undone]
    if gone and len(gone) == len(item.changes):
        text = f"{what}, proposed by {item.by}; taken back since by {gone[0]}. It was kept as {why}"
        return [Line(tag="undone", text=text, undo=gone[0])]
    return [Line(tag="kept", text=f"{what}, proposed by {item.by}, as {why}", undo=item.batch)]


def _trained(one: Round) -> tuple[Line, ...]:
    """A round that trained a student and did nothing else."""
    got = one.gathered
    covered = f", of {got.coverage.share:.0%} of the tasks" if got.coverage.tasks else ""
    lines = [Line(tag="played", text=f"{got.fresh} verified successes of its own{covered}")]
    if not one.adapter:
        return (*lines, Line(tag="nothing", text=f"no student was trained: {one.why}"))
    text = f"the student {one.adapter}, trained on {got.rows} rows"
    if one.outcome == "promoted":
        return (*lines, Line(tag="kept", text=f"{text}, answers from now on: {one.why}"))
    return (*lines, Line(tag="refused", text=f"{text}, because {clip(one.why, most=WHY)}"))


def _gain(before: Held, after: Held, *, start: Held | None) -> Line:
    """What the round changed on held-out tasks, with what chance alone could do."""
    if not after.total or not before.total:
        return Line(tag="held-out", text="no held-out task was played")
    text = f"{_rate(after)} held-out tasks solved, {_rate(before)} before"
    text += f": {_difference(before, after)}"
    if start is not None and start.total:
        text += f"; since the beginning {_difference(start, after)}"
    return Line(tag="held-out", text=text)


def _difference(before: Held, after: Held) -> str:
    low, high = newcombe((after.won, before.won), (after.total, before.total))
    gain = after.share - before.share
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference that can be told"
    return f"{_points(gain)} points ({_points(low)} to {_points(high)}), {verdict}"


def _points(value: float) -> str:
    return f"{round(100 * value):+d}"


def _rate(held: Held) -> str:
    low, high = wilson(held.won, held.total)
    return f"{held.won} of {held.total} ({low:.0%} to {high:.0%})"


def _number(path: Path) -> int:
    tail = path.parent.name.partition("-")[2]
    return int(tail) if tail.isdecimal() else 0
