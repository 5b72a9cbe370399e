"""`journeyman tasks`: what comes next, and tasks of the agent's own from making to undoing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from envs.toy import COLOURS, Toy
from envs.types import Action
from memory.ledger import Ledger
from memory.types import Run, StepRecord, Trajectory
from server.cli import app

TOY = Toy()
TASK = TOY.tasks("train")[0]


def journeyman(*words: str, home: Path) -> Any:
    done = CliRunner().invoke(app, [*words, "--json"], env={"JOURNEYMAN_HOME": str(home)})
    assert done.exception is None, done.output
    return json.loads(done.stdout)


def lived(home: Path) -> None:
    """Four runs at a task: after the same first action half of them are lost."""
    right = [one.text for one in TOY.open(TASK).demonstrate()]
    drawers = [f"open {colour} drawer" for colour in COLOURS if colour not in right[0]]
    ledger = Ledger(home / "ledger.db")
    for number, lines in enumerate([right, [right[0], *drawers[:4]]] * 2):
        episode = TOY.open(TASK)
        seen = [episode.step(Action(text=line)).observation for line in lines]
        steps = [
            StepRecord(index=n, action=line, observation=text)
            for n, (line, text) in enumerate(zip(lines, seen, strict=True))
        ]
        run = Trajectory(
            id=f"r{number}",
            env="toy",
            task=TASK.id,
            task_key=TASK.key,
            task_type="bring",
            split="train",
            goal=TASK.goal,
            seed=TASK.seed,
            steps=tuple(steps),
            score=episode.score(),
        )
        ledger.begin_run(Run(id=run.id, env="toy", task=run.task, goal=run.goal, status="running"))
        ledger.add_trajectory(run)
    ledger.close()


def test_what_comes_next_is_told_with_the_reason(tmp_path: Path) -> None:
    lived(tmp_path)
    chosen = journeyman("tasks", "next", "toy", "-n", "3", home=tmp_path)
    assert len({one["task"]["key"] for one in chosen}) == 3
    assert {one["task"]["split"] for one in chosen} == {"train"}
    assert chosen[0]["why"].startswith("2 of 4 solved")
    drawn = journeyman("tasks", "next", "toy", "-n", "1", "--by", "bandit", home=tmp_path)
    assert "drawn with 100%" in drawn[0]["why"]


def test_undecided_states_become_tasks_until_they_are_undone(tmp_path: Path) -> None:
    lived(tmp_path)
    (made, *_) = journeyman("tasks", "make", "toy", "--of", "starts", home=tmp_path)
    assert made["task"]["start"]["won"] == 2
    assert made["task"]["start"]["played"] == 4
    assert made["task"]["words"] == TASK.goal
    again = journeyman("tasks", "make", "toy", "--of", "starts", home=tmp_path)
    assert {one["change"] for one in again} == {""}
    before = journeyman("tasks", "list", "toy", home=tmp_path)
    assert made["task"]["id"] in {one["id"] for one in before}
    journeyman("undo", made["change"], home=tmp_path)
    after = journeyman("tasks", "list", "toy", home=tmp_path)
    assert len(after) == len(before) - 1
    assert made["task"]["id"] not in {one["id"] for one in after}


def test_without_mastered_goals_there_are_no_new_ones(tmp_path: Path) -> None:
    assert journeyman("tasks", "make", "toy", "--of", "goals", home=tmp_path) == []
    shown = CliRunner().invoke(
        app, ["tasks", "list", "toy"], env={"JOURNEYMAN_HOME": str(tmp_path)}
    )
    assert "0 tasks" in shown.output
