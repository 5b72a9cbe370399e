"""What a second look does to answers: does it keep the right ones, does it mend the wrong ones?

Yang et al. 2025, "Confidence v.s. Critique: A Decomposition of Self-Correction Capability for
LLMs" (arXiv 2412.19513); catalogue row keep-fix-metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.lab.types import Row
from envs.errors import UserError
from envs.types import Frozen
from memory.intervals import wilson


class Flips(Frozen):
    """Counts of cases, by whether they were right before and after a correction."""

    stayed_right: int
    """Right before and after."""
    right_to_wrong: int
    """Broken by the correction."""
    wrong_to_right: int
    """Mended by it."""
    stayed_wrong: int
    """Wrong before and after."""

    @property
    def n(self) -> int:
        """Cases."""
        return self.stayed_right + self.right_to_wrong + self.wrong_to_right + self.stayed_wrong

    @property
    def before(self) -> float | None:
        """Share right before, the paper's Acc1; None for no cases."""
        return _share(self.stayed_right + self.right_to_wrong, self.n)

    @property
    def after(self) -> float | None:
        """Share right after, Acc2 = Acc1 x CL + (1 - Acc1) x CS."""
        return _share(self.stayed_right + self.wrong_to_right, self.n)

    @property
    def kept(self) -> float | None:
        """Confidence level CL = P(right after | right before); None if nothing was right."""
        return _share(self.stayed_right, self.stayed_right + self.right_to_wrong)

    @property
    def fixed(self) -> float | None:
        """Critique score CS = P(right after | wrong before); None if nothing was wrong."""
        return _share(self.wrong_to_right, self.wrong_to_right + self.stayed_wrong)

    @property
    def relative(self) -> float | None:
        """Relative self-correction score RSS = (Acc2 - low) / (high - low).

        low = Acc1^2 is what CL = Acc1 and CS = 0 would give, high = 2 Acc1 - Acc1^2 what CL = 1
        and CS = Acc1 would: between them lies what a model of that Acc1 can be expected to reach,
        so that models of different Acc1 compare. Below 0 or above 1 it left that range. None
        where the range is empty (Acc1 is 0 or 1).
        """
        first, second = self.before, self.after
        if first is None or second is None or first in (0, 1):
            return None
        return (second - first**2) / (2 * first * (1 - first))


class Gate(Frozen):
    """Whether a setting may stay on."""

    passed: bool
    """It may."""
    reason: str
    """One line."""


def flips(before: Sequence[bool], after: Sequence[bool]) -> Flips:
    """Counts from pairs; each case counts once, several samples of a question count each."""
    if len(before) != len(after):
        raise UserError(
            f"{len(before)} results before and {len(after)} after do not pair",
            repair="give both for every case",
        )
    both = list(zip(map(bool, before), map(bool, after), strict=True))
    return Flips(
        stayed_right=both.count((True, True)),
        right_to_wrong=both.count((True, False)),
        wrong_to_right=both.count((False, True)),
        stayed_wrong=both.count((False, False)),
    )


def from_rows(rows: Sequence[Row]) -> Flips:
    """From the first attempt of each row to its last; a crash counts as wrong."""
    before = [(r.first_passed if r.attempts > 1 else r.passed) is True for r in rows]
    return flips(before, [row.won for row in rows])


def gate(counts: Flips, *, keep_floor: float | None) -> Gate:
    """Fails a correction that breaks more right answers than the floor allows.

    `keep_floor` is the least share of right answers that must stay right; None switches the gate
    off. Without a single right answer nothing is known, and nothing passes.
    """
    if keep_floor is None:
        return Gate(passed=True, reason="no floor is set for right answers that stay right")
    if not 0 <= keep_floor <= 1:
        raise UserError(f"a floor of {keep_floor!r} cannot be", repair="give one from 0 to 1")
    right = counts.stayed_right + counts.right_to_wrong
    if counts.kept is None:
        return Gate(passed=False, reason="nothing was right before; measure on easier tasks too")
    low, high = wilson(counts.stayed_right, right)
    told = (
        f"{counts.stayed_right} of {right} right answers stayed right, {counts.kept:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )
    passed = counts.kept >= keep_floor
    return Gate(passed=passed, reason=f"{told}; the floor is {keep_floor:.1%}")


def lines(counts: Flips) -> tuple[str, ...]:
    """What an evaluation prints."""
    right, wrong = (
        counts.stayed_right + counts.right_to_wrong,
        counts.wrong_to_right + counts.stayed_wrong,
    )
    relative = counts.relative
    return (
        f"right before        {_percent(counts.before)} ({right}/{counts.n})",
        f"right after         {_percent(counts.after)} "
        f"({counts.stayed_right + counts.wrong_to_right}/{counts.n})",
        f"kept right (CL)     {_percent(counts.kept)} ({counts.stayed_right}/{right})",
        f"wrong to right (CS) {_percent(counts.fixed)} ({counts.wrong_to_right}/{wrong})",
        f"overall (RSS)       {_percent(relative)}",
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(value: float | None) -> str:
    return f"{'-':>6}" if value is None else f"{value:6.1%}"
