"""A purge leaves no byte: every file of the home is searched for a word of the lesson."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.embed import HashEmbedder
from memory.forget import apply_forget, plan_forget
from memory.index import Index
from memory.ledger import Ledger
from memory.portable import export, load
from memory.purge import purge_lessons, purge_source
from memory.recall import Memory, Query
from memory.types import Change, Exposure, Lesson, Recalled, Run, Trajectory

WORD = "xylophonically"


def opened(home: Path) -> Memory:
    return Memory(Ledger(home / "ledger.db"), Index(home / "index", HashEmbedder()))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def memory(home: Path) -> Iterator[Memory]:
    one = opened(home)
    yield one
    one.close()


def lesson(id: str, text: str, **fields: Any) -> Lesson:  # noqa: A002
    given = {"id": id, "kind": "strategy", "situation": "drawers", **fields}
    return Lesson.model_validate({"text": text, **given})


def ran(memory: Memory, id: str, **fields: Any) -> None:  # noqa: A002
    given = {"env": "e", "task": "t", "task_key": f"key of {id}", "split": "train", "goal": "g"}
    memory.ledger.add_trajectory(Trajectory.model_validate({"id": id, **given, **fields}))


def holding(home: Path, word: str = WORD) -> list[str]:
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return [path.name for path in files if word.encode() in path.read_bytes()]


def interrupted(home: Path, run: str, said: str) -> None:
    db = sqlite3.connect(home / "checkpoints.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS checkpoints (thread_id, checkpoint BLOB, metadata BLOB)")
    db.execute("CREATE TABLE IF NOT EXISTS writes (thread_id, value BLOB)")
    db.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (run, said.encode(), b"{}"))
    db.execute("INSERT INTO writes VALUES (?, ?)", (run, said.encode()))
    db.commit()
    db.close()


def lived(memory: Memory, home: Path) -> str:
    """A lesson that left its word in all places; its id."""
    words = f"open the drawers {WORD} first"
    steps = ({"index": 0, "action": "open drawer", "observation": f"it squeaks {WORD}"},)
    source = {"trajectory": "r1", "quote": f"it squeaks {WORD}"}
    ran(memory, "r1", steps=steps)
    first = memory.add(lesson("a", words, source=source), reason="r", evidence=("r1",)).target
    memory.edit(memory.ledger.lesson("a").model_copy(update={"situation": WORD}), reason="r")
    (found,) = memory.recall(Query(goal=WORD), budget_tokens=99, floor=0.3, most=1, guard=True)
    memory.ledger.expose(Exposure(episode="r2", lesson="a", version=2, first_step=0, shown=True))
    shown = ({"index": 0, "action": "look", "observation": "o", "recalled": (found,)},)
    known = Change(
        id="",
        kind="lesson",
        target="again",
        op="add",
        reason="r",
        after=lesson("again", words).model_dump(mode="json"),
    )
    ran(memory, "r2", steps=shown)
    memory.ledger.add_trajectory(
        Trajectory(id="r3", env="e", task="t", task_key="k", split="train", goal="g"),
        changes=[known],
    )
    memory.add(lesson("other", "knives are in the left one"), reason="r")
    export(memory.ledger, home / "out.jsonl")
    interrupted(home, "r4", f"... {words} ...")
    interrupted(home, "r5", "nothing of it")
    return first


def test_no_byte_of_a_purged_lesson_is_left(memory: Memory, home: Path) -> None:
    lived(memory, home)
    assert {"ledger.db", "out.jsonl", "checkpoints.db"} <= {
        name.removesuffix("-wal") for name in holding(home)
    }
    done = purge_source(memory, "a", home=home, runs=True)
    assert holding(home) == []
    assert (done.lessons, done.runs, done.checkpoints) == (("a",), ("r1",), ("r4",))
    assert (done.exports, done.runs_left, done.files_left) == (("out.jsonl",), (), ())
    assert done.open_elsewhere == 0
    memory.close()
    assert holding(home) == []
    again = opened(home)
    assert [one.id for one, _ in again.search("drawers")] == ["other"]
    with pytest.raises(UnknownName, match="no lesson named 'a'"):
        again.ledger.lesson("a")
    assert again.ledger.trajectory("r2").steps[0].recalled[0].text == ""
    again.close()


def test_what_remains_says_that_something_was_purged_and_no_more(
    memory: Memory, home: Path
) -> None:
    lived(memory, home)
    purge_source(memory, "a", home=home, actor="ann")
    (tombstone,) = memory.ledger.history("a")
    assert (tombstone.op, tombstone.actor) == ("purge", "ann")
    assert tombstone.reason == "purged with all that goes back to a lesson"
    assert (tombstone.before, tombstone.after, tombstone.evidence) == (None, None, ())
    assert tombstone.time
    with pytest.raises(Refused, match="is a purge: nothing is left"):
        memory.undo(tombstone.id, reason="oh")
    memory.add(lesson("a", "something else"), reason="new")
    assert memory.ledger.lesson("a").text == "something else"


def test_runs_stay_unless_they_are_asked_for_and_are_named(memory: Memory, home: Path) -> None:
    lived(memory, home)
    done = purge_source(memory, "r1", home=home)
    assert (done.lessons, done.runs, done.runs_left) == (("a",), (), ("r1",))
    assert done.files_left == ("ledger.db",)
    assert WORD in memory.ledger.trajectory("r1").steps[0].observation
    later = purge_source(memory, "r1", home=home, runs=True)
    assert later.runs == ("r1",)
    assert holding(home) == []


def test_what_was_forgotten_before_can_be_purged_later(memory: Memory, home: Path) -> None:
    lived(memory, home)
    apply_forget(memory.ledger, plan_forget(memory.ledger, "r1"))
    assert holding(home)
    purge_source(memory, "r1", home=home, runs=True)
    assert holding(home) == []


def test_a_source_is_taken_out_of_the_history_of_what_stays(memory: Memory, home: Path) -> None:
    ran(memory, "r1")
    ran(memory, "r2")
    check = (
        "always check the large white fridge beside the wooden kitchen table for fresh brown eggs"
    )
    memory.add(lesson("a", check, source={"trajectory": "r1"}), reason="r", evidence=("r1",))
    again = lesson("b", f"{check} {WORD}", source={"trajectory": "r2"})
    memory.add(again, reason="r", evidence=("r2",))
    assert memory.ledger.lesson("a").sources[1].said.endswith(WORD)
    seen = memory.ledger.generation
    purged = purge_source(memory, "r2", home=home, runs=True)
    assert (purged.lessons, purged.detached, purged.runs) == ((), ("a",), ("r2",))
    assert holding(home) == []
    assert memory.ledger.lesson("a").text == check
    assert memory.ledger.lesson("a").sources == ()
    assert all("r2" not in change.evidence for change in memory.ledger.history("a"))
    assert memory.ledger.generation > seen


def test_a_run_that_goes_on_and_has_seen_it_comes_first(memory: Memory, home: Path) -> None:
    lived(memory, home)
    run = Run(id="r4", env="e", task="t", goal="g", status="running", pid=os.getpid())
    memory.ledger.begin_run(run)
    with pytest.raises(Refused, match="run r4 is going on and has seen it; let it end"):
        purge_source(memory, "a", home=home)
    assert memory.ledger.lesson("a").text


def test_indexes_that_ended_processes_left_are_deleted(memory: Memory, home: Path) -> None:
    memory.add(lesson("a", f"open it {WORD}"), reason="r")
    second = opened(home)
    second.sync()
    held = purge_lessons(memory, ["a"], home=home)
    assert held.open_elsewhere >= 1
    second.close()
    assert (home / "index" / "slot-1").exists()
    memory.add(lesson("b", "another one"), reason="r")
    assert purge_lessons(memory, ["b"], home=home, reason="too old").open_elsewhere == 0
    assert not (home / "index" / "slot-1").exists()
    assert memory.ledger.history("b")[0].reason == "too old"


def test_a_conversation_that_repeats_what_was_said_goes_with_it(memory: Memory, home: Path) -> None:
    said = f"my cat is called {WORD}"
    for number, goal in enumerate((said, "what is my cat called?", "what is 2 + 2?")):
        history = [said] if number == 1 else []
        memory.ledger.begin_run(
            Run(
                id=f"t{number}",
                env="chat",
                task="t",
                goal=goal,
                status="running",
                spec={"h": history},
            )
        )
        ran(memory, f"t{number}", env="chat", goal=goal, thread="c1")
    fact = lesson(
        "f", f"the cat is called {WORD}", trust="user", scope={"user": "ann"},
        source={"trajectory": "t0", "quote": said},
    )  # fmt: skip
    memory.add(fact, reason="asked to remember")
    done = purge_source(memory, "user:ann", home=home, runs=True)
    assert done.runs == ("t0", "t1")
    assert holding(home) == []
    assert "ann" not in json.dumps([one.model_dump() for one in memory.ledger.changes()])


def test_what_was_purged_does_not_come_back_by_itself_from_a_file(
    memory: Memory, home: Path, tmp_path: Path
) -> None:
    memory.add(lesson("a", f"open it {WORD}"), reason="r")
    export(memory.ledger, tmp_path / "kept.jsonl")
    purge_source(memory, "a", home=home)
    with pytest.raises(Refused, match=r"a \(purged here\); nothing was written"):
        load(memory.ledger, tmp_path / "kept.jsonl")
    assert load(memory.ledger, tmp_path / "kept.jsonl", prefer="mine").added == ()
    assert load(memory.ledger, tmp_path / "kept.jsonl", prefer="theirs").added == ("a",)


def test_a_recalled_text_of_others_stays(memory: Memory, home: Path) -> None:
    memory.add(lesson("a", "open the left drawer"), reason="r")
    kept = Recalled.model_validate(
        {"lesson": "b", "version": 1, "text": "b's words", "similarity": 1, "tokens": 2}
        | {"source": {"quote": "as told in a"}}
    )
    steps = ({"index": 0, "action": "a", "observation": "a", "recalled": (kept,)},)
    ran(memory, "r1", steps=steps)
    purge_lessons(memory, ["a"], home=home)
    assert memory.ledger.trajectory("r1").steps[0].recalled == (kept,)
    db = sqlite3.connect(memory.ledger.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("DELETE FROM changes")
    db.close()
