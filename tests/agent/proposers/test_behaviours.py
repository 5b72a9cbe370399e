"""Reasoning that recurs becomes a behaviour; with it tasks are solved with fewer tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.proposers.behaviours import TRACES, sketch_of
from agent.proposers.consolidate import apply, plan
from distill.rows_behaviours import HANDBOOK, behaviour_rows

DERIVES = (
    "Each drawer holds one thing, so I have to open drawers until I see the {thing}. Going by the "
    "alphabet I never open the same one twice. Then I take the {thing} when it is in sight, and "
    "give it at once."
)
NAME, INSTRUCTION = (
    "search_by_alphabet",
    "Open drawers by the alphabet until the thing is in sight.",
)


def namer() -> PolicyModel:
    said = {"name": "Search by alphabet!", "instruction": INSTRUCTION}
    return PolicyModel(lambda _messages, _schema: said)


@pytest.fixture
def thinker(seek: Any) -> Any:
    """Works its way out at length before the first steps, unless it has a behaviour for it."""

    def says(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        action = seek(messages, schema)["action"]
        last = str(messages[-1]["content"])
        if NAME in last:
            return {"thought": f"By {NAME}.", "action": action}
        thing = " ".join(str(m["content"]) for m in messages).partition("Bring me the ")[2]
        return {"thought": DERIVES.format(thing=thing.split(".")[0]), "action": action}

    return says


@pytest.mark.paper("metacognitive-reuse")
async def test_reasoning_that_recurs_becomes_one_behaviour_and_saves_tokens(
    opens: Any, plays: Any, tasks: Any, won: Any, thinker: Any, mechanism: bool
) -> None:
    model = namer()

    async def asked() -> Any:
        return model

    things = ("stamp", "ribbon", "battery")
    async with opens(thinker, solver={"think": True}) as home_:
        past = [task for thing in things for task in tasks(thing=thing, most=1)]
        runs = await plays(home_, past, learn=False)
        new = [task for thing in things for task in tasks(thing=thing, most=3)[1:]]
        if mechanism:
            planned = await plan("behaviours", home_.memory, home_.settings, model=asked)
            await apply(planned, home_.memory)
        lessons = home_.ledger.lessons()
        before = await plays(home_, new, learn=False, guard=True, recall=False)
        after = await plays(home_, new, learn=False, guard=True)
        rows = list(behaviour_rows(after, {one.id for one in lessons}))
        shown = list(behaviour_rows(after, {one.id for one in lessons}, show=True))
    assert won(before) == won(after) == len(new)
    spent = [
        sum(r.usage.prompt_tokens + r.usage.completion_tokens for r in some)
        for some in (before, after)
    ]
    thought = [sum(r.usage.completion_tokens for r in some) for some in (before, after)]
    assert spent[1] < spent[0]
    assert thought[1] < thought[0] / 2
    entries = [one for one in lessons if one.text == f"{NAME}: {INSTRUCTION}"]
    (entry,) = entries
    assert len({place.trajectory for place in entry.sources}) >= TRACES
    assert set(entry.source.task_keys) >= {run.task_key for run in runs}
    assert len(rows) == len(new)
    assert all(row.metadata.recalled == (entry.id,) for row in rows)
    assert not any(INSTRUCTION in str(row.messages) for row in rows)
    assert all(f"{HANDBOOK}\n- {entry.text}" in row.messages[0]["content"] for row in shown)


async def test_a_thought_of_fewer_runs_becomes_nothing_and_what_is_known_is_not_asked_again(
    opens: Any, plays: Any, tasks: Any, thinker: Any
) -> None:
    model = namer()

    async def asked() -> Any:
        return model

    async with opens(thinker, solver={"think": True}) as home_:
        await plays(home_, tasks(thing="stamp", most=TRACES - 1), learn=False)
        few = await plan("behaviours", home_.memory, home_.settings, model=asked)
        await plays(home_, tasks(thing="ribbon", most=1), learn=False)
        enough = await plan("behaviours", home_.memory, home_.settings, model=asked)
        await apply(enough, home_.memory)
        again = await plan("behaviours", home_.memory, home_.settings, model=asked)
    assert (few.changes, few.usage.calls) == ((), 0)
    assert len(enough.changes) == 1
    assert not again.changes


async def test_rows_are_held_back_with_the_tasks_that_their_behaviours_come_from(
    opens: Any, plays: Any, tasks: Any, thinker: Any
) -> None:
    async def asked() -> Any:
        return namer()

    async with opens(thinker, solver={"think": True}) as home_:
        past = await plays(home_, tasks(thing="stamp", most=TRACES), learn=False)
        await apply(
            await plan("behaviours", home_.memory, home_.settings, model=asked), home_.memory
        )
        after = await plays(home_, tasks(thing="ribbon", most=1), learn=False)
        ids = [one.id for one in home_.ledger.lessons()]
    assert len(list(behaviour_rows(after, ids))) == 1
    assert list(behaviour_rows(after, ids, held_out_keys=[past[0].task_key])) == []


def test_a_sketch_leaves_out_what_a_thought_is_about() -> None:
    one = sketch_of("I look for mug 2 first.", "put a mug on desk.")
    two = sketch_of("I look for plate 1 first.", "put a plate on shelf.")
    assert one == two == "i look for _ _ first"
