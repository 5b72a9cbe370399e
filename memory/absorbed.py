"""Lessons that a student was trained under: what they still do for it, and which may go.

A pair is a train task that was played twice with one seed: what one play shows, the other
withholds. Each lesson is tossed by itself in half of the pairs, and with all others in the rest, so
that every pair tells of every lesson that came up in it, and half of them of all together.

The rule: a lesson has to add as much success as its tokens are worth (`margin_of`). It goes when
the interval of its effect under the student, which holds however often one looks, lies below that;
it stays when the interval lies above zero; else it is not known yet. What goes has to pass the
same rule as one, so that two lessons that stand in for each other don't both go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from envs.types import Frozen
from memory.effects import MARGIN, WORTH, paired, toss
from memory.families import JOIN
from memory.measuring import Setting
from memory.sequences import ALPHA, log_capital
from memory.types import Exposure, Measured, Trajectory

TOKEN = 0.0015
"""Success that a lesson has to add for each of its tokens: 5 points for 33 of them."""
MOST = 2 * MARGIN
"""Largest margin, and that of lessons together."""
AHEAD = 2000
"""Most pairs that are looked ahead."""
ROUNDED = 0.002
"""By how much the ends of an interval may be rounded outwards, as shares."""
FEW = 10
"""Pairs below which one plans as if no play was altered."""
ABSORBED = "absorbed by "
"""What the reason of a retirement begins with; the student follows."""

Decision = Literal["retire", "keep", "open"]


class Unit(Frozen):
    """A lesson, or near-duplicates that go and stay together."""

    members: tuple[str, ...]
    """Ids of lessons, sorted."""
    tokens: int
    """Estimated tokens of the longest."""

    @property
    def name(self) -> str:
        """By which it is tossed."""
        return JOIN.join(self.members)


class Contrast(Frozen):
    """Two plays of a task: one showed all of some lessons that came up in it, the other none."""

    pair: str
    """What the two have in common."""
    shown: str
    """Run that showed them."""
    withheld: str
    """Run that withheld them."""
    difference: int
    """Success with them less success without: -1, 0 or 1."""


class Judged(Frozen):
    """What the pairs say of a unit, or of several as one."""

    unit: Unit
    """Of what."""
    margin: float
    """What it has to add, in success."""
    measured: Measured
    """What it does; `shown` counts the pairs."""
    decision: Decision
    """By the rule."""
    more: int | None = 0
    """Pairs that it takes besides, if they go on like this; None: more than `AHEAD`."""


def trained_under(runs: Iterable[Trajectory]) -> frozenset[str]:
    """Ids of what was recalled on the way in these runs."""
    return frozenset(item.lesson for run in runs for step in run.steps for item in step.recalled)


def margin_of(tokens: int) -> float:
    """Success that so many tokens before an action have to add: from 2 to 10 points."""
    return min(MOST, max(WORTH, TOKEN * tokens))


def arms(units: Sequence[Unit], *, pair: str) -> dict[str, bool]:
    """What the first play of a pair shows, by lesson; the second shows the opposite."""
    alike = toss(pair, "alike", 0.5)
    said = {unit.name: toss(pair, "" if alike else unit.name, 0.5) for unit in units}
    return {member: said[unit.name] for unit in units for member in unit.members}


def counted(
    exposures: Iterable[Exposure], *, setting: Setting, versions: Mapping[str, int]
) -> list[Exposure]:
    """Those of plays in pairs under this very student and policy, of lessons as they stand."""
    wanted = (setting.model, setting.adapter, setting.policy)
    return [
        one
        for one in exposures
        if one.pair
        and one.split == "train"
        and not one.same_task
        and one.outcome is not None
        and one.version == versions.get(one.lesson)
        and (one.model, one.adapter, one.policy) == wanted
    ]


def contrasts(exposures: Iterable[Exposure]) -> list[Contrast]:
    """Pairs in which one play showed all of these lessons that came up and the other none; as
    they came.
    """
    found: dict[str, dict[str, list[Exposure]]] = {}
    for one in sorted(exposures, key=lambda one: (one.time, one.episode)):
        found.setdefault(one.pair, {}).setdefault(one.episode, []).append(one)
    made: list[Contrast] = []
    for pair, plays in found.items():
        sides = {_side(play): play[0] for play in plays.values()}
        if len(plays) == 2 and True in sides and False in sides:
            shown, withheld = sides[True], sides[False]
            made.append(
                Contrast(
                    pair=pair,
                    shown=shown.episode,
                    withheld=withheld.episode,
                    difference=int(bool(shown.outcome)) - int(bool(withheld.outcome)),
                )
            )
    return made


def judged(unit: Unit, found: Sequence[Contrast], *, ahead: bool = False) -> Judged:
    """What the pairs say of a unit; with `ahead` also how many more an open case takes."""
    margin, differences = margin_of(unit.tokens), [one.difference for one in found]
    measured = paired(differences, margin=margin, worth=margin)
    decision = decide(measured, margin=margin)
    more = missing(differences, margin=margin) if ahead and decision == "open" else 0
    return Judged(unit=unit, margin=margin, measured=measured, decision=decision, more=more)


def decide(measured: Measured, *, margin: float) -> Decision:
    """The rule (see above)."""
    if measured.high < margin:
        return "retire"
    return "keep" if measured.low > 0 else "open"


def missing(differences: Sequence[int], *, margin: float) -> int | None:
    """Pairs besides these until it is decided, if they go on like this; None: more than `AHEAD`.

    With fewer than `FEW` it is planned as if no play was altered by the lesson.
    """
    count = len(differences)
    pattern = list(differences) if count >= FEW else [0]
    ahead = [pattern[at % len(pattern)] for at in range(AHEAD)]
    share = (np.array([*differences, *ahead], dtype=float) + 1) / 2
    ends = np.array([0.5 + ROUNDED, (1 + margin) / 2 - ROUNDED])
    for rest in np.unique(np.geomspace(1, AHEAD, 200).astype(int)):
        if log_capital(share[: count + rest], ends).max() >= -np.log(ALPHA):
            return int(rest)
    return None


def together(units: Sequence[Unit]) -> Unit:
    """Several units as one."""
    return Unit(
        members=tuple(sorted(member for unit in units for member in unit.members)),
        tokens=sum(unit.tokens for unit in units),
    )


def _side(play: Sequence[Exposure]) -> bool | None:
    """What a play did with all that came up in it; None: it showed some."""
    sides = {one.shown for one in play}
    return sides.pop() if len(sides) == 1 else None
