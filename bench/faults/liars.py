"""Ledgers and indexes that break a promise, to show that the audit would tell; and the honest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memory.database import Connection
from memory.embed import HashEmbedder
from memory.index import Index, ListIndex, VectorIndex
from memory.ledger import Ledger

EVERY = 8
"""Writes of a `Hasty` ledger in one transaction."""


class Hasty(Ledger):
    """Answers before the commit: what it took in becomes durable with every eighth write."""

    _writes = 0

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See `Ledger`."""
        with self._store.reading() as db:
            if self._writes % EVERY == 0:
                db.execute("BEGIN IMMEDIATE")
            self._writes += 1
            yield db
            if self._writes % EVERY == 0:
                db.execute("COMMIT")


class Piecemeal(Ledger):
    """Writes statement by statement, without a transaction."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See `Ledger`."""
        with self._store.reading() as db:
            yield db


class Leaky(Index):
    """Loses every fifth entry."""

    def add(self, items: Sequence[tuple[str, str]], *, shelf: str = "") -> None:
        """See `VectorIndex`."""
        super().add([item for n, item in enumerate(items) if n % 5 != 3], shelf=shelf)


def opened(kind: str, home: Path, *, chroma: bool) -> tuple[Ledger, VectorIndex]:
    """A ledger and an index of one of the `KINDS`, under `home`."""
    ledger, index = KINDS[kind]
    embedder = HashEmbedder()
    place = index(home / "index", embedder) if chroma else ListIndex(embedder)
    return ledger(home / "ledger.db"), place


KINDS: dict[str, tuple[type[Ledger], type[Index]]] = {
    "honest": (Ledger, Index),
    "hasty": (Hasty, Index),
    "piecemeal": (Piecemeal, Index),
    "leaky": (Ledger, Leaky),
}
"""What a writer may use, by name."""
