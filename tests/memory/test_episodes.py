from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import UnknownName
from envs.types import Score
from memory.embed import HashEmbedder
from memory.episodes import Episodes, told
from memory.forget import apply_forget, plan_forget
from memory.index import Index, ListIndex
from memory.ledger import Ledger
from memory.purge import purge_source
from memory.ranking import Ranking
from memory.recall import Memory, Query, render
from memory.text import estimate_tokens
from memory.types import REPLAY, Exposure, Lesson, Recalled, Trajectory

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")
WORD = "xylophonically"
ONE = Ranking(episodes=1)
STEPS = (
    ("look", "You see a fridge."),
    ("go to fridge 1", "The fridge 1 is closed."),
    ("open fridge 1", "You open the fridge 1."),
    ("take egg 1 from fridge 1", "You pick up the egg 1."),
    ("go to microwave 1", "The microwave 1 is closed."),
    ("heat egg 1 with microwave 1", f"You heat the egg 1 {WORD}."),
)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    opened = remembering(tmp_path / "home")
    yield opened
    opened.close()


def remembering(home: Path) -> Memory:
    index, episodes = (Index(home / name, HashEmbedder()) for name in ("index", "episodes"))
    return Memory(Ledger(home / "ledger.db"), index, episodes=episodes)


def ran(memory: Memory, id: str, **fields: Any) -> None:  # noqa: A002
    steps = [{"index": n, "action": a, "observation": o} for n, (a, o) in enumerate(STEPS)]
    given = {
        "env": "house", "task": "t", "task_key": f"key of {id}", "split": "train",
        "goal": "heat an egg", "score": Score(value=1, passed=True), "steps": steps,
        "first_observation": "You are in a kitchen.",
    }  # fmt: skip
    memory.ledger.add_trajectory(Trajectory.model_validate({"id": id, **given, **fields}))


def recall(
    memory: Memory, query: Query | None = None, **fields: Any
) -> dict[str, tuple[str, bool]]:
    asked = query or Query(goal="heat an egg", env="house", first="You are in a kitchen.")
    bounds = {"budget_tokens": 300, "floor": 0.3, "most": 3, "guard": True, "ranking": ONE}
    found = memory.recall(asked, **{**bounds, **fields})
    assert not found or estimate_tokens(render(found)) <= {**bounds, **fields}["budget_tokens"]
    return {one.lesson: (one.text, one.same_task) for one in found}


def test_a_solved_run_is_recalled_as_the_steps_that_mattered(memory: Memory) -> None:
    ran(memory, "r1")
    ((text, same),) = recall(memory).values()
    assert text.startswith("Solved before, step by step: heat an egg go to fridge 1 (The fridge")
    assert "look" not in text
    assert text.endswith(f"heat egg 1 with microwave 1 (You heat the egg 1 {WORD}.)")
    assert not same
    (item,) = memory.recall(
        Query(goal="heat an egg", env="house"),
        budget_tokens=300, floor=0.3, most=3, guard=True, ranking=ONE,
    )  # fmt: skip
    assert (item.source.trajectory, item.source.first_step, item.source.last_step) == ("r1", 1, 5)
    assert item.source.task_keys == ("key of r1",)


def test_none_is_recalled_unless_asked_for(memory: Memory) -> None:
    ran(memory, "r1")
    assert recall(memory, ranking=Ranking()) == {}
    without = Memory(memory.ledger, ListIndex(HashEmbedder()))
    assert recall(without) == {}
    assert recall(memory, ranking=Ranking(episodes=1, trust=("user",))) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"split": "val"},
        {"split": "unseen"},
        {"score": None},
        {"score": Score(value=0.5, passed=False)},
        {"error": "it broke"},
        {"thread": "a conversation"},
        {"arm": REPLAY},
        {"steps": ()},
        {"env": "another"},
        {"goal": "pay the tax", "first_observation": "An office."},
    ],
)
def test_what_may_not_be_shown_or_is_far_is_left_out(
    memory: Memory, fields: dict[str, Any]
) -> None:
    ran(memory, "r1", **fields)
    assert recall(memory, floor=0.5) == {}


def test_a_level_of_an_environment_is_that_environment(memory: Memory) -> None:
    ran(memory, "r1", env="house:nook")
    assert list(recall(memory)) == ["r1"]


def test_the_guard_keeps_from_a_task_its_own_solution(memory: Memory) -> None:
    ran(memory, "r1")
    ran(memory, "r2", goal="heat an egg now")
    query = Query(goal="heat an egg", env="house", task_key="key of r1")
    assert list(recall(memory, query)) == ["r2"]
    assert recall(memory, query, guard=False)["r1"][1] is True
    running = query.model_copy(update={"task_key": "", "run": "r1"})
    assert "r1" not in recall(memory, running, ranking=Ranking(episodes=5))


def test_a_small_budget_leaves_the_actions_or_nothing(memory: Memory) -> None:
    ran(memory, "r1")
    run = memory.ledger.trajectory("r1")
    lengths = {estimate_tokens(told(run, tokens=n)) for n in range(0, 200, 5)}
    assert len(lengths) == 3
    assert told(run, tokens=10) == ""
    assert recall(memory, budget_tokens=20) == {}
    assert "closed" not in recall(memory, budget_tokens=90)["r1"][0]


