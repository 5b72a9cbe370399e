from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

from envs.errors import StoreError
from memory.ledger import Ledger
from memory.schema import VERSION


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"dear diary, " * 500)
    with pytest.raises(StoreError, match="file is not a database; move it away"):
        Ledger(path)
    assert path.read_bytes() == b"dear diary, " * 500


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE recipes (name)")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="another program's database; name another file"):
        Ledger(path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match=f"has format {VERSION + 1}.*; update Journeyman"):
        Ledger(path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can't be made .*; choose a folder"):
        Ledger(tmp_path / "file" / "ledger.db")
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(StoreError, match="unable to open database file; choose a folder"):
        Ledger(tmp_path / "ledger.db")


def open_as_nobody(folder: str, answers: Any) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    for name in ("new.db", "old.db"):
        try:
            Ledger(Path(folder) / name)
        except StoreError as error:
            answers.put(str(error))
        else:
            answers.put("opened")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs POSIX users")
def test_a_read_only_folder_is_one_line() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    Ledger(folder / "old.db").close()
    (folder / "old.db").chmod(0o444)
    folder.chmod(0o555)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=open_as_nobody, args=(str(folder), answers))
    child.start()
    said = [answers.get(timeout=30), answers.get(timeout=30)]
    child.join()
    folder.chmod(0o755)
    shutil.rmtree(folder)
    for line in said:
        assert "choose a folder that can be written" in line
        assert "\n" not in line


def test_flipped_bytes_in_the_ledger_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = bytes(255 - byte for byte in raw[4096:])
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"malformed .*; restore a backup"):
        Ledger(path)


def test_the_file_is_in_wal_mode_and_says_its_version(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    db = sqlite3.connect(ledger.path)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()
    ledger.close()


OLD = Path(__file__).with_name("version1.sql")
"""A ledger of the first version: five runs (one broke, one of `val`, one not scored), a lesson."""


def old_ledger(path: Path) -> Path:
    db = sqlite3.connect(path)
    db.executescript(OLD.read_text("utf-8"))
    db.close()
    return path


def test_a_file_of_the_first_version_is_brought_up_when_it_is_opened(tmp_path: Path) -> None:
    ledger = Ledger(old_ledger(tmp_path / "ledger.db"))
    assert ledger.outcomes() == [
        (1, "R0", "household", "pick", "k0", "train", True),
        (2, "R1", "household", "clean", "k1", "train", False),
        (3, "R2", "household", "pick", "k2", "train", False),
    ]
    assert ledger.lesson("L1").text == "Knives lie on countertops."
    assert ledger.generation == 1
    db = sqlite3.connect(ledger.path)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE trajectories SET arm = 'x'")
    db.close()
    ledger.close()


def test_an_upgrade_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "ledger.db")
    db = sqlite3.connect(path)
    db.execute("DROP TRIGGER trajectories_stay")
    db.execute("UPDATE trajectories SET body = 'no JSON' WHERE seq = 4")
    db.execute("CREATE TRIGGER trajectories_stay BEFORE UPDATE ON trajectories BEGIN SELECT 1; END")
    db.commit()
    with pytest.raises(StoreError, match="malformed JSON; restore a backup"):
        Ledger(path)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    columns = [row[1] for row in db.execute("PRAGMA table_info(trajectories)")]
    assert "task_type" not in columns
    triggers = db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
    assert triggers.fetchone() == (4,)
    db.close()


def open_old(path: str, at_once: Any, answers: Any) -> None:
    at_once.wait()
    ledger = Ledger(Path(path))
    answers.put(len(ledger.outcomes()))
    ledger.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")
def test_processes_that_open_an_old_file_at_once_bring_it_up_once(tmp_path: Path) -> None:
    path = old_ledger(tmp_path / "ledger.db")
    context = multiprocessing.get_context("fork")
    at_once, answers = context.Event(), context.Queue()
    children = [
        context.Process(target=open_old, args=(str(path), at_once, answers)) for _ in range(3)
    ]
    for child in children:
        child.start()
    at_once.set()
    assert [answers.get(timeout=60) for _ in children] == [3, 3, 3]
    for child in children:
        child.join()
        assert child.exitcode == 0
