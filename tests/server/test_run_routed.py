"""`journeyman run` with a router says which model a task went to, and why."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.router import Routed
from envs.types import Score
from memory.types import Trajectory
from server.commands.run import line, row

ROUTED = Routed(
    to="student",
    model="smol (student put-2)",
    why="put: 9 of 10 train tasks solved; success of at least 0.81 reaches the floor 0.60",
    env="toy",
    task_type="put",
    tried=10,
    won=9.0,
    success=0.88,
    low=0.81,
    seen=1.0,
    first=None,
    at_once=None,
    unit="s",
)


def run(**more: Any) -> Trajectory:
    fields: dict[str, Any] = {
        "id": "r1", "env": "toy", "task": "t", "task_key": "k", "task_type": "put",
        "split": "train", "goal": "g", "score": Score(value=1.0, passed=True),
    }  # fmt: skip
    return Trajectory(**{**fields, **more})


@pytest.mark.parametrize("error", ["", "the model went away"])
def test_the_reason_stands_under_the_row_and_in_json(error: str) -> None:
    note = ROUTED.model_dump(mode="json")
    done = run(notes=({"by": "rule:loops"}, note), error=error)
    told = f"\n     to smol (student put-2): {ROUTED.why}"
    assert line(done).endswith(told + (f"\n     {error}" if error else ""))
    assert row(done)["routed"] == note


def test_without_a_router_nothing_is_said_of_one() -> None:
    assert "\n" not in line(run())
    assert row(run())["routed"] == {}
