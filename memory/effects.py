"""What a lesson does, measured: it is withheld at random, and both arms are compared.

Order of events in an episode: retrieve, fit the token budget, toss (`allot`), show what is left
without filling up. One toss per (episode, lesson), kept for the whole episode; episodes are
analysed as tossed, a crash counts as failure. The effect is the direct one, beside the rest.

Each episode gives a score whose mean, given all that came before, is the effect in that episode:
augmented inverse propensity weighting with a forecast made from earlier episodes (Waudby-Smith, Wu,
Ramdas, Karampatziakis and Mineiro 2022, arXiv 2210.10768). The interval for the mean over the
episodes so far holds at all times at once (`memory/sequences.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envs.types import Frozen
from memory.sequences import ALPHA, Sums, accumulate, betting, bounds, log_evidence, log_wealth
from memory.types import Exposure, Finding, Measured

FLOOR = 0.1
"""Least probability of either arm."""
MARGIN = 0.05
"""A lesson whose effect is surely smaller than this, either way, is useless."""
WORTH = 0.02
"""What a lesson has to add to be worth its tokens."""
SPREAD = 0.1
"""Standard deviation that effects are taken to have before any is measured."""
FORECAST = (0.1, 0.9)
"""Forecasts are kept within these, so that no score is too large."""
GUESS = 0.5
"""Guesses of the effect are kept within this, either way."""
STRENGTH = 4.0
"""Episodes that the forecast of a type (or of all) counts for beside those of a key."""
AHEAD = np.unique(np.geomspace(1, 1e7, 600).astype(int))
"""Numbers of episodes that are tried when asked how many it takes."""


class Allotted(Frozen):
    """What the toss said of one lesson in one episode."""

    lesson: str
    """Id of the lesson."""
    shown: bool
    """False: withheld."""
    probability: float
    """Probability with which it was to be shown."""
    unit: str = ""
    """What it was tossed together with."""


@dataclass(frozen=True)
class Cases:
    """The episodes in which one lesson was tossed, in order of the toss; n of them."""

    shown: np.ndarray
    """Whether it was shown; (n,) bool."""
    probability: np.ndarray
    """Probability with which it was to be shown; (n,)."""
    won: np.ndarray
    """Whether the episode succeeded; (n,) bool."""
    expected: np.ndarray
    """Forecast of success, made before the toss; (n,)."""

    def __len__(self) -> int:
        return len(self.shown)


PLANNED = Cases(*(np.array([value]) for value in (True, 0.5, True, 0.5)))
"""A toss-up task with an even toss."""


def toss(run: str, lesson: str, probability: float) -> bool:
    """Whether `lesson` (or a unit) is shown in `run`. The same whenever it is asked again."""
    digest = hashlib.blake2b(f"{run}\0{lesson}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < probability * 2.0**64


def allot(
    lessons: Sequence[str],
    *,
    run: str,
    chances: Mapping[str, float],
    units: Mapping[str, str],
) -> tuple[Allotted, ...]:
    """The toss for each of `lessons`, which were retrieved and fit; order kept, nothing filled up.

    `units` names what a lesson is tossed with (default: itself), `chances` the probability of a
    unit (default: one half), cut to the floor. Ask once per run and lesson, keep the answer: a
    chance that has changed since must not be used for a run that is going on.
    """
    made = []
    for lesson in lessons:
        unit = units.get(lesson, lesson)
        chance = min(1 - FLOOR, max(FLOOR, chances.get(unit, 0.5)))
        shown = toss(run, unit, chance)
        made.append(Allotted(lesson=lesson, shown=shown, probability=chance, unit=unit))
    return tuple(made)


def cases(exposures: Iterable[Exposure], *, expected: Mapping[str, float]) -> Cases:
    """Exposures of one lesson or unit, in order of the toss, as cases; one for each episode.

    Left out: episodes without an outcome, tasks outside of `train`, lessons that go back to the
    same task, and what was not tossed (headline arms show everything). `expected` are forecasts by
    episode, default one half.
    """
    kept: dict[str, Exposure] = {}
    for one in exposures:
        tossed = FLOOR - 1e-9 <= one.probability <= 1 - FLOOR + 1e-9
        counts = tossed and one.split == "train" and not one.same_task
        if counts and one.outcome is not None:
            kept.setdefault(one.episode, one)
    return Cases(
        shown=np.array([one.shown for one in kept.values()], bool),
        probability=np.array([one.probability for one in kept.values()], float),
        won=np.array([one.outcome for one in kept.values()], bool),
        expected=np.array([expected.get(episode, 0.5) for episode in kept], float),
    )


def window(exposures: Sequence[Exposure]) -> list[Exposure]:
    """Those that tell of unit, version, model, adapter and policy as they are: as in the last."""

    def holds_for(one: Exposure) -> tuple[str, int, str, str, str]:
        return one.unit or one.lesson, one.version, one.model, one.adapter, one.policy

    return [one for one in exposures if holds_for(one) == holds_for(exposures[-1])]


class Forecasts:
    """Chances of success of episodes, each from those before it.

    The rate of its task key, drawn towards that of its type, drawn towards that of all.
    """

    def __init__(self) -> None:
        self._tallies: dict[str, tuple[float, float]] = {}

    def next(self, won: bool, *, kind: str, key: str) -> float:
        """The chance that an episode of this type and key had, which then ended like this."""
        rate = 0.5
        for name in ("", f"type {kind}", f"key {key}"):
            episodes, wins = self._tallies.get(name, (0.0, 0.0))
            rate = (wins + STRENGTH * rate) / (episodes + STRENGTH)
            self._tallies[name] = (episodes + 1, wins + won)
        return min(FORECAST[1], max(FORECAST[0], rate))


def forecast(won: Sequence[bool], *, types: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """Chance of success of each episode from those before it (see `Forecasts`); (n,)."""
    seen = Forecasts()
    found = zip(won, types, keys, strict=True)
    return np.array([seen.next(bool(one), kind=kind, key=key) for one, kind, key in found])


def scores(given: Cases) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The score of each case and the ends between which it had to lie; each (n,)."""
    m, p = given.expected.clip(*FORECAST), given.probability
    weight = np.where(given.shown, 1 / p, -1 / (1 - p))
    least = -np.maximum(m / p, (1 - m) / (1 - p))
    most = np.maximum((1 - m) / p, m / (1 - p))
    return weight * (given.won - m), least, most


