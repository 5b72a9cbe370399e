"""The journal of a home as one page: the curve, each round in words, effects, and every change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.journal_rounds import Line, Told, fates_of, rounds
from bench.report import forest, timeline
from bench.report.charts import Line as Curve
from bench.report.charts import curves
from bench.report.forest import Entry
from bench.report.page import render
from bench.report.view import Block, Section, Text, Tone
from bench.report.words import plural
from envs.errors import StoreError
from memory.intervals import wilson
from memory.ledger import Ledger
from memory.measuring import Effects
from skills.library import Library

FILE = "journal.html"
TAGGED: dict[str, Tone] = {
    "kept": "good",
    "refused": "bad",
    "undone": "bad",
    "learned": "good",
    "held-out": "",
}


def journal(home: Path, ledger: Ledger) -> str:
    """The page. Raises `StoreError` for damaged records."""
    told = rounds(home, ledger)
    changes = list(reversed(ledger.changes(limit=-1)))
    sections = [
        _curve(told),
        *_rounds(told),
        forest.section(entries(ledger)),
        timeline.section(changes, fates_of(changes)),
    ]
    played = sum(1 for one in told if one.number)
    kept, refused = sum(one.kept for one in told), sum(one.refused for one in told)
    counts = f"{plural(played, 'round')}; the gates kept {kept} and refused {refused}."
    return render(
        [one for one in sections if one],
        title="What this agent learned",
        eyebrow="Journal",
        note="What was learned in each round, what was refused and why, and what it changed on "
        "tasks that no learning has seen. Everything on this page can be taken back.",
        played=counts,
    )


def write(home: Path, ledger: Ledger, place: Path) -> Path:
    """Writes the page into a folder. Raises `StoreError` where it can't."""
    target = place / FILE
    html = journal(home, ledger)
    try:
        place.mkdir(parents=True, exist_ok=True)
        target.write_text(html, "utf-8")
    except OSError as error:
        raise StoreError(
            f"{target} can't be written: {error.strerror or error}",
            repair="name another folder with --folder",
        ) from error
    return target


def entries(ledger: Ledger) -> list[Entry]:
    """Lessons and skills with their effects."""
    effects = Effects(ledger).all()
    found = [
        Entry(id=one.id, kind="lesson", text=one.text, status=one.status, effect=effects[one.id])
        for one in ledger.lessons(limit=-1)
        if one.id in effects
    ]
    found += [
        Entry(
            id=one.id,
            kind="skill",
            text=one.signature or one.name,
            status=one.status,
            effect=effects[one.id],
        )
        for one in Library(ledger).all()
        if one.id in effects
    ]
    return found


def _curve(told: Sequence[Told]) -> Section | None:
    """Held-out success after each round."""
    names = list(dict.fromkeys(one.name for one in told))
    lines: list[Curve] = []
    said: list[str] = []
    for series, name in enumerate(names):
        some = [one for one in told if one.name == name and one.held.total]
        if not some:
            continue
        ends = [wilson(one.held.won, one.held.total) for one in some]
        rates = [one.held.share for one in some]
        lows, highs = [low for low, _ in ends], [high for _, high in ends]
        lines.append(Curve(name, [one.number for one in some], rates, lows, highs, series))
        first, last = some[0].held, some[-1].held
        said.append(
            f"{name}: {first.won} of {first.total} held-out tasks solved at the beginning, "
            f"{last.won} of {last.total} after round {some[-1].number}."
        )
    if not lines:
        return None
    chart = curves(
        lines, name="Held-out tasks solved, after each round", alt=" ".join(said), label="round"
    )
    lead = [Text(text=text, tone="lead") for text in said]
    return Section(id="curve", title="Did it get better?", blocks=(*lead, chart))


def _rounds(told: Sequence[Told]) -> list[Section]:
    if not told:
        text = Text(text="No rounds yet: `journeyman learn ENV` plays some.", tone="dim")
        return [Section(id="rounds", title="Round by round", blocks=(text,))]
    sections: list[Section] = []
    for name in dict.fromkeys(one.name for one in told):
        blocks: list[Block] = []
        for one in (some for some in told if some.name == name):
            title = f"Round {one.number}" if one.number else "Before"
            blocks.append(Text(text=title, tone="head"))
            blocks += [_line(line) for line in one.lines]
        title = f"Round by round: {name}"
        sections.append(Section(id=f"rounds-{name}", title=title, blocks=tuple(blocks)))
    return sections


def _line(line: Line) -> Text:
    undo = f" (journeyman undo {line.undo})" if line.undo else ""
    return Text(text=f"{line.text}{undo}", tag=line.tag, tagged=TAGGED.get(line.tag, "dim"))
