"""What the ledger asks of a database: `memory/schema.py` (a file) and `memory/postgres.py` do it.

Queries are written once, in the SQL that both understand: `?` for a value (and nowhere else),
`instr(text, words) > 0`, `coalesce`, `ON CONFLICT`, 0 and 1 for truth, `seq` for the order of
rows. A dialect's own words stay in its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

WAIT = 30.0
"""Seconds that a write waits for another process."""


class Rows(Protocol):
    """What a query found."""

    def fetchone(self) -> Any:
        """The next row as a tuple; None at the end."""
        ...

    def fetchall(self) -> list[Any]:
        """All that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What runs queries, in the transaction that is going on."""

    def execute(self, query: str, values: Sequence[object] = (), /) -> Rows:
        """Runs one query with a value for each `?`."""
        ...

    def executemany(self, query: str, rows: Iterable[Sequence[object]], /) -> object:
        """Runs one query for each row of values."""
        ...


class Database(Protocol):
    """Tables of a ledger, opened. Safe to use from several threads; may be entered again inside.

    Everything raises `StoreError` with a repair.
    """

    name: str
    """Path or address, without a password."""

    def reading(self) -> AbstractContextManager[Connection]:
        """For queries that belong together, or for one."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction: all or nothing, durable when it has ended.

        One at a time over all processes, so that `seq` and the generation are one sequence.
        """
        ...

    def purging(self) -> AbstractContextManager[Connection]:
        """`writing` that may also delete and rewrite trajectories and changes."""
        ...

    def alone(self, *, wait: float) -> AbstractContextManager[Callable[[], bool] | None]:
        """Over all processes one at a time, beside writing; for what belongs to the ledger.

        None: another one was in it for all of `wait` seconds. Else a question: whether it still
        is the only one (a connection may be lost, and the next one let in).
        """
        ...

    def compact(self) -> bool:
        """Leaves no byte of what was deleted; False: another process keeps some of it."""
        ...

    def close(self) -> None:
        """Closes it; may be called twice."""
        ...
