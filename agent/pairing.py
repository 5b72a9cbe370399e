"""Two models on the same tasks: how often each solved them, and the interval of the difference.

The interval is Tango's score interval for paired proportions (Tango 1998, Statistics in Medicine
17, 891-908), which keeps its coverage for few pairs and few flips. Where several tasks stand in one
room and its outcomes go together, the pairs count for as many as they are worth. Looked at after
every pair, it would promise too much: the early end goes by a betting sequence that holds at all
times at once (`memory/sequences.py`), and the two share the 5 % of error between them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
from pydantic import Field

from envs.types import Frozen
from memory.sequences import ALPHA, betting

LOOKS = 0.01
"""Share of the error that goes to ending early; the rest is the last look's."""
FIRST = 8
"""Pairs before the first look."""


class Played(Frozen):
    """One task, played by both with the same seed."""

    task: str
    """Its id."""
    place: str = ""
    """Where it is; outcomes of tasks in one place go together."""
    runs: tuple[str, str]
    """The champion's run, and the challenger's."""
    won: tuple[bool, bool]
    """Whether each solved it; a run that broke did not."""
    broke: tuple[bool, bool] = (False, False)
    """Whether a run broke."""
    tokens: tuple[int, int] = (0, 0)
    """Tokens that each sent and received."""
    steps: tuple[int, int] = (0, 0)
    """Actions of each."""

    @property
    def value(self) -> int:
        """1: only the challenger solved it; -1: only the champion; else 0."""
        return int(self.won[1]) - int(self.won[0])


class Paired(Frozen):
    """Champion and challenger on the same tasks."""

    env: str
    """Environment."""
    n: int = Field(ge=0)
    """Tasks that both played."""
    champion: int
    """Of these, how many the champion solved."""
    challenger: int
    """How many the challenger solved."""
    both: int
    """How many both solved."""
    only_champion: int
    """How many the champion alone solved."""
    only_challenger: int
    """How many the challenger alone solved."""
    difference: float
    """Challenger less champion, as shares; 0 for no tasks."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of it."""
    worth: float
    """As many independent pairs as these are worth; at most `n`."""
    broke: tuple[int, int] = (0, 0)
    """Runs that broke, of the champion and of the challenger; they count as not solved."""
    ended: str = ""
    """Why it was ended before all tasks were played, in words; empty: it was not."""
    runs: tuple[str, ...] = ()
    """Ids of the runs, as evidence."""

    def __str__(self) -> str:
        """In words."""
        if not self.n:
            return f"{self.env}: no task was played"
        text = (
            f"{self.env}: {self.challenger} of {self.n} solved, {self.champion} by the champion; "
            f"difference {100 * self.difference:+.1f} points "
            f"({100 * self.low:+.1f} to {100 * self.high:+.1f}), {self.only_challenger} solved "
            f"only now, {self.only_champion} only before"
        )
        for name, count in zip(("champion", "challenger"), self.broke, strict=True):
            text += f"; {count} run(s) of the {name} broke" if count else ""
        return text + (f"; {self.ended}" if self.ended else "")


def paired(
    env: str, played: Sequence[Played], *, looks: bool = False, ended: str = "", early: bool = False
) -> Paired:
    """What the pairs come to. `looks`: it could have ended early; `early`: it did, as a clear case.

    The interval is then that of the betting sequence, and is as good as the other's 95 %.
    """
    n, values = len(played), [one.value for one in played]
    gained, lost = values.count(1), values.count(-1)
    worth = worth_of(values, [one.place for one in played])
    if early:
        low, high = sequence(values)
    else:
        scale = worth / n if n else 1.0
        alpha = ALPHA - LOOKS if looks else ALPHA
        low, high = tango(gained * scale, lost * scale, worth, alpha=alpha)
    return Paired(
        env=env,
        n=n,
        champion=sum(one.won[0] for one in played),
        challenger=sum(one.won[1] for one in played),
        both=sum(all(one.won) for one in played),
        only_champion=lost,
        only_challenger=gained,
        difference=(gained - lost) / n if n else 0.0,
        low=low,
        high=high,
        worth=worth,
        broke=(sum(one.broke[0] for one in played), sum(one.broke[1] for one in played)),
        ended=ended,
        runs=tuple(run for one in played for run in one.runs),
    )


def tango(gained: float, lost: float, n: float, *, alpha: float = ALPHA) -> tuple[float, float]:
    """Score interval for (gained - lost) / n; (-1, 1) for no pairs.

    >>> [round(end, 3) for end in tango(12, 2, 36)]
    [0.084, 0.459]
    """
    if n <= 0:
        return -1.0, 1.0
    wide = NormalDist().inv_cdf(1 - alpha / 2)
    centre = (gained - lost) / n
    return (
        _crossing(gained, lost, n, wide, ends=(-1.0, centre)),
        _crossing(gained, lost, n, -wide, ends=(centre, 1.0)),
    )


def sequence(values: Sequence[int]) -> tuple[float, float]:
    """Ends for the mean of `values` (-1, 0 or 1) that hold however often one looks."""
    if not values:
        return -1.0, 1.0
    low, high = betting((np.asarray(values, dtype=float) + 1) / 2, alpha=LOOKS)
    return 2 * low - 1, 2 * high - 1


def settled(played: Sequence[Played], *, most: int) -> str:
    """Why nothing that could still come would alter the verdict, in words; empty: it would.

    Clear gains are told by `sequence`; hopeless cases by supposing that all other tasks are gained.
    """
    values = [one.value for one in played]
    if len(values) < FIRST or len(values) >= most:
        return ""
    low, _high = sequence(values)
    if low > 0:
        return f"clear after {len(values)} of {most} tasks"
    rest, alpha = most - len(values), ALPHA - LOOKS
    best, _high = tango(values.count(1) + rest, values.count(-1), most, alpha=alpha)
    could, _high = sequence([*values, *[1] * rest])
    if best <= 0 and could <= 0:
        return f"ended after {len(values)} of {most} tasks, as the others could not change it"
    return ""


def place_of(key: str) -> str:
    """The place in a task's key, which is written `GOAL | PLACE`; else the key."""
    return key.rpartition("|")[2].strip()


def _crossing(
    gained: float, lost: float, n: float, goal: float, *, ends: tuple[float, float]
) -> float:
    """Where the score statistic, which falls with the difference, is `goal`: by bisection."""
    low, high = ends
    for _ in range(60):
        middle = (low + high) / 2
        if _score(gained, lost, n, middle) > goal:
            low = middle
        else:
            high = middle
    return low if goal > 0 else high


def _score(gained: float, lost: float, n: float, difference: float) -> float:
    """Tango's statistic: the gap over its error under this difference, at its likeliest rates."""
    b = -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    rate = (sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * rate + difference * (1 - difference))
    gap = gained - lost - n * difference
    if variance <= 1e-15:
        return 0.0 if abs(gap) < 1e-9 else float("inf") if gap > 0 else float("-inf")
    return gap / sqrt(variance)


def worth_of(values: Sequence[float], places: Sequence[str]) -> float:
    """As many independent values as these are worth: their number over how much more their mean
    varies by place than it would one by one (at least 1).
    """
    n, groups = len(values), defaultdict[str, list[float]](list)
    for value, place in zip(values, places, strict=True):
        groups[place].append(value)
    if not 1 < len(groups) < n:
        return float(n)
    mean = sum(values) / n
    alone = sum((value - mean) ** 2 for value in values)
    together = sum(sum(value - mean for value in group) ** 2 for group in groups.values())
    together *= len(groups) / (len(groups) - 1)
    return n / max(1.0, together / alone) if alone else float(n)
