"""The table of an experiment: one SQLite file that holds rows, transcripts and what arms kept.

It is the laboratory's only truth. One process writes; a cell's row, its transcript and the state
in which it left its arm come in one transaction, so a killed run neither loses nor repeats a cell.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args

from bench.arms.types import Note
from bench.lab.types import FORMAT, Experiment, Row
from envs.errors import StoreError, UnknownName, UserError, one_line
from memory.types import Trajectory

FILE = "table.db"
LISTS = ("notes", "wrote")
COLUMNS = tuple(Row.model_fields)


def _kind(name: str) -> str:
    wanted = Row.model_fields[name].annotation
    kinds = set(get_args(wanted)) if isinstance(wanted, UnionType) else {wanted}
    if kinds & {int, bool}:
        return "INTEGER"
    return "REAL" if float in kinds else "TEXT"


BOOLS = tuple(
    name
    for name, field in Row.model_fields.items()
    if bool in (get_args(field.annotation) or (field.annotation,))
)
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, manifest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rows ({", ".join(f"{name} {_kind(name)}" for name in COLUMNS)},
    PRIMARY KEY (cell)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transcripts (cell TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS states (arm TEXT, seed INTEGER, learned INTEGER, body BLOB NOT NULL,
    PRIMARY KEY (arm, seed, learned));
CREATE TABLE IF NOT EXISTS flags (cell TEXT, text TEXT NOT NULL, PRIMARY KEY (cell, text));
INSERT OR IGNORE INTO meta VALUES ('format', '{FORMAT}');
"""  # noqa: S608
ORDER = itemgetter(
    *map(COLUMNS.index, ("arm", "env", "split", "phase", "seed", "learned", "task", "cell"))
)
REST = {
    "__pydantic_fields_set__": set(COLUMNS),
    "__pydantic_extra__": None,
    "__pydantic_private__": None,
}
ADD = f"INSERT OR IGNORE INTO rows VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


class Total(NamedTuple):
    """Sums over the rows of one arm on one task set."""

    arm: str
    set: str
    n: int
    won: int
    steps: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    model_s: float
    wall_s: float
    cost: float


