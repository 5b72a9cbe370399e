"""Reflections with the outcome of their retry: kept, raised or lowered, and exported if it won."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.proposers.retried import Retried
from agent.proposers.types import Desk, Reader
from agent.reflectors.kinds import instruction
from agent.runner import Spec, run
from agent.settings import load
from distill import rows_reflections
from distill.rows_reflections import outcomes
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.query import Query
from memory.recall import Memory
from memory.types import Lesson, Trajectory

TOY = Toy()
GOOD, BAD = (
    TOY.tasks("train")[0],
    next(task for task in TOY.tasks("train") if task.goal != TOY.tasks("train")[0].goal),
)
HELPS = "Advice: Open the drawers that were not opened before."
MISLEADS = "Advice: Open the very same drawer as before again."


def plays(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Fails until it is told what helps; its own advice helps with one task and not the other."""
    assert schema is not None
    fields, story = schema["properties"], str(messages)
    if "advice" in fields:
        said = HELPS if GOOD.goal in story else MISLEADS
        return {"advice": said.removeprefix("Advice: ")}
    task = GOOD if GOOD.goal in story else BAD
    right = [action.text for action in TOY.open(task).demonstrate()]
    choices = fields["action"]["enum"]
    if HELPS not in story:
        return {"action": next(c for c in choices if c.startswith("open ") and c != right[0])}
    return {"action": next((one for one in reversed(right) if one in choices), choices[0])}


async def learned(
    folder: Path, *tasks: Task, use: Sequence[str], policy: Any = plays
) -> tuple[Memory, list[Trajectory]]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(
        home=str(folder),
        memory={"drafts": "plain", "recall": False},
        solver={"break_loops": False, "retries": 1},
        learning={"reflection": "advice", "use": list(use)},
    )
    again = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    async with home(settings, memory=memory, models={"model": PolicyModel(policy)}) as place:
        crew = await place.crew()
        runs = [await run(crew, TOY, Spec(task=task, seed=task.seed)) for task in tasks]
    return again, runs


def strategies(memory: Memory) -> dict[str, Lesson]:
    return {one.text: one for one in memory.ledger.lessons(kind="strategy")}


@pytest.mark.paper("reflect-retry-reward")
async def test_only_a_reflection_that_turned_failure_into_success_is_raised_and_exported(
    tmp_path: Path, mechanism: bool
) -> None:
    memory, runs = await learned(tmp_path, GOOD, BAD, use=["retried"] if mechanism else [])
    assert [(one.reflection, one.helped) for one in outcomes(runs)] == [
        (HELPS, True),
        (MISLEADS, False),
    ]
    rows = list(rows_reflections.rows(runs, instruction=instruction("advice")))
    assert [row.messages[-1] for row in rows] == [
        {"role": "assistant", "content": HELPS, "weight": 1}
    ]
    assert "weight" not in rows[0].messages[1]
    kept = strategies(memory)
    assert {text: one.status for text, one in kept.items()} == {
        HELPS: "probation",
        MISLEADS: "quarantined",
    }
    assert [kept[HELPS].source.trajectory, kept[MISLEADS].source.trajectory] == [
        run.id for run in runs
    ]
    shown: list[str] = []
    for task in (GOOD, BAD):
        query = Query(goal=task.goal, env="toy", task_type="bring")
        found = memory.recall(query, budget_tokens=500, floor=-1.0, most=9, guard=False)
        shown += [one.text for one in found]
    assert HELPS in shown
    assert MISLEADS not in shown


async def test_a_row_holds_what_the_reflector_was_told(tmp_path: Path) -> None:
    asked: list[Any] = []

    def listens(messages: Any, schema: Any) -> Any:
        if "advice" in schema["properties"]:
            asked.append(messages)
        return plays(messages, schema)

    _, runs = await learned(tmp_path, GOOD, use=(), policy=listens)
    (row,) = rows_reflections.rows(runs, instruction=instruction("advice"))
    assert list(row.messages[:2]) == list(asked[0])
    assert row.metadata.made == "reflection"
    assert list(rows_reflections.rows(runs, instruction="", held_out_keys={GOOD.key})) == []
    assert list(rows_reflections.rows([*runs, *runs], instruction=""))[1:] == []


def outcome(name: str, helped: bool) -> Trajectory:
    base = {"accepted": False, "evidence": ["step 0"]}
    steps = [
        {"index": n, "attempt": n, "action": "look", "observation": "A room."} for n in range(2)
    ]
    return Trajectory.model_validate(
        {
            "id": name,
            "env": "toy",
            "task": GOOD.id,
            "task_key": GOOD.key,
            "split": "train",
            "goal": GOOD.goal,
            "steps": steps,
            "attempts": 2,
            "verdicts": [base, {**base, "accepted": helped}],
            "reflections": [HELPS],
        }
    )


async def test_a_record_of_retries_settles_where_a_reflection_stands(tmp_path: Path) -> None:
    memory, runs = await learned(tmp_path, GOOD, use=["retried"])
    desk = Desk(settings=load(home=str(tmp_path)), model=None, memory=Reader(memory))
    proposer = Retried(desk)
    assert await proposer.propose(runs) == ()
    record = [*runs, outcome("r2", helped=False)]
    (down,) = await proposer.propose(record)
    memory.write(down)
    assert strategies(memory)[HELPS].status == "quarantined"
    assert down.reason == "its retries: 1 accepted, 1 rejected"
    assert await proposer.propose(record) == ()
    record += [outcome("r3", helped=True), outcome("r4", helped=True)]
    (up,) = await proposer.propose(record)
    memory.write(up)
    assert strategies(memory)[HELPS].status == "probation"
    memory.undo(up.id or memory.ledger.changes(limit=1)[0].id, reason="not sure")
    assert strategies(memory)[HELPS].status == "quarantined"


async def test_what_evidence_or_a_person_decided_stays(tmp_path: Path) -> None:
    memory, runs = await learned(tmp_path, GOOD, use=["retried"])
    kept = strategies(memory)[HELPS]
    memory.edit(kept.model_copy(update={"status": "active"}), reason="it is good")
    desk = Desk(settings=load(home=str(tmp_path)), model=None, memory=Reader(memory))
    record = [*runs, *(outcome(f"r{n}", helped=False) for n in range(5))]
    assert await Retried(desk).propose(record) == ()
