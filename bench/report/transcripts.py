"""Which transcripts a page carries, and how they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.arms.types import Note
from bench.lab.types import Row
from bench.report import words
from bench.report.results import Results
from bench.report.view import Attempt, Section, Text, Transcript, Transcripts
from memory.types import StepRecord, Trajectory

EACH, SOLVED = 3, 2
"""Transcripts of an arm for each kind of failure, and of solved tasks."""
ROOM = 1_600_000
"""Most characters of transcripts on one page."""
LONG = 1200
"""Longer texts are cut."""

Finder = Callable[[str], Trajectory | None]
Notes = Callable[[str], Sequence[Note]]


def no_notes(_: str) -> tuple[Note, ...]:
    """Where nothing is known of notes."""
    return ()


def section(results: Results, transcript: Finder, notes: Notes) -> Section:
    """The section with the transcripts; the first of every arm and kind come before the second."""
    shown: list[Transcript] = []
    room, left_out = ROOM, 0
    for row in picked(results):
        run = transcript(row.cell) if room > 0 else None
        if run is None:
            left_out += room <= 0
            continue
        told = tell(row, run, label=results.label(row.arm), notes=notes(row.cell))
        room -= len(told.model_dump_json())
        if room < 0:
            left_out += 1
        else:
            shown.append(told)
    order = {arm: at for at, arm in enumerate(results.arms)}
    names = {results.label(arm): at for arm, at in order.items()}
    shown.sort(key=lambda told: (names[told.arm], told.outcome))
    intro = f"Up to {EACH} for each arm and kind of failure and {SOLVED} of what it solved."
    blocks = (Text(text=intro), Transcripts(shown=tuple(shown), left_out=left_out))
    none = (Text(text="No transcripts are kept for these cells.", tone="dim"),)
    return Section(id="transcripts", title="Transcripts", blocks=blocks if shown else none)


def picked(results: Results) -> list[Row]:
    """Measured rows whose transcripts are shown, the first of every arm and kind first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(results.measured, key=lambda r: (r.seed, r.set, r.task)):
        groups.setdefault((row.arm, outcome(row)), []).append(row)
    rounds = [
        (at, key, row)
        for key, rows in groups.items()
        for at, row in enumerate(_spread(rows)[: SOLVED if key[1] == "solved" else EACH])
    ]
    return [row for _, _, row in sorted(rounds, key=lambda r: r[:2])]


def outcome(row: Row) -> str:
    """`solved`, or the kind of failure."""
    return "solved" if row.won else row.failure or "unfinished"


def links(results: Results, there: Iterable[str]) -> Mapping[tuple[str, str], list[str]]:
    """Ids of the transcripts on the page, by arm and outcome."""
    shown, found = set(there), dict[tuple[str, str], list[str]]()
    for row in results.measured:
        if row.cell in shown:
            found.setdefault((row.arm, outcome(row)), []).append(row.cell)
    return found


def tell(row: Row, run: Trajectory, *, label: str, notes: Sequence[Note] = ()) -> Transcript:
    """A run as the page shows it."""
    facts = [
        ("model", run.model),
        ("ended", row.stop),
        ("steps", words.amount(row.steps)),
        ("tokens", f"{row.prompt_tokens:,} sent, {row.completion_tokens:,} received"),
        ("time", words.seconds(row.wall_s)),
        ("notes and lessons shown", ", ".join(row.notes)),
        ("lessons written", ", ".join(row.wrote)),
        ("score", _score(run)),
        ("error", row.error),
        ("place", row.room),
        ("cell", row.cell),
    ]
    numbers = sorted({step.attempt for step in run.steps}) or [0]
    return Transcript(
        id=row.cell,
        arm=label,
        outcome=outcome(row),
        title=f"{row.set}, {row.task_type or 'task'}, seed {row.seed}",
        goal=run.goal,
        facts=tuple((name, value) for name, value in facts if value),
        notes=tuple((note.id, _cut(note.text)) for note in notes),
        prompt=tuple(_opening(run.messages)),
        first=_cut(run.first_observation),
        attempts=tuple(
            Attempt(
                number=at + 1,
                steps=tuple(_step(step) for step in run.steps if step.attempt == number),
                verdict=run.verdicts[at] if at < len(run.verdicts) else None,
            )
            for at, number in enumerate(numbers)
        ),
    )


def _spread(rows: list[Row]) -> list[Row]:
    """`rows` with those of tasks not yet seen first."""
    seen: set[str] = set()
    fresh = [row for row in rows if not (row.task_key in seen or seen.add(row.task_key))]
    return [*fresh, *(row for row in rows if row not in fresh)]


def _score(run: Trajectory) -> str:
    if run.score is None:
        return "not scored"
    return f"{run.score.value:g}{f', {run.score.note}' if run.score.note else ''}"


def _step(step: StepRecord) -> StepRecord:
    return step.model_copy(
        update={
            "thought": _cut(step.thought),
            "action": _cut(step.action),
            "observation": _cut(step.observation),
        }
    )


def _opening(messages: Iterable[dict[str, Any]]) -> Iterable[tuple[str, str]]:
    for message in messages:
        role, content = str(message.get("role", "")), message.get("content") or ""
        if role == "assistant":
            return
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        yield role, _cut(text, most=4 * LONG)


def _cut(text: str, *, most: int = LONG) -> str:
    more = len(text) - most
    return text if more <= 0 else f"{text[:most]} … ({words.plural(more, 'character')} more)"
