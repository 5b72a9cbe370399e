"""How success grows with what was learned, and what learning one family does to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.lab.types import Row
from bench.report import words
from bench.report.charts import Line, curves
from bench.report.results import Results
from bench.report.view import NONE, Block, Cell, Section, Table, Text, count, name
from bench.stats.curves import Curve, Point, curve, iqm, scores
from bench.stats.differences import first_attempts
from bench.stats.lifelong import Lifelong, blocks, from_rows
from envs.errors import UserError


def section(results: Results) -> Section | None:
    """A chart and a table for each task set; None where nothing was measured more than once."""
    made: list[Block] = []
    for within in results.sets:
        made += _set(results, within)
    if not made:
        return None
    intro = "Success after so many train tasks, mean over seeds; bands resample seeds and tasks."
    blocks_ = (Text(text=intro), *made)
    return Section(id="curves", title="How it grows with what was learned", blocks=blocks_)


def lifelong(results: Results) -> Section | None:
    """Transfer and forgetting; None unless one family of tasks was learned after the other."""
    rows = [row for within in results.sets for row in _lifelong(results, within)]
    if not rows:
        return None
    table = Table(
        name="A sequence of families, with memory and without",
        head=("set", "arm", "families", "seeds", "at the end", "forward transfer",
              "backward transfer", "forgetting", "maintenance", "sample efficiency"),
        rows=tuple(rows),
        note="Forward: success on a family before it is learned, less that at the start. Backward:"
        " at the end, less that just after it was learned; below 0 it was forgotten (Lopez-Paz &"
        " Ranzato 2017). Sample efficiency: against the baseline's.",
    )  # fmt: skip
    return Section(id="lifelong", title="Transfer and forgetting", blocks=(table,))


def _learners(results: Results, within: str) -> dict[str, list[Row]]:
    """All measured rows, by first attempts, of arms that were measured more than once."""
    found = {}
    for arm in results.arms:
        measured = [r for r in results.rows if r.phase == "measure" and r.arm == arm]
        rows = [row for row in first_attempts(measured) if row.set == within]
        if len({row.learned for row in rows}) > 1:
            found[arm] = rows
    return found


def _set(results: Results, within: str) -> list[Block]:
    learners = {arm: curve(rows) for arm, rows in _learners(results, within).items()}
    if not learners:
        return []
    lines = [_line(results, arm, found.points) for arm, found in learners.items()]
    lines += [
        _line(results, arm, curve(rows).points)
        for arm in _references(results, learners)
        if (rows := results.of(arm, within=within, first=True))
    ]
    alt = "; ".join(
        f"{line.name}: {', '.join(f'{words.percent(y)} after {x:g}' for x, y in points)}"
        for line in lines
        if (points := list(zip(line.x, line.at, strict=True)))
    )
    chart = curves(lines, name=f"Learning curves, {within}", alt=alt, label="train tasks learned")
    steps = sorted({point.learned for found in learners.values() for point in found.points})
    table = Table(
        name=f"Learning curves, {within}",
        head=("arm", *(f"after {step}" for step in steps), "area", "95 %", "middle half", "seeds"),
        rows=tuple(_row(results, arm, found, steps, within) for arm, found in learners.items()),
        note="Area: 1 for success throughout. Middle half: interquartile mean over seeds and types"
        " at the end. * Fewer than five seeds or five places: bands may be too narrow.",
    )
    return [chart, table]


def _references(results: Results, learners: dict[str, Curve]) -> list[str]:
    """What the learning arms are held against and does not learn."""
    pairs = results.experiment.compare
    wanted = {a for pair in pairs for a in pair if set(pair) & set(learners)}
    wanted.add(results.experiment.baseline)
    return [arm for arm in results.arms if arm in wanted and arm not in learners]


def _line(results: Results, arm: str, points: Sequence[Point]) -> Line:
    return Line(
        results.label(arm) + (", first attempt" if arm in results.retried else ""),
        [float(point.learned) for point in points],
        [point.mean for point in points],
        [point.low for point in points],
        [point.high for point in points],
        results.arms.index(arm),
    )


def _row(
    results: Results, arm: str, found: Curve, steps: Sequence[int], within: str
) -> tuple[Cell, ...]:
    points = {point.learned: point for point in found.points}
    middle = iqm(scores(results.of(arm, within=within, first=True)))
    few = " *" if found.few_seeds or found.few_clusters else ""
    return (
        name(results.label(arm)),
        *(_point(points.get(step)) for step in steps),
        _figure(found.area),
        Cell(text=f"{found.area_low:.2f} to {found.area_high:.2f}{few}", sort=found.area_low),
        Cell(
            text=NONE if middle.value is None else words.percent(middle.value),
            sort=-1 if middle.value is None else middle.value,
            title=f"{words.between(middle.low, middle.high)}, {middle.scores} scores",
        ),
        count(max(point.seeds for point in found.points)),
    )


def _point(point: Point | None) -> Cell:
    if point is None:
        return Cell(text=NONE, sort=-1, tone="dim")
    title = f"{words.between(point.low, point.high)}, {words.plural(point.rows, 'row')}"
    return Cell(text=words.percent(point.mean), sort=point.mean, title=title)


def _figure(value: float | None, tell: Callable[[float], str] = "{:.2f}".format) -> Cell:
    if value is None:
        return Cell(text=NONE, sort=-9, tone="dim")
    return Cell(text=tell(value), sort=value)


def _lifelong(results: Results, within: str) -> list[tuple[Cell, ...]]:
    base = results.experiment.baseline
    off = [r for r in results.rows if r.arm == base and (r.phase == "learn" or r.set == within)]
    lines = []
    for arm in _learners(results, within):
        learning = [row for row in results.rows if row.arm == arm and row.phase == "learn"]
        mine = [*learning, *_learners(results, within)[arm]]
        found = _metrics(mine, reference=off)
        if found is None:
            continue
        lines.append(_told(within, results.label(arm), found))
        first = [row for row in learning if row.seed == min(r.seed for r in learning)]
        if base in results.single and (without := _metrics(off, sequence=first)):
            lines.append(_told(within, f"{results.label(base)} (without)", without))
    return lines


def _metrics(
    rows: Sequence[Row], *, reference: Sequence[Row] = (), sequence: Sequence[Row] = ()
) -> Lifelong | None:
    """None for tables that are no sequence of families."""
    try:
        return from_rows(rows, reference=reference, sequence=blocks(sequence))
    except UserError:
        return None


def _told(within: str, label: str, found: Lifelong) -> tuple[Cell, ...]:
    changes = (found.forward, found.backward, found.forgetting, found.maintenance)
    return (
        name(within),
        name(label),
        name(", ".join(found.families)),
        count(found.seeds),
        Cell(text=words.percent(found.accuracy), sort=found.accuracy),
        *(_figure(change, words.signed) for change in changes),
        _figure(found.sample_efficiency),
    )
