"""How much each arm solved: per task set, and per type of task."""

from __future__ import annotations

from collections.abc import Sequence

from bench.lab.types import Row
from bench.report import words
from bench.report.charts import Dot, whiskers
from bench.report.results import Results
from bench.report.view import NOTHING, Block, Cell, Section, Table, Text, count, name
from bench.stats.rates import Rate, rate

RETRIES = (
    "may begin an episode again after a failure, which the environment tells. That is not held"
    " against arms of one episode; first attempts are."
)


def section(results: Results) -> Section:
    """Charts and tables of the rates, arms with retries in a group of their own."""
    blocks: list[Block] = []
    if results.again:
        arms = words.listed([results.label(arm) for arm in results.again])
        blocks.append(Text(text=f"{arms}: {RETRIES}", tone="dim"))
    for within in results.sets:
        blocks += _set(results, within)
    return Section(id="arms", title="What each arm solved", blocks=tuple(blocks))


def types(results: Results) -> Section | None:
    """Arms by type of task; None where tasks have no types."""
    tables = [table for within in results.sets if (table := _types(results, within))]
    if not tables:
        return None
    note = Text(
        text="Few tasks stand behind each figure; its interval is its tooltip.",
        tone="dim",
    )
    return Section(id="types", title="By type of task", blocks=(note, *tables))


def told(figure: Rate) -> str:
    """A rate in words: `3 of 15 (20 %, 7 to 45 %)`."""
    if figure.rate is None:
        return "nothing"
    spread = words.between(*honest(figure))
    return f"{figure.won} of {figure.total} ({words.percent(figure.rate)}, {spread})"


def honest(figure: Rate) -> tuple[float, float]:
    """The wider of both intervals: rows of one place, and of one task, are no independent cases."""
    low, high = figure.clustered or (figure.low, figure.high)
    return min(low, figure.low), max(high, figure.high)


def _set(results: Results, within: str) -> list[Block]:
    blocks: list[Block] = []
    single = [(arm, False) for arm in results.single] + [(arm, True) for arm in results.again]
    rows = [entry for entry in single if results.of(entry[0], within=within)]
    if rows:
        blocks += _group(results, within, rows, title=f"Solved, {within}")
    again = [(arm, False) for arm in results.again if results.of(arm, within=within)]
    if again:
        blocks += _group(results, within, again, title=f"Solved with retries, {within}")
    return blocks


def _group(
    results: Results, within: str, entries: Sequence[tuple[str, bool]], *, title: str
) -> list[Block]:
    figures = [
        (_label(results, arm, first=first), rate(results.of(arm, within=within, first=first)), arm)
        for arm, first in entries
    ]
    dots = [
        Dot(
            label, f.rate or 0.0, f.low, f.high, f"{f.won}/{f.total}", results.arms.index(arm),
            f.clustered,
        )
        for label, f, arm in figures
    ]  # fmt: skip
    alt = "; ".join(f"{label}: {told(figure)}" for label, figure, _ in figures)
    chart = whiskers(dots, name=f"{title} (95 %; thick: Wilson, thin: clustered)", alt=alt)
    common = results.common(within)
    table = Table(
        name=title,
        head=("arm", "solved", "rate", "95 % (Wilson)", "95 % (clustered)", "same tasks", "tasks",
              "learned from", "crashed"),
        rows=tuple(
            _row(results, results.of(arm, within=within, first=first), label=label, common=common)
            for (label, _, _), (arm, first) in zip(figures, entries, strict=True)
        ),
        note="Clustered: tasks of one place resemble each other, so whole places are resampled"
        " (*: too few places, tasks are). Same tasks: those that every arm of the set has played.",
    )  # fmt: skip
    return [chart, table]


def _row(
    results: Results, rows: list[Row], *, label: str, common: frozenset[str]
) -> tuple[Cell, ...]:
    figure = rate(rows)
    solved = figure.rate or 0.0
    same = rate([row for row in rows if row.task in common])
    crashed = sum(row.passed is None for row in rows)
    planned = next((s.n for s in results.experiment.arms if s.name == rows[0].arm), None)
    tasks = len({row.task for row in rows})
    return (
        name(label, title=rows[0].kind),
        Cell(text=f"{figure.won} of {figure.total}", sort=figure.won),
        Cell(text=words.percent(solved), sort=solved, shade=solved),
        Cell(text=words.between(figure.low, figure.high), sort=figure.low),
        _clustered(figure),
        Cell(text=f"{same.won} of {same.total}", sort=same.won) if same.total else NOTHING,
        Cell(text=f"{tasks:,}", sort=tasks, title=f"at most {planned}" if planned else ""),
        count(max(row.learned for row in rows)),
        Cell(text=f"{crashed:,}", sort=crashed, tone="bad" if crashed else "dim"),
    )


def _clustered(figure: Rate) -> Cell:
    if figure.clustered is None:
        return NOTHING
    low, high = figure.clustered
    text = words.between(low, high)
    if figure.few_clusters:
        few = "too few places to resample them: tasks are resampled, and this is too narrow"
        return Cell(text=f"{text} *", sort=low, title=few, tone="dim")
    return Cell(text=text, sort=low)


def _label(results: Results, arm: str, *, first: bool) -> str:
    return f"{results.label(arm)}, first attempt" if first else results.label(arm)


def _types(results: Results, within: str) -> Table | None:
    kinds = sorted({row.task_type for row in results.measured if row.set == within} - {""})
    if not kinds:
        return None
    entries = [(arm, False) for arm in results.single]
    entries += [(arm, first) for arm in results.again for first in (True, False)]
    rows = []
    for arm, first in entries:
        played = results.of(arm, within=within, first=first)
        if not played:
            continue
        retried = arm in results.retried and not first
        label = f"{results.label(arm)}, with retries" if retried else None
        cells = [name(label or _label(results, arm, first=first), tone="dim" if retried else "")]
        cells += [_type([row for row in played if row.task_type == kind]) for kind in kinds]
        rows.append(tuple(cells))
    return Table(name=f"Solved by type, {within}", head=("arm", *kinds), rows=tuple(rows))


def _type(rows: list[Row]) -> Cell:
    figure = rate(rows)
    if figure.rate is None:
        return NOTHING
    text = f"{figure.won}/{figure.total}"
    return Cell(text=text, sort=figure.rate, title=told(figure), shade=figure.rate)
