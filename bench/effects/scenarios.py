"""Worlds in which every lesson's effect is known, written before the estimator that they test.

Real: which lessons come up together for which task, and how often (`rates.json`, measured on
ALFWorld by `bench/effects/rates.py`), the episode's order of events, and that a task type can be
hard and bring its own lessons up, so that lessons and luck correlate. Assumed, since no ledger
holds them yet: rates of success, sizes of effects and their interplay (the fields of `Scenario`).
A retired lesson leaves its place empty, for every rule alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from bench.effects.rates import Rates
from envs.types import Frozen

Kind = Literal["helpful", "useless", "harmful", "company", "twin", "bad twin", "fading", "flipping"]
FATE: dict[Kind, Literal["keep", "drop", "either"]] = {
    "helpful": "keep",
    "useless": "either",
    "harmful": "drop",
    "company": "keep",
    "twin": "keep",
    "bad twin": "drop",
    "fading": "drop",
    "flipping": "drop",
}
"""What should have become of a lesson in the end. Of twins one has to stay."""
PAIRED: frozenset[Kind] = frozenset({"company", "twin", "bad twin"})
MOST = 4
"""Lessons that fit the token budget of an episode."""


class Scenario(Frozen):
    """A kind of world."""

    name: str
    """Its name in tables."""
    what: str
    """One line for readers."""
    kinds: dict[Kind, int]
    """How many lessons of each kind; paired kinds come in twos."""
    size: float = 0.7
    """Typical effect in logits; 0.7 is 17 points where a task is a toss-up, about 10 on average."""
    jitter: float = 0.3
    """Standard deviation of a lesson's size, as a share of it."""
    base: float = 0.0
    """Log-odds of success of the middle task without any lesson."""
    type_spread: float = 0.7
    """Standard deviation of difficulty between task types (logits)."""
    key_spread: float = 1.0
    """Standard deviation of difficulty between tasks of a type (logits)."""
    crash: float = Field(default=0.02, ge=0, le=1)
    """Share of episodes that crash whatever is shown; a crash is a failure."""
    episodes: int = Field(default=4000, ge=1)
    """Length of the stream."""
    change: float | None = None
    """Where in the stream (0 to 1) the model changes, for lessons that flip."""


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="null", what="nothing does anything", kinds={"useless": 16}),
        Scenario(
            name="mixed",
            what="some help and some harm, by about 10 points",
            kinds={"helpful": 5, "useless": 6, "harmful": 5},
        ),
        Scenario(
            name="small",
            what="the same by about 4 points",
            kinds={"helpful": 5, "useless": 6, "harmful": 5},
            size=0.23,
        ),
        Scenario(
            name="hard",
            what="tasks are solved one time in six, and types differ widely",
            kinds={"helpful": 5, "useless": 6, "harmful": 5},
            base=-1.8,
            type_spread=1.2,
        ),
        Scenario(
            name="company",
            what="lessons that help only when their partner is shown too",
            kinds={"company": 8, "useless": 4, "harmful": 4},
        ),
        Scenario(
            name="twins",
            what="near-duplicates: either does the work of both",
            kinds={"twin": 8, "bad twin": 4, "useless": 4},
        ),
        Scenario(
            name="fading",
            what="help that turns slowly into harm, unannounced",
            kinds={"fading": 6, "helpful": 4, "useless": 6},
        ),
        Scenario(
            name="new model",
            what="help that becomes harm when the model changes, half way",
            kinds={"flipping": 6, "helpful": 4, "useless": 6},
            change=0.5,
        ),
        Scenario(
            name="large",
            what="64 lessons, each up in 6 % of episodes",
            kinds={"helpful": 16, "useless": 32, "harmful": 16},
        ),
    )
}


