"""What arms are given as lessons: from the expert's runs on train tasks, kept as plain data."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from agent.graph import opened
from agent.models.scripted import PolicyModel, ScriptedModel
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.solver import Greedy
from agent.verifier import Shown
from bench.arms.controls import Taught, TaughtRandom
from bench.arms.types import Desk
from bench.lab.given_lessons import starting_lessons
from bench.lab.guards import check_recalled
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory


def test_they_come_from_train_tasks_alone_and_what_is_there_stays() -> None:
    lines: list[str] = []
    toy = Toy()
    given = starting_lessons({"toy": toy}, ways=6, embedder=HashEmbedder, told=lines.append)
    assert given["taught"] == ["toy"]
    assert len(given["runs"]) == 6
    assert json.loads(json.dumps(given)) == given
    assert lines[-1].startswith("toy: the expert showed 6 of 6, ")
    assert starting_lessons({"toy": toy}, known=given, embedder=HashEmbedder) == given


@pytest.fixture
def given() -> dict[str, Any]:
    return starting_lessons({"toy": Toy()}, ways=30, embedder=HashEmbedder)


@pytest.mark.parametrize(("kind", "led"), [(Taught, True), (TaughtRandom, False)])
async def test_a_small_model_is_led_by_fitting_ones_and_no_guard_minds(
    tmp_path: Path, given: dict[str, Any], kind: type[Taught], *, led: bool
) -> None:
    toy = Toy()
    desk = Desk(
        settings=load(home=str(tmp_path)),
        model=ScriptedModel([]),
        rng=random.Random(1),
        embedder=HashEmbedder,
        note_tokens=96,
    )
    arm = kind(desk)
    arm.load(given)
    last = PolicyModel(lambda _messages, schema: {"action": _last(schema)}, name="toy-135M")
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    async with opened(tmp_path / "checkpoints.db") as graph:
        crew = Crew(
            settings=desk.settings, graph=graph, memory=memory, model=last,
            strategy=Greedy(), verifier=Shown(), reflector=Plain(),
        )  # fmt: skip
        won = 0
        for task in toy.tasks("val")[:8]:
            done = await run(arm.crew(crew), toy, Spec(task=task, learn=False, guard=True))
            check_recalled(done, learned={}, fixed=arm.fixed())
            won += bool(done.score and done.score.passed)
    arm.close()
    memory.close()
    assert (won == 8) is led


def _last(schema: dict[str, Any] | None) -> str:
    return (schema or {})["properties"]["action"]["enum"][-1]
