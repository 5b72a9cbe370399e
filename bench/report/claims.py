"""The claims of an experiment: what came of each, in words that a stranger understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from bench.lab.claims import dropped, seen_before, sets_of
from bench.lab.types import Claim, Due, Row
from bench.report import words
from bench.report.results import Results
from bench.stats.claims import Asked, Holds, Judged, judge
from bench.stats.differences import Difference, paired, pairs
from envs.types import Frozen

Cells = Mapping[tuple[str, str], Due]
"""By arm and task set what is asked for; empty where that is not known."""
ORDER: tuple[Holds | Literal["waits"], ...] = ("does not hold", "can't tell", "waits")


class Told(Frozen):
    """A claim with what came of it."""

    number: int
    """Its place among the claims, from 1."""
    claim: Claim
    """What was claimed."""
    sets: tuple[str, ...]
    """Task sets that it is about."""
    arm: tuple[Row, ...]
    """Rows of its arm that have a counterpart."""
    against: tuple[Row, ...]
    """Their counterparts."""
    first: bool
    """Told by first attempts, since only one of the arms begins again."""
    waits: tuple[tuple[str, int], ...]
    """Arms that have not played all of it, with the cells that are left; 0: how many isn't known.
    """
    judged: Judged | None
    """None: it waits."""
    plain: Difference | None
    """Difference with its 95 % interval, of what is played; None: no pairs."""
    early: int
    """Rows that were there when it was stated."""

    @property
    def verdict(self) -> Holds | Literal["waits"]:
        """For all to see."""
        return self.judged.verdict if self.judged else "waits"


class Sides(NamedTuple):
    """Measured rows of both arms of a claim; `first`: as they stood after the first attempt."""

    arm: list[Row]
    against: list[Row]
    first: bool


def tell(
    results: Results, *, due: Cells | None = None, sessions: Sequence[Mapping[str, Any]] = ()
) -> list[Told]:
    """All claims, in the order in which they were stated; empty where there are none."""
    claims = results.experiment.claims
    found = [_sides(results, claim) for claim in claims]
    waits = [
        _waits(results, claim, due or {}, sides) for claim, sides in zip(claims, found, strict=True)
    ]
    judged = judge(
        [
            None if left else Asked(sides.arm, sides.against, claim.expects, claim.margin / 100)
            for claim, sides, left in zip(claims, found, waits, strict=True)
        ]
    )
    told = []
    for at, (claim, sides, verdict) in enumerate(zip(claims, found, judged, strict=True)):
        met = pairs(sides.arm, sides.against)
        plain = verdict.plain if verdict else paired(*sides[:2], seed=0, checked=True)
        told.append(
            Told(
                number=at + 1,
                claim=claim,
                sets=sets_of(results.experiment, claim),
                arm=_once([pair.arm for pair in met]),
                against=_once([pair.against for pair in met]),
                first=sides.first,
                waits=waits[at],
                judged=verdict,
                plain=plain if met else None,
                early=seen_before(claim, [*sides.arm, *sides.against], sessions) if sessions else 0,
            )
        )
    return told


def headline(told: Sequence[Told]) -> str:
    """One line for all; empty where nothing is claimed."""
    if not told:
        return ""
    held = [one for one in told if one.verdict == "holds"]
    verb = "holds" if 1 in (len(held), len(told)) else "hold"
    parts = [f"{len(held)} of {words.plural(len(told), 'claim')} {verb}"]
    for verdict in ORDER:
        some = [f"“{one.claim.says}”" for one in told if one.verdict == verdict]
        if some:
            parts.append(f"{'not all played yet' if verdict == 'waits' else verdict}: "
                         f"{', '.join(some)}")  # fmt: skip
    early = [one for one in told if one.early]
    if early:
        parts.append(f"stated after cells of them were played: {_numbers(early)}")
    return "; ".join(parts) + "."


def evidence(one: Told) -> str:
    """What speaks for the verdict on a claim, and what could have been told at all."""
    if one.judged is None:
        left = [
            f"{words.plural(n, 'cell')} of “{arm}”" if n else f"“{arm}”" for arm, n in one.waits
        ]
        text = f"Waits for {words.listed(left)}."
        if one.plain and one.plain.estimate is not None:
            so_far = f"{words.points(one.plain.estimate)} on {words.plural(one.plain.n, 'pair')}"
            text += f" So far {so_far}, which decides nothing before all is played."
        return text + _early(one)
    d = one.judged.deciding
    if d.estimate is None:
        return "No task was played by both." + _early(one)
    attempts = " by first attempts" if one.first else ""
    sides = [
        f"“{name}” solved {sum(row.won for row in rows)} of {len(rows)}"
        for name, rows in ((one.claim.arm, one.arm), (one.claim.against, one.against))
    ]
    seen = (
        f"{sides[0]}, {sides[1]}{attempts}: {words.points(d.estimate)} (from"
        f" {words.span(d.low, d.high)} at {level(one.judged)}; {words.plural(d.n, 'pair')} in"
        f" {words.plural(d.clusters, 'place')})."
    )
    few = _few(one.judged)
    why, power = _why(one.claim, one.judged), _power(one.claim, one.judged)
    return f"{seen} {why}.{few} {power}{_early(one)}"


def level(judged: Judged) -> str:
    """Level of the interval that decided: `99.2 %`."""
    return words.percent(judged.level) if judged.level != 0.95 else f"95{words.GAP}%"


def lines(
    results: Results, *, due: Cells | None = None, sessions: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """The claims as plain lines for a terminal: one for all, then those that wait."""
    told = tell(results, due=due, sessions=sessions)
    waiting = [f"{one.number}. {one.claim.says}: {evidence(one)}" for one in told if one.waits]
    return [line for line in (headline(told), *waiting) if line]


def withdrawn(results: Results, sessions: Sequence[Mapping[str, Any]]) -> str:
    """Which claims were stated once and are made no more; empty for none."""
    gone = [f"“{claim.says}”" for claim in dropped(results.experiment, sessions)]
    return f"Claimed when it was begun, and no more: {words.listed(gone)}." if gone else ""


def _sides(results: Results, claim: Claim) -> Sides:
    first = (claim.arm in results.retried) != (claim.against in results.retried)
    within = sets_of(results.experiment, claim)
    arm, against = (
        [row for one in within for row in results.of(name, within=one, first=first)]
        for name in (claim.arm, claim.against)
    )
    return Sides(arm, against, first)


def _waits(results: Results, claim: Claim, due: Cells, sides: Sides) -> tuple[tuple[str, int], ...]:
    """Arms that have cells left of those tasks that both are asked to play."""
    rows = {claim.arm: sides.arm, claim.against: sides.against}
    left = {name: 0 for name, some in rows.items() if not some}
    for within in sets_of(results.experiment, claim):
        asked = {name: due[name, within] for name in rows if (name, within) in due}
        if len(asked) < 2:
            continue
        shorter = min(asked, key=lambda name: asked[name].tasks)
        there = {
            name: [row for row in rows[name] if row.set == within and row.learned == one.learned]
            for name, one in asked.items()
        }
        tasks = asked[shorter].tasks
        meant = {row.task for row in there[shorter]}
        for name, one in asked.items():
            done = [row for row in there[name] if len(meant) < tasks or row.task in meant]
            left[name] = left.get(name, 0) + max(0, tasks * one.seeds - len(done))
    return tuple((name, n) for name, n in left.items() if n or not rows[name])


def _why(claim: Claim, judged: Judged) -> str:
    """How the interval lies to what was claimed."""
    d, margin, verdict = judged.deciding, claim.margin / 100, judged.here
    least = _size(margin)
    if claim.expects == "better":
        bar = words.signed(margin)
        if verdict == "can't tell":
            return f"The interval reaches across {bar}"
        return f"All of the interval lies {'above' if verdict == 'holds' else 'below'} {bar}"
    worse = claim.expects == "no worse"
    most, surely = (-d.low, -d.high) if worse else (d.high, d.low)
    verb, end = ("loses", "worst") if worse else ("gains", "best")
    if verdict == "does not hold":
        return f"It {verb} {_size(surely)} or more, which the margin of {least} does not cover"
    some = f", though it {verb} something for sure" if surely > 0 else ""
    if verdict == "can't tell":
        may = "lose" if worse else "gain"
        return f"It may {may} up to {_size(most)}, more than the margin of {least}{some}"
    if most <= 0:
        return f"Even at {end} it {'gains' if worse else 'loses'}"
    return f"At {end} it {verb} {_size(most)}, less than the margin of {least}{some}"


def _few(judged: Judged) -> str:
    if not judged.deciding.few_clusters:
        return ""
    here = "" if judged.here == "can't tell" else f" In these very places it {judged.here}."
    places = words.plural(judged.deciding.clusters, "place")
    return f"{here} {places} are too few to speak for others."


def _power(claim: Claim, judged: Judged) -> str:
    least = judged.detectable
    if least is None or least >= 1:
        return "So few pairs tell nothing, however large it is."
    what = (
        f"a true difference of {_size(least)}"
        if claim.expects == "better"
        else f"a margin of {_size(least)}, if there is no difference,"
    )
    text = f"So many pairs tell {what} in 80 of 100 experiments"
    if judged.verdict != "can't tell":
        return f"{text}."
    margin, found = claim.margin / 100, judged.deciding.estimate or 0.0
    goal = margin if claim.expects != "better" else found - margin
    if goal <= 0 or least <= goal:
        return f"{text}."
    pairs_ = round(judged.deciding.n * (least / goal) ** 2)
    return f"{text}; {_size(goal)} would take about {words.plural(pairs_, 'pair')}."


def _early(one: Told) -> str:
    if not one.early:
        return ""
    return (
        f" Stated when {words.plural(one.early, 'cell')} of it were already played: a description,"
        " not a test."
    )


def _once(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple({id(row): row for row in rows}.values())


def _numbers(some: Sequence[Told]) -> str:
    return words.listed([f"number {one.number}" for one in some])


def _size(difference: float) -> str:
    return words.points(abs(difference)).removeprefix("+")
