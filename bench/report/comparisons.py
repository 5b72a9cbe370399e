"""Which arm is better than which, on the same tasks, and what such a table can show at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from bench.lab.types import Row
from bench.report import words
from bench.report.charts import Dot, whiskers
from bench.report.results import Results
from bench.report.view import NONE, NOTHING, Block, Cell, Section, Table, Text, Tone, count, name
from bench.stats.bootstrap import clusters_of
from bench.stats.differences import Difference, holm, paired
from bench.stats.power import design_effect, detectable, needed
from bench.stats.rates import rate

SIZES = (0.05, 0.1, 0.2, 0.3)
"""Differences to plan for."""
DOUBTED = 0.05
"""Above this p the sign test over tasks does not confirm a verdict."""
TONES: dict[str, Tone] = {"better": "good", "worse": "bad", "can't tell": "dim"}


class Compared:
    """Differences between two arms of an experiment, by task set."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.of = cache(self._of)

    def _of(self, arm: str, against: str, within: str) -> tuple[Difference, bool] | None:
        """The difference, and whether it goes by first attempts; None where nothing pairs.

        An arm with retries is held against one without by its first attempts alone.
        """
        first = (arm in self.results.retried) != (against in self.results.retried)
        sides = [self.results.of(a, within=within, first=first) for a in (arm, against)]
        if not all(sides):
            return None
        return paired(*sides, seed=0, checked=True), first


def planned(results: Results) -> list[tuple[str, str]]:
    """Comparisons that were decided on beforehand, of arms that have rows."""
    there = set(results.arms)
    return [pair for pair in results.experiment.compare if set(pair) <= there]


def exploratory(results: Results) -> Iterator[tuple[str, str]]:
    """All other arms against the baseline."""
    base = results.experiment.baseline
    known = {frozenset(pair) for pair in results.experiment.compare}
    for arm in results.arms if base in results.arms else ():
        if arm != base and frozenset((arm, base)) not in known:
            yield arm, base


def section(results: Results) -> Section | None:
    """Planned comparisons, then those that were looked at afterwards; None for a single arm."""
    compared = Compared(results)
    blocks: list[Block] = []
    for within in results.sets:
        blocks += _tables(compared, within)
    if not blocks:
        return None
    intro = (
        "Differences are taken task by task. A verdict needs a 95 % interval without 0 and enough"
        " places to speak for others; else it is “can't tell”, which is not “no difference”."
    )
    blocks = [Text(text=intro), *blocks]
    return Section(id="comparisons", title="Which arm is better", blocks=tuple(blocks))


def power(results: Results) -> Section | None:
    """What could have been seen with so many tasks, and what it would take."""
    rows = [row for within in results.sets for row in _power(results, within)]
    if not rows:
        return None
    table = Table(
        name="Smallest difference that can be seen, and tasks that it takes",
        head=("set", "arm", "tasks", "design effect", "can be seen",
              *(f"for {words.points(size).removeprefix('+')}" for size in SIZES)),
        rows=tuple(rows),
        note="Every task played once. In 80 of 100 experiments, at 5 %, against an arm of the same"
        " rate on as many other tasks. Pairs on the same tasks often need fewer: see the"
        " comparisons. The design effect tells by how much tasks of one place resemble each other;"
        " it is counted in.",
    )  # fmt: skip
    return Section(id="power", title="What could be seen at all", blocks=(table,))


def told(d: Difference) -> str:
    """The verdict, with what speaks against it."""
    if d.here != d.verdict:
        return f"{d.verdict} ({d.here} in these very places)"
    if d.verdict != "can't tell" and d.sign_p > DOUBTED:
        return f"{d.verdict} (the sign test does not confirm it)"
    return d.verdict


def label(results: Results, arm: str, *, first: bool) -> str:
    """Name of an arm in a comparison."""
    retried = arm in results.retried
    rest = "" if not retried else ", first attempt" if first else ", with retries"
    return f"{results.label(arm)}{rest}"


