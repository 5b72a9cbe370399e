"""Reflexion over the toy environment: retries, plans, and what each is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.settings import load
from bench.arms.reflexion import Reflexion
from bench.arms.types import Desk
from envs.errors import UserError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory


def stubborn(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens the first drawer that may be opened, and plans to do the same again."""
    assert schema is not None
    if "plan" in schema["properties"]:
        number = str(messages[-1]["content"]).count("Trial #")
        return {"plan": f"plan {number}\nsecond line"}
    choices = schema["properties"]["action"]["enum"]
    return {"thought": "any", "action": min(c for c in choices if c.startswith("open "))}


async def played(
    folder: Path, make_desk: Callable[..., Desk], **options: Any
) -> tuple[Trajectory, PolicyModel, PolicyModel]:
    """A run of `Reflexion` on a toy task; with it the solver's and the arm's model."""
    desk = make_desk(policy=stubborn)
    arm = Reflexion(desk, **options)
    solver = PolicyModel(stubborn)
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    async with home(load(home=str(folder)), memory=memory, models={"model": solver}) as opened:
        task = Toy().tasks("train")[0]
        spec = Spec(task=task, seed=1, recall=False, learn=False)
        trajectory = await run(arm.crew(await opened.crew()), Toy(), spec)
    assert isinstance(desk.model, PolicyModel)
    return trajectory, solver, desk.model


async def test_a_failed_task_is_tried_again_with_the_plans_in_the_prompt(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    trajectory, solver, writer = await played(tmp_path, make_desk, retries=2)
    assert trajectory.error == ""
    assert trajectory.attempts == 3
    assert [verdict.accepted for verdict in trajectory.verdicts] == [False, False, False]
    first, last = (str(solver.requests[place].messages[0]["content"]) for place in (0, -1))
    assert "plan 0" not in first
    assert "plan 0 second line" in last
    assert "plan 1 second line" in last
    assert len(writer.requests) == 2
    assert trajectory.usage.calls == len(solver.requests) + 2


async def test_the_writer_sees_the_attempt_with_its_thoughts_and_the_earlier_plans(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    _trajectory, _solver, writer = await played(tmp_path, make_desk, retries=2)
    one, two = (str(request.messages[-1]["content"]) for request in writer.requests)
    assert "> think: any\n> open " in one
    assert "STATUS: FAIL" in one
    assert "Plans from past attempts" not in one
    assert "Plans from past attempts:\nTrial #0: plan 0 second line" in two


async def test_nothing_is_kept_for_other_tasks(make_desk: Callable[..., Desk]) -> None:
    arm = Reflexion(make_desk())
    assert arm.dump() == {}
    assert await arm.notes(Toy().tasks("train")[1]) == ()
    assert not arm.learns


async def test_thoughts_are_an_option(tmp_path: Path, make_desk: Callable[..., Desk]) -> None:
    _trajectory, solver, _writer = await played(tmp_path, make_desk, retries=1)
    schema = solver.requests[0].schema_
    assert schema is not None
    assert list(schema["properties"]) == ["thought", "action"]


@pytest.mark.parametrize("retries", [0, 4, True])
def test_more_retries_than_plans_are_kept_are_refused(
    retries: int, make_desk: Callable[..., Desk]
) -> None:
    with pytest.raises(UserError, match=r"option retries = .* give a number from 1 to 3"):
        Reflexion(make_desk(), retries=retries)
