"""Agent-R's splices: out of a recorded tree, played again to success, with loops counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.reflectors.firstwrong import first_wrong
from agent.runner import Spec, run
from agent.settings import load
from distill.rows_splices import Loops, loop_rate, loops, pairs, replayed, splices
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory

TASK: Task = Toy().tasks("train")[0]
WAY = [action.text for action in Toy().open(TASK).demonstrate()]
ASIDE, ASTRAY = [
    choice
    for choice in Toy().open(TASK).first.admissible or ()
    if choice.startswith("open ") and choice != WAY[0]
][:2]
FAILS = [ASIDE, ASTRAY, ASTRAY, ASTRAY, ASTRAY]
WINS = [ASIDE, *WAY]


async def recorded(folder: Path, *ways: Sequence[str], task: Task = TASK) -> list[Trajectory]:
    """A run for each way, as the graph keeps it."""
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    left, now = [iter(way) for way in ways], list[Iterator[str]]()

    def plays(messages: Sequence[dict[str, Any]], _schema: Any) -> dict[str, Any]:
        if not any(message["role"] == "assistant" for message in messages):
            now.append(left.pop(0))
        return {"action": next(now[-1])}

    settings = load(
        home=str(folder),
        memory={"drafts": "plain", "recall": False},
        solver={"break_loops": False},
    )
    async with home(settings, memory=memory, models={"model": PolicyModel(plays)}) as place:
        crew, toy = await place.crew(), Toy()
        spec = Spec(task=task, seed=task.seed, learn=False)
        return [await run(crew, toy, spec) for _ in ways]


def says(step: str) -> PolicyModel:
    return PolicyModel(lambda _messages, _schema: {"step": step})


@pytest.mark.paper("agent-r")
async def test_a_failed_way_is_cut_and_spliced_onto_the_one_that_led_to_the_goal(
    tmp_path: Path, mechanism: bool
) -> None:
    runs = await recorded(tmp_path, FAILS, WINS)
    model = says("1" if mechanism else "none")
    judge, usage = await first_wrong(model, runs)
    assert usage.calls == 1
    made = list(splices(runs, first_wrong=judge))
    assert [(one.parent, one.cut) for one in made] == [(1, 1)]
    assert list(made[0].actions) == [ASIDE, ASTRAY, *WAY]
    row = replayed(made[0], Toy().open(TASK), run=runs[0])
    assert row is not None
    assert (row.metadata.score, row.metadata.made) == (1.0, "spliced")
    spoken = [json.loads(m["content"]) for m in row.messages if m["role"] == "assistant"]
    assert [one["action"] for one in spoken] == [ASIDE, ASTRAY, *WAY]
    assert "I was wrong at step 2" in spoken[2]["thought"]
    assert [m["weight"] for m in row.messages if m["role"] == "assistant"] == [0, 0, 1, 1, 1]
    assert loops(runs[:1], runs[1:]) == Loops(tasks=1, before=0.6, after=0.0)


async def test_the_model_may_name_no_step_that_both_ways_share(tmp_path: Path) -> None:
    runs = await recorded(tmp_path, FAILS, WINS)
    model = says("1")
    await first_wrong(model, runs)
    asked = model.requests[0].schema_
    assert asked is not None
    assert asked["properties"]["step"]["enum"] == ["1", "2", "3", "4", "none"]


async def test_a_splice_that_does_not_succeed_is_no_row(tmp_path: Path) -> None:
    runs = await recorded(tmp_path, FAILS, WINS)
    late = list(splices(runs, first_wrong=lambda _run, _bad, _parent: 3))
    assert replayed(late[0], Toy().open(TASK), run=runs[0]) is None


async def test_without_a_sibling_that_succeeded_there_is_nothing_to_splice(tmp_path: Path) -> None:
    lost = await recorded(tmp_path / "a", FAILS, FAILS)
    won = await recorded(tmp_path / "b", WINS, WAY)
    val = await recorded(tmp_path / "c", FAILS, WINS, task=Toy().tasks("val")[0])
    for runs in (lost, won, val, []):
        assert list(pairs(runs)) == []


async def test_of_several_successes_the_one_that_parts_last_counts(tmp_path: Path) -> None:
    runs = await recorded(tmp_path, WAY, FAILS, WINS)
    found = [(bad.id, good.id) for bad, _, good, _ in pairs(runs)]
    assert found == [(runs[1].id, runs[2].id)]


async def test_a_judge_that_points_outside_of_the_attempt_is_not_heard(tmp_path: Path) -> None:
    runs = await recorded(tmp_path, FAILS, WINS)
    for place in (0, 99, None):
        assert list(splices(runs, first_wrong=lambda _run, _bad, _parent, p=place: p)) == []


def test_without_steps_there_is_no_loop_rate() -> None:
    assert loop_rate([]) is None