def _tables(compared: Compared, within: str) -> list[Block]:
    results = compared.results
    asked = [(pair, True) for pair in planned(results)]
    asked += [(pair, False) for pair in exploratory(results)]
    found = [
        (*difference, is_planned)
        for (arm, against), is_planned in asked
        if (difference := compared.of(arm, against, within)) and difference[0].n
    ]
    if not found:
        return []
    dots = [
        Dot(
            f"{label(results, d.arm, first=first)} − {label(results, d.against, first=first)}",
            d.estimate or 0.0, d.low, d.high, "" if is_planned else "expl.",
            results.arms.index(d.arm),
        )
        for d, first, is_planned in found
    ]  # fmt: skip
    corrected = iter(holm([d.sign_p for d, _, is_planned in found if is_planned]))
    alt = "; ".join(
        f"{dot.name}: {words.signed(dot.at)} ({words.span(dot.low, dot.high)})" for dot in dots
    )
    title = f"Differences in points, {within} (95 %; right of 0: better)"
    chart = whiskers(dots, name=title, alt=alt, differences=True)
    table = Table(
        name=f"Differences, {within}",
        head=("arm", "against", "verdict", "points", "95 %", "pairs", "fixed", "broken",
              "sign test p", "p (Holm)", "pairs needed", "can be seen", "kind"),
        rows=tuple(
            _row(results, d, first=first, corrected=next(corrected) if p else None)
            for d, first, p in found
        ),
        note="Fixed: tasks that only the arm solved; broken: that only the other one solved. Pairs"
        " needed: to see a difference of the size found. Holm: corrected for all planned"
        " comparisons that stand here. Exploratory comparisons were not planned;"
        " with many of them some look good by chance.",
    )  # fmt: skip
    return [chart, table]


def _row(
    results: Results, d: Difference, *, first: bool, corrected: float | None
) -> tuple[Cell, ...]:
    estimate = d.estimate or 0.0
    verdict, seen = told(d), NOTHING if d.detectable is None else _least(d.detectable)
    return (
        name(label(results, d.arm, first=first)),
        name(label(results, d.against, first=first)),
        name(verdict, title=d.reason, tone=TONES[d.verdict]),
        Cell(text=words.signed(estimate), sort=estimate),
        Cell(text=words.span(d.low, d.high), sort=d.low, title=d.method),
        Cell(text=f"{d.n:,}", sort=d.n, title=f"{d.tasks} tasks in {d.clusters} places"),
        count(d.wrong_to_right),
        count(d.right_to_wrong),
        _chance(d.sign_p),
        NOTHING if corrected is None else _chance(corrected),
        Cell(text=NONE, sort=0, tone="dim") if d.needed is None else count(d.needed),
        seen,
        name("exploratory", tone="dim") if corrected is None else name("planned"),
    )


def _chance(p: float) -> Cell:
    return Cell(text=f"{p:.3f}" if p >= 0.001 else "< 0.001", sort=p)


def _power(results: Results, within: str) -> Iterator[tuple[Cell, ...]]:
    for arm in results.arms:
        rows = _once(results.of(arm, within=within, first=True))
        figure = rate(rows)
        if figure.rate is None:
            continue
        effect = design_effect([float(row.won) for row in rows], clusters_of(rows)) or 1.0
        least = detectable(int(figure.total / effect), rate=figure.rate)
        yield (
            name(within),
            name(label(results, arm, first=True)),
            count(figure.total),
            Cell(text=f"{effect:.2f}", sort=effect),
            _least(least),
            *(_tasks(size, rate=figure.rate, effect=effect) for size in SIZES),
        )


def _once(rows: Sequence[Row]) -> list[Row]:
    """One row a task, of its first seed: more seeds are no more tasks."""
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.seed):
        first.setdefault(row.task, row)
    return list(first.values())


def _least(size: float) -> Cell:
    if size >= 1:
        return Cell(text="nothing", sort=1.0, tone="dim")
    return Cell(text=words.points(size).removeprefix("+"), sort=size)


def _tasks(size: float, *, rate: float, effect: float) -> Cell:
    return count(int(needed(size, rate=rate) * effect + 0.999))
