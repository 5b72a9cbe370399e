"""Agent Workflow Memory: induced from what succeeded, online and offline."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.arms.awm import HEADER, AgentWorkflowMemory
from bench.arms.types import Desk, Played
from envs.errors import ModelError, UserError
from envs.toy import Toy

WON = {"thoughts": "it did", "status": "success"}
LOST = {"thoughts": "it did not", "status": "failure"}


def flows(*names: str, action: str = "open {colour} drawer") -> dict[str, Any]:
    return {
        "workflows": [
            {
                "name": name,
                "steps": [
                    {"thought": "I look.", "action": f"{action} {name}"},
                    {"thought": "I take.", "action": "take {thing}"},
                ],
            }
            for name in names
        ]
    }


async def test_online_adds_the_workflows_of_each_run_that_was_judged_a_success(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = AgentWorkflowMemory(make_desk(WON, flows("find"), LOST, WON, flows("give")))
    calls = [(await arm.learn(make_played(n, passed=n != 1))).calls for n in range(3)]
    assert calls == [2, 1, 2]
    assert [flow["name"] for flow in arm.dump()["workflows"]] == ["find", "give"]
    header, latest, first = await arm.notes(Toy().tasks("val")[0])
    assert header == HEADER
    assert header.id in arm.fixed()
    assert latest.text == (
        'Workflow: give\n{"thought": "I look.", "action": "open {colour} drawer give"}\n'
        '{"thought": "I take.", "action": "take {thing}"}'
    )
    assert (latest.runs, first.runs) == (("r2",), ("r0",))


async def test_workflows_of_the_tasks_type_come_first(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = AgentWorkflowMemory(make_desk(flows("own"), flows("other")), judge="environment")
    await arm.learn(make_played(0))
    task = Toy().tasks("train")[1].model_copy(update={"tags": ("carry",)})
    await arm.learn(make_played(1, task=task))
    asked = Toy().tasks("val")[0]
    assert [note.text.split("\n")[0] for note in await arm.notes(asked)][1:] == [
        "Workflow: own",
        "Workflow: other",
    ]


async def test_a_workflow_with_the_same_actions_is_kept_once(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = AgentWorkflowMemory(make_desk(flows("1"), flows("2")), judge="environment")
    for number in range(2):
        await arm.learn(make_played(number))
    assert [flow["runs"] for flow in arm.dump()["workflows"]] == [["r0"]]


async def test_offline_induces_over_all_successes_and_replaces_what_it_had(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(flows("early"), flows("late"))
    arm = AgentWorkflowMemory(desk, mode="offline")
    await arm.learn(make_played(0))
    assert (await arm.learn(make_played(1, passed=False))).calls == 0
    await arm.learn(make_played(2))
    (flow,) = arm.dump()["workflows"]
    assert flow["name"] == "late"
    assert set(flow["runs"]) == {"r0", "r2"}
    train = Toy().tasks("train")
    assert set(flow["task_keys"]) == {train[0].key, train[2].key}
    asked = str(desk.model.requests[-1].messages[1]["content"])  # type: ignore[attr-defined]
    assert asked.count("Query:") == 2
    assert "> think: I look for it.\n> open red drawer" in asked
    assert "In it you see" not in asked
    assert await arm.notes(train[0]) == ()


async def test_the_same_desk_gives_the_same_memory(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    def model(messages: Any, schema: Any) -> dict[str, Any]:
        return flows(str(messages[1]["content"])[40:60].replace("\n", " "))

    states: list[str] = []
    for _ in range(2):
        arm = AgentWorkflowMemory(make_desk(policy=model, seed=5), mode="offline", runs=2)
        for number in range(5):
            await arm.learn(make_played(number))
        states.append(json.dumps(arm.dump()))
    assert states[0] == states[1]


async def test_a_model_that_fails_leaves_all_as_it_was_and_what_is_kept_comes_back(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = AgentWorkflowMemory(make_desk(flows("one")), mode="offline")
    await arm.learn(make_played(0))
    before = json.dumps(arm.dump())
    with pytest.raises(ModelError, match="used up"):
        await arm.learn(make_played(1))
    assert json.dumps(arm.dump()) == before
    again = AgentWorkflowMemory(make_desk(), mode="offline")
    again.load(json.loads(before))
    asked = Toy().tasks("val")[0]
    assert await again.notes(asked) == await arm.notes(asked)


def test_a_mode_that_does_not_exist_is_refused(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(UserError, match="option mode = 'both' does not fit; give online or"):
        AgentWorkflowMemory(make_desk(), mode="both")
