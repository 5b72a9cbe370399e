"""What stands of one kind of thing in the ledger: after its last applied change, by id.

For kinds that have no table of their own. Kept in memory and brought up by what came since, so
that asking again costs one look at the newest row.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from pydantic import ValidationError

from envs.errors import StoreError
from envs.types import Frozen
from memory import rows
from memory.ledger import Ledger
from memory.types import Change

F = TypeVar("F", bound=Frozen)


class Standing(Generic[F]):
    """All things of one kind in a ledger as they stand. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, *, kind: str, type: type[F]) -> None:  # noqa: A002
        self._ledger = ledger
        self._kind = kind
        self._type = type
        self._lock = threading.Lock()
        self._seen = 0
        self._found: dict[str, F] = {}

    def all(self) -> dict[str, F]:
        """By id, in the order in which they were first added. Raises `StoreError`."""
        query = (
            "SELECT target, body FROM changes WHERE seq > ? AND seq <= ? AND kind = ? "
            "AND decision = 'applied' ORDER BY seq"
        )
        with self._ledger.reading() as db, self._lock:  # in this order, as within a transaction
            top = db.execute("SELECT max(seq) FROM changes").fetchone()[0] or 0
            if top < self._seen:  # what was newest is gone for good
                self._seen, self._found = 0, {}
            if top > self._seen:
                came = db.execute(query, (self._seen, top, self._kind)).fetchall()
                found = dict(self._found)
                for target, body in dict(came).items():
                    change = rows.parse(Change, body)
                    if change.after is None:
                        found.pop(target, None)
                    else:
                        found[target] = self.read(change)
                self._seen, self._found = top, found
            return self._found

    def read(self, change: Change) -> F:
        """What a change left. Raises `StoreError` where this version can't read it."""
        try:
            return self._type.model_validate(change.after)
        except ValidationError as error:
            raise StoreError(
                f"{self._kind} {change.target} can't be read: {rows.first_of(error)}",
                repair="update Journeyman with `pip install -U journeyman`",
            ) from error
