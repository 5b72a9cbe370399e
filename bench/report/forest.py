"""What lessons and skills do: a forest plot of measured effects, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.charts import Dot, whiskers
from bench.report.view import NOTHING, Cell, Section, Table, Text, Tone, count, name
from envs.errors import clip
from envs.types import Frozen
from memory.telling import MEANS
from memory.types import Effect, Finding, Measured

MOST = 24
"""Rows of the plot: those that most is known of; the table has all."""
NAMED = 60
"""Letters of a name in the plot."""
SERIES: Mapping[Finding, int] = {"helps": 2, "harms": 3, "useless": 1, "can't tell": 0}
"""Colour and shape, by what the interval says."""
TONES: Mapping[Finding, Tone] = {"helps": "good", "harms": "bad"}


class Entry(Frozen):
    """A lesson or skill with what was measured of it."""

    id: str
    """Its id."""
    kind: str
    """`lesson` or `skill`."""
    text: str
    """What it says."""
    status: str
    """Where it stands."""
    effect: Effect
    """Measured."""

    @property
    def best(self) -> Measured:
        """What tossed episodes say, or, where they say nothing, replays."""
        tossed = self.effect.shown and self.effect.withheld
        return self.effect if tossed or self.effect.replayed is None else self.effect.replayed

    @property
    def n(self) -> int:
        """Episodes, both arms; or tasks that were played twice."""
        return self.best.shown + (self.best.withheld if self.best is self.effect else 0)


def section(entries: Sequence[Entry]) -> Section:
    """The plot, the largest effect first, and a table of all."""
    told = [one for one in entries if one.n and one.best.estimate is not None]
    if not told:
        text = "No effect is measured yet: it takes training episodes in which a lesson is tossed."
        return Section(id="effects", title="What it helps", blocks=(Text(text=text, tone="dim"),))
    told.sort(key=lambda one: (-_at(one), one.id))
    most = sorted(told, key=lambda one: (-one.n, one.id))[:MOST]
    shown = {one.id for one in most}
    dots = [_dot(one) for one in told if one.id in shown]
    said = {verdict: sum(one.best.verdict == verdict for one in told) for verdict in SERIES}
    parts = [f"{n} “{MEANS[verdict]}”" for verdict, n in said.items() if n]
    lead = f"Of {len(told)} measured lessons and skills: {'; '.join(parts)}."
    alt = "; ".join(f"{one.text}: {_words(one.best)}" for one in told if one.id in shown)
    left = len(told) - len(dots)
    note = f" The {left} of which least is known stand in the table alone." if left else ""
    chart = whiskers(
        dots,
        name="Success with it less success without it, and how sure that is",
        alt=clip(alt, most=4000),
        differences=True,
        label="points of success; the interval holds however often one looks",
    )
    return Section(
        id="effects",
        title="What it helps",
        blocks=(Text(text=lead + note, tone="lead"), chart, _table(told)),
    )


def _dot(one: Entry) -> Dot:
    best = one.best
    text = clip(" ".join(one.text.split()), most=NAMED)
    return Dot(
        name=f"{text} ({one.kind})" if one.kind != "lesson" else text,
        at=_at(one),
        low=best.low,
        high=best.high,
        note=f"n = {one.n}",
        series=SERIES[best.verdict],
    )


def _table(told: Sequence[Entry]) -> Table:
    rows = tuple(
        (
            name(clip(one.text, most=140), title=one.id),
            name(one.kind),
            name(one.status),
            Cell(text=_points(_at(one)), sort=_at(one)),
            Cell(text=f"{_points(one.best.low)} to {_points(one.best.high)}", sort=one.best.low),
            _arm(one.effect.won_shown, one.effect.shown),
            _arm(one.effect.won_withheld, one.effect.withheld),
            count(one.effect.replayed.shown) if one.effect.replayed else NOTHING,
            name(MEANS[one.best.verdict], tone=_tone(one.best.verdict)),
        )
        for one in told
    )
    head = ("what", "kind", "status", "points", "95 %", "shown", "withheld", "replays", "verdict")
    note = (
        "Solved and all episodes in which it was shown, and in which it was withheld by chance. "
        "Replays are tasks that were played twice, with it and without."
    )
    return Table(name="Measured effects", head=head, rows=rows, note=note)


def _at(one: Entry) -> float:
    return max(-1.0, min(1.0, one.best.estimate or 0.0))


def _arm(won: int, n: int) -> Cell:
    return Cell(text=f"{won} of {n}", sort=n) if n else NOTHING


def _points(value: float) -> str:
    return f"{100 * value:+.0f}".replace("-", "−")


def _words(best: Measured) -> str:
    return f"{_points(best.estimate or 0)} points, {_points(best.low)} to {_points(best.high)}"


def _tone(verdict: Finding) -> Tone:
    return TONES.get(verdict, "dim")
