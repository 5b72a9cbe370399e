"""ACE: reflection, additions, counters, grow and refine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.arms.ace import ACE, HEADER, REFLECTED, counted, refined
from bench.arms.types import Desk, Played
from envs.errors import ModelError, UserError
from envs.toy import Toy
from memory.text import estimate_tokens


def reflection(**tags: str) -> dict[str, Any]:
    said = {name: f"the {name}" for name in REFLECTED}
    return (
        {**said, "bullet_tags": {name.replace("_", "-"): tag for name, tag in tags.items()}}
        if (tags)
        else said
    )


def adding(*contents: str, section: str = "strategies_and_insights") -> dict[str, Any]:
    made = [{"type": "ADD", "section": section, "content": c} for c in contents]
    return {"reasoning": "new", "operations": made}


def bullet(id_: str, helpful: int = 0, harmful: int = 0) -> dict[str, Any]:
    source = {"runs": [id_], "task_keys": [f"key {id_}"]}
    return {
        "id": id_,
        "section": "others",
        "content": f"content {id_}",
        "helpful": helpful,
        "harmful": harmful,
        **source,
    }


async def test_additions_become_bullets_with_ids_of_their_own(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(reflection(), adding("open drawers first", "never wait"))
    arm = ACE(desk)
    assert (await arm.learn(make_played(0, passed=False))).calls == 2
    header, *notes = await arm.notes(Toy().tasks("val")[0])
    assert header == HEADER
    assert header.id in arm.fixed()
    assert [note.text for note in notes] == [
        "[str-00002] helpful=0 harmful=0 :: never wait",
        "[str-00001] helpful=0 harmful=0 :: open drawers first",
    ]
    reflect, curate = (str(r.messages[1]["content"]) for r in desk.model.requests)  # type: ignore[attr-defined]
    assert "The task was NOT solved" in reflect
    assert "key_insight: the key_insight" in curate
    assert "Current Playbook:\n(empty)" in curate


async def test_the_reflectors_tags_move_the_counters_of_what_stood_in_the_prompt(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    tags = reflection(str_00001="helpful", str_00002="harmful")
    desk = make_desk(reflection(), adding("open first", "never wait"), tags, adding())
    arm = ACE(desk)
    await arm.learn(make_played(0))
    await arm.learn(make_played(1))
    counters = {b["id"]: (b["helpful"], b["harmful"]) for b in arm.dump()["bullets"]}
    assert counters == {"str-00001": (1, 0), "str-00002": (0, 1)}
    schema = desk.model.requests[2].schema_  # type: ignore[attr-defined]
    assert list(schema["properties"]["bullet_tags"]["properties"]) == ["str-00002", "str-00001"]
    notes = await arm.notes(Toy().tasks("val")[0])
    assert [note.id for note in notes] == ["ace", "ace:str-00001", "ace:str-00002"]


async def test_what_the_curator_wrote_goes_back_to_the_run_and_to_the_playbook_it_saw(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(
        reflection(), adding("open first"), reflection(str_00001="neutral"), adding("give at last")
    )
    arm = ACE(desk)
    for number in range(2):
        await arm.learn(make_played(number))
    first, second = arm.dump()["bullets"]
    train = Toy().tasks("train")
    assert (first["runs"], second["runs"]) == (["r0"], ["r1", "r0"])
    assert second["task_keys"] == [train[1].key, train[0].key]
    assert [note.id for note in await arm.notes(train[1])] == ["ace", "ace:str-00001"]
    assert await arm.notes(train[0]) == ()


async def test_a_bullet_that_says_the_same_goes_into_the_old_one_with_its_lineage(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(
        reflection(),
        adding("Open drawers first."),
        reflection(str_00001="helpful"),
        adding("open drawers first"),
    )
    arm = ACE(desk)
    for number in range(2):
        await arm.learn(make_played(number))
    (kept,) = arm.dump()["bullets"]
    assert (kept["content"], kept["helpful"]) == ("Open drawers first.", 1)
    assert kept["runs"] == ["r0", "r1"]


def test_the_worst_and_oldest_bullets_go_first() -> None:
    some = [bullet("a"), bullet("b", 2), bullet("c", 0, 1), bullet("d")]
    assert [b["id"] for b in refined(some, most=2)] == ["b", "d"]


def test_neutral_and_unknown_tags_change_nothing() -> None:
    before = [bullet("a", 1, 1)]
    assert counted(before, {"a": "neutral", "z": "helpful"}) == before


async def test_the_playbook_keeps_to_the_budget_best_first(make_desk: Callable[..., Desk]) -> None:
    arm = ACE(make_desk(note_tokens=90))
    arm.load({"bullets": [bullet(f"misc-{n:05d}", n) for n in range(30)], "next": 31})
    notes = await arm.notes(Toy().tasks("val")[0])
    assert [note.id for note in notes][:2] == ["ace", "ace:misc-00029"]
    assert sum(estimate_tokens(note.text) for note in notes) <= 90


async def test_a_model_that_fails_leaves_all_as_it_was_and_what_is_kept_comes_back(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ACE(make_desk(reflection(), adding("one"), reflection(str_00001="harmful")))
    await arm.learn(make_played(0))
    before = json.dumps(arm.dump())
    with pytest.raises(ModelError, match="used up"):
        await arm.learn(make_played(1))
    assert json.dumps(arm.dump()) == before
    again = ACE(make_desk())
    again.load(json.loads(before))
    asked = Toy().tasks("val")[0]
    assert again.dump() == arm.dump()
    assert await again.notes(asked) == await arm.notes(asked)


def test_a_likeness_that_cannot_be_is_refused(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(UserError, match=r"option same = 1\.5 does not fit"):
        ACE(make_desk(), same=1.5)
