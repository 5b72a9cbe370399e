"""Where success fell: a noisy search by halves, with one error bound over all of it.

States 0 to n are in a row, 0 was good, n is bad, and one step between two of them is taken to have
made the difference: before it a play succeeds with one chance, after it with a lower one. Both are
unknown. Each play is told here, and the next one is asked for where it halves what is left.

Two ways to be wrong share `ALPHA` between them, over the whole search and however often one looks:

- That something changed at all is shown by a universal e-process (Wasserman, Ramdas and
  Balakrishnan 2020, arXiv 1912.11436): the likelihood of all plays under a mixture of what may have
  happened, over the largest that a single unchanged chance reaches. Where nothing changed this
  ratio ever exceeds 2 / `ALPHA` with probability `ALPHA` / 2 at most.
- Which step it was is named when belief in it reaches 1 - `ALPHA` / 2, each step being as likely at
  first as any other, and each pair of chances. Stopping rules don't spoil beliefs, so a wrong step
  is named in `ALPHA` / 2 of the searches at most, on the average over places and chances.

Playing the state that divides belief in two is the search of Burnashev and Zigangirov (1974). Karp
and Kleinberg (2007, "Noisy binary search and its applications") show that it takes log2(n) plays up
to a factor that only the noise decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, inf, log, log2

import numpy as np

ALPHA = 0.05
"""Chance, at most, that a search names what it should not."""
GRID = (np.arange(200) + 0.5) / 200
"""Rates that are tried."""
FIRST = 3
"""Plays at either end before the search may go inside."""
DOUBT = 0.1
"""While belief that nothing changed is above this, the ends are played."""
IDLE = 0.01
"""A state that divides off less belief than this is not worth a play."""
_UP, _DOWN = np.log(GRID), np.log1p(-GRID)


class Search:
    """What the plays so far say of `steps` steps; step k leads from state k - 1 to state k."""

    def __init__(self, steps: int, *, most: int, certain: bool = False, alpha: float = ALPHA):
        """`most` plays at any state, log2(steps) + 3 times as many in all; `certain`: there is no
        chance in them, so one each tells all.
        """
        self.steps = steps
        self.alpha = alpha
        self.won = [0] * (steps + 1)
        self.played = [0] * (steps + 1)
        self._most = 1 if certain else most
        self._all = ceil(most * (log2(steps) + 3))
        self._certain = certain
        self.left: tuple[int, ...] = tuple(range(1, steps + 1))
        """Steps that may have made the difference: the fewest that hold all belief but half of
        `alpha`."""
        self.nothing = 1.0
        """Belief that none did."""
        self.belief: dict[int, float] = dict.fromkeys(self.left, 1 / steps)
        """Belief in each step, if one made the difference; it comes to 1."""
        self.shown = False
        """That something changed is shown: the ends differ by more than chance."""
        self._weigh()

    def told(self, state: int, *, won: bool) -> None:
        """One play at a state came out so."""
        self.played[state] += 1
        self.won[state] += won
        self._weigh()

    def next(self) -> int | None:
        """The state to play next; None: it is over."""
        ends = [state for state in (0, self.steps) if self._open(state)]
        if self._certain:
            return ends[0] if ends else self._middle()
        if min(self.played[0], self.played[-1]) < FIRST and ends:
            return min(ends, key=lambda state: self.played[state])
        if not self.shown and self.nothing > DOUBT:
            if not ends or self._hopeless():
                return None
            return min(ends, key=lambda state: self.played[state])
        if (self.shown and len(self.left) == 1) or sum(self.played) >= self._all:
            return None
        inside = self._middle()
        if inside is not None or self.shown or self._hopeless():
            return inside
        return min(ends, key=lambda state: self.played[state]) if ends else None

    @property
    def found(self) -> int | None:
        """The step, where the bound holds for a single one."""
        return self.left[0] if self.shown and len(self.left) == 1 else None

    def counts(self, first: int, last: int) -> tuple[int, int]:
        """Plays that were won, and all, at the states from `first` to `last`."""
        return sum(self.won[first : last + 1]), sum(self.played[first : last + 1])

    def _open(self, state: int) -> bool:
        return self.played[state] < self._most

    def _middle(self) -> int | None:
        """The state that halves belief; None: those that would tell are played as often as may
        be.
        """
        if not self.left or (self._certain and not self.shown):
            return None
        before, best = 0.0, (0.5 - IDLE, -1)
        for state in range(self.steps):
            before += self.belief.get(state, 0.0)
            if state and self._open(state):
                best = min(best, (abs(before - 0.5), state))
        return best[1] if best[1] >= 0 else None

    def _hopeless(self) -> bool:
        """Whether even the best that could still come at the ends would not show a difference."""
        good, bad = self._most - self.played[0], self._most - self.played[-1]
        won, played = sum(self.won), sum(self.played)
        before = (self.won[0] + good, self.played[0] - self.won[0])
        after = (won - self.won[0], played - self.played[0] - won + self.won[0] + bad)
        mixed = _mixed(*before, *after)
        both = (before[0] + after[0], before[1] + after[1])
        return mixed - _likely(*both) < -log(self.alpha / 2)

    def _weigh(self) -> None:
        if self._certain:
            self._sure()
            return
        one = (sum(self.won), sum(self.played) - sum(self.won))
        same = _mixed_one(*one)
        known: dict[tuple[int, int, int, int], float] = {}
        mixed: list[float] = []
        won = lost = 0
        cells: list[tuple[int, int, int, int]] = []
        for state in range(self.steps):
            won += self.won[state]
            lost += self.played[state] - self.won[state]
            cell = (won, lost, one[0] - won, one[1] - lost)
            cells.append(cell)
            if cell not in known:
                known[cell] = _mixed(*cell)
            mixed.append(known[cell])
        some = _sum(mixed) - log(self.steps)
        whole = _sum([same - log(2), some - log(2)])
        self.nothing = exp(same - log(2) - whole)
        self.shown = self.shown or some - _likely(*one) >= -log(self.alpha / 2)
        self.belief = {k: exp(each - log(self.steps) - some) for k, each in enumerate(mixed, 1)}
        held, left = 0.0, []
        for step in sorted(self.belief, key=lambda k: -self.belief[k]):
            if held >= 1 - self.alpha / 2:
                break
            held += self.belief[step]
            left.append(step)
        self.left = tuple(sorted(left))

    def _sure(self) -> None:
        """Without chance: what a state did once it does always."""
        bad = [s for s in range(self.steps + 1) if self.played[s] and not self.won[s]]
        good = [s for s in range(self.steps + 1) if self.won[s] and s < min(bad, default=inf)]
        self.shown = bool(bad) and bool(good) and 0 in good and self.steps in bad
        self.left = tuple(range(max(good, default=0) + 1, min(bad, default=self.steps) + 1))
        self.belief = dict.fromkeys(self.left, 1 / len(self.left)) if self.left else {}
        self.nothing = 0.0 if self.shown else 1.0


def _mixed_one(won: int, lost: int) -> float:
    """Logarithm of the mean likelihood over all rates."""
    return _sum(won * _UP + lost * _DOWN) - log(len(GRID))


def _mixed(won: int, lost: int, later_won: int, later_lost: int) -> float:
    """The same over all pairs of rates of which the first is the higher."""
    before = np.exp(won * _UP + lost * _DOWN - (top := float(np.max(won * _UP + lost * _DOWN))))
    logs = later_won * _UP + later_lost * _DOWN
    after = np.exp(logs - (peak := float(np.max(logs))))
    lower = np.cumsum(after) - after / 2
    mean = float(before @ lower) * 2 / len(GRID) ** 2
    return top + peak + log(mean) if mean > 0 else -inf


def _likely(won: int, lost: int) -> float:
    """Logarithm of the largest likelihood that one rate reaches."""
    whole = won + lost
    return sum(n * log(n / whole) for n in (won, lost) if n)


def _sum(logs: Sequence[float] | np.ndarray) -> float:
    top = float(np.max(logs))
    return top + log(float(np.sum(np.exp(np.asarray(logs) - top)))) if top > -inf else -inf
