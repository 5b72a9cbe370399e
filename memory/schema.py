"""The ledger's file: its tables, how it is opened, and what SQLite's errors mean to a user.

The file is in WAL mode with `synchronous=FULL`: what was acknowledged survives the end of the
process (`kill -9`) and the loss of power. Triggers refuse to rewrite trajectories and changes.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from envs.errors import StoreError, one_line
from memory.database import WAIT, Connection

APPLICATION = 0x4A4D4C47
"""Written into the file's header ("JMLG"), so that another program's database is told apart."""
VERSION = 2
"""Version of the tables; an older file is brought up when it is opened, a newer one is refused."""

CHECKED = 4 << 20
"""Bytes of a file that is looked through on opening: 15 ms at 2 MB, a second at some 200 MB."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, env TEXT NOT NULL, task TEXT NOT NULL,
    status TEXT NOT NULL, began TEXT NOT NULL, updated TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX runs_by_status ON runs (status, seq);
CREATE TABLE trajectories (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, env TEXT NOT NULL, task_key TEXT NOT NULL,
    task_type TEXT NOT NULL, split TEXT NOT NULL, arm TEXT NOT NULL, thread TEXT NOT NULL,
    passed INTEGER, failed INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX trajectories_by_task ON trajectories (env, task_key);
CREATE INDEX trajectories_by_thread ON trajectories (thread) WHERE thread <> '';
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, target TEXT NOT NULL,
    op TEXT NOT NULL, decision TEXT NOT NULL, run TEXT NOT NULL, time TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX changes_by_target ON changes (target, kind, seq);
CREATE INDEX changes_by_run ON changes (run) WHERE run <> '';
CREATE TABLE lessons (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT, status TEXT, env TEXT,
    task_type TEXT, words TEXT, same TEXT, newest INTEGER NOT NULL, added TEXT NOT NULL,
    generation INTEGER NOT NULL, body TEXT
);
CREATE INDEX lessons_by_generation ON lessons (generation);
CREATE INDEX lessons_by_same ON lessons (same) WHERE same IS NOT NULL;
CREATE TABLE exposures (
    seq INTEGER PRIMARY KEY, episode TEXT NOT NULL, lesson TEXT NOT NULL,
    shown INTEGER NOT NULL, same_task INTEGER NOT NULL, time TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (episode, lesson)
);
CREATE INDEX exposures_by_lesson ON exposures (lesson);
CREATE VIEW outcomes AS
    SELECT runs.id AS episode, CASE
        WHEN runs.status = 'failed' OR trajectories.failed = 1 THEN 0
        ELSE trajectories.passed END AS outcome
    FROM runs LEFT JOIN trajectories ON trajectories.id = runs.id;
CREATE TRIGGER trajectories_stay BEFORE UPDATE ON trajectories
    BEGIN SELECT RAISE(ABORT, 'trajectories are append-only'); END;
CREATE TRIGGER trajectories_last BEFORE DELETE ON trajectories
    BEGIN SELECT RAISE(ABORT, 'trajectories are append-only'); END;
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
CREATE TRIGGER changes_last BEFORE DELETE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
"""
_UPGRADES = {
    2: (
        "ALTER TABLE trajectories ADD COLUMN task_type TEXT NOT NULL DEFAULT ''",
        "UPDATE trajectories SET task_type = ifnull(json_extract(body, '$.task_type'), '')",
    ),
}
"""What makes a file of the version before one of this version."""
_CHECKPOINTS = {"checkpoints": ("checkpoint", "metadata"), "writes": ("value",)}
"""Tables of LangGraph's SQLite saver, and their columns with what a run has seen."""
_ELSEWHERE = "choose a folder that can be written with JOURNEYMAN_HOME or --home"
_REPAIRS = (
    ("not a database", "move it away (a new ledger is begun) or restore a backup of it"),
    ("malformed", "restore a backup, or recover what it holds with `sqlite3 FILE .recover`"),
    ("readonly", _ELSEWHERE),
    ("unable to open", _ELSEWHERE),
    ("locked", "end the process that holds it, or try again"),
    ("busy", "end the process that holds it, or try again"),
    ("full", "free some space on the disk, then try again"),
    ("disk I/O", "free some space, see that the disk is well, then try again"),
    ("decode", "restore a backup, or recover what it holds with `sqlite3 FILE .recover`"),
    ("closed database", "open the ledger again"),
)


class File:
    """A file as a `Database`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self._lock = threading.RLock()
        self._db = connect(path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See `Database`."""
        with self._lock, answering(self.path):
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """See `Database`."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                _check(db, self.path)  # another version may have brought the file up meanwhile
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.rollback()

    @contextmanager
    def purging(self) -> Iterator[sqlite3.Connection]:
        """See `Database`; what is deleted is overwritten."""
        with self.reading() as db:
            db.execute("PRAGMA secure_delete = ON")
            with self.writing(), unlocked(db):
                yield db

    @contextmanager
    def alone(self, *, wait: float) -> Iterator[Callable[[], bool] | None]:
        """See `Database`."""
        beside = self.path.with_name(f"{self.path.name}-alone")
        with answering(beside), closing(sqlite3.connect(beside, isolation_level=None)) as db:
            db.execute(f"PRAGMA busy_timeout = {wait * 1000:.0f}")
            mine = True
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                mine = False
            yield (lambda: True) if mine else None

    def compact(self) -> bool:
        """See `Database`."""
        with self.reading() as db:
            return compact(db)

    def close(self) -> None:
        """See `Database`."""
        with self._lock:
            self._db.close()


def connect(path: Path) -> sqlite3.Connection:
    """Opens the ledger at `path`, creating folders and tables. Raises `StoreError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"folder {path.parent} can't be made ({error.strerror})", repair=_ELSEWHERE
        ) from error
    with answering(path), ExitStack() as failing:
        db = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        failing.callback(db.close)
        _check(db, path)
        _enter_wal(db)
        _sound(db, path)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")
        if _version(db) < VERSION:
            _bring_up(db, path)
        failing.pop_all()
    return db


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into a `StoreError` with a repair."""
    try:
        yield
    except sqlite3.Error as error:
        said = str(error).rstrip(".")
        repair = next((mend for word, mend in _REPAIRS if word in said), _ELSEWHERE)
        raise StoreError(f"ledger {path}: {said}", repair=repair) from error


@contextmanager
def unlocked(db: Connection) -> Iterator[None]:
    """Lifts what keeps trajectories and changes as they are, inside a transaction: to purge."""
    triggers = [line for line in statements() if line.startswith("CREATE TRIGGER")]
    for trigger in triggers:
        db.execute(f"DROP TRIGGER {trigger.split()[2]}")
    yield
    for trigger in triggers:
        db.execute(trigger)


def compact(db: sqlite3.Connection) -> bool:
    """Writes the file anew, so that no byte of what was deleted is left in it or in its log.

    False: another process reads an older state, and its log could not be emptied.
    """
    db.execute("VACUUM")
    return db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def threads_with(path: Path, words: Sequence[str]) -> list[str]:
    """Runs whose checkpoints in the file at `path` hold one of these texts."""
    if not path.is_file():
        return []
    with answering(path), closing(sqlite3.connect(path, timeout=WAIT)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        found: set[str] = set()
        for table, columns in _CHECKPOINTS.items():
            for column in columns if table in tables else ():
                query = f"SELECT DISTINCT thread_id FROM {table} WHERE instr({column}, ?)"  # noqa: S608
                for word in words:
                    blob = word.encode("utf-8", "surrogatepass")
                    found.update(row[0] for row in db.execute(query, (blob,)))
    return sorted(found)


def drop_threads(path: Path, runs: Sequence[str]) -> bool:
    """Deletes checkpoints of these runs and what is left of others that ended (see `compact`)."""
    if not path.is_file():
        return True
    with answering(path), closing(sqlite3.connect(path, timeout=WAIT)) as db:
        db.execute("PRAGMA secure_delete = ON")
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        for table in _CHECKPOINTS.keys() & tables:
            query = f"DELETE FROM {table} WHERE thread_id = ?"  # noqa: S608
            db.executemany(query, [(run,) for run in runs])
        db.commit()
        return compact(db)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check(db: sqlite3.Connection, path: Path) -> None:
    # in this order, as another process may be making the tables at this moment
    used = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    owner = int(db.execute("PRAGMA application_id").fetchone()[0])
    version = _version(db)
    if used and owner != APPLICATION:
        raise StoreError(
            f"{path} is another program's database", repair="name another file or folder"
        )
    if version > VERSION:
        raise StoreError(
            f"ledger {path} has format {version}, this version reads up to {VERSION}",
            repair="update Journeyman with `pip install -U journeyman`",
        )


def _sound(db: sqlite3.Connection, path: Path) -> None:
    """A damaged page of an index hides rows without an error; a small file is looked through."""
    if path.is_file() and path.stat().st_size <= CHECKED:
        said = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said != "ok":
            raise sqlite3.DatabaseError(f"the file is malformed ({one_line(said)})")


def _enter_wal(db: sqlite3.Connection) -> None:
    """Several processes may open a new file at once, and SQLite doesn't wait at this point."""
    until = time.monotonic() + WAIT
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _bring_up(db: sqlite3.Connection, path: Path) -> None:
    """Makes the tables, or those of an older version into these: all or nothing, by one process."""
    db.execute("BEGIN IMMEDIATE")
    try:
        _check(db, path)
        version = _version(db)
        if version == 0:
            _create(db)
        elif version < VERSION:
            with unlocked(db):
                for step in range(version + 1, VERSION + 1):
                    for statement in _UPGRADES[step]:
                        db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.rollback()


def _create(db: sqlite3.Connection) -> None:
    for statement in statements():
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES ('generation', 0)")
    db.execute("INSERT INTO meta VALUES ('origin', ?)", (secrets.token_hex(8),))
    db.execute(f"PRAGMA application_id = {APPLICATION}")


def statements() -> Iterator[str]:
    """Those that make the tables, one by one.

    `executescript` would end the transaction; this keeps creation all or nothing.
    """
    gathered = ""
    for line in TABLES.strip().splitlines():
        gathered += line + "\n"
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""
