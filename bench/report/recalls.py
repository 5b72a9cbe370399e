"""Which memory came up when: every note that stood in a prompt, with how those episodes went."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from bench.lab.types import Row
from bench.report import words
from bench.report.results import Results
from bench.report.transcripts import Finder, Notes
from bench.report.view import NONE, Cell, Section, Table, Text, count, name

READ = 400
"""Transcripts of measured episodes with notes that are read for the texts and the steps."""
MOST = 200
"""Lines of the table, the most used first."""
SHORT = 160

WARNING = (
    "How often episodes with a note were solved is not the note's effect: what is recalled"
    " depends on the task. An effect needs the same tasks without it."
)


@dataclass
class _Use:
    """What is known of one note in one arm."""

    rows: list[Row] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    times: int = 0
    text: str = ""


def section(results: Results, transcript: Finder, notes: Notes) -> Section | None:
    """A line for each note and arm; None where no arm brought anything into a prompt."""
    uses: dict[tuple[str, str], _Use] = {}
    episodes = [row for row in results.measured if row.notes]
    for row in episodes:
        for note in row.notes:
            uses.setdefault((row.arm, note), _Use()).rows.append(row)
    if not uses:
        return None
    for row in episodes[:READ]:
        _read(row, transcript, uses)
        for one in notes(row.cell):
            if use := uses.get((row.arm, one.id)):
                use.text = use.text or one.text
    ranked = sorted(uses.items(), key=lambda entry: (-len(entry[1].rows), entry[0]))
    rows = tuple(_row(results, arm, note, use) for (arm, note), use in ranked[:MOST])
    note = f"{len(uses):,} notes in {len(episodes):,} measured episodes"
    if len(uses) > MOST:
        note += f"; the {MOST} most used are shown"
    if len(episodes) > READ:
        note += f"; texts and steps are from the first {READ} episodes"
    table = Table(
        name="Notes in prompts, measured episodes",
        head=("note", "arm", "episodes", "tasks", "solved", "times before a step", "first at step",
              "first used", "text"),
        rows=rows,
        note=f"{note}. No steps are told for notes that stood in the prompt throughout.",
    )  # fmt: skip
    blocks = (Text(text=WARNING, tone="dim"), table)
    return Section(id="memory", title="Which memory came up when", blocks=blocks)


def _read(row: Row, transcript: Finder, uses: dict[tuple[str, str], _Use]) -> None:
    run = transcript(row.cell)
    met: set[str] = set()
    for step in run.steps if run else ():
        for recalled in step.recalled:
            use = uses.get((row.arm, recalled.lesson))
            if use is None:
                continue
            use.times += 1
            use.text = recalled.text
            if recalled.lesson not in met:
                use.steps.append(step.index)
            met.add(recalled.lesson)


def _row(results: Results, arm: str, note: str, use: _Use) -> tuple[Cell, ...]:
    won = sum(row.won for row in use.rows)
    ended = min((row.ended for row in use.rows if row.ended), default="")
    short = use.text if len(use.text) <= SHORT else f"{use.text[: SHORT - 1]}…"
    return (
        name(note),
        name(results.label(arm)),
        count(len(use.rows)),
        count(len({row.task_key for row in use.rows})),
        Cell(text=f"{won} of {len(use.rows)}", sort=won),
        count(use.times) if use.times else Cell(text=NONE, sort=0, tone="dim"),
        _first(use.steps),
        Cell(text=ended.replace("T", " ")[:16] or NONE, title=ended),
        name(short or NONE, title=use.text if short != use.text else ""),
    )


def _first(steps: list[int]) -> Cell:
    if not steps:
        return Cell(text=NONE, sort=-1, tone="dim")
    middle = median(steps) + 1
    title = f"median over {words.plural(len(steps), 'episode')}; earliest {min(steps) + 1}"
    return Cell(text=words.amount(middle), sort=middle, title=title)
