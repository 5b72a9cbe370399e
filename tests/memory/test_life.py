"""The life of a lesson: every move rests on evidence, is a change, and can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused
from envs.types import Score
from memory.admission import addition
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.life import Bounds, doubt, judge, live
from memory.measuring import Setting
from memory.recall import Memory, Query
from memory.types import LIFE, Change, Lesson, Recalled, Source, Status, StepRecord, Trajectory
from memory.withholding import Occasion, decide

TWIN = "open the red drawer on your left hand before you look under any old table or chair"
Clock = list[float]


@pytest.fixture
def clock() -> Clock:
    return [1_800_000_000.0]


@pytest.fixture
def memory(tmp_path: Path, clock: Clock) -> Iterator[Memory]:
    def now() -> float:
        clock[0] += 0.01
        return clock[0]

    opened = Memory(Ledger(tmp_path / "ledger.db", clock=now), ListIndex(HashEmbedder()), clock=now)
    yield opened
    opened.close()


def put(memory: Memory, id_: str, text: str = "", **fields: Any) -> Lesson:
    given = {"id": id_, "text": text or f"{id_} {id_}", "kind": "strategy", **fields}
    memory.write(addition(Lesson.model_validate(given), "test", (), "agent"))
    return memory.ledger.lesson(id_)


def status(memory: Memory, id_: str) -> Status:
    return memory.ledger.lesson(id_).status


def ended(memory: Memory, run: str, *, won: bool, steps: tuple[StepRecord, ...] = ()) -> None:
    given = {"id": run, "env": "toy", "task": run, "task_key": run, "split": "train"}
    score = Score(value=float(won), passed=won)
    more = {"score": score, "steps": steps, "goal": "this is what was asked"}
    memory.ledger.add_trajectory(Trajectory.model_validate({**given, **more}))


def play(memory: Memory, run: str, ids: tuple[str, ...], won: Callable[[set[str]], bool]) -> None:
    """A train run in which these lessons come up; `won` says how it ends by what is shown."""
    found = [
        Recalled(lesson=i, version=1, text=i, similarity=0.9, tokens=3, source=Source())
        for i in ids
        if memory.ledger.lesson(i).status != "retired"
    ]
    at = Occasion(run=run, tosses=True, setting=Setting(model="m", policy="p"))
    shown = {one.lesson for one in decide(memory, found, at) if one.shown}
    ended(memory, run, won=won(shown))


STEP = StepRecord(index=3, action="open fridge 1", observation="In it you see a mug 2.")


def quoting(quote: str, **fields: Any) -> dict[str, Any]:
    source = {"trajectory": "r1", "first_step": 3, "last_step": 3, "quote": quote, **fields}
    return {"source": source}


@pytest.mark.parametrize(
    ("quote", "fields", "becomes", "why"),
    [
        ("you see a mug 2", {}, "probation", "its quote stands in run r1"),
        ("you see a mug 3", {}, "quarantined", "does not stand in steps 3 to 3 of run r1"),
        ("you see a mug 2", {"first_step": 4, "last_step": 9}, "quarantined", "steps 4 to 9"),
        ("what was asked", {"first_step": 0}, "probation", "its quote stands in run r1"),
        ("what was asked", {}, "quarantined", "does not stand in steps 3 to 3"),
        ("", {}, "quarantined", "it quotes nothing of run r1"),
        ("you see a mug 2", {"trajectory": "elsewhere"}, "candidate", ""),
        ("", {"trajectory": ""}, "candidate", ""),
    ],
)
def test_a_candidate_has_to_quote_what_it_comes_from(
    memory: Memory, quote: str, fields: dict[str, Any], becomes: Status, why: str
) -> None:
    ended(memory, "r1", won=True, steps=(STEP,))
    lesson = put(memory, "a", **quoting(quote, **fields))
    moves = live(memory)
    assert status(memory, "a") == becomes
    assert [why in move.reason for move in moves] == ([True] if why else [])
    assert all((move.actor, move.op, move.evidence) == (LIFE, "status", ("r1",)) for move in moves)
    assert live(memory) == ()
    if moves:
        memory.undo(moves[0].id, reason="no")
        assert memory.ledger.lesson("a") == lesson


def test_what_helps_becomes_active_what_harms_is_retired_what_idles_stays(memory: Memory) -> None:
    for id_ in ("good", "bad", "idle"):
        put(memory, id_, status="probation")
    for n in range(250):
        play(memory, f"r{n}", ("good", "bad", "idle"), lambda s: "good" in s and "bad" not in s)
        live(memory)
    assert [status(memory, id_) for id_ in ("good", "bad", "idle")] == [
        "active",
        "retired",
        "probation",
    ]
    (promoted,) = [c for c in memory.ledger.history("good") if c.op == "status"]
    (dropped,) = [c for c in memory.ledger.history("bad") if c.op == "status"]
    assert "it helps: +" in promoted.reason
    assert "95% interval" in promoted.reason
    assert "does not add what it has to be worth" in dropped.reason
    assert len(promoted.evidence) == 20
    assert set(promoted.evidence) <= {f"r{n}" for n in range(250)}
    query = Query(goal="bad bad")
    found = memory.recall(query, budget_tokens=100, floor=0.3, most=3, guard=False)
    assert "bad" not in [one.lesson for one in found]


def test_nothing_is_moved_by_chance_alone(memory: Memory) -> None:
    names = tuple(f"L{n}" for n in range(8))
    for id_ in names:
        put(memory, id_, status="probation")
    for n in range(100):
        play(memory, f"r{n}", names, lambda _s, even=n % 2 == 0: even)
        assert live(memory) == ()


def test_a_pinned_lesson_stays_whatever_is_said_of_it(memory: Memory) -> None:
    put(memory, "bad", status="probation")
    for n in range(200):
        play(memory, f"r{n}", ("bad",), lambda s: "bad" not in s)
    memory.edit(memory.ledger.lesson("bad").model_copy(update={"pinned": True}), reason="mine")
    assert live(memory) == ()
    assert live(memory, Bounds(capacity=0, unused=0)) == ()


def test_an_edited_lesson_is_judged_anew(memory: Memory) -> None:
    put(memory, "bad", status="probation")
    for n in range(200):
        play(memory, f"r{n}", ("bad",), lambda s: "bad" not in s)
    edited = memory.ledger.lesson("bad").model_copy(update={"text": "say something else"})
    memory.edit(edited, reason="better words")
    assert live(memory) == ()
    memory.undo(memory.ledger.history("bad")[-1].id, reason="no")
    assert status(memory, "bad") == "probation"


def test_near_duplicates_are_retired_one_at_a_time(memory: Memory) -> None:
    for id_, text in (("a", TWIN), ("b", f"{TWIN} always")):
        put(memory, id_, text, situation="find a key", status="probation")
    for n in range(200):
        play(memory, f"r{n}", ("a", "b"), lambda s: not s)
    assert [move.target for move in live(memory)] == ["b"]
    assert live(memory) == ()
    assert [status(memory, id_) for id_ in ("a", "b")] == ["probation", "retired"]
    play(memory, "alone", ("a",), lambda _s: True)
    assert memory.effects.of("a").shown + memory.effects.of("a").withheld == 1


def test_what_never_comes_up_is_retired_after_so_many_episodes(memory: Memory) -> None:
    put(memory, "old", status="probation")
    put(memory, "typed", trust="user", status="active")
    for n in range(10):
        ended(memory, f"r{n}", won=True)
    put(memory, "used", status="probation")
    put(memory, "fresh")
    assert live(memory, Bounds(unused=20)) == ()
    for n in range(10, 16):
        play(memory, f"r{n}", ("used",), lambda _s: True)
    (move,) = live(memory, Bounds(unused=12))
    assert (move.target, move.reason) == (
        "old",
        "it came up in none of the last 12 training episodes",
    )
    memory.undo(move.batch, reason="no")
    assert status(memory, "old") == "probation"


def test_where_there_is_no_room_the_least_promising_go(memory: Memory) -> None:
    for id_ in ("bad", "new", "good"):
        put(memory, id_, status="probation", scope={"env": "toy"})
    put(memory, "typed", trust="user", status="active", scope={"env": "toy"})
    put(memory, "other", scope={"env": "web"})
    for n in range(12):
        play(memory, f"r{n}", ("good", "bad"), lambda s: "good" in s and "bad" not in s)
    moves = judge(memory, Bounds(capacity=3))
    assert [move.target for move in moves] == ["bad"]
    assert moves[0].reason == "there is room for 3 lessons of toy, and others promise more"
    assert [move.target for move in judge(memory, Bounds(capacity=1))] == ["bad", "new", "good"]
    assert status(memory, "bad") == "probation"


def test_a_move_is_refused_where_the_lesson_was_altered_meanwhile(memory: Memory) -> None:
    put(memory, "a", scope={"env": "toy"})
    moves = judge(memory, Bounds(capacity=0))
    memory.edit(memory.ledger.lesson("a").model_copy(update={"text": "new words"}), reason="mine")
    with pytest.raises(Exception, match="altered"):
        memory.write(*moves)
    assert status(memory, "a") == "candidate"


def test_doubt_needs_the_run(memory: Memory) -> None:
    assert doubt(memory.ledger, put(memory, "a")) is None
    assert isinstance(memory.ledger.history("a")[0], Change)


def test_undoing_a_lesson_takes_its_moves_along_and_nothing_else(memory: Memory) -> None:
    ended(memory, "r1", won=True, steps=(STEP,))
    lesson = put(memory, "a", **quoting("you see a mug 2"))
    (move,) = live(memory)
    added = memory.ledger.history("a")[0]
    memory.take_back(added.id, reason="no")
    assert lesson.id not in memory.standing()
    memory.take_back(memory.ledger.history("a")[-1].id, reason="yes")
    assert status(memory, "a") == "candidate"
    live(memory)
    memory.edit(memory.ledger.lesson("a").model_copy(update={"text": "new words"}), reason="mine")
    with pytest.raises(Refused, match="later changes build on"):
        memory.take_back(added.id, reason="no")
    assert move.actor == LIFE
