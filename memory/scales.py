"""Insights of two scales in one prompt: of this type of task, and general ones.

Fu et al. 2024, MSI-Agent: Incorporating Multi-Scale Insight into Embodied Agents, arXiv 2409.16686
(row `msi-agent`): its insight selector. An insight's scale is its scope: bound to an environment or
a type of task it is of the task's scale, bound to neither it is general. In the paper a model picks
what is relevant, or cosine similarity does; here it is similarity, and each scale has its share of
the budget.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from memory.lenses import Bounds, Recall, Table, within
from memory.query import Query
from memory.recall import Memory
from memory.types import Lesson, Recalled

Scale = Literal["task", "general"]
WIDER = 4
"""How many times as many lessons are looked at as are shown, and as much budget."""


def scale_of(lesson: Lesson) -> Scale:
    """`general` for what holds in any environment and for any type of task, else `task`."""
    return "task" if lesson.scope.env or lesson.scope.task_type else "general"


class Scales:
    """The closest of each scale in turn, beginning with the closest of all."""

    def __init__(self, memory: Memory, recall: Recall) -> None:
        self._recall = recall
        self._table = Table(memory.ledger)

    def __call__(self, query: Query, bounds: Bounds) -> tuple[Recalled, ...]:
        """At least one of each scale where memory has one and `most` and the budget allow it."""
        wide = replace(bounds, budget_tokens=bounds.budget_tokens * WIDER, most=bounds.most * WIDER)
        found = self._recall(query, wide)
        known = self._table.lessons()
        piles: dict[Scale, list[Recalled]] = {}
        for item in found:
            if item.lesson in known:
                piles.setdefault(scale_of(known[item.lesson]), []).append(item)
        several = bounds.most > 1 and len(piles) > 1
        share = bounds.budget_tokens // 2 if several else bounds.budget_tokens
        # the first of each scale keeps to its share, so that neither leaves the other no room
        first = [
            within(pile, replace(bounds, budget_tokens=share, most=1)) for pile in piles.values()
        ]
        shown = [item for some in first for item in some]
        rest = [item for item in found if item not in shown]
        return within([*shown, *rest], bounds)
