"""Lenses: recall as another way of looking at the same memory, one small file for each.

A lens gets the memory and the recall before it, and is a recall itself. It changes nothing of how
lessons are stored; what it shows keeps to the budget that it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from memory.ledger import Ledger
from memory.query import Query
from memory.recall import Memory, render
from memory.text import estimate_tokens
from memory.types import SHOWABLE, Change, Lesson, Recalled, Source, Trust

LEAST: tuple[Trust, ...] = ("web", "tool", "user", "self")
"""Trust, least first."""


@dataclass(frozen=True)
class Bounds:
    """What holds for a recall besides the situation; see `Memory.recall`."""

    budget_tokens: int
    """Most tokens of the block that is shown."""
    floor: float
    """Least similarity."""
    most: int
    """Most lessons."""
    guard: bool
    """Leave out what goes back to this very task."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else `Memory.recall` takes, passed on as it is."""


Recall = Callable[[Query, Bounds], tuple[Recalled, ...]]
"""Lessons for the coming action, best first, within the bounds."""
Lens = Callable[[Memory, Recall], Recall]
"""Makes a recall of the memory and the recall before it."""


class Lensed(Memory):
    """A memory seen through lenses; ledger, index and what is written are those of `inner`.

    With `agent`, what this agent learns by itself says so (`Source.origin`, the change's actor),
    where several agents share a memory.
    """

    def __init__(self, inner: Memory, *, lenses: Sequence[Lens] = (), agent: str = "") -> None:
        super().__init__(inner.ledger, inner.index)
        self._agent = f"agent:{agent}" if agent else ""

        def plainly(query: Query, bounds: Bounds) -> tuple[Recalled, ...]:
            given = {one.name: getattr(bounds, one.name) for one in fields(bounds)}
            return inner.recall(query, **given.pop("more"), **given)

        self._look: Recall = plainly
        for lens in lenses:
            self._look = lens(inner, self._look)

    def recall(
        self,
        query: Query,
        *,
        budget_tokens: int,
        floor: float,
        most: int,
        guard: bool,
        **more: Any,
    ) -> tuple[Recalled, ...]:
        """See `Memory.recall`."""
        if most < 1 or budget_tokens < 1:
            return ()
        bounds = Bounds(budget_tokens, floor=floor, most=most, guard=guard, more=more)
        return self._look(query, bounds)

    def plan(
        self,
        lessons: Sequence[Lesson],
        *,
        reason: str,
        evidence: Sequence[str] = (),
        actor: str = "agent",
    ) -> tuple[Change, ...]:
        """See `Memory.plan`."""
        if self._agent:
            lessons = [signed(lesson, self._agent) for lesson in lessons]
            actor = self._agent if actor == "agent" else actor
        return super().plan(lessons, reason=reason, evidence=evidence, actor=actor)


def signed(lesson: Lesson, agent: str) -> Lesson:
    """`lesson` with the agent that learned it as its origin, unless it is somebody else's words."""
    if lesson.trust != "self" or lesson.source.origin:
        return lesson
    source = lesson.source.model_copy(update={"origin": agent})
    return lesson.model_copy(update={"source": source})


class Table:
    """All lessons as they stand, kept up with the ledger; one number is read when nothing changed.

    Without effects, as in `Ledger.changed_since`.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen = -1
        self._lessons: dict[str, Lesson] = {}

    def lessons(self) -> dict[str, Lesson]:
        """By id; not to be altered."""
        if self._ledger.generation != self._seen:
            self._seen, changed = self._ledger.changed_since(self._seen)
            fresh = {id_: lesson for id_, lesson in changed if lesson is not None}
            gone = {id_ for id_, lesson in changed if lesson is None}
            kept = {id_: one for id_, one in self._lessons.items() if id_ not in gone}
            self._lessons = kept | fresh
        return self._lessons

    def showable(self) -> Iterable[Lesson]:
        """Those that may be recalled."""
        return (one for one in self.lessons().values() if one.status in SHOWABLE)


def least(trusts: Iterable[Trust]) -> Trust:
    """The least of them: that of everything derived from all."""
    found = set(trusts)
    for one in LEAST:
        if one in found:
            return one
    return "self"


def places(lesson: Lesson) -> tuple[Source, ...]:
    """Every place where it was learned."""
    return lesson.sources or (lesson.source,)


def within(items: Iterable[Recalled], bounds: Bounds) -> tuple[Recalled, ...]:
    """The first of `items` that fit, each lesson once; the block of `render` is counted."""
    kept: list[Recalled] = []
    for item in items:
        if len(kept) == bounds.most:
            break
        known = any(item.lesson == one.lesson for one in kept)
        if not known and estimate_tokens(render([*kept, item])) <= bounds.budget_tokens:
            kept.append(item)
    return tuple(kept)