def course(given: Cases) -> Sums:
    """The sums from which the interval is made, after each case."""
    values, least, most = scores(given)
    before = np.concatenate([[0.0], np.cumsum(values)[:-1]]) if len(values) else values
    guesses = (before / (np.arange(len(values)) + 10)).clip(-GUESS, GUESS)
    return accumulate(values, guesses=guesses, least=least, most=most)


def measure(
    given: Cases, *, alpha: float = ALPHA, margin: float = MARGIN, worth: float = WORTH
) -> Measured:
    """What the cases say of the lesson, as of the last one."""
    if not len(given):
        return Measured()
    sums = course(given).last()
    low, high = (float(end) for end in bounds(sums, alpha=alpha))
    values = scores(given)[0]
    low, high = max(-1.0, low), min(1.0, high)
    spread = math.sqrt((float(values.var()) * len(values) + 10) / (len(values) + 10))
    return Measured(
        estimate=float(values.mean()),
        low=low,
        high=high,
        error=spread / math.sqrt(len(values)),
        shown=int(given.shown.sum()),
        withheld=int((~given.shown).sum()),
        won_shown=int((given.shown & given.won).sum()),
        won_withheld=int((~given.shown & given.won).sum()),
        verdict=verdict(low, high, margin=margin),
        log_helps=float(log_evidence(sums, null=0.0, above=True)),
        log_harms=float(log_evidence(sums, null=0.0, above=False)),
        log_worthless=float(log_evidence(sums, null=worth, above=False)),
    )


