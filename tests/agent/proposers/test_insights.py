"""Insights of two scales: generated from pairs, selected by scale, kept out of other domains."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.proposers.consolidate import apply, plan
from envs.toy import Toy
from memory.query import Query
from memory.recall import render
from memory.scales import scale_of
from memory.text import estimate_tokens

TASK = "For a key, open yellow drawer, then take what is in it and give it."
OTHERS = tuple(
    f"For a key, try drawer number {n} when all the others were empty." for n in range(2)
)
GENERAL = "When asked to bring me the thing, do not open the same place twice."


def given(text: str, scale: str) -> dict[str, Any]:
    situation = "Bring me the key." if scale == "task" else "Bring me the thing asked for."
    return {"scale": scale, "run": 1, "step": 0, "situation": situation, "text": text}


def generator() -> PolicyModel:
    said = [given(TASK, "task"), *(given(text, "task") for text in OTHERS)]
    said.append(given(GENERAL, "general"))
    return PolicyModel(lambda _messages, _schema: {"insights": said})


class Annex(Toy):
    """Another domain with the same words."""

    name = "annex"


@pytest.mark.paper("msi-agent")
async def test_both_scales_are_recalled_within_the_budget_and_none_of_another_domains_tasks(
    opens: Any, plays: Any, tasks: Any, mechanism: bool
) -> None:
    model = generator()

    async def asked() -> Any:
        return model

    learning = {"use": ["scales"] if mechanism else []}
    async with opens(learning=learning, memory={"most": 2, "floor": 0.1}) as home_:
        pair = [*tasks(thing="stamp", most=1), *tasks(thing="key", most=1)]
        runs = await plays(home_, pair, learn=False)
        await apply(await plan("insights", home_.memory, home_.settings, model=asked), home_.memory)
        known = {one.id: one for one in home_.ledger.lessons()}
        here = await plays(home_, tasks("val", thing="key", most=1), guard=True)
        shifted = await plays(home_, Annex().tasks("val")[:6], env=Annex(), guard=True)
    assert sorted(scale_of(one) for one in known.values()) == ["general", *["task"] * 3]
    assert all(one.text.startswith(f"[{scale_of(one)}]") for one in known.values())
    assert all(set(one.source.task_keys) == {r.task_key for r in runs} for one in known.values())
    first = here[0].steps[0].recalled
    assert {scale_of(known[item.lesson]) for item in first} == {"task", "general"}
    assert estimate_tokens(render(first)) <= 256
    there = {item.lesson for run in shifted for step in run.steps for item in step.recalled}
    assert {scale_of(known[id_]) for id_ in there} == {"general"}


async def test_a_pair_is_compared_once_and_only_beside_its_own_type(
    opens: Any, plays: Any, tasks: Any
) -> None:
    model = generator()

    async def asked() -> Any:
        return model

    async with opens() as home_:
        await plays(home_, tasks(thing="stamp", most=1), learn=False)
        none = await plan("insights", home_.memory, home_.settings, model=asked)
        await plays(home_, tasks(thing="key", most=1), learn=False)
        one = await plan("insights", home_.memory, home_.settings, model=asked)
        await apply(one, home_.memory)
        again = await plan("insights", home_.memory, home_.settings, model=asked)
    assert (len(none.changes), len(one.changes), len(again.changes)) == (0, 4, 0)
    assert (none.usage.calls, one.usage.calls, again.usage.calls) == (0, 1, 0)
    assert all(len(change.evidence) == 2 for change in one.changes)


async def test_a_small_budget_still_holds_and_favours_neither_scale(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async def asked() -> Any:
        return generator()

    async with opens(learning={"use": ["scales"]}) as home_:
        pair = [*tasks(thing="stamp", most=1), *tasks(thing="key", most=1)]
        await plays(home_, pair, learn=False)
        await apply(await plan("insights", home_.memory, home_.settings, model=asked), home_.memory)
        memory = (await home_.crew()).memory
        query = Query(goal="Bring me the key.", env="toy", task_type="bring")
        for budget in range(0, 200, 7):
            found = memory.recall(query, budget_tokens=budget, floor=0.1, most=3, guard=True)
            assert estimate_tokens(render(found)) <= budget
