"""The claims as the first part of a page: a line each, a drawing, and the figures."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import words
from bench.report.charts import Dot, whiskers
from bench.report.claims import Told, evidence, headline, level
from bench.report.costs import figure, spread
from bench.report.results import Results
from bench.report.view import NOTHING, Block, Cell, Section, Table, Text, Tone, count, name
from bench.stats.claims import strictness
from bench.stats.cost import Cost, cost
from bench.stats.differences import Difference, paired
from envs.errors import clip

TONES: dict[str, Tone] = {"holds": "good", "does not hold": "bad", "can't tell": "dim"}
SERIES = {"holds": 2, "does not hold": 3, "can't tell": 0, "waits": 8}
"""Colour and shape in the drawing."""
COLUMNS = 49
"""Width of the drawing of letters."""
EXPECTS = {"better": "better", "no worse": "no worse, within", "no better": "no better, within"}


def section(results: Results, told: Sequence[Told], *, gone: str = "") -> Section | None:
    """Verdicts, drawing and tables; None where nothing is claimed. `gone`: what isn't any more."""
    if not told:
        return None
    blocks: list[Block] = [Text(text=headline(told), tone="lead")]
    blocks += [_line(one) for one in told]
    if gone:
        blocks.append(Text(text=gone, tone="bad"))
    shown = [one for one in told if one.plain is not None]
    if shown:
        blocks.append(_drawn(shown))
        blocks.append(_figures(told))
        blocks.append(costs(results, shown))
    blocks.append(Text(text=method(len(told)), tone="dim"))
    return Section(id="claims", title="What was claimed", blocks=tuple(blocks))


def method(claims: int) -> str:
    """How verdicts come about."""
    text = (
        "A claim holds where the whole interval of the difference, task by task and by place, lies"
        " on the claimed side of 0 or of its margin; it does not hold where all of it lies on the"
        " other side; else nobody can tell from these tasks."
    )
    if claims == 1:
        return f"{text} It goes by the interval at 95{words.GAP}%."
    strictest = words.percent(strictness(claims))
    return (
        f"{text} All {claims} claims together are held to 95{words.GAP}% by Holm's step-down: the"
        f" first is decided at {strictest} or not at all, and each that is decided makes the"
        " next a little easier. Their order decides nothing, and one that can't be told does not"
        " stop the others, as it would in a fixed sequence. Claims that wait are counted."
    )


def drawing(told: Sequence[Told]) -> str:
    """Differences with their intervals as letters, for pages without pictures.

    `●` the difference, `├─┤` the interval that decides, `│` no difference, `┊` the margin.
    """
    ends = [abs(end) for one in told for d in [_shown(one)] for end in (d.low, d.high)]
    bars = [abs(one.judged.bar) for one in told if one.judged]
    edge = min(1.0, max(0.1, *ends, *bars))
    edge = next(e for e in (0.1, 0.2, 0.3, 0.5, 0.75, 1.0) if e >= edge - 1e-9)

    def place(at: float) -> int:
        return round((max(-edge, min(edge, at)) + edge) / (2 * edge) * (COLUMNS - 1))

    rows = []
    for one in told:
        d, cells = _shown(one), [" "] * COLUMNS
        for at in range(place(d.low), place(d.high) + 1):
            cells[at] = "─"
        cells[place(d.low)], cells[place(d.high)] = "├", "┤"
        cells[place(0)] = "┼" if cells[place(0)] == "─" else "│"
        if one.judged and one.judged.bar:
            cells[place(one.judged.bar)] = "┊"
        cells[place(d.estimate or 0.0)] = "●"
        rows.append(f"{one.number:>3} {''.join(cells)}  {one.verdict}")
    left, right = words.signed(-edge), words.signed(edge)
    half = (COLUMNS - 1) // 2
    scale = f"    {left:<{half}}0{right:>{half}}  points of success"
    said = [f"{one.number:>3} {clip(one.claim.says, most=COLUMNS + 20)}" for one in told]
    return "\n".join([scale, *rows, "", *said])


def _line(one: Told) -> Text:
    text = f"{one.number}. {one.claim.says}: {evidence(one)}"
    return Text(text=text, tag=one.verdict, tagged=TONES.get(one.verdict, "dim"))


def _shown(one: Told) -> Difference:
    """The interval that decides, or that of what is played so far."""
    found = one.judged.deciding if one.judged else one.plain
    if found is None:
        raise ValueError("a claim without pairs is not drawn")
    return found


