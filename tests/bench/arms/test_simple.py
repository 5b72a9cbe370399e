"""Arms that learn nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.chance import RandomChoice
from agent.graph import opened
from agent.models.scripted import PolicyModel
from agent.models.types import Message
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.solver import Greedy
from agent.verifier import Shown
from bench.arms.simple import Bare, Pointed, Random, ReAct, Resampling, Silent
from bench.arms.types import Arm, Desk
from envs.errors import UserError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory

Desks = Callable[..., Desk]


def first(_messages: list[Message], schema: dict[str, Any] | None) -> Any:
    """The first action that is offered, with a thought where one is asked for."""
    properties = (schema or {})["properties"]
    return {
        name: spec["enum"][0] if "enum" in spec else "I look." for name, spec in properties.items()
    }


async def play(arm: Arm, folder: Path, model: PolicyModel) -> tuple[Trajectory, Crew]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    async with opened(folder / "checkpoints.db") as graph:
        crew = arm.crew(
            Crew(
                settings=arm.desk.settings,
                graph=graph,
                memory=memory,
                model=model,
                strategy=Greedy(),
                verifier=Shown(),
                reflector=Plain(),
            )
        )
        found = await run(crew, arm.env(Toy()), Spec(task=Toy().tasks("val")[0], recall=False))
    memory.close()
    return found, crew


async def test_the_bare_model_says_an_action_and_react_a_thought_first(
    make_desk: Desks, tmp_path: Path
) -> None:
    said = {}
    for arm in (Bare(make_desk()), ReAct(make_desk())):
        model = PolicyModel(first)  # type: ignore[arg-type]
        folder = tmp_path / type(arm).__name__
        folder.mkdir()
        found, _ = await play(arm, folder, model)
        assert found.error == ""
        said[type(arm)] = {step.thought for step in found.steps}
        assert found.attempts == 1
    assert said == {Bare: {""}, ReAct: {"I look."}}


async def test_resampling_begins_again_with_nothing_learned_at_the_cost_of_reflexion(
    make_desk: Desks, tmp_path: Path
) -> None:
    model = PolicyModel(first)  # type: ignore[arg-type]
    found, crew = await play(Resampling(make_desk(), retries=2, think=False), tmp_path, model)
    assert (found.attempts, found.lessons) == (3, ())
    assert crew.settings.solver.temperature == 0.7
    assert {request.sampling.temperature for request in model.requests} == {0.7}
    assert isinstance(crew.reflector, Silent)


async def test_the_floor_asks_no_model_and_varies_by_chance(
    make_desk: Desks, tmp_path: Path
) -> None:
    model = PolicyModel(first)  # type: ignore[arg-type]
    found, crew = await play(Random(make_desk()), tmp_path, model)
    assert model.requests == []
    assert found.usage.calls == 0
    assert isinstance(crew.strategy, RandomChoice)
    assert found.steps


async def test_what_is_pointed_at_can_be_done_without_a_model(
    make_desk: Desks, tmp_path: Path
) -> None:
    found, crew = await play(Pointed(make_desk()), tmp_path, PolicyModel(first))  # type: ignore[arg-type]
    assert found.usage.calls == 0
    assert found.steps
    assert crew.settings.solver.point is True
    bare = Bare(make_desk(), point=False).crew(crew)
    assert bare.settings.solver.point is False


@pytest.mark.parametrize("wrong", [{"retries": 0}, {"temperature": 0.0}])
def test_resampling_without_chance_or_retries_is_refused(
    make_desk: Desks, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="retries is 1 or more, temperature above 0"):
        Resampling(make_desk(), **wrong)


async def test_those_who_learn_nothing_bring_and_keep_nothing(make_desk: Desks) -> None:
    for arm in (Bare(make_desk()), ReAct(make_desk()), Random(make_desk())):
        assert await arm.notes(Toy().tasks("val")[0]) == ()
        assert (arm.dump(), arm.learns, arm.recalls, arm.knows_key) == ({}, False, False, False)
