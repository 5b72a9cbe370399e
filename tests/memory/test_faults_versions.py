"""Ledgers of two versions: the older is brought up or left alone, the newer is refused."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from envs.errors import StoreError
from memory.ledger import Ledger
from memory.schema import VERSION
from memory.types import Change

V1 = (Path(__file__).parent / "ledger_v1.sql").read_text("utf-8")
"""Written by the first version: lessons in all states, runs, exposures, a purge, an undo."""
FORK = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def old_file(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(V1)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    return path


def rows(path: Path) -> dict[str, list[Any]]:
    """All that the first version knew of."""
    columns = {
        "runs": "seq, id, env, task, status, began, updated, body",
        "trajectories": "seq, id, env, task_key, split, arm, thread, passed, failed, body",
        "changes": "seq, id, kind, target, op, decision, run, time, body",
        "lessons": "seq, id, kind, status, words, same, newest, added, generation, body",
        "exposures": "seq, episode, lesson, shown, same_task, time, body",
        "meta": "name, value",
    }
    with closing(sqlite3.connect(path)) as db:
        return {t: db.execute(f"SELECT {c} FROM {t}").fetchall() for t, c in columns.items()}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def in_child(deed: Callable[[], object]) -> int:
    """Process in which `deed` is done."""
    child = os.fork()
    if child == 0:
        try:
            deed()
        finally:
            os._exit(0)
    return child


def test_an_older_file_is_brought_up_and_keeps_all_that_it_held(tmp_path: Path) -> None:
    path = old_file(tmp_path / "ledger.db")
    before = rows(path)
    ledger = Ledger(path)
    assert version(path) == VERSION
    assert rows(path) == before
    assert ledger.count() == {
        "lessons": {"active": 1, "candidate": 1, "retired": 1},
        "trajectories": 3,
        "changes": 10,
        "exposures": 4,
        "runs": 4,
    }
    assert [(one.id, one.task_type) for one in ledger.trajectories(newest_first=False)] == [
        ("r0", "heat"),
        ("r1", "cool"),
        ("r2", ""),
    ]
    kinds = ledger.ask("SELECT id, task_type FROM trajectories ORDER BY seq")
    assert [tuple(row) for row in kinds] == [("r0", "heat"), ("r1", "cool"), ("r2", "")]
    fridge = ledger.lesson("L-fridge")
    assert fridge.source.quote == "You see an egg."
    assert [one.shown for one in ledger.exposures(lesson="L-fridge")] == [True, False, True, True]
    assert [one.op for one in ledger.history("L-micro")] == ["add", "status"]
    ledger.undo(ledger.history("L-micro")[-1].id, reason="of use after all")
    assert ledger.lesson("L-micro").status == "candidate"
    ledger.close()


def test_what_may_only_be_added_to_stays_so_after_it_was_brought_up(tmp_path: Path) -> None:
    path = old_file(tmp_path / "ledger.db")
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as db:
        for table in ("trajectories", "changes"):
            for statement in (f"UPDATE {table} SET body = ''", f"DELETE FROM {table}"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    db.execute(statement)


@FORK
def test_two_processes_bring_a_file_up_at_the_same_time(tmp_path: Path) -> None:
    for turn in range(10):
        path = old_file(tmp_path / f"{turn}.db")
        before = rows(path)
        children = [in_child(lambda p=path: Ledger(p).close()) for _ in range(3)]
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        assert (version(path), rows(path)) == (VERSION, before)


@FORK
def test_kill_9_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    rng, found = random.Random(3), set()
    for turn in range(25):
        path = old_file(tmp_path / f"{turn}.db")
        before = rows(path)
        child = in_child(lambda p=path: Ledger(p).close())
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.add(version(path))
        assert rows(path) == before
        Ledger(path).close()
        assert (version(path), rows(path)) == (VERSION, before)
    assert found <= {1, VERSION}


def test_what_cannot_be_brought_up_is_left_as_it_was(tmp_path: Path) -> None:
    path = old_file(tmp_path / "ledger.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER trajectories_stay")
        db.execute(
            "INSERT INTO trajectories (id, env, task_key, split, arm, thread, failed, body) "
            "VALUES ('odd', 'e', 'k', 'train', 'a', '', 0, 'no JSON')"
        )
        db.commit()
    before = rows(path)
    with pytest.raises(StoreError) as error:
        Ledger(path)
    assert "\n" not in str(error.value)
    assert (version(path), rows(path)) == (1, before)


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"has format {VERSION + 1}, .*; update Journeyman"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_process_stops_writing_to_a_file_that_a_newer_version_has_brought_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    setting = Change(
        id="", kind="setting", target="floor", op="add", reason="r", after={"value": 0.3}
    )
    ledger.apply(setting)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError, match=f"has format {VERSION + 1}, .*; update Journeyman"):
        ledger.apply(setting.model_copy(update={"target": "most"}))
    assert [one.target for one in ledger.changes()] == ["floor"]
    ledger.close()


def test_processes_of_one_version_make_a_file_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    for turn in range(3):
        path = tmp_path / f"{turn}.db"
        children = [context.Process(target=Ledger, args=(path,)) for _ in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0, 0, 0]