@dataclass(frozen=True)
class World:
    """One drawn world. T episodes, K lessons, M places; equal luck for every rule that plays it."""

    scenario: Scenario
    """What it was drawn from."""
    kinds: tuple[Kind, ...]
    """Kind of each lesson, K."""
    partner: np.ndarray
    """The other one of a pair, or -1; (K,)."""
    types: np.ndarray
    """Task type of each episode; (T,)."""
    keys: np.ndarray
    """Task key of each episode; (T,)."""
    places: np.ndarray
    """Lessons that came up and fit the budget, best first, -1 for none; (T, M)."""
    table: np.ndarray
    """Chance of success for each subset of the places shown, bit j for place j; (T, 2**M)."""
    luck: np.ndarray
    """The episode succeeds when this is below the chance; (T,), uniform."""
    policy: np.ndarray
    """Which model plays; (T,)."""

    def chance(self, shown: np.ndarray, *, at: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Chance of success of episodes `at` when the places in `shown` (n, M) are shown; (n,)."""
        masks = (shown * (1 << np.arange(shown.shape[1]))).sum(axis=1)
        return self.table[at][np.arange(len(masks)), masks]

    def best(self) -> np.ndarray:
        """Chance of success of the best subset of what came up; (T,)."""
        return self.table.max(axis=1)

    def direct(self, chances: np.ndarray, *, group: np.ndarray | None = None) -> np.ndarray:
        """The oracle: the effect of showing each place in the presence of the rest; (T, M).

        `chances` (T, M) are the probabilities with which places are shown, each by a toss of its
        own, or one for all places of an episode with the same number in `group` (T, M); then it
        is the effect of showing all of them. The mean is over the tosses of the rest.
        """
        places = self.places.shape[1]
        if group is None:
            group = np.broadcast_to(np.arange(places), self.places.shape)
        bits = (np.arange(1 << places)[:, None] >> np.arange(places)) & 1
        effects = np.zeros(self.places.shape)
        for j in range(places):
            mine = group == group[:, [j]]
            weights = _subset_weights(bits, chances, group, skip=mine)
            with_, without = _forced(bits, mine, 1), _forced(bits, mine, 0)
            rows = np.arange(len(mine))[:, None]
            gain = self.table[rows, with_] - self.table[rows, without]
            effects[:, j] = (weights * gain).sum(axis=1)
        return np.where(self.places >= 0, effects, 0.0)


def build(scenario: Scenario, *, rates: Rates, seed: int) -> World:
    """Draws a world. The same arguments give the same world."""
    rng = np.random.default_rng([seed, *scenario.name.encode()])
    kinds: tuple[Kind, ...] = tuple(k for k, n in scenario.kinds.items() for _ in range(n))
    origin, partner = _cast(kinds, rates, rng)
    ranked = [_up(task, origin) for task in rates.ranked]
    tasks = rng.integers(len(ranked), size=scenario.episodes)
    places = np.array(ranked)[tasks]
    types, keys = np.array(rates.types)[tasks], np.array(rates.keys)[tasks]
    hard = rng.normal(scenario.base, scenario.type_spread, max(rates.types) + 1)[types]
    hard = hard + rng.normal(0.0, scenario.key_spread, max(rates.keys) + 1)[keys]
    sizes = scenario.size * np.maximum(0.2, rng.normal(1.0, scenario.jitter, len(kinds)))
    time = np.arange(scenario.episodes) / scenario.episodes
    policy = (time >= (2.0 if scenario.change is None else scenario.change)).astype(int)
    logits = _logits(kinds, partner, places, (sizes, time, policy))
    table = (1 - scenario.crash) / (1 + np.exp(-(hard[:, None] + logits)))
    luck = rng.random(scenario.episodes)
    return World(scenario, kinds, partner, types, keys, places, table, luck, policy)


def _cast(
    kinds: tuple[Kind, ...], rates: Rates, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which measured lesson each one's retrievals are those of, and its partner; (K,), (K,).

    Twins come up whenever the other does. Company goes to the lesson that comes up with it most.
    """
    up = np.zeros((len(rates.ranked), rates.lessons))
    for row, ranked in enumerate(rates.ranked):
        up[row, list(ranked[:MOST])] = 1
    together = up.T @ up
    free = [int(lesson) for lesson in rng.permutation(rates.lessons)]
    origin, partner = np.full(len(kinds), -1), np.full(len(kinds), -1)
    for me, kind in enumerate(kinds):
        if origin[me] >= 0:
            continue
        origin[me] = free.pop(0)
        if kind not in PAIRED:
            continue
        other = me + 1
        partner[me], partner[other] = other, me
        if kind == "company":
            near = max(free, key=lambda lesson, mine=origin[me]: together[mine, lesson])
            free.remove(near)
            origin[other] = near
        else:
            origin[other] = origin[me]
    return origin, partner


def _up(ranked: tuple[int, ...], origin: np.ndarray) -> list[int]:
    """The lessons that come up for a task, best first, filled with -1; length `MOST`."""
    found = [int(me) for lesson in ranked for me in np.flatnonzero(origin == lesson)]
    return [*found[:MOST], *[-1] * (MOST - len(found))]


def _logits(
    kinds: tuple[Kind, ...],
    partner: np.ndarray,
    places: np.ndarray,
    course: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """What each subset of places adds to the log-odds; (T, 2**M)."""
    sizes, time, policy = course
    episodes, most = places.shape
    added = np.zeros((episodes, 1 << most))
    rows = np.arange(episodes)
    for mask in range(1 << most):
        shown = np.zeros((episodes, len(kinds) + 1), bool)
        for j in range(most):
            if mask >> j & 1:
                shown[rows, places[:, j]] = True
        for me, kind in enumerate(kinds):
            on, size = shown[:, me], sizes[me]
            if kind in PAIRED and partner[me] < me:
                continue
            if kind in ("helpful", "harmful"):
                added[:, mask] += on * (size if kind == "helpful" else -size)
            elif kind == "fading":
                added[:, mask] += on * size * (1 - 2 * time)
            elif kind == "flipping":
                added[:, mask] += on * size * (1 - 2 * policy)
            elif kind == "company":
                added[:, mask] += (on & shown[:, partner[me]]) * size
            elif kind in ("twin", "bad twin"):
                either = on | shown[:, partner[me]]
                added[:, mask] += either * (size if kind == "twin" else -size)
    return added


def _subset_weights(
    bits: np.ndarray, chances: np.ndarray, group: np.ndarray, *, skip: np.ndarray
) -> np.ndarray:
    """Probability of each subset of the places that are not `skip`; (T, 2**M), sums to 1.

    Subsets that show one of `skip`, or only a part of a group, weigh 0.
    """
    episodes, places = chances.shape
    weights = np.ones((episodes, len(bits)))
    for k in range(places):
        first = ~(group[:, :k] == group[:, [k]]).any(axis=1)
        on, p = bits[:, k][None, :] == 1, chances[:, [k]]
        own = np.where(on, p, 1 - p)
        same = np.ones((episodes, len(bits)), bool)
        for i in range(k):
            mates = group[:, i] == group[:, k]
            same &= ~mates[:, None] | (bits[:, i] == bits[:, k])[None, :]
        factor = np.where(first[:, None], own, same.astype(float))
        weights *= np.where(skip[:, [k]], (~on).astype(float), factor)
    return weights


def _forced(bits: np.ndarray, mine: np.ndarray, value: int) -> np.ndarray:
    """Number of each subset after the places in `mine` are set to `value`; (T, 2**M)."""
    powers = 1 << np.arange(bits.shape[1])
    kept = (bits[None, :, :] * ~mine[:, None, :] * powers).sum(axis=2)
    return kept + value * (mine * powers).sum(axis=1)[:, None]
