"""The next type of task as the arm of a bandit whose pay is how much there was to learn.

Paper: Chen et al. 2025, Self-Evolving Curriculum for LLM Reasoning (SEC), arXiv 2505.14970 (row
`sec`). What differs: there is one run of a task where the paper has a group of rollouts, so the
advantage of an outcome is taken over a running success of its type; and values are worked out from
the history at every call, so that they survive a restart because the ledger does.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import exp
from typing import NamedTuple

from pydantic import Field

from agent.curriculum import Chosen, Pool, Tried, kind_of
from envs.types import Frozen, Task


class Learning(Frozen):
    """How the bandit learns and draws."""

    rate: float = Field(default=0.2, ge=0, le=1)
    """Weight of the latest outcome (TD(0)); 0: it never learns, and draws all types alike."""
    heat: float = Field(default=0.1, gt=0)
    """Temperature of the draw: the larger, the more alike types are drawn."""
    start: float = Field(default=0.5, ge=0, le=1)
    """Value of a type that was never tried: the most that there is, so it is looked at."""


class Arm(NamedTuple):
    """What the bandit thinks of a type."""

    value: float
    """Running mean of the absolute advantage: 0 where every run ends as expected."""
    success: float = 0.5
    """Running success, over which the advantage is taken."""


class Bandit:
    """Draws types by how much their outcomes surprised lately, and so follows what is learnable."""

    def __init__(
        self, tasks: Sequence[Task], *, seed: int = 0, learning: Learning = Learning()
    ) -> None:
        self._pool = Pool(tasks, seed=seed)
        self._seed = seed
        self._learning = learning

    def next(self, n: int, history: Sequence[Tried]) -> Sequence[Task]:
        """See `Curriculum`."""
        return [one.task for one in self.explain(n, history)]

    def explain(self, n: int, history: Sequence[Tried]) -> Sequence[Chosen]:
        """See `Curriculum`."""
        arms = self.arms(history)
        shares = self._shares(arms)
        if not shares:
            return []
        rng = random.Random(f"{self._seed}/{len(history)}")
        quota: dict[str, int] = {}
        for kind in rng.choices(list(shares), weights=list(shares.values()), k=n):
            quota[kind] = quota.get(kind, 0) + 1
        return [
            Chosen(task=task, why=_why(arms[kind_of(task)], shares[kind_of(task)]))
            for task in self._pool.drawn(quota, history)
        ]

    def shares(self, history: Sequence[Tried]) -> dict[str, float]:
        """Probability of each type in the next draw; they add up to 1."""
        return self._shares(self.arms(history))

    def _shares(self, arms: Mapping[str, Arm]) -> dict[str, float]:
        weights = {kind: exp(arm.value / self._learning.heat) for kind, arm in arms.items()}
        total = sum(weights.values())
        return {kind: weight / total for kind, weight in weights.items()}

    def arms(self, history: Sequence[Tried]) -> Mapping[str, Arm]:
        """The value of each type after these outcomes, oldest first."""
        rate, start = self._learning.rate, self._learning.start
        found = {kind: Arm(value=start) for kind in self._pool.kinds}
        for one in history:
            if one.kind in found:
                value, success = found[one.kind]
                advantage = one.won - success
                found[one.kind] = Arm(
                    value=value + rate * (abs(advantage) - value),
                    success=success + rate * advantage,
                )
        return found


def _why(arm: Arm, share: float) -> str:
    return (
        f"outcomes differ from what was expected by {arm.value:.2f}, "
        f"success runs at {arm.success:.0%}; drawn with {share:.0%}"
    )
