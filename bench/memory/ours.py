"""Journeyman's own memory as a contender: ledger and index, as the agent uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.memory.contender import SPACE, Served
from envs.errors import UnknownName
from memory.admission import addition
from memory.index import Index
from memory.ledger import Ledger
from memory.query import Query
from memory.recall import Memory
from memory.types import Lesson, Scope

FLOOR, BUDGET = 0.35, 256
"""As the settings have them."""


class Ours:
    """`Memory.add` and `Memory.recall`, guard on, with the defaults of the settings."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", served))
        self.memory.sync()

    def fill(self, entries: Sequence[dict[str, str]]) -> None:
        """See `Store`. One transaction, then the index."""
        self.memory.ledger.apply(
            *(addition(lesson_of(entry), "bench", (), "bench") for entry in entries)
        )
        self.memory.sync()

    def write(self, entry: dict[str, str]) -> str:
        """See `Store`. Look-alikes and contradictions are looked for, the index is brought up."""
        return self.memory.add(lesson_of(entry), reason="bench").target

    def recall(self, query: dict[str, Any], *, most: int) -> list[str]:
        """See `Store`."""
        asked = Query(
            goal=query["goal"],
            observation=query["observation"],
            recent=tuple(query["recent"]),
            env=SPACE,
        )
        found = self.memory.recall(asked, budget_tokens=BUDGET, floor=FLOOR, most=most, guard=True)
        return [item.lesson for item in found]

    def missing(self, names: Sequence[str]) -> list[str]:
        """See `Store`. In the ledger, and found by its own words after a `sync`."""
        self.memory.sync()
        gone = []
        for name in names:
            try:
                lesson = self.memory.ledger.lesson(name)
            except UnknownName:
                gone.append(name)
                continue
            near = self.memory.index.search(lesson.situation, most=8)
            if name not in [id_ for id_, _ in near]:
                gone.append(name)
        return gone

    def close(self) -> None:
        """See `Store`."""
        self.memory.close()


class OursLedger(Ours):
    """Acknowledged as soon as the ledger has it; the index follows at the next recall."""

    def write(self, entry: dict[str, str]) -> str:
        """See `Store`."""
        return self.memory.ledger.apply(addition(lesson_of(entry), "bench", (), "bench"))[0].target


def lesson_of(entry: dict[str, str]) -> Lesson:
    """The entry as a lesson that applies everywhere in its name space."""
    return Lesson(
        id=entry["id"],
        kind="strategy",
        situation=entry["text"],
        text=entry["say"],
        scope=Scope(env=SPACE),
    )
