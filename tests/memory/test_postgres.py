"""What is the server's own; that a ledger there does what one in a file does, the other tests see
(`place` in conftest.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench import servers
from envs.errors import Refused, StoreError
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.postgres import Postgres, shown
from memory.purge import purge_lessons
from memory.recall import Memory
from memory.schema import VERSION
from memory.types import Change, Lesson, Run, Trajectory

pytestmark = pytest.mark.filterwarnings("error")
RUN = Run(id="r", env="toy", task="t", goal="g", status="running")


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    with servers.schema(postgres) as place:
        yield place


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


def added(name: str, text: str = "") -> Change:
    after = Lesson(id=name, kind="fact", text=text or f"words of {name}")
    state = after.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=name, op="add", reason="r", after=state)


def in_threads(deed: Callable[[int], object], number: int) -> list[object]:
    """Does it at once so many times; what each gave back or raised."""
    came: list[object] = [None] * number
    ready = threading.Barrier(number)

    def run(at: int) -> None:
        ready.wait()
        try:
            came[at] = deed(at)
        except StoreError as error:
            came[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def end_sessions(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'journeyman'"
        )


def test_an_address_is_shown_without_its_password() -> None:
    assert shown("postgres://ann:s3cret@db.example:5433/j?sslmode=require") == (
        "postgresql://ann@db.example:5433/j"
    )


def test_a_server_that_is_not_there_is_one_line_without_the_password() -> None:
    with pytest.raises(StoreError, match=r"refused.*; try again; .* whether the server runs") as e:
        Ledger("postgresql://ann:s3cret@127.0.0.1:1/j")
    assert "s3cret" not in str(e.value)
    assert "\n" not in str(e.value)


def test_a_database_that_is_not_there_says_how_to_make_it(postgres: str) -> None:
    with pytest.raises(StoreError, match=r'"nowhere" does not exist; make it with `createdb`'):
        Ledger(postgres.replace("/postgres?", "/nowhere?"))


def test_a_ledger_on_a_server_has_no_path(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="is no file"):
        _ = ledger.path


def test_those_who_open_a_new_place_at_once_make_one_ledger(url: str) -> None:
    def origin(_: int) -> str:
        opened = Ledger(url)
        opened.close()
        return opened.origin

    origins = in_threads(origin, 6)
    assert len(set(origins)) == 1
    assert all(isinstance(one, str) for one in origins)


def test_a_newer_format_is_refused(ledger: Ledger, url: str) -> None:
    with ledger.writing() as db:
        db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (str(VERSION + 1),))
    with pytest.raises(StoreError, match=f"has format {VERSION + 1}.*; update Journeyman"):
        Ledger(url)


def test_tables_of_another_program_are_left_alone(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE runs (legs int)")
    with pytest.raises(StoreError, match="tables of another program; name another database"):
        Ledger(url)


def test_making_the_tables_is_all_or_nothing(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE VIEW outcomes AS SELECT 1 AS legs")
        with pytest.raises(StoreError, match="already exists"):
            Ledger(url)
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
        assert db.execute(query).fetchone() == (0,)


def test_several_writers_make_one_sequence(url: str) -> None:
    ledgers = [Ledger(url) for _ in range(4)]

    def write(at: int) -> None:
        for number in range(15):
            ledgers[at].apply(added(f"{at}-{number}"))

    assert in_threads(write, 4) == [None] * 4
    found = ledgers[0].ask("SELECT seq, target FROM changes ORDER BY seq")
    generations = dict(ledgers[0].ask("SELECT id, generation FROM lessons"))
    assert [generations[target] for _, target in found] == list(range(1, 61))
    for one in ledgers:
        one.close()


def test_whoever_reads_up_to_a_generation_misses_nothing_below_it(url: str) -> None:
    """A later number is never seen before an earlier one, or followers would skip lessons."""
    writers, reader = [Ledger(url) for _ in range(3)], Ledger(url)
    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        at = -1
        while not done.is_set() or at < reader.generation:
            at, changed = reader.changed_since(at)
            seen.extend(int(id_.split("-")[0]) for id_, _ in changed)

    follower = threading.Thread(target=follow)
    follower.start()

    def write(at: int) -> None:
        for number in range(15):
            writers[at].apply(added(f"{at}-{number}"))

    in_threads(write, 3)
    done.set()
    follower.join()
    assert sorted(seen) == sorted([0, 1, 2] * 15)
    for one in (*writers, reader):
        one.close()


def test_a_connection_that_was_lost_is_made_again(ledger: Ledger, postgres: str) -> None:
    ledger.begin_run(RUN)
    end_sessions(postgres)
    with pytest.raises(StoreError, match="try again"):
        ledger.count()
    assert ledger.count()["runs"] == 1


def test_one_that_was_lost_while_nobody_asked_is_not_even_noticed(url: str, postgres: str) -> None:
    store = Postgres(url, quiet=0.0)
    end_sessions(postgres)
    with store.writing() as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone() == ("0",)
    store.close()


def test_a_write_whose_connection_is_lost_leaves_nothing(ledger: Ledger, postgres: str) -> None:
    with pytest.raises(StoreError, match="try again"), ledger.writing() as db:
        db.execute("INSERT INTO meta VALUES (?, ?)", ("half", "1"))
        end_sessions(postgres)
        ledger.count()
    assert ledger.ask("SELECT 1 FROM meta WHERE name = 'half'") == []
    ledger.begin_run(RUN)


def test_a_writer_that_hangs_is_waited_for_so_long(url: str) -> None:
    one, two = Ledger(url), Ledger(url)
    two.ask("SELECT set_config('lock_timeout', '100ms', false)")
    with (
        one.writing(),
        pytest.raises(StoreError, match="lock timeout; end the process that holds it"),
    ):
        two.begin_run(RUN)
    two.begin_run(RUN)
    one.close()
    two.close()


def test_a_character_that_the_server_cannot_keep_is_one_line(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match=r"NUL.*; leave that character out"):
        ledger.begin_run(RUN.model_copy(update={"id": "a\0b"}))
    ledger.begin_run(RUN)


def test_text_is_sorted_by_its_bytes_whatever_the_server_speaks(ledger: Ledger) -> None:
    with ledger.writing() as db:
        db.executemany("INSERT INTO meta VALUES (?, ?)", [("é", ""), ("Z", ""), ("a", "")])
    found = ledger.ask("SELECT name FROM meta WHERE length(name) = 1 ORDER BY name")
    assert [name for (name,) in found] == ["Z", "a", "é"]


def stored_bytes(postgres: str) -> Callable[[str], bool]:
    """Whether a text stands in the files of the tables; the log of the server is left out."""
    with psycopg.connect(postgres, autocommit=True) as db:
        row: Any = db.execute("SHOW data_directory").fetchone()
        folder = Path(row[0]) / "base"

        def stands(text: str) -> bool:
            with psycopg.connect(postgres, autocommit=True) as db:
                db.execute("CHECKPOINT")
            files = [path for path in folder.rglob("*") if path.is_file()]
            return any(text.encode() in path.read_bytes() for path in files)

    if not folder.is_dir():
        pytest.skip("the server's files can't be read from here")
    return stands


def test_a_purge_leaves_no_byte_in_the_servers_tables(ledger: Ledger, postgres: str) -> None:
    stands = stored_bytes(postgres)
    memory = Memory(ledger, ListIndex(HashEmbedder()))
    secret = "the-code-of-the-safe-is-4711"
    ledger.apply(added("L1", secret), added("L2", "nothing of the kind"))
    ledger.add_trajectory(
        Trajectory(id="r", env="e", task="t", task_key="k", split="train", goal=secret)
    )
    assert stands(secret)
    done = purge_lessons(memory, ["L1"], home=None, runs=True)
    assert (done.lessons, done.runs, done.open_elsewhere) == (("L1",), ("r",), 0)
    assert not stands(secret)
    assert [one.id for one in ledger.lessons()] == ["L2"]
    with pytest.raises(StoreError, match="append-only"), ledger.writing() as db:
        db.execute("DELETE FROM changes")
    memory.index.close()


def test_one_at_a_time_is_alone_and_is_told_when_it_is_no_longer(url: str, postgres: str) -> None:
    one, two = Ledger(url), Ledger(url)
    with one.alone(wait=0.0) as first:
        assert first is not None
        assert first()
        with two.alone(wait=0.05) as second:
            assert second is None
        two.begin_run(RUN)
        end_sessions(postgres)
        three = Ledger(url)
        with three.alone(wait=1.0) as second:
            assert second is not None
            assert second()
            assert not first()
        three.close()
    with one.alone(wait=0.0) as first:
        assert first is not None
    one.close()
    two.close()