def paired(
    differences: Sequence[float],
    *,
    alpha: float = ALPHA,
    margin: float = MARGIN,
    worth: float = WORTH,
) -> Measured:
    """What replays say: success with the lesson forced in, less with it forced out; -1, 0 or 1.

    For environments without chance, where two plays of a task differ by the lesson alone. Tasks
    are drawn at random, none with a key that the lesson comes from. `shown` and `withheld` count
    the pairs, `won_shown` and `won_withheld` those that only one side won.
    """
    values = np.asarray(differences, dtype=float)
    if not len(values):
        return Measured()
    share = (values + 1) / 2
    low, high = (2 * end - 1 for end in betting(share, alpha=alpha))
    more, less = log_wealth(share, np.array([0.5, (1 + worth) / 2]), alpha=alpha)
    return Measured(
        estimate=float(values.mean()),
        low=low,
        high=high,
        error=math.sqrt((float(values.var()) * len(values) + 1) / (len(values) + 1) / len(values)),
        shown=len(values),
        withheld=len(values),
        won_shown=int((values > 0).sum()),
        won_withheld=int((values < 0).sum()),
        verdict=verdict(low, high, margin=margin),
        log_helps=float(more[0]),
        log_harms=float(less[0]),
        log_worthless=float(less[1]),
    )


def verdict(low: float, high: float, *, margin: float = MARGIN) -> Finding:
    """What an interval says; `can't tell` is the usual answer."""
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    return "useless" if -margin < low and high < margin else "can't tell"


def shrink(measured: Mapping[str, Measured]) -> dict[str, float]:
    """Estimates drawn towards what lessons are like on average; for ranking, never for claims.

    Empirical Bayes, normal effects and errors; mean and spread by DerSimonian and Laird 1986.
    Lessons without episodes get the mean.
    """
    known = {
        name: (one.estimate, one.error**2)
        for name, one in measured.items()
        if one.estimate is not None and one.error
    }
    if not known:
        return dict.fromkeys(measured, 0.0)
    estimates, variances = (np.array(column) for column in zip(*known.values(), strict=True))
    weights = 1 / variances
    mean = float((weights * estimates).sum() / weights.sum())
    excess = float((weights * (estimates - mean) ** 2).sum()) - (len(estimates) - 1)
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    between = max(0.0, excess / float(scale)) if len(estimates) > 1 else SPREAD**2
    drawn = (between * estimates + variances * mean) / (between + variances)
    found = dict(zip(known, (float(value) for value in drawn), strict=True))
    return {name: found.get(name, mean) for name in measured}


def pool(one: Measured, other: Measured) -> Measured:
    """Estimate of two sources, each weighted by its precision; for ranking and tossing alone.

    Counts and evidence are those of `one`: intervals of two sources are never merged.
    """
    if one.estimate is None or not one.error or other.estimate is None or not other.error:
        known = one if one.estimate is not None else other
        return one.model_copy(update={"estimate": known.estimate, "error": known.error})
    weights = 1 / one.error**2, 1 / other.error**2
    mean = (weights[0] * one.estimate + weights[1] * other.estimate) / sum(weights)
    return one.model_copy(update={"estimate": mean, "error": 1 / math.sqrt(sum(weights))})


def chance(measured: Measured, *, floor: float = FLOOR) -> float:
    """With which probability to show it next: how likely it is to help, within the floor.

    Thompson's rule, two digits; one half before anything is known. For the next episodes only.
    """
    if measured.estimate is None or not measured.error:
        return 0.5
    sure = SPREAD / math.hypot(SPREAD, measured.error)
    helps = 0.5 * math.erfc(-measured.estimate / measured.error * sure / math.sqrt(2))
    return round(min(1 - floor, max(floor, helps)), 2)


def episodes_needed(given: Cases, *, margin: float = MARGIN, alpha: float = ALPHA) -> int | None:
    """Tossed episodes, in all, until the interval is about `margin` wide to either side.

    Goes by the scatter of the cases so far; with fewer than 20, by a toss-up task and even tosses.
    None: more than ten million.
    """
    plan = course(given if len(given) >= 20 else PLANNED).last()
    below, above = (AHEAD[:, None] * price / plan.count for price in (plan.below, plan.above))
    low, high = bounds(Sums(AHEAD, np.zeros(len(AHEAD)), below, above), alpha=alpha)
    enough = np.flatnonzero((high - low) / 2 <= margin)
    return int(AHEAD[enough[0]]) if len(enough) else None
