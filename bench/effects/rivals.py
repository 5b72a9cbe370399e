"""Rules that judge lessons: other memories' as we read them, and ours, playing the same worlds.

Others are brought down to what they go by; where a paper leaves a number open, the one here is
named. A rule sees what came up, what was shown and who won; only the judge of `Votes` sees more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from bench.effects.scenarios import World
from memory.effects import FLOOR, Cases, chance, forecast, measure, paired, pool, toss
from memory.families import ebh, first_to_go, units
from memory.types import Measured

REVIEW = 200
"""Episodes between two reviews; what is decided at one holds until the next."""


class Rule:
    """Shows everything and never retires: the base of the others.

    `chances` are the probabilities with which each place was shown, `group` the number of what it
    was tossed with; both (T, M).
    """

    name: ClassVar[str] = "show everything"
    follows: ClassVar[str] = "memories without pruning"

    def __init__(self, world: World, *, seed: int) -> None:
        self.world = world
        self.rng = np.random.default_rng([seed, *self.name.encode()])
        self.kept = np.ones(len(world.kinds), bool)
        self.up = world.places >= 0
        self.shown = np.zeros(world.places.shape, bool)
        self.won = np.zeros(len(world.places), bool)
        self.chances = np.zeros(world.places.shape)
        self.group = np.where(self.up, world.places, -1 - np.arange(world.places.shape[1]))
        self.replays = 0

    def play(self) -> None:
        """Plays the whole stream, batch by batch."""
        for start in range(0, len(self.won), REVIEW):
            at = slice(start, min(start + REVIEW, len(self.won)))
            self.chances[at] = np.where(self.up[at], self.ask(at), 0.0)
            self.shown[at] = self.draw(at)
            self.won[at] = self.world.luck[at] < self.world.chance(self.shown[at], at=at)
            self.review(at)

    def ask(self, at: slice) -> np.ndarray:
        """Probability of showing each place, settled before the batch; (n, M)."""
        return self.kept[self.world.places[at]].astype(float)

    def draw(self, at: slice) -> np.ndarray:
        """What is shown; (n, M) bool."""
        return self.rng.random(self.chances[at].shape) < self.chances[at]

    def review(self, at: slice) -> None:
        """Takes in a batch that was played."""

    def of(self, lesson: int, *, until: int) -> np.ndarray:
        """Whether `lesson` was shown in each episode before `until`; (until,) bool."""
        return (self.shown[:until] & (self.world.places[:until] == lesson)).any(axis=1)


class Nothing(Rule):
    """Memory off."""

    name = "show nothing"
    follows = "no memory"

    def ask(self, at: slice) -> np.ndarray:
        return np.zeros(self.world.places[at].shape)


class Uses(Rule):
    """Retires what was seldom used with success: fewer than half the median of such uses."""

    name = "use counts"
    follows = "pruning by use (curators, decay by disuse); reviewed from episode 1,000 on"

    def review(self, at: slice) -> None:
        if at.stop < 1000:
            return
        counts = np.array(
            [(self.of(i, until=at.stop) & self.won[: at.stop]).sum() for i in range(len(self.kept))]
        )
        self.kept &= counts >= np.median(counts) / 2


class Shared(Rule):
    """Everything shown shares the reward; retired when surely below the average episode."""

    name = "shared reward"
    follows = "success rates of what was retrieved; 95 % interval at every review"

    def review(self, at: slice) -> None:
        won = self.won[: at.stop]
        for lesson in np.flatnonzero(self.kept):
            mine = won[self.of(int(lesson), until=at.stop)]
            if len(mine) >= 20:
                high = mine.mean() + 1.96 * np.sqrt(max(0.01, mine.var()) / len(mine))
                self.kept[lesson] = high >= won.mean()


class QValues(Rule):
    """Shows the better half of what came up, by similarity and Q-value; all shown are credited."""

    name = "Q-values"
    follows = "MemRL (arXiv 2601.03192): Q += 0.1 (r - Q), weight 0.5, half of the candidates"

    def __init__(self, world: World, *, seed: int) -> None:
        super().__init__(world, seed=seed)
        self.q = np.full(len(world.kinds), 0.5)
        """Value of each lesson; retired counts what was mostly left out in the last quarter."""

    def ask(self, at: slice) -> np.ndarray:
        q = np.where(self.up[at], self.q[self.world.places[at]], -np.inf)
        near = np.where(self.up[at], -np.arange(q.shape[1], dtype=float), -np.inf)
        value = 0.5 * _standard(q) + 0.5 * _standard(near)
        rank = np.argsort(np.argsort(-value, axis=1, kind="stable"), axis=1)
        return rank < np.ceil(self.up[at].sum(axis=1, keepdims=True) / 2)

    def review(self, at: slice) -> None:
        for episode in range(at.start, at.stop):
            mine = self.world.places[episode][self.shown[episode]]
            self.q[mine] += 0.1 * (self.won[episode] - self.q[mine])
        late = slice(3 * len(self.won) // 4, None)
        if at.stop == len(self.won):
            for lesson in range(len(self.kept)):
                mine = self.world.places[late] == lesson
                self.kept[lesson] = not mine.any() or self.shown[late][mine].mean() > 0.5


class Votes(Rule):
    """A judge calls each shown lesson helpful or harmful; retired when harmful ones prevail.

    The judge sees the lesson's true direction in one case of four, else goes by who won.
    """

    name = "helpful/harmful votes"
    follows = "ACE (arXiv 2510.04618); a judge of assumed insight 0.25; from 10 votes on"
    insight = 0.25

    def __init__(self, world: World, *, seed: int) -> None:
        super().__init__(world, seed=seed)
        self.balance, self.votes = np.zeros(len(world.kinds)), np.zeros(len(world.kinds))
        self.truth = world.direct(np.where(self.up, 1.0, 0.0))

    def review(self, at: slice) -> None:
        shown, places = self.shown[at], self.world.places[at]
        sees = (self.rng.random(shown.shape) < self.insight) & (np.abs(self.truth[at]) > 1e-9)
        helpful = np.where(sees, self.truth[at] > 0, self.won[at][:, None])
        np.add.at(self.balance, places[shown], np.where(helpful[shown], 1.0, -1.0))
        np.add.at(self.votes, places[shown], 1.0)
        self.kept &= (self.votes < 10) | (self.balance >= 0)


class Difference(Rule):
    """Withholds half the time and compares raw rates by the textbook interval, at every look."""

    name = "A/B test, looked at often"
    follows = "a 95 % z-interval for two rates, retired when below 0, without correction"

    def ask(self, at: slice) -> np.ndarray:
        return 0.5 * self.kept[self.world.places[at]]

    def review(self, at: slice) -> None:
        won = self.won[: at.stop]
        for lesson in np.flatnonzero(self.kept):
            here = (self.world.places[: at.stop] == lesson).any(axis=1)
            shown = self.of(int(lesson), until=at.stop)
            arms = won[shown], won[here & ~shown]
            if min(map(len, arms)) >= 20:
                spread = np.sqrt(sum(max(0.01, arm.var()) / len(arm) for arm in arms))
                self.kept[lesson] = arms[0].mean() - arms[1].mean() + 1.96 * spread >= 0


class Ours(Rule):
    """Tosses, always-valid evidence, e-BH over the memory, near-duplicates as one unit.

    Promoted lessons are withheld in one case of ten, others as `tosses` says.
    """

    name = "measured effect"
    follows = "memory/effects.py; even tosses until promoted"
    adaptive: ClassVar[bool] = False
    clusters: ClassVar[bool] = True
    pairs: ClassVar[int] = 0

    def __init__(self, world: World, *, seed: int) -> None:
        super().__init__(world, seed=seed)
        self.seed = seed
        self.units: dict[int, str] = {}
        self.numbers: dict[str, int] = {}
        self.ask_with: dict[str, float] = {}
        self.settled: dict[str, float] = {}
        self.differences: dict[tuple[str, int], list[float]] = {}
        self.expected = np.zeros(len(self.won))
        self.measured: dict[str, Measured] = {}
        self._name()

    def _name(self) -> None:
        """Names what is tossed now."""
        alike: dict[int, list[str]] = {}
        for me in np.flatnonzero(self.kept):
            twin = self.clusters and "twin" in self.world.kinds[me]
            first = min(me, self.world.partner[me]) if twin else me
            alike.setdefault(int(first), []).append(f"{me:03d}")
        self.units = {int(me): unit for me, unit in units(alike.values()).items()}
        for unit in self.units.values():
            self.numbers.setdefault(unit, len(self.kept) + len(self.numbers))

    def ask(self, at: slice) -> np.ndarray:
        asked = np.zeros(len(self.kept))
        number = np.arange(len(self.kept))
        for lesson, unit in self.units.items():
            asked[lesson] = self.ask_with.get(unit, 0.5)
            number[lesson] = self.numbers[unit]
        self.group[at] = np.where(self.up[at], number[self.world.places[at]], self.group[at])
        return asked[self.world.places[at]]

    def draw(self, at: slice) -> np.ndarray:
        drawn = np.zeros(self.chances[at].shape, bool)
        for row, place in zip(*np.nonzero(self.chances[at] > 0), strict=True):
            unit = self.units[int(self.world.places[at.start + row, place])]
            run = f"{self.seed} {at.start + row}"
            drawn[row, place] = toss(run, unit, float(self.chances[at][row, place]))
        return drawn

    def cases(self, unit: str, *, until: int) -> tuple[Cases, np.ndarray]:
        """The cases of a unit under the latest model, and their episodes; (n,)."""
        world, number = self.world, self.numbers[unit]
        tossed = (self.group[:until] == number) & (self.chances[:until] > 0)
        tossed &= (world.policy[:until] == world.policy[until - 1])[:, None]
        here = np.flatnonzero(tossed.any(axis=1))
        place = tossed[here].argmax(axis=1)
        return Cases(
            shown=self.shown[here, place],
            probability=self.chances[here, place],
            won=self.won[here],
            expected=self.expected[here],
        ), here

    def review(self, at: slice) -> None:
        world, until = self.world, at.stop
        names = [list(map(str, labels[:until])) for labels in (world.types, world.keys)]
        told = forecast(list(self.won[:until]), types=names[0], keys=names[1])
        self.expected[at] = told[at]
        now = sorted(set(self.units.values()))
        found = {unit: measure(self.cases(unit, until=until)[0]) for unit in now}
        self.measured |= found
        worthless = {unit: one.log_worthless for unit, one in found.items()}
        helps = {unit: one.log_helps for unit, one in found.items()}
        if self.pairs:
            for unit, one in self._replayed(now, at).items():
                worthless[unit] = float(np.logaddexp(worthless[unit], one.log_worthless)) - LOG2
                helps[unit] = float(np.logaddexp(helps[unit], one.log_helps)) - LOG2
                self.measured[unit] = pool(self.measured[unit], one)
        self._move(now, worthless, helps)

    def _move(self, now: list[str], worthless: dict[str, float], helps: dict[str, float]) -> None:
        """Retires, promotes, and settles how often each unit is shown next."""
        size = len(self.kept)
        all_ = {**self.settled, **worthless}
        picked = dict(zip(all_, ebh(list(all_.values()), size=size), strict=True))
        good = dict(zip(now, ebh([helps[unit] for unit in now], size=size), strict=True))
        for unit in now:
            if picked[unit]:
                self.kept[int(first_to_go(unit, standing={}))] = False
                self.settled[unit] = worthless[unit]
            else:
                even = chance(self.measured[unit]) if self.adaptive else 0.5
                self.ask_with[unit] = 1 - FLOOR if good[unit] else even
        self._name()

    def _replayed(self, now: list[str], at: slice) -> dict[str, Measured]:
        """Plays tasks of this batch twice, with each unit forced in and out, all else as it was."""
        found: dict[str, Measured] = {}
        for unit in now:
            known = self.differences.setdefault((unit, int(self.world.policy[at.stop - 1])), [])
            mine = self.group[at] == self.numbers[unit]
            here = np.flatnonzero(mine.any(axis=1))
            here = self.rng.permutation(here)[: self.pairs]
            rows = at.start + here
            sides = [
                self.world.luck[rows]
                < self.world.chance(np.where(mine[here], forced, self.shown[rows]), at=rows)
                for forced in (True, False)
            ]
            known += list(sides[0].astype(float) - sides[1])
            self.replays += 2 * len(here)
            found[unit] = paired(known)
        return found


class Adaptive(Ours):
    """The same, shown as often as it is likely to help (Thompson), within the floor."""

    name = "measured effect, adaptive"
    follows = "memory/effects.py; Thompson's rule"
    adaptive = True


class Replayed(Adaptive):
    """The same, with replays of tasks in both ways, as where the environment is deterministic."""

    name = "measured effect, adaptive, with replays"
    follows = "memory/effects.py; up to 8 paired replays per unit and review"
    pairs = 8


class Apart(Ours):
    """The same, each near-duplicate tossed by itself."""

    name = "measured effect, no clusters"
    follows = "memory/effects.py; what clusters are for"
    clusters = False


LOG2 = float(np.log(2))
"""Half of the stake is on each of two sources of evidence."""
RULES: dict[str, Callable[..., Rule]] = {
    rule.name: rule
    for rule in (
        Rule,
        Nothing,
        Uses,
        Shared,
        QValues,
        Votes,
        Difference,
        Ours,
        Adaptive,
        Replayed,
        Apart,
    )
}
"""All rules by name."""


def _standard(values: np.ndarray) -> np.ndarray:
    """Each row with mean 0 and spread 1 over its finite values; others stay -inf; (n, M)."""
    fine = np.isfinite(values)
    count = np.maximum(fine.sum(axis=1, keepdims=True), 1)
    calm = np.where(fine, values, 0.0)
    mean = calm.sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(fine, calm - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    return np.where(fine, (calm - mean) / np.maximum(spread, 1e-9), -np.inf)
