"""Tips that hold for one game only come up in that game (see `agent/proposers/tips.py`)."""

from __future__ import annotations

from memory.lenses import Bounds, Recall
from memory.query import Query
from memory.recall import Memory
from memory.types import Recalled


def project_of(task_key: str) -> str:
    """The body of work that is one game: the same goal in the same place."""
    return f"game:{task_key}"


class OwnGame:
    """Recall in the body of work of the game that is played, besides what holds for all."""

    def __init__(self, memory: Memory, recall: Recall) -> None:  # noqa: ARG002 - as all lenses
        self._recall = recall

    def __call__(self, query: Query, bounds: Bounds) -> tuple[Recalled, ...]:
        """As ever, with the game's own tips; with `guard` these are left out, as all of its own."""
        if query.task_key and not query.project:
            query = query.model_copy(update={"project": project_of(query.task_key)})
        return self._recall(query, bounds)