def _drawn(told: Sequence[Told]) -> Block:
    dots = []
    for one in told:
        d, wide = one.plain, _shown(one)
        if d is not None:
            bar = one.judged.bar if one.judged else None
            outer = (min(wide.low, d.low), max(wide.high, d.high))
            at = SERIES[one.verdict]
            text = f"{one.number}. {clip(one.claim.says, most=60)}"
            dots.append(
                Dot(text, d.estimate or 0.0, d.low, d.high, one.verdict, at, outer, bar or None)
            )
    alt = "; ".join(
        f"{dot.name}: {words.signed(dot.at)} ({words.span(*(dot.outer or (dot.low, dot.high)))}),"
        f" {dot.note}"
        for dot in dots
    )
    return whiskers(
        dots,
        name="What was claimed, in points of success (thick: 95 %; thin: what decides; "
        "short stroke: the margin)",
        alt=alt,
        differences=True,
    )


def _figures(told: Sequence[Told]) -> Table:
    rows = []
    for one in told:
        rows.append(_row(one))
        played = [s for s in one.sets if any(row.set == s for row in one.arm)]
        for within in played if len(played) > 1 else ():
            sides = ([r for r in rows_ if r.set == within] for rows_ in (one.arm, one.against))
            d = paired(*sides, seed=0, checked=True)
            rows.append((NOTHING, name(within, tone="dim"), NOTHING, *_difference(d), *BLANK))
    return Table(
        name="Claims in figures",
        head=("", "claim", "verdict", "points", "95 %", "pairs", "places", "decided by", "at",
              "expected", "can be told"),
        rows=tuple(rows),
        note="Decided by: the interval that the verdict goes by. Can be told: which difference, or"
        " which margin if there is no difference, so many pairs tell in 80 of 100 experiments at"
        " the strictest level. Lines of single task sets are there to be looked at, and have no"
        " verdict of their own.",
    )  # fmt: skip


BLANK = (NOTHING,) * 4


def _row(one: Told) -> tuple[Cell, ...]:
    claim, judged = one.claim, one.judged
    said = name(claim.says, title=f"{claim.arm} against {claim.against}")
    verdict = name(one.verdict, tone=TONES.get(one.verdict, "dim"))
    number = count(one.number)
    margin = f" {words.amount(claim.margin)}" if claim.margin else ""
    within = EXPECTS[claim.expects] if claim.margin and claim.expects != "better" else claim.expects
    expected = name(f"{within}{' by more than' if claim.expects == 'better' and margin else ''}"
                    f"{margin}")  # fmt: skip
    if one.plain is None:
        return (number, said, verdict, *(NOTHING,) * 6, expected, NOTHING)
    least = judged.detectable if judged else None
    decided = (NOTHING, NOTHING)
    if judged:
        d = judged.deciding
        decided = (
            Cell(text=words.span(d.low, d.high), sort=d.low, title=d.method),
            Cell(text=level(judged), sort=judged.level),
        )
    return (
        number, said, verdict, *_difference(one.plain), *decided, expected,
        NOTHING if least is None else Cell(text="nothing", sort=1.0, tone="dim") if least >= 1
        else Cell(text=words.points(least).removeprefix("+"), sort=least),
    )  # fmt: skip


def _difference(d: Difference) -> tuple[Cell, ...]:
    return (
        Cell(text=words.signed(d.estimate or 0.0), sort=d.estimate or 0.0),
        Cell(text=words.span(d.low, d.high), sort=d.low, title=d.method),
        Cell(text=f"{d.n:,}", sort=d.n, title=f"{d.tasks} tasks"),
        count(d.clusters),
    )


def costs(results: Results, told: Sequence[Told]) -> Table:
    """What both arms of each claim took for a solved task; only claims with pairs."""
    rows = tuple(
        (
            count(one.number),
            name(arm),
            name(f"{spent.solved} of {spent.rows}"),
            figure(spent.tokens.per_solved, words.amount),
            spread(spent.tokens, few=spent.few_clusters),
            figure(spent.model.per_solved, words.seconds),
            spread(spent.model, few=spent.few_clusters, tell=words.seconds),
        )
        for one in told
        for arm, spent in _spent(results, one)
    )
    return Table(
        name="What a solved task took, in the tasks of each claim",
        head=("", "arm", "solved", "tokens a solved task", "95 %", "model time a solved task",
              "95 % of it"),
        rows=rows,
        note="Tokens sent and received, and time spent waiting for the model, failures and second"
        " attempts included. What learning took is paid once: see the costs below.",
    )  # fmt: skip


def _spent(results: Results, one: Told) -> list[tuple[str, Cost]]:
    """What both arms spent on the tasks that both played, second attempts included."""
    met = {(row.set, row.task) for row in one.arm}
    found = []
    for arm in (one.claim.arm, one.claim.against):
        rows = [row for row in results.of(arm) if (row.set, row.task) in met]
        label = f"{results.label(arm)}{', with retries' if arm in results.retried else ''}"
        found.append((label, cost(rows)))
    return found
