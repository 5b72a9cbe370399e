"""All changes of an agent in order: which were kept, refused by a gate, or taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agent.journal import said
from agent.journal_rounds import Fate
from bench.report.charts import Mark, events
from bench.report.view import Cell, Section, Table, Text, Tone, name
from envs.errors import clip
from memory.types import Change

LANES = {
    "lesson": "lessons",
    "skill": "skills",
    "prompt": "prompts",
    "setting": "settings",
    "adapter": "students",
    "task": "tasks of its own",
}
SORTS: Mapping[Fate, tuple[int, bool]] = {
    "kept": (2, False),
    "refused": (6, False),
    "undone": (3, True),
}
"""Colour and shape of each, and whether it is hollow."""
LISTED = 200
"""Changes of the table: the newest."""
TONES: Mapping[Fate, Tone] = {"kept": "good", "refused": "dim", "undone": "bad"}


def section(changes: Sequence[Change], fates: Mapping[str, Fate]) -> Section:
    """The picture and the table; `changes` oldest first."""
    if not changes:
        nothing = Text(text="Nothing was ever changed here.", tone="dim")
        return Section(id="timeline", title="Every change", blocks=(nothing,))
    counts = Counter(fates[one.id] for one in changes)
    lead = f"{len(changes):,} changes: " + ", ".join(
        f"{counts[fate]:,} {fate}" for fate in SORTS if counts[fate]
    )
    order = list(SORTS)
    marks = [
        Mark(at, LANES[one.kind], fates[one.id], *SORTS[fates[one.id]])
        for at, one in enumerate(changes, start=1)
    ]
    marks.sort(key=lambda mark: order.index(mark.sort))  # type: ignore[arg-type]
    there = {mark.lane for mark in marks}
    lanes = [lane for lane in LANES.values() if lane in there]
    chart = events(marks, lanes=lanes, name="Changes in order, by what became of them", alt=lead)
    note = "What is kept can be taken back with journeyman undo and its id"
    return Section(
        id="timeline",
        title="Every change",
        blocks=(Text(text=f"{lead}. {note}", tone="lead"), chart, _table(changes, fates)),
    )


def _table(changes: Sequence[Change], fates: Mapping[str, Fate]) -> Table:
    newest = list(reversed(changes))[:LISTED]
    rows = tuple(
        (
            Cell(text=one.time[:19].replace("T", " ")),
            name(said(one), title=one.target),
            name(fates[one.id], tone=TONES[fates[one.id]]),
            name(one.actor),
            name(clip(one.reason, most=260)),
            name(one.id),
        )
        for one in newest
    )
    left = len(changes) - len(newest)
    note = f"The {left:,} oldest are not listed; `journeyman history` has them." if left else ""
    head = ("when", "what", "", "by", "why", "change")
    return Table(name="Changes, newest first", head=head, rows=rows, note=note)
