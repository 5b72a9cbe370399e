"""Shortcuts past detours: mined without a model, recalled at a new task, fewer steps."""

from __future__ import annotations

from typing import Any

import pytest

from agent.proposers.consolidate import apply, plan
from agent.proposers.shortcuts import BEGINNING, mined
from envs.types import Score
from memory.types import StepRecord, Trajectory


async def nobody() -> Any:
    raise AssertionError("no model is needed")


@pytest.mark.paper("experiential-co-learning")
async def test_a_shortcut_mined_from_a_detour_saves_steps_on_a_new_task(
    opens: Any, plays: Any, tasks: Any, mechanism: bool
) -> None:
    async with opens() as home_:
        runs = await plays(home_, tasks(thing="stamp", most=3), learn=False)
        new = tasks("val", thing="stamp", most=3)
        before = await plays(home_, new, guard=True)
        if mechanism:
            planned = await plan("shortcuts", home_.memory, home_.settings, model=nobody)
            await apply(planned, home_.memory)
        after = await plays(home_, new, guard=True)
        lessons = home_.ledger.lessons()
    assert [len(one.steps) for one in runs] == [4, 4, 4]
    assert [len(one.steps) for one in before] == [4, 4, 4]
    assert [len(one.steps) for one in after] == [3, 3, 3]
    (record,) = lessons
    assert record.text == (
        "Shortcut: Bring me the stamp. From the beginning: open blue drawer leads at once to: "
        "You open the blue drawer. In it you see a stamp."
    )
    assert {place.trajectory for place in record.sources} == {run.id for run in runs}
    assert set(record.source.task_keys) == {run.task_key for run in runs}
    assert after[0].steps[0].recalled[0].lesson == record.id


async def test_a_task_whose_own_detour_taught_it_is_guarded(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async with opens() as home_:
        task = tasks(thing="stamp", most=1)
        await plays(home_, task, learn=False)
        await apply(
            await plan("shortcuts", home_.memory, home_.settings, model=nobody), home_.memory
        )
        (again,) = await plays(home_, task, learn=False, guard=True)
    assert len(again.steps) == 4


async def test_lineage_goes_on_through_what_a_run_had_recalled(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async with opens(learning={}) as home_:
        await plays(home_, tasks(thing="stamp", most=1))
        first = home_.ledger.lessons()[0]
        misled = first.model_copy(
            update={
                "id": "Lmis",
                "text": "The stamp: open red drawer",
                "trust": "tool",
                "source": first.source.model_copy(update={"task_keys": ("far away",)}),
            }
        )
        added = home_.ledger.history(first.id)[0]
        home_.memory.take_back(added.id, reason="only the other one", cascade=True)
        home_.memory.add(misled, reason="planted")
        (run,) = await plays(home_, tasks(thing="stamp", most=2)[1:], learn=False)
        planned = await plan("shortcuts", home_.memory, home_.settings, model=nobody)
    assert run.steps[0].action == "open red drawer"
    cut = next(c for c in planned.changes if run.id in c.evidence)
    assert cut.after is not None
    assert set(cut.after["source"]["task_keys"]) >= {run.task_key, "far away"}
    assert cut.after["trust"] == "tool"


def record(*pairs: tuple[str, str], passed: bool = True) -> Trajectory:
    steps = [StepRecord(index=n, action=a, observation=o) for n, (a, o) in enumerate(pairs)]
    return Trajectory(
        id="r",
        env="toy",
        task="t",
        task_key="k",
        split="train",
        goal="Put a mug on the desk.",
        steps=tuple(steps),
        score=Score(value=float(passed), passed=passed),
    )


def test_states_and_savings_of_a_detour_in_the_middle() -> None:
    run = record(
        ("go to shelf 1", "On the shelf 1, you see a mug 1."),
        ("take mug 1 from shelf 1", "You pick up the mug 1."),
        ("go to bed 1", "On the bed 1, you see nothing."),
        ("look", "A bed."),
        ("go to desk 1", "On the desk 1, you see nothing."),
        ("move mug 1 to desk 1", "You move the mug 1."),
    )
    (cut,) = mined(run)
    assert (cut.state, cut.action, cut.saves) == ("You pick up the mug 1.", "go to desk 1", 2)


def test_a_straight_way_has_no_shortcut() -> None:
    run = record(("take mug", "You take it."), ("give mug", "Thank you."))
    assert list(mined(run)) == []


def test_a_search_at_the_beginning_is_a_detour_from_there() -> None:
    run = record(
        ("open red drawer", "Nothing in it."),
        ("open blue drawer", "A mug."),
        ("take mug", "Taken."),
    )
    assert [(cut.state, cut.saves) for cut in mined(run)] == [(BEGINNING, 1)]