def test_the_last_attempt_is_the_one_that_is_told(memory: Memory) -> None:
    failed = [{"index": 0, "action": "eat egg 1", "observation": "It is raw."}]
    solved = [
        {"index": n + 1, "attempt": 1, "action": a, "observation": o}
        for n, (a, o) in enumerate(STEPS)
    ]
    ran(memory, "r1", steps=[*failed, *solved], attempts=2)
    assert "eat egg 1 (It is raw" not in recall(memory)["r1"][0]


def test_a_lesson_of_the_same_run_says_it_already(memory: Memory) -> None:
    ran(memory, "r1")
    ran(memory, "r2", goal="heat an egg soon")
    way = Lesson(
        id="way", kind="workflow", text="Solved before: heat an egg. The way: microwave.",
        situation="heat an egg", source={"trajectory": "r1"},  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    memory.add(way, reason="r")
    assert list(recall(memory, ranking=Ranking(episodes=2))) == ["way", "r2"]


def test_a_forgotten_run_is_not_recalled_until_that_is_undone(memory: Memory) -> None:
    ran(memory, "r1")
    ran(memory, "r2", task_key="key of r1", goal="heat an egg now")
    assert plan_forget(memory.ledger, "key of r1").episodes == ("r1", "r2")
    plan = plan_forget(memory.ledger, "r1")
    assert (plan.items, plan.episodes) == ((), ("r1",))
    (change,) = apply_forget(memory.ledger, plan)
    assert list(recall(memory, ranking=Ranking(episodes=5))) == ["r2"]
    assert plan_forget(memory.ledger, "r1").episodes == ()
    memory.undo(change.batch or change.id, reason="needed")
    assert list(recall(memory, ranking=Ranking(episodes=5))) == ["r1", "r2"]


def test_undoing_a_run_takes_its_episode_too(memory: Memory) -> None:
    ran(memory, "r0")
    lesson = Lesson(id="a", kind="fact", text="eggs are brown", situation="eggs")
    steps = [{"index": 0, "action": "heat egg", "observation": "hot"}]
    run = memory.ledger.trajectory("r0").model_copy(update={"id": "r1", "task_key": "k"})
    memory.ledger.add_trajectory(
        Trajectory.model_validate({**run.model_dump(), "steps": steps}),
        changes=memory.plan([lesson], reason="r"),
    )
    done = memory.take_back("r1", reason="wrong")
    assert [(one.kind, one.target) for one in done] == [("lesson", "a"), ("setting", "episode r1")]
    assert list(recall(memory, ranking=Ranking(episodes=5))) == ["r0"]
    memory.undo(done[-1].id, reason="right after all")
    assert "r1" in recall(memory, ranking=Ranking(episodes=5))


def test_no_byte_of_a_purged_episode_is_left(memory: Memory, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran(memory, "r1")
    (found,) = memory.recall(
        Query(goal="heat an egg", env="house"),
        budget_tokens=300, floor=0.3, most=3, guard=True, ranking=ONE,
    )  # fmt: skip
    assert WORD in found.text
    shown = ({"index": 0, "action": "go", "observation": "o", "recalled": (found,)},)
    ran(memory, "r2", steps=shown, goal="cool a pan", score=None)
    memory.ledger.expose(Exposure(episode="r2", lesson="r1", version=1, first_step=0, shown=True))
    db = sqlite3.connect(home / "checkpoints.db")
    db.execute("CREATE TABLE checkpoints (thread_id, checkpoint BLOB, metadata BLOB)")
    held = f"r1: {found.text}".encode()
    db.execute("INSERT INTO checkpoints VALUES ('r9', ?, ?)", (held, b"{}"))
    db.commit()
    db.close()

    def holding() -> list[str]:
        files = [path for path in home.rglob("*") if path.is_file()]
        return [path.name for path in files if WORD.encode() in path.read_bytes()]

    assert holding()
    done = purge_source(memory, "r1", home=home, runs=True)
    assert (done.lessons, done.runs, done.checkpoints) == ((), ("r1",), ("r9",))
    assert holding() == []
    assert recall(memory) == {}
    kept: Recalled = memory.ledger.trajectory("r2").steps[0].recalled[0]
    assert (kept.lesson, kept.text) == ("r1", "")
    assert memory.ledger.exposures(lesson="r1") == []
    memory.close()
    assert holding() == []


def test_the_index_of_episodes_is_derived(
    memory: Memory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ran(memory, "r1")
    before = recall(memory)
    memory.close()
    shutil.rmtree(tmp_path / "home" / "episodes")
    again = remembering(tmp_path / "home")
    assert recall(again) == before
    shutil.rmtree(tmp_path / "home" / "episodes")
    ran(again, "r2", goal="heat an egg now")
    with caplog.at_level(logging.WARNING):
        found = recall(again, ranking=Ranking(episodes=5))
    assert list(found) == ["r1", "r2"]
    again.close()


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    memory = Memory(ledger, ListIndex(HashEmbedder()))
    index = ListIndex(HashEmbedder())
    ran(memory, "r1")
    ran(memory, "r2", score=Score(value=0, passed=False))
    assert Episodes(ledger, index).sync() == 1
    second = Episodes(ledger, index)
    assert second.sync() == 0
    ran(memory, "r3")
    assert second.sync() == 1
    assert second.sync() == 0
    assert Episodes(Ledger(tmp_path / "other.db"), index).sync() == 0
    assert index.search("heat an egg", most=5) == []
    with pytest.raises(UnknownName, match="no trajectory named 'r9'"):
        ledger.trajectory("r9")
    memory.close()
