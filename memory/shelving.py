"""Lessons as they stand, and on the shelves of the indexes: kept up with the ledger's generation.

Both indexes, of meanings and of words, are derived. The one of meanings is on the disk; when it is
missing, stale, damaged or another embedder's it is built anew, with one warning.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from envs.errors import StoreError
from memory.index import Damaged, VectorIndex
from memory.ledger import Ledger
from memory.lexical import Words
from memory.query import searched, shelf_of
from memory.types import SHOWABLE, Lesson

logger = logging.getLogger(__name__)
T = TypeVar("T")
SOON, LONG = 2.0, 60.0
"""Seconds that catching up and building anew wait for another process that does so."""
ANSWERS = 256
"""Answers of the index kept for texts that come again, as goals do at every step."""
VECTORS = 4096
"""Vectors of lessons kept, as what shares words with a goal comes up at every step."""


class Shelving:
    """What finds lessons. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, index: VectorIndex) -> None:
        self.table: Mapping[str, Lesson] = {}
        """All lessons by id, retired ones included; never altered, only replaced."""
        self.replaced: frozenset[str] = frozenset()
        """Lessons whose place others take."""
        self._ledger = ledger
        self._index = index
        self._lock = threading.RLock()
        self._words: Words | None = None
        self._seen = self._synced = -1
        self._kept: dict[str, np.ndarray] = {}
        self._answers: OrderedDict[tuple[object, ...], list[tuple[str, float]]] = OrderedDict()

    def sync(self) -> int:
        """Brings table and indexes up to the ledger; how many lessons were put in or taken out."""
        with self._lock:
            if self._synced == self._ledger.generation:
                return 0
            with self._index.alone(wait=SOON) as mine:
                moved = self._refresh()
                if not mine:
                    return 0
                try:
                    return self._catch_up(moved)
                except Damaged as error:
                    return self._mend(error)

    def rebuild(self) -> int:
        """Builds the indexes anew from the ledger; returns how many lessons they hold."""
        with self._lock, self._index.alone(wait=LONG) as mine:
            if not mine:
                raise StoreError(
                    "another process builds the index", repair="let it end, then try again"
                )
            self._refresh()
            self._index.clear()
            self._words = None
            self._kept.clear()
            self._answers.clear()
            return self._catch_up(set())

    def asking(self, question: Callable[[], T]) -> T:
        """The index's answer; one that is damaged is built anew and asked again."""
        try:
            return question()
        except Damaged as error:
            self._mend(error)
            return question()

    def near(
        self, text: str, *, most: int, shelves: Sequence[str] | None, again: bool = False
    ) -> list[tuple[str, float]]:
        """See `VectorIndex.search`; `again`: the text will be asked again, so keep the answer."""
        key = (self._synced, text, most, None if shelves is None else tuple(shelves))
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        found = self.asking(lambda: self._index.search(text, most=most, shelves=shelves))
        if again:
            with self._lock:
                self._answers[key] = found
                while len(self._answers) > ANSWERS:
                    self._answers.popitem(last=False)
        return found

    def similar(self, texts: Sequence[str], ids: Iterable[str]) -> dict[str, float]:
        """Cosine similarity of lessons that stand on shelves to the closest of `texts`, by id."""
        wanted = list(ids)
        if not wanted:
            return {}
        vectors = self._vectors(wanted)
        asked = self._index.embedder.embed(texts)
        return {id_: float(np.max(asked @ vector)) for id_, vector in vectors.items()}

    def _vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        with self._lock:
            known = {id_: self._kept[id_] for id_ in ids if id_ in self._kept}
            generation, table = self._synced, self.table
        shelves: dict[str, list[str]] = {}
        for id_ in ids:
            if id_ not in known and id_ in table:
                shelves.setdefault(shelf_of(table[id_]), []).append(id_)
        fresh: dict[str, np.ndarray] = {}
        for shelf, on_it in shelves.items():
            fresh |= self.asking(partial(self._index.vectors, on_it, shelf=shelf))
        with self._lock:
            if generation == self._synced:
                self._kept |= fresh
                while len(self._kept) > VECTORS:
                    self._kept.pop(next(iter(self._kept)))
        return known | fresh

    @property
    def words(self) -> Words:
        """The index of words, filled when it is first asked for."""
        with self._lock:
            if self._words is None:
                words = Words()
                _put(words, (one for one in self.table.values() if one.status in SHOWABLE))
                self._words = words
            return self._words

    def _mend(self, error: Damaged) -> int:
        logger.warning("%s; it is built anew from the ledger", error.message)
        return self.rebuild()

    def _refresh(self) -> set[str] | None:
        """Reads what changed; lessons that left their shelf, or None where that can't be told."""
        before, in_step = self.table, self._seen == self._synced and self._seen >= 0
        self._seen, changed = self._ledger.changed_since(self._seen)
        table = dict(before)
        moved = set()
        for id_, lesson in changed:
            self._kept.pop(id_, None)
            old = table.pop(id_, None)
            if lesson is not None:
                table[id_] = lesson
            if old and lesson and shelf_of(old) != shelf_of(lesson):
                moved.add(id_)
        if self._words is not None:
            self._words.remove(id_ for id_, _ in changed)
            _put(self._words, (one for _, one in changed if one and one.status in SHOWABLE))
        self.replaced = frozenset(
            id_ for one in table.values() if one.status in SHOWABLE for id_ in one.supersedes
        )
        self.table = table
        return moved if in_step else None

    def _catch_up(self, moved: set[str] | None) -> int:
        """`moved`: lessons that have to be taken off other shelves; None: any may."""
        index, ledger = self._index, self._ledger
        known = index.origin == ledger.origin and index.generation <= self._seen
        if not known and (index.origin or index.generation):
            index.clear()
        begun = index.generation if known else -1
        if begun != self._synced:  # somebody else has brought it there, from shelves unknown here
            moved = None
        if begun == self._seen:
            self._synced = begun
            return 0
        _, changed = ledger.changed_since(begun)
        shown = [one for _, one in changed if one is not None and one.status in SHOWABLE]
        gone = {id_ for id_, _ in changed} - {one.id for one in shown}
        if begun >= 0:  # 0: what others wrote in the meantime may be in already
            stale = gone | ({one.id for one in shown} if moved is None else moved)
            if stale:
                index.remove(sorted(stale))
        for shelf, items in _by_shelf(shown).items():
            index.add([(one.id, searched(one)) for one in items], shelf=shelf)
        index.mark(origin=ledger.origin, generation=self._seen)
        self._synced = self._seen
        return len(shown) + len(gone)


def _put(words: Words, lessons: Iterable[Lesson]) -> None:
    for shelf, items in _by_shelf(lessons).items():
        words.add(((one.id, f"{one.situation}\n{one.text}") for one in items), shelf=shelf)


def _by_shelf(lessons: Iterable[Lesson]) -> dict[str, list[Lesson]]:
    shelves: dict[str, list[Lesson]] = {}
    for one in lessons:
        shelves.setdefault(shelf_of(one), []).append(one)
    return shelves
