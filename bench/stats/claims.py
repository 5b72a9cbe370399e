"""Whether claims that were stated beforehand hold: several at once, and "no worse" among them.

Each claim says on which side of a bar the difference of two arms lies: above 0 (or above its
margin) for "better", above minus its margin for "no worse" (non-inferiority), below its margin for
"no better". It holds where the whole interval lies on that side, does not hold where the whole
interval lies on the other one, and can't be told where the interval holds the bar: that two arms
were not seen to differ says nothing for "no worse".

All claims together are held to 95 % by Holm's step-down (1979), which needs no independence: with m
claims undecided each is looked at by its interval at 1 - 0.05/m; what that decides is taken out,
and the rest is looked at again. The verdicts do not depend on the order of the claims, and one that
can't be told stops none of the others, as it would in a fixed sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Literal, NamedTuple

from bench.lab.types import Expects, Row
from bench.stats.bootstrap import LEVEL, SAMPLES
from bench.stats.differences import Difference, paired
from bench.stats.power import ALPHA, confirmable, visible
from envs.types import Frozen

Holds = Literal["holds", "does not hold", "can't tell"]
FINER = 5
"""Times as many resamples where an interval is stricter than 95 %: its ends lie further out."""
FLIPS = (0.1, 0.2, 0.4)
"""Shares of pairs that only one arm solves, to plan with before any is played."""


class Asked(NamedTuple):
    """A claim with the rows of its arms."""

    arm: Sequence[Row]
    against: Sequence[Row]
    expects: Expects
    margin: float
    """From 0 to 1."""

    @property
    def bar(self) -> float:
        """Where the difference has to lie above, or below for "no better"."""
        return -self.margin if self.expects == "no worse" else self.margin


class Judged(Frozen):
    """What came of a claim."""

    verdict: Holds
    """About tasks and rooms like these."""
    here: Holds
    """The same for these very rooms alone; equals `verdict` where there are enough of them."""
    plain: Difference
    """The difference with its 95 % interval, as if nothing else had been claimed."""
    deciding: Difference
    """The same with the interval that the verdict goes by."""
    level: float
    """Level of that interval."""
    bar: float
    """Where the line lies, from -1 to 1."""
    detectable: float | None
    """What could be told in 80 of 100 experiments even at the strictest level: the smallest
    difference, or for a margin the smallest one, if there is no difference at all. None: no pairs.
    """


def judge(claims: Sequence[Asked | None]) -> list[Judged | None]:
    """A verdict for each claim, in their order; None for those that are not played yet.

    Those count, too, so that a verdict does not get lost when they are played.
    """
    there = {at: claim for at, claim in enumerate(claims) if claim is not None}
    open_ = list(there)
    found: dict[int, Judged] = {}

    @cache
    def difference(at: int, level: float) -> Difference:
        one, samples = there[at], SAMPLES if level <= LEVEL else SAMPLES * FINER
        return paired(one.arm, one.against, seed=0, checked=True, samples=samples, level=level)

    while open_:
        level = strictness(len(claims) - len(found))
        seen = {
            at: _judged(there[at], partial(difference, at), level, claims=len(claims))
            for at in open_
        }
        decided = {at: one for at, one in seen.items() if one.verdict != "can't tell"}
        found |= decided or seen
        open_ = [at for at in open_ if at not in found]
    return [found.get(at) for at in range(len(claims))]


def strictness(undecided: int) -> float:
    """Level of the intervals with so many claims left."""
    return LEVEL if undecided <= 1 else 1 - ALPHA / undecided


def side(difference: Difference, *, expects: Expects, bar: float) -> Holds:
    """On which side of the bar the interval lies."""
    above, below = difference.low > bar, difference.high < bar
    if not above and not below:
        return "can't tell"
    return "holds" if above == (expects != "no better") else "does not hold"


def resolution(n: float, *, claims: int, flips: float, expects: Expects = "better") -> float:
    """What n independent pairs, of which `flips` differ, tell with 80 % at the strictest level.

    A difference; for the other two the margin that is confirmed where there is no difference.
    """
    alpha = 1 - strictness(claims)
    tell = visible if expects == "better" else confirmable
    return tell(n, discordance=flips, alpha=alpha)


def _judged(
    claim: Asked, difference: Callable[[float], Difference], level: float, *, claims: int
) -> Judged:
    deciding = difference(level)
    here = side(deciding, expects=claim.expects, bar=claim.bar)
    return Judged(
        verdict="can't tell" if deciding.few_clusters else here,
        here=here,
        plain=difference(LEVEL),
        deciding=deciding,
        level=level,
        bar=claim.bar,
        detectable=resolution(
            deciding.worth, claims=claims, flips=deciding.discordance, expects=claim.expects
        )
        if deciding.n
        else None,
    )