class Table:
    """Opens or makes the table in `folder`; `write=False` opens one that is there, to be read.

    Raises `StoreError` for one that is damaged, of a newer version or not to be written,
    `UserError` where there is none to be read.
    """

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        self.path = folder / FILE
        try:
            if write:
                folder.mkdir(parents=True, exist_ok=True)
                self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT")
            else:
                self._db = _reading(self.path)
            self._check(new=write)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(self.path, error) from error

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._db.close()

    # what is asked

    def experiment(self) -> Experiment | None:
        """The experiment that the table belongs to; None while it is new."""
        found = self._value("experiment")
        return None if found is None else Experiment.model_validate_json(found)

    def begin(self, experiment: Experiment, manifest: dict[str, Any]) -> None:
        """Notes the experiment and the session that now adds rows."""
        with self._transaction():
            self._set("experiment", experiment.model_dump_json())
            self._db.execute(
                "INSERT OR IGNORE INTO sessions VALUES (?, ?)",
                (manifest["id"], json.dumps(manifest)),
            )

    def sessions(self) -> list[dict[str, Any]]:
        """The manifests under which rows were played, oldest first."""
        kept = self._all("SELECT manifest FROM sessions ORDER BY rowid")
        found = [json.loads(body) for (body,) in kept]
        return sorted(found, key=lambda one: one["began"])

    # rows

    def add(
        self,
        row: Row,
        transcript: bytes | None,
        *,
        state: bytes | None = None,
        after: int = 0,
        flags: Iterable[str] = (),
    ) -> bool:
        """Writes a cell; False, and nothing written, where it is there already.

        `state` is what its arm keeps `after` so many train tasks, as `packed` made it. Rows of
        another machine come without a transcript.
        """
        values = [_stored(getattr(row, name)) for name in COLUMNS]
        with self._transaction():
            new = self._db.execute(ADD, values)
            if not new.rowcount:
                return False
            if transcript is not None:
                self._db.execute(
                    "INSERT OR REPLACE INTO transcripts VALUES (?, ?)", (row.cell, transcript)
                )
            if state is not None:
                self._keep(row.arm, row.seed, after, state)
            self._db.executemany(
                "INSERT OR IGNORE INTO flags VALUES (?, ?)", [(row.cell, flag) for flag in flags]
            )
        return True

    def keep(self, arm: str, seed: int, learned: int, state: bytes) -> None:
        """Notes what an arm keeps; its first state, before it learned anything, for example."""
        with self._transaction():
            self._keep(arm, seed, learned, state)

    def state(self, arm: str, seed: int, learned: int) -> bytes | None:
        """What an arm kept after so many train tasks; None where it is not there."""
        found = self._all(
            "SELECT body FROM states WHERE arm = ? AND seed = ? AND learned = ?",
            (arm, seed, learned),
        )
        return found[0][0] if found else None

    def states(self) -> list[tuple[str, int, int, bytes]]:
        """All that arms kept: (arm, seed, train tasks learned from, what `packed` made)."""
        return self._all("SELECT arm, seed, learned, body FROM states ORDER BY arm, seed, learned")

    def given(self) -> set[str]:
        """Texts of the examples that arms were given before they began."""
        first = self._all("SELECT DISTINCT body FROM states WHERE learned = 0")
        kept = [unpacked(body).get("examples") for (body,) in first]
        found = [
            some for examples in kept if isinstance(examples, dict) for some in examples.values()
        ]
        return {one["text"] for some in found for one in some}

    def rows(self, *, arm: str = "", phase: str = "") -> list[Row]:
        """All rows, in a fixed order."""
        query = "SELECT * FROM rows WHERE (? IN ('', arm)) AND (? IN ('', phase))"
        return [_row(values) for values in sorted(self._all(query, (arm, phase)), key=ORDER)]

    def done(self) -> set[str]:
        """Ids of the cells that are there."""
        return {cell for (cell,) in self._all("SELECT cell FROM rows")}

    def totals(self) -> list[Total]:
        """Sums of the measured rows by arm and task set, in one pass over the file."""
        found = self._all(
            "SELECT arm, env || '/' || split, count(*), sum(passed IS 1), sum(steps), sum(calls), "
            "sum(prompt_tokens), sum(completion_tokens), sum(model_s), sum(wall_s), sum(cost) "
            "FROM rows WHERE phase = 'measure' GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [Total(*values) for values in found]

    def spent(self) -> dict[str, float]:
        """Tokens, seconds of cells, and US dollars so far, learning included."""
        found = self._all(
            "SELECT total(prompt_tokens + completion_tokens), total(wall_s), total(cost) FROM rows"
        )
        return dict(zip(("tokens", "seconds", "cost"), found[0], strict=True))

    def transcript(self, cell: str) -> Trajectory | None:
        """What was done in a cell; None where it is not there."""
        found = self._all("SELECT body FROM transcripts WHERE cell = ?", (cell,))
        return Trajectory(**unpacked(found[0][0])["trajectory"]) if found else None

    def notes(self, cell: str) -> tuple[Note, ...]:
        """What its arm put before the solver for the whole run."""
        found = self._all("SELECT body FROM transcripts WHERE cell = ?", (cell,))
        return tuple(Note(**one) for one in unpacked(found[0][0])["notes"]) if found else ()

    def row(self, cell: str) -> Row:
        """One row. Raises `UnknownName`."""
        found = self._all("SELECT * FROM rows WHERE cell = ?", (cell,))
        if not found:
            raise UnknownName("cell", cell, self.done())
        return _row(found[0])

    # guards

    def flag(self, cell: str, *texts: str) -> None:
        """What guards found, in place of what was noted before.

        An empty cell stands for the whole experiment, at which guards look anew after each call.
        """
        with self._transaction():
            self._db.execute("DELETE FROM flags WHERE cell = ?", (cell,))
            self._db.executemany(
                "INSERT OR IGNORE INTO flags VALUES (?, ?)", [(cell, text) for text in texts]
            )

    def flags(self) -> list[tuple[str, str]]:
        """What guards found: (cell, text)."""
        return list(self._all("SELECT cell, text FROM flags ORDER BY cell, text"))

    # parts

    def _check(self, *, new: bool) -> None:
        if not new and not self._all("SELECT 1 FROM sqlite_master"):
            raise _nothing(self.path)
        found = self._value("format")
        if not found or not found.isdecimal():
            raise _unusable(self.path, ValueError("it is no table of an experiment"))
        if int(found) > FORMAT:
            raise StoreError(
                f"{self.path} was written by a newer version", repair="update Journeyman"
            )
        columns = tuple(name for (name,) in self._all("SELECT name FROM pragma_table_info('rows')"))
        if columns != COLUMNS:
            raise StoreError(
                f"{self.path} was written by another version, which kept other columns",
                repair="use that version, or move the folder away and play it again",
            )

    def _keep(self, arm: str, seed: int, learned: int, state: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)", (arm, seed, learned, state)
        )

    def _value(self, name: str) -> str | None:
        found = self._all("SELECT value FROM meta WHERE name = ?", (name,))
        return found[0][0] if found else None

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db, self.path)


class _Transaction:
    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        try:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.execute("ROLLBACK" if kind else "COMMIT")
        except sqlite3.Error as broken:
            if error is None:
                raise _unusable(self._path, broken) from broken
        if isinstance(error, sqlite3.Error):
            raise _unusable(self._path, error) from error


def packed(value: Any) -> bytes:
    """Plain data as compressed JSON, the same bytes for the same data."""
    return zlib.compress(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def unpacked(body: bytes) -> Any:
    """What `packed` packed."""
    return json.loads(zlib.decompress(body))


def kept(trajectory: Trajectory, notes: Sequence[Note]) -> bytes:
    """A transcript as the table keeps it."""
    told = {"trajectory": trajectory.model_dump(mode="json")}
    return packed({**told, "notes": [note.model_dump(mode="json") for note in notes]})


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Rows as JSON lines, for files that people keep and compare."""
    for row in rows:
        yield row.model_dump_json()


def _stored(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple) else value


def _row(values: Sequence[Any]) -> Row:
    found = dict(zip(COLUMNS, values, strict=True))
    for name in LISTS:
        found[name] = _listed(found[name])
    for name in BOOLS:
        if found[name] is not None:
            found[name] = bool(found[name])
    row = Row.__new__(Row)  # as pickle restores it; `model_construct` takes several times as long
    row.__setstate__({**REST, "__dict__": found})
    return row


@lru_cache(maxsize=4096)
def _listed(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that can't write; also to a folder that can't be written."""
    if not path.is_file():
        raise _nothing(path)
    address = f"{path.resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(address, uri=True, timeout=30, isolation_level=None)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        db.close()
        if path.with_name(f"{FILE}-wal").exists():
            raise
        return sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None)
    return db


def _nothing(path: Path) -> UserError:
    return UserError(
        f"there is no experiment in {path.parent}",
        repair=f"run it: journeyman bench {path.parent.name}",
    )


def _unusable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the table {path} can't be used: {one_line(str(error))}",
        repair="make room and the folder writable, or move a damaged file away",
    )
