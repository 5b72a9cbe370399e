"""Whether the verifiers' confidence comes true, by arm and source of the verdict."""

from __future__ import annotations

from collections import defaultdict

from bench.lab.types import Row
from bench.report.charts import Line, reliability
from bench.report.results import Results
from bench.report.view import NONE, Block, Cell, Section, Table, Text, count, name
from bench.stats.calibration import BINS, Calibration, from_rows


def section(results: Results) -> Section | None:
    """Brier scores and the reliability diagram by source; None where no verdict was given."""
    sources: dict[str, list[Row]] = defaultdict(list)
    for row in results.measured:
        if row.verified_by:
            sources[row.verified_by].append(row)
    found = {source: from_rows(rows) for source, rows in sorted(sources.items())}
    if not any(calibrated.n for calibrated in found.values()):
        return None
    drawn = [(source, c) for source, c in found.items() if c.n]
    lines = [_line(source, c, series=at) for at, (source, c) in enumerate(drawn)]
    alt = "; ".join(f"{source}: Brier score {c.brier or 0:.3f} of {c.n}" for source, c in drawn)
    blocks: list[Block] = [
        Text(text="The forecast is the confidence of the last verdict, turned where it rejected."),
        reliability(lines, name="What verifiers promised, and what came true", alt=alt),
        Table(
            name="Calibration by source of the verdict",
            head=("source", "verdicts", "none given", "Brier (0 is best)", "reliability",
                  "resolution", "uncertainty", "calibration error"),
            rows=tuple(_row(source, c) for source, c in found.items()),
            note="Brier = reliability − resolution + uncertainty, but for what bins hide. Always to"
            " say the overall rate gives a Brier score equal to the uncertainty.",
        ),
        Table(
            name="Reliability",
            head=("source", "forecast", "verdicts", "mean forecast", "came true", "95 %"),
            rows=tuple(
                (
                    name(source),
                    Cell(text=f"{b.start:.1f} to {b.end:.1f}", sort=b.start),
                    count(b.count),
                    _figure(b.forecast),
                    _figure(b.rate),
                    Cell(text=f"{b.low:.2f} to {b.high:.2f}", sort=b.low),
                )
                for source, c in drawn
                for b in c.bins
                if b.count
            ),
            note=f"{BINS} bins of equal width; empty ones are left out.",
        ),
    ]  # fmt: skip
    return Section(id="calibration", title="Can the verifier be believed?", blocks=tuple(blocks))


def _line(source: str, found: Calibration, *, series: int) -> Line:
    bins = [b for b in found.bins if b.forecast is not None and b.rate is not None]
    return Line(
        source,
        [b.forecast or 0.0 for b in bins],
        [b.rate or 0.0 for b in bins],
        [b.low for b in bins],
        [b.high for b in bins],
        series,
    )


def _row(source: str, c: Calibration) -> tuple[Cell, ...]:
    figures = (c.brier, c.reliability, c.resolution, c.uncertainty, c.ece)
    return (name(source), count(c.n), count(c.silent), *(_figure(figure) for figure in figures))


def _figure(value: float | None) -> Cell:
    if value is None:
        return Cell(text=NONE, sort=-1, tone="dim")
    return Cell(text=f"{value:.3f}", sort=value)
