"""Forgetting a source retracts all that goes back to it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.embed import HashEmbedder
from memory.forget import ForgetPlan, apply_forget, plan_forget
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory, Query
from memory.types import Lesson, Run, Trajectory


@pytest.fixture
def memory(place: Path | str) -> Iterator[Memory]:
    opened = Memory(Ledger(place), ListIndex(HashEmbedder()))
    yield opened
    opened.close()


def add(memory: Memory, id: str, text: str = "", *, by: str = "", **fields: Any) -> str:  # noqa: A002
    given = {"id": id, "kind": "strategy", "text": text or f"words of {id}", **fields}
    given.setdefault("situation", f"at {id}")
    if by:
        given["source"] = {"trajectory": by, **fields.get("source", {})}
    evidence = (by,) if by else ()
    return memory.add(Lesson.model_validate(given), reason="r", evidence=evidence).id


def ran(memory: Memory, id: str, key: str) -> None:  # noqa: A002
    run = Trajectory(id=id, env="e", task="t", task_key=key, split="train", goal="g")
    memory.ledger.add_trajectory(run)


def told(plan: ForgetPlan) -> dict[str, str]:
    return {item.lesson.id: item.what for item in plan.items}


def ids(memory: Memory) -> set[str]:
    return {one.id for one in memory.ledger.lessons(limit=-1)}


def test_a_run_is_forgotten_down_to_what_was_merged_from_it(memory: Memory) -> None:
    for name in ("r1", "r2", "r3"):
        ran(memory, name, f"key of {name}")
    add(memory, "mine", by="r1")
    add(memory, "other", by="r2")
    add(memory, "merged", supersedes=("mine", "other"))
    add(memory, "further", supersedes=("merged",))
    add(memory, "apart", by="r3")
    plan = plan_forget(memory.ledger, "r1")
    assert plan.kind == "run"
    assert told(plan) == {"mine": "remove", "merged": "remove", "further": "remove"}
    assert [item.why for item in plan.items] == [
        "was learned in run r1",
        "was made from lesson mine",
        "was made from lesson merged",
    ]
    assert plan.returning == ("other",)
    assert len(ids(memory)) == 5
    changes = apply_forget(memory.ledger, plan)
    assert ids(memory) == {"other", "apart"}
    assert {change.reason for change in changes} >= {"forgotten: it was learned in run r1"}
    shown = memory.recall(Query(goal="at other"), budget_tokens=99, floor=0.6, most=3, guard=True)
    assert [item.lesson for item in shown] == ["other"]
    memory.take_back(changes[0].batch, reason="it was right after all")
    assert ids(memory) == {"mine", "other", "merged", "further", "apart"}


def test_a_task_is_forgotten_through_all_its_runs(memory: Memory) -> None:
    for name, key in (("r1", "heat egg"), ("r2", "heat egg"), ("r3", "cool egg")):
        ran(memory, name, key)
        add(memory, f"of {name}", by=name)
    plan = plan_forget(memory.ledger, "heat egg")
    assert plan.kind == "task"
    assert told(plan) == {"of r1": "remove", "of r2": "remove"}


def test_a_source_that_only_confirmed_is_taken_off(memory: Memory) -> None:
    ran(memory, "r1", "k1")
    ran(memory, "r2", "k2")
    add(memory, "a", "always check the fridge for eggs", by="r1", situation="eggs")
    add(memory, "b", "check the fridge for eggs, always", by="r2", situation="eggs")
    assert ids(memory) == {"a"}
    for source in ("r2", "k2"):
        plan = plan_forget(memory.ledger, source)
        assert told(plan) == {"a": "detach"}
        assert "its words come from elsewhere" in plan.items[0].why
    changes = apply_forget(memory.ledger, plan_forget(memory.ledger, "r2"))
    kept = memory.ledger.lesson("a")
    assert (kept.source.task_keys, kept.sources) == (("k1",), ())
    memory.take_back(changes[0].batch, reason="no")
    assert memory.ledger.lesson("a").source.task_keys == ("k1", "k2")
    assert told(plan_forget(memory.ledger, "r1")) == {"a": "remove"}


def test_a_rewriting_goes_back_to_its_evidence(memory: Memory) -> None:
    ran(memory, "r1", "k1")
    ran(memory, "r2", "k2")
    add(memory, "a", by="r1")
    after = memory.ledger.lesson("a").model_copy(update={"text": "better words"})
    edit = memory.ledger.history("a")[0].model_copy(
        update={
            "id": "",
            "op": "edit",
            "before": None,
            "after": after.model_dump(mode="json", exclude={"effect"}),
            "evidence": ("r2",),
        }
    )
    memory.write(edit)
    assert told(plan_forget(memory.ledger, "r2")) == {"a": "remove"}


def test_people_and_pages_are_sources(memory: Memory) -> None:
    add(memory, "ann", trust="user", scope={"user": "ann"})
    add(memory, "ann too", trust="user", source={"origin": "user:ann"})
    add(memory, "bob", trust="user", scope={"user": "bob"})
    add(memory, "of ann's tasks", scope={"user": "ann"})
    typed = memory.typed("the mug is blue")
    for number, page in enumerate(
        (
            "https://shop.example/a",
            "https://shop.example/a/b",
            "https://m.shop.example/",
            "https://x.example",
        )
    ):
        add(memory, f"w{number}", trust="web", source={"origin": page})
    ledger = memory.ledger
    assert set(told(plan_forget(ledger, "user:ann"))) == {"ann", "ann too"}
    assert set(told(plan_forget(ledger, "user:"))) == {typed.id}
    assert set(told(plan_forget(ledger, "web:shop.example"))) == {"w0", "w1", "w2"}
    assert set(told(plan_forget(ledger, "web:https://shop.example/a"))) == {"w0", "w1"}
    assert told(plan_forget(ledger, "web:hop.example")) == {}
    with pytest.raises(Refused, match="which page"):
        plan_forget(ledger, "web: ")


def test_a_lesson_is_a_source_too(memory: Memory) -> None:
    add(memory, "a")
    add(memory, "b", supersedes=("a",))
    assert told(plan_forget(memory.ledger, "a")) == {"a": "remove", "b": "remove"}
    plan = plan_forget(memory.ledger, "b")
    assert (told(plan), plan.returning) == ({"b": "remove"}, ("a",))
    apply_forget(memory.ledger, plan)
    assert told(plan_forget(memory.ledger, "b")) == {"b": "gone"}
    assert apply_forget(memory.ledger, plan_forget(memory.ledger, "b")) == ()


def test_a_source_nobody_knows_is_named(memory: Memory) -> None:
    memory.ledger.begin_run(Run(id="r9", env="e", task="t", goal="g", status="running"))
    assert plan_forget(memory.ledger, "r9").items == ()
    with pytest.raises(UnknownName, match=r"no source named 'nobody'; choose from: .*user:NAME"):
        plan_forget(memory.ledger, "nobody")


def test_a_plan_that_is_out_of_date_is_refused_whole(memory: Memory) -> None:
    ran(memory, "r1", "k1")
    add(memory, "a", by="r1")
    add(memory, "b", by="r1")
    plan = plan_forget(memory.ledger, "r1")
    memory.edit(memory.ledger.lesson("b").model_copy(update={"pinned": True}), reason="keep")
    with pytest.raises(Refused, match="lesson b was altered meanwhile"):
        apply_forget(memory.ledger, plan)
    assert ids(memory) == {"a", "b"}


def test_what_was_forgotten_can_be_learned_again_from_elsewhere(memory: Memory) -> None:
    ran(memory, "r1", "k1")
    ran(memory, "r2", "k2")
    add(memory, "a", "open the door", by="r1")
    changes = apply_forget(memory.ledger, plan_forget(memory.ledger, "r1"))
    add(memory, "b", "open the door", by="r2")
    with pytest.raises(Refused, match="a can't come back: lesson b"):
        memory.take_back(changes[0].batch, reason="no")
