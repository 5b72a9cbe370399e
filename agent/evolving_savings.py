"""Kept for being cheaper: a change that costs no success to speak of, and a fifth of the price.

Two things have to be shown, each with an error of 5 % at most however often one looks:

- *as good*: the difference in success lies above `-margin`. While pairs come in by an e-process, a
  mixture of bets against "worse by the margin or more" (Waudby-Smith and Ramdas 2024, arXiv
  2010.09686, section 4); at the last look by Tango's interval too, half of the error each.
- *cheaper*: tokens or steps of all tasks together fall by `SAVED` or more. An asymptotic confidence
  sequence for the ratio of totals (Waudby-Smith et al. 2024, arXiv 2103.06476, linearised), the
  error shared between the two prices; pairs in one place count for as many as they are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from agent.evolving_desk import spent
from agent.pairing import FIRST, Played, settled, tango, worth_of
from envs.types import Frozen
from memory.sequences import ALPHA, normal_mixture
from memory.types import Trajectory

SAVED = 0.2
"""Share of the price that has to be saved."""
CHEAPER = ("setting", "skill", "prompt")
"""Kinds of changes that may be kept for it."""
BETS = ((0.25, 0.1), (0.5, 0.2), (0.75, 0.3), (0.95, 0.4))
"""Shares of the largest bet that can't be ruined, and the weight of each."""
TUNED = 2.0
"""Sum of variances at which the sequence is narrowest: 40 pairs that vary by a fifth."""
Price = Literal["tokens", "steps"]


class Saving(Frozen):
    """What a change saves of one price."""

    price: Price
    """Of what."""
    share: float
    """What is saved, as a share of what the agent as it is consumed; negative: it costs more."""
    low: float
    """Lower end of its interval, which holds however often one looks."""
    high: float
    """Upper end."""

    def __str__(self) -> str:
        ends = f"{max(-1, self.low):.0%} to {min(1, self.high):.0%}"
        return f"{self.share:.0%} of the {self.price} saved ({ends})"


class Looks:
    """Looks at pairs as they come in: whether they can end, for a gain or for being cheaper."""

    def __init__(self, *, margin: float, least: int) -> None:
        self._margin = margin
        self._least = least
        self._played: Sequence[Played] = ()

    def __call__(self, played: Sequence[Played], most: int) -> str:
        """Why nothing that could still come would alter the verdict; empty: it would."""
        self._played = played
        ended, n = settled(played, most=most), len(played)
        if ended.startswith("clear") or n < FIRST or n >= most:
            return ended
        prices = savings(played)
        if n >= self._least and _as_good(played, self._margin) and _shown(prices):
            return f"clear after {n} of {most} tasks: as good, and cheaper"
        if not ended:
            return ""
        could = [*played, *[played[-1].model_copy(update={"won": (False, True)})] * (most - n)]
        open_ = any(one.high > SAVED for one in prices) and as_good(could, margin=self._margin)
        return "" if open_ else ended

    def cheaper(self) -> tuple[bool, str]:
        """Whether it is kept for being cheaper, and what speaks for or against that; empty where
        it saves too little to speak of it.
        """
        prices = [one for one in savings(self._played) if one.share >= SAVED]
        if not prices:
            return False, ""
        said = "; ".join(map(str, prices))
        margin = f"{100 * self._margin:.0f} points"
        if any(one.broke[0] for one in self._played) or len(self._played) < self._least:
            return False, f"{said}, of too few tasks that can be compared"
        if not as_good(self._played, margin=self._margin):
            return False, f"{said}, but it may be worse by {margin} or more"
        if not _shown(prices):
            return False, f"{said}, which may be less than {SAVED:.0%}"
        return True, f"{said}, and not worse by {margin}"


def savings(played: Sequence[Played]) -> tuple[Saving, ...]:
    """What is saved of tokens and of steps; none of a price that nothing was paid of."""
    both: tuple[Price, ...] = ("tokens", "steps")
    found = (_saving(price, played) for price in both)
    return tuple(one for one in found if one is not None)


def fewer(before: Sequence[Trajectory], after: Sequence[Trajectory]) -> str:
    """What runs saved over others of the same tasks, in words; empty: less than `SAVED`."""
    paid = [
        (spent(runs).prompt_tokens + spent(runs).completion_tokens, sum(len(r.steps) for r in runs))
        for runs in (before, after)
    ]
    both: tuple[Price, ...] = ("tokens", "steps")
    found = [
        f"{1 - now / was:.0%} fewer {price}"
        for price, was, now in zip(both, *paid, strict=True)
        if was and 1 - now / was >= SAVED
    ]
    return " and ".join(found)


def as_good(played: Sequence[Played], *, margin: float) -> bool:
    """Whether the challenger is shown not to be worse by `margin` or more, at the last look."""
    if not played:
        return False
    values = [one.value for one in played]
    worth = worth_of(values, [one.place for one in played])
    scale = worth / len(played)
    low, _ = tango(values.count(1) * scale, values.count(-1) * scale, worth, alpha=ALPHA)
    return low > -margin or _as_good(played, margin)


def _as_good(played: Sequence[Played], margin: float) -> bool:
    """The same while pairs still come in, with the other half of the error."""
    values = np.array([one.value for one in played], dtype=float)
    bets = np.array([bet for bet, _ in BETS]) / (1 - margin)
    wealth = np.log1p(bets[:, None] * (values + margin)[None, :]).sum(axis=1)
    weights = np.log([weight for _, weight in BETS])
    return bool(np.logaddexp.reduce(wealth + weights) >= -np.log(ALPHA / 2))


def _shown(prices: Sequence[Saving]) -> bool:
    return any(one.low >= SAVED for one in prices)


def _saving(price: Price, played: Sequence[Played]) -> Saving | None:
    paid = np.array([getattr(one, price) for one in played], dtype=float).reshape(-1, 2)
    before, after = paid[:, 0], paid[:, 1]
    total, n = before.sum(), len(played)
    if total <= 0:
        return None
    share = 1 - after.sum() / total
    rest = ((1 - share) * before - after) * n / total
    worth = worth_of(rest.tolist(), [one.place for one in played])
    wide = float("inf")
    if n >= FIRST:
        wide = float(normal_mixture(worth * rest.var(), alpha=ALPHA / 2, tuned=TUNED)) / worth
    return Saving(price=price, share=share, low=share - wide, high=share + wide)
