"""Lessons of other environments, where those of this one leave room.

Jiang et al. 2024, Long Term Memory: The Foundation of AI Self-Evolution, arXiv 2410.15665 (row
`long-term-memory`): what was worked up from interaction lasts, and serves other agents and other
environments. There, agents of their own keep, and write to, separate stores that a service joins;
here all agents of a home share one ledger, in which every entry names its agent (`Source.origin`),
its environment and its user, and only what is not bound to a type of task crosses over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from memory.lenses import Bounds, Recall, Table, within
from memory.query import Query
from memory.recall import Memory
from memory.types import Recalled

FARTHER = 0.05
"""How much closer a lesson of another environment has to be than one of this."""
ENVIRONMENTS = 4
"""Most other environments that are asked, those with most lessons first."""


class Across:
    """Asks for this environment first, then for others; a user's lessons stay with that user."""

    def __init__(self, memory: Memory, recall: Recall) -> None:
        self._recall = recall
        self._table = Table(memory.ledger)

    def __call__(self, query: Query, bounds: Bounds) -> tuple[Recalled, ...]:
        """Own lessons as ever, then the closest of other environments, as far as there is room."""
        own = self._recall(query, bounds)
        if len(own) >= bounds.most or not query.env:
            return own
        closer = replace(bounds, floor=bounds.floor + FARTHER, most=bounds.most - len(own))
        others: list[Recalled] = []
        for env in self._others(query.env):
            there = query.model_copy(update={"env": env, "task_type": ""})
            others += self._recall(there, closer)
        others.sort(key=lambda item: -item.similarity)
        return within([*own, *others], bounds)

    def _others(self, env: str) -> list[str]:
        counts = Counter(
            one.scope.env for one in self._table.showable() if one.scope.env not in ("", env)
        )
        return [name for name, _ in counts.most_common(ENVIRONMENTS)]
