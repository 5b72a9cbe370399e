"""ReasoningBank: judged, written, found again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.arms.reasoningbank import HEADER, ReasoningBank
from bench.arms.types import Desk, Played
from envs.errors import ModelError
from envs.toy import Toy

WON = {"thoughts": "it did", "status": "success"}
LOST = {"thoughts": "it did not", "status": "failure"}


def items(*contents: str) -> dict[str, Any]:
    made = [{"title": f"T {c}", "description": f"D {c}", "content": c} for c in contents]
    return {"why": "because", "items": made}


async def test_items_come_from_successes_and_failures_as_the_judge_sees_them(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(WON, items("open first"), LOST, items("do not wait"))
    arm = ReasoningBank(desk)
    assert (await arm.learn(make_played(0, passed=False))).calls == 2
    await arm.learn(make_played(1, passed=True))
    kept = arm.dump()["bank"]
    assert [entry["status"] for entry in kept] == ["success", "fail"]
    systems = [str(r.messages[0]["content"]) for r in desk.model.requests]  # type: ignore[attr-defined]
    assert "successfully accomplished the task" in systems[1]
    assert "attempted to resolve the task but failed" in systems[3]


async def test_the_closest_task_brings_its_items_with_their_lineage(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    tasks = Toy().tasks("train")
    spoon = next(n for n, task in enumerate(tasks) if task.tags[1] == "spoon")
    key = next(n for n, task in enumerate(tasks) if task.tags[1] == "key")
    arm = ReasoningBank(
        make_desk(items("about spoons", "more"), items("about keys")), judge="environment"
    )
    await arm.learn(make_played(spoon))
    await arm.learn(make_played(key))
    asked = next(t for t in Toy().tasks("val") if t.tags[1] == "spoon")
    header, *notes = await arm.notes(asked)
    assert header == HEADER
    assert header.id in arm.fixed()
    assert [note.text.rpartition("Content: ")[2] for note in notes] == ["about spoons", "more"]
    assert {note.runs for note in notes} == {(f"r{spoon}",)}
    assert {note.task_keys for note in notes} == {(tasks[spoon].key,)}


async def test_a_task_is_not_told_what_it_left_behind_but_the_next_closest(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ReasoningBank(make_desk(items("own"), items("other")), judge="environment")
    await arm.learn(make_played(0))
    own = Toy().tasks("train")[0]
    assert await arm.notes(own) == ()
    await arm.learn(make_played(1))
    assert [note.text[-5:] for note in (await arm.notes(own))[1:]] == ["other"]


async def test_items_that_repeat_and_empty_ones_are_dropped(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ReasoningBank(make_desk(items("Same", "", "same")), judge="environment")
    await arm.learn(make_played(0))
    assert [item["content"] for item in arm.dump()["bank"][0]["items"]] == ["Same"]


async def test_a_model_that_fails_leaves_the_bank_as_it_was(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ReasoningBank(make_desk(WON, items("one"), WON))
    await arm.learn(make_played(0))
    before = json.dumps(arm.dump())
    with pytest.raises(ModelError, match="used up"):
        await arm.learn(make_played(1))
    assert json.dumps(arm.dump()) == before


async def test_what_is_kept_comes_back(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ReasoningBank(make_desk(items("one")), judge="environment")
    await arm.learn(make_played(0))
    again = ReasoningBank(make_desk())
    again.load(json.loads(json.dumps(arm.dump())))
    asked = Toy().tasks("val")[0]
    assert again.dump() == arm.dump()
    assert await again.notes(asked) == await arm.notes(asked)


async def test_prompts_stay_within_the_context(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    long = [(f"go to drawer {n}", "You see a very long list of things. " * 20) for n in range(100)]
    desk = make_desk(WON, items("one"), context=4096)
    await ReasoningBank(desk).learn(make_played(0, steps=long))
    for request in desk.model.requests:  # type: ignore[attr-defined]
        sent = sum(len(str(message["content"])) for message in request.messages)
        assert sent / 3 + request.sampling.max_tokens <= 4096
