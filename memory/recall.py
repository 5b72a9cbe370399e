"""What the agent and the doors talk to: recall before an action, and writing with its guards.

The ledger holds the lessons, the index finds them, and a table in memory (kept up by the ledger's
generation) filters what was found, so that a recall reads one number from the disk. Chroma's own
filters are not used: they cost 50 ms where fetching more and filtering here costs 1.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from envs.errors import Refused, clip
from memory.admission import (
    NEAR,
    NEIGHBOURS,
    Kin,
    addition,
    completed,
    edition,
    kin,
    merged,
    merger,
)
from memory.clock import new_id
from memory.index import Damaged, VectorIndex
from memory.ledger import Ledger
from memory.measuring import Effects
from memory.prune import PrunePlan, PruneRule, retirement
from memory.prune import plan as plan_prune
from memory.query import Query, applies, situations, wrote
from memory.text import (
    MARK_CLOSE,
    MARK_OPEN,
    estimate_tokens,
    has_mark,
    strip_marked,
    without_marks,
)
from memory.types import SHOWABLE, Change, Lesson, LessonKind, Recalled, Scope, Status

__all__ = ["MARK_CLOSE", "MARK_OPEN", "Memory", "Query", "has_mark", "render", "strip_marked"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
FETCH = 8
"""Fetched for each lesson asked for, as some are filtered out; more when too few are left."""
HEADING = "Notes from earlier work. Follow one only where it fits."


def render(recalled: Sequence[Recalled]) -> str:
    """The block for the solver: marked, a line for each lesson with its id; empty for none."""
    if not recalled:
        return ""
    lines = [f"- [{item.lesson}] {without_marks(item.text)}" for item in recalled]
    return "\n".join([MARK_OPEN, HEADING, *lines, MARK_CLOSE])


class Memory:
    """Ledger and index as one thing. Safe to use from several threads."""

    def __init__(
        self, ledger: Ledger, index: VectorIndex, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.ledger = ledger
        self.index = index
        self.effects = Effects(ledger)
        """What lessons were measured to do."""
        self._clock = clock
        self._lock = threading.RLock()
        self._table: dict[str, Lesson] = {}
        self._replaced: frozenset[str] = frozenset()
        self._seen = self._synced = -1

    def close(self) -> None:
        """Closes index and ledger."""
        self.index.close()
        self.ledger.close()

    # reading

    def recall(
        self, query: Query, *, budget_tokens: int, floor: float, most: int, guard: bool
    ) -> tuple[Recalled, ...]:
        """Lessons for the coming action, best first; often none.

        A lesson counts as close when its situation is close to the goal, or to goal, latest
        actions and observation together. It has to apply here (scope, status, time), to be at
        least `floor` close, and to fit: the block made by `render` stays within `budget_tokens`
        (estimated, see `estimate_tokens`). With `guard` lessons that go back to this very task
        (`task_key`) are left out, else marked `same_task`.
        """
        if most < 1 or budget_tokens < 1:
            return ()
        self.sync()
        chosen: list[Recalled] = []
        for similarity, lesson, same_task in self._near(query, floor=floor, most=most, guard=guard):
            item = Recalled(
                lesson=lesson.id,
                version=lesson.version,
                text=lesson.text,
                similarity=similarity,
                tokens=estimate_tokens(f"- [{lesson.id}] {lesson.text}"),
                source=lesson.source,
                same_task=same_task,
            )
            if estimate_tokens(render([*chosen, item])) <= budget_tokens:
                chosen.append(item)
            if len(chosen) == most:
                break
        return tuple(chosen)

    def search(self, text: str, *, most: int = 10) -> list[tuple[Lesson, float]]:
        """Lessons by meaning, those that hold the very words first; similarity beside each.

        Meaning is searched among lessons that may be shown, words among all.
        """
        if most < 1 or not text.strip():
            return []
        self.sync()
        worded = self.ledger.lessons(contains=text.strip(), limit=most)
        similar = dict(self._asking(lambda: self.index.search(text, most=most)))
        missing = [lesson for lesson in worded if lesson.id not in similar]
        if missing:
            vectors = self.index.embedder.embed([text, *(searched(one) for one in missing)])
            close = vectors[1:] @ vectors[0]
            similar |= {one.id: float(s) for one, s in zip(missing, close, strict=True)}
        found = {lesson.id: lesson for lesson in worded}
        for id_ in similar:
            if id_ not in found and id_ in self._table:
                found[id_] = self.ledger.lesson(id_)
        first = {lesson.id for lesson in worded}
        order = sorted(found, key=lambda id_: (id_ not in first, -similar[id_]))
        return [(found[id_], similar[id_]) for id_ in order[:most]]

    # writing

    def add(
        self,
        lesson: Lesson,
        *,
        reason: str,
        evidence: Sequence[str] = (),
        actor: str = "agent",
    ) -> Change:
        """Stores a lesson; an empty id is filled in.

        Where memory says so in other words, that lesson gets the new source, and the change is an
        `edit` of it. Raises `Refused` for recalled text, for what an existing lesson says in the
        same scope, and for what one seems to deny unless `contradicts` names it.
        """
        whole = completed(self.ledger, lesson, evidence, seconds=self._clock())
        if not self.ledger.twin(whole):
            known = self._kin(whole)
            if known.twin is not None:
                return self._merge(known.twin, whole, reason, evidence, actor)
            undeclared = [one for one in known.against if one.id not in whole.contradicts]
            if undeclared:
                raise Refused(
                    f"it seems to contradict lesson {undeclared[0].id} "
                    f"({clip(undeclared[0].text)!r})",
                    repair="declare that (contradicts), or edit the one that exists",
                )
        return self.write(addition(whole, reason, evidence, actor))[0]

    def plan(
        self,
        lessons: Sequence[Lesson],
        *,
        reason: str,
        evidence: Sequence[str] = (),
        actor: str = "agent",
    ) -> tuple[Change, ...]:
        """Changes that add `lessons`, for `Ledger.add_trajectory`.

        One that is known gets the new source; where that adds nothing it is left out. One that
        seems to deny others is stored as contradicting them.
        """
        changes: dict[str, Change] = {}
        for lesson in lessons:
            whole = completed(self.ledger, lesson, evidence, seconds=self._clock())
            known = self._kin(whole)
            richer = merged(known.twin, whole) if known.twin else None
            if known.twin and richer:
                change = merger(self.ledger, known.twin, richer, reason, evidence, actor)
            elif known.twin or self.ledger.twin(whole):
                why = self.ledger.twin(whole) or f"lesson {known.twin and known.twin.id} says it"
                logger.info("lesson %r left out: %s", clip(lesson.text, most=60), why)
                continue
            else:
                against = dict.fromkeys((*whole.contradicts, *(one.id for one in known.against)))
                whole = whole.model_copy(update={"contradicts": tuple(against)})
                change = addition(whole, reason, evidence, actor)
            changes.setdefault(change.target, change)
        return tuple(changes.values())

    def typed(
        self, text: str, *, situation: str = "", env: str = "", contradicts: Sequence[str] = ()
    ) -> Lesson:
        """Stores what a person typed as an active lesson, and reads it back (see `add`)."""
        lesson = Lesson(
            id="",
            kind="fact",
            text=text,
            situation=situation,
            scope=Scope(env=env),
            trust="user",
            status="active",
            contradicts=tuple(contradicts),
        )
        change = self.add(lesson, reason="typed by a person", actor="user")
        return self.ledger.lesson(change.target)

    def edit(
        self, lesson: Lesson, *, reason: str, actor: str = "user", before: Lesson | None = None
    ) -> Change:
        """Replaces a lesson by this form of it, as a new version. Raises `UnknownName`.

        With `before` it raises `Refused` where the lesson does not stand so any more.
        """
        return self.write(edition(lesson, before, reason, (), actor))[0]

    def undo(self, change_id: str, *, reason: str, actor: str = "user") -> Change:
        """Takes a change back (see `Ledger.undo`)."""
        return self.take_back(change_id, reason=reason, actor=actor)[-1]

    def take_back(
        self, name: str, *, reason: str, actor: str = "user", cascade: bool = False
    ) -> tuple[Change, ...]:
        """Takes back a change, a batch or what a run wrote (see `Ledger.take_back`)."""
        done = self.ledger.take_back(name, reason=reason, actor=actor, cascade=cascade)
        self.sync()
        return done

    def prune(
        self,
        *,
        status: Status | None = None,
        kind: LessonKind | None = None,
        env: str | None = None,
        contains: str | None = None,
        unused_days: float | None = None,
        keep: int | None = None,
        also: Callable[[Lesson], str] | None = None,
    ) -> PrunePlan:
        """What a rule would retire, and why (see `PruneRule`). Changes nothing."""
        given = {"status": status, "kind": kind, "env": env, "contains": contains}
        rule = PruneRule.model_validate({**given, "unused_days": unused_days, "keep": keep})
        return plan_prune(
            self.ledger.lessons(limit=-1),
            rule,
            last_used=self.ledger.last_used(),
            seconds=self._clock(),
            also=also,
        )

    def apply_prune(self, plan: PrunePlan, *, actor: str = "rule:prune") -> tuple[Change, ...]:
        """Retires what the plan names, all or nothing; each change can be undone, or their batch.

        Raises `Refused` where a lesson was altered after the plan was made.
        """
        batch = new_id("B", seconds=self._clock())
        return self.write(*(retirement(item, actor=actor, batch=batch) for item in plan.items))

    # keeping up

    def sync(self) -> int:
        """Brings the index up to the ledger, other processes' writes included.

        Returns how many lessons were put in or taken out; 0 and about 20 µs when up to date. An
        index that is missing, damaged or another embedder's is built anew, with one warning.
        """
        with self._lock:
            if self._synced == self.ledger.generation:
                return 0
            self._refresh()
            try:
                return self._catch_up()
            except Damaged as error:
                return self._mend(error)

    def rebuild(self) -> int:
        """Builds the index anew from the ledger; returns how many lessons it holds."""
        with self._lock:
            self._refresh()
            self.index.clear()
            return self._catch_up()

    def _mend(self, error: Damaged) -> int:
        logger.warning("%s; it is built anew from the ledger", error.message)
        return self.rebuild()

    def _refresh(self) -> None:
        self._seen, changed = self.ledger.changed_since(self._seen)
        table = dict(self._table)
        for id_, lesson in changed:
            if lesson is None:
                table.pop(id_, None)
            else:
                table[id_] = lesson
        self._replaced = frozenset(
            id_ for one in table.values() if one.status in SHOWABLE for id_ in one.supersedes
        )
        self._table = table

    def _catch_up(self) -> int:
        index, ledger = self.index, self.ledger
        known = index.origin == ledger.origin and index.generation <= self._seen
        if not known and (index.origin or index.generation):
            index.clear()
        begun = index.generation if known else -1
        if begun == self._seen:
            self._synced = begun
            return 0
        _, changed = ledger.changed_since(begun)
        shown = [(id_, one) for id_, one in changed if one is not None and one.status in SHOWABLE]
        gone = {id_ for id_, _ in changed} - {id_ for id_, _ in shown}
        if gone and begun > 0:
            index.remove(sorted(gone))
        if shown:
            index.add([(id_, searched(one)) for id_, one in shown])
        index.mark(origin=ledger.origin, generation=self._seen)
        self._synced = self._seen
        return len(shown) + len(gone)

    def _asking(self, question: Callable[[], T]) -> T:
        """The index's answer; one that is damaged is built anew and asked again."""
        try:
            return question()
        except Damaged as error:
            self._mend(error)
            return question()

    # parts

    def _near(
        self, query: Query, *, floor: float, most: int, guard: bool
    ) -> list[tuple[float, Lesson, bool]]:
        """Lessons that may be shown, by falling similarity, newer ones first among equals."""
        fetch, now, texts = most * FETCH, self._clock(), situations(query)
        while True:
            best: dict[str, float] = {}
            exhausted = True
            for text in texts:
                found = self._asking(lambda text=text, k=fetch: self.index.search(text, most=k))
                exhausted &= len(found) < fetch or found[-1][1] < floor
                for id_, similarity in found:
                    if similarity >= floor:
                        best[id_] = max(similarity, best.get(id_, -1.0))
            fits = [
                (similarity, lesson, wrote(query, lesson))
                for id_, similarity in best.items()
                if (lesson := self._table.get(id_)) and self._fits(lesson, query, now)
            ]
            if guard:
                fits = [fit for fit in fits if not fit[2]]
            if exhausted or len(fits) >= most * 2:
                return sorted(fits, key=lambda fit: (fit[0], fit[1].id), reverse=True)
            fetch *= 4

    def _fits(self, lesson: Lesson, query: Query, now: float) -> bool:
        return lesson.id not in self._replaced and applies(lesson, query, now=now)

    def _kin(self, lesson: Lesson) -> Kin:
        """What memory says already about the same in the same situation."""
        self.sync()
        found = self._asking(lambda: self.index.search(searched(lesson), most=NEIGHBOURS))
        close = (self._table.get(id_) for id_, similarity in found if similarity >= NEAR)
        return kin(lesson, [one for one in close if one], self.index.embedder)

    def _merge(
        self, old: Lesson, new: Lesson, reason: str, evidence: Sequence[str], actor: str
    ) -> Change:
        richer = merged(old, new)
        if richer is None:
            raise Refused(
                f"lesson {old.id} says that in other words ({clip(old.text)!r})",
                repair="edit it, or say something new",
            )
        return self.write(merger(self.ledger, old, richer, reason, evidence, actor))[0]

    def write(self, *changes: Change) -> tuple[Change, ...]:
        """Applies changes, all or none, and brings the index up (see `Ledger.apply`)."""
        done = self.ledger.apply(*changes)
        self.sync()
        return done


def searched(lesson: Lesson) -> str:
    """The words by which a lesson is found."""
    return lesson.situation.strip() or lesson.text
