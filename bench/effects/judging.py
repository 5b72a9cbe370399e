"""How well a rule did in a world whose truth is known: moves, regret, and intervals against it."""

from __future__ import annotations

import numpy as np

from bench.effects.rivals import Ours, Rule
from bench.effects.scenarios import FATE
from envs.types import Frozen
from memory.effects import ALPHA, Cases, course, measure, scores
from memory.sequences import bounds, normal_mixture
from memory.types import Finding

LOOKS = (100, 400, 1000)
"""After how many tossed episodes widths are taken."""
LEAST = 30
"""Fewer tossed episodes are not judged."""
TUNED = 300.0
"""The asymptotic sequence is narrowest at this sum of variances, about as many even tosses."""


class Play(Frozen):
    """What a rule did to its memory in one world."""

    regret: float
    """Chance of success of the best subset less that of what was shown, mean over episodes."""
    late: float
    """The same over the last quarter."""
    lost: int
    """False retirements: lessons that should stay (of twins one) and did not."""
    good: int
    """Of how many."""
    missed: int
    """Lessons that should have gone and did not."""
    bad: int
    """Of how many."""
    idle: int
    """Useless lessons that were retired."""
    useless: int
    """Of how many."""
    bad_shown: float | None
    """Of the times that lessons that should go came up in the last quarter, share shown."""
    good_shown: float | None
    """The same of those that should stay."""
    replays: int
    """Episodes played besides, for replays."""


class Look(Frozen):
    """One lesson's intervals over its whole course, against its true running mean effect."""

    kind: str
    """Kind of lesson."""
    episodes: int
    """Tossed episodes."""
    truth: float
    """True mean effect in them."""
    verdict: Finding
    """What was said in the end."""
    exact: bool
    """The always-valid interval missed the truth at some time."""
    late: bool
    """The asymptotic sequence did."""
    naive: bool
    """The 95 % interval for a single look did, looked at after every episode from 20 on."""
    widths: tuple[tuple[float, float, float], ...] = ()
    """Half widths at `LOOKS`, as far as it came: always-valid, asymptotic, single look."""


def judge(rule: Rule) -> Play:
    """What became of the lessons, and what it cost."""
    world = rule.world
    gap = world.best() - world.chance(rule.shown)
    lost = good = missed = bad = idle = useless = 0
    for me, kind in enumerate(world.kinds):
        kept, other = rule.kept[me], world.partner[me]
        if FATE[kind] == "drop":
            bad, missed = bad + 1, missed + bool(kept)
        elif FATE[kind] == "either":
            useless, idle = useless + 1, idle + (not kept)
        elif kind != "twin" or me < other:
            saved = kept or (kind == "twin" and rule.kept[other])
            good, lost = good + 1, lost + (not saved)
    return Play(
        regret=float(gap.mean()),
        late=float(gap[3 * len(gap) // 4 :].mean()),
        lost=lost,
        good=good,
        missed=missed,
        bad=bad,
        idle=idle,
        useless=useless,
        bad_shown=_shown_late(rule, "drop"),
        good_shown=_shown_late(rule, "keep"),
        replays=rule.replays,
    )


def _shown_late(rule: Rule, fate: str) -> float | None:
    late = slice(3 * len(rule.won) // 4, None)
    lessons = [me for me, kind in enumerate(rule.world.kinds) if FATE[kind] == fate]
    here = np.isin(rule.world.places[late], lessons)
    return float(rule.shown[late][here].mean()) if here.any() else None


def looks(rule: Ours) -> list[Look]:
    """The intervals of everything that was tossed, for each model apart."""
    world = rule.world
    direct = world.direct(rule.chances, group=rule.group)
    found = []
    for policy in np.unique(world.policy):
        until = int(np.flatnonzero(world.policy == policy)[-1]) + 1
        for unit, number in rule.numbers.items():
            cases, here = rule.cases(unit, until=until)
            if len(here) < LEAST:
                continue
            place = (rule.group[here] == number).argmax(axis=1)
            kind = world.kinds[int(unit.split("+")[0])]
            found.append(_look(kind, cases, direct[here, place]))
    return found


def _look(kind: str, cases: Cases, effects: np.ndarray) -> Look:
    sums = course(cases)
    truth = np.cumsum(effects) / sums.count
    mean = sums.total / sums.count
    low, high = bounds(sums)
    late = _asymptotic(scores(cases)[0])
    difference, naive = _single(cases)
    from_20 = slice(19, None)
    return Look(
        kind=kind,
        episodes=len(cases),
        truth=float(truth[-1]),
        verdict=measure(cases).verdict,
        exact=bool(np.any((truth < low) | (truth > high))),
        late=bool(np.any(np.abs(mean - truth)[from_20] > late[from_20])),
        naive=bool(np.any(np.abs(difference - truth)[from_20] > naive[from_20])),
        widths=tuple(
            (float(high[n - 1] - low[n - 1]) / 2, float(late[n - 1]), float(naive[n - 1]))
            for n in LOOKS
            if n <= len(cases)
        ),
    )


def _asymptotic(values: np.ndarray) -> np.ndarray:
    """Half width of the asymptotic confidence sequence of scores (n,) at each time; (n,)."""
    count = np.arange(1, len(values) + 1)
    squares = np.cumsum(values**2) - np.cumsum(values) ** 2 / count
    return normal_mixture(np.maximum(squares, 0.0), alpha=ALPHA, tuned=TUNED) / count


def _single(cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the two rates and half its textbook interval, after each case; (n,), (n,)."""
    difference, variance = np.zeros(len(cases)), np.zeros(len(cases))
    for arm, sign in ((cases.shown, 1.0), (~cases.shown, -1.0)):
        count = np.maximum(np.cumsum(arm), 1)
        rate = np.cumsum(arm & cases.won) / count
        difference += sign * rate
        variance += np.maximum(rate * (1 - rate), 0.05) / count
    return difference, 1.96 * np.sqrt(variance)
