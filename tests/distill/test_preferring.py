"""Preference pairs carry the evidence for their verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.preferences import judged
from distill.preferring import Evidence, Judgement, borne_out, preferences, shares_weights
from distill.rows import write_jsonl
from skills.sandbox import Sandbox
from skills.tools import calculator

QUESTION = [{"role": "user", "content": "How much is 17 * 23?"}]
FLUENT = "Multiplying seventeen by twenty-three step by step, we can be confident that it is 401."
TERSE = "391"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def fluent_judge(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Prefers the longer answer; uses the calculator once where it may."""
    assert schema is not None
    fields, text = schema["properties"], str(messages[1]["content"])
    if "tool" in fields:
        return {"tool": "none" if "Result of" in text else "calculator"}
    if "expression" in fields:
        return {"expression": "17 * 23"}
    first, second = text.partition("First answer:\n")[2].split("Second answer:\n")
    return {"better": "first" if len(first) > len(second) else "second"}


@pytest.mark.paper("anyprefer")
async def test_tools_turn_the_label_and_the_pair_carries_what_they_said(
    sandbox: Sandbox, tmp_path: Path, mechanism: bool
) -> None:
    judge = PolicyModel(fluent_judge, name="judge")
    bare, _ = await judged(judge, QUESTION, (FLUENT, TERSE), target="small")
    assert bare.better == 0
    assert preferences([bare]).pairs == ()
    assert preferences([bare]).dropped == {"unproven": 1}
    assert preferences([bare], unproven=True).pairs[0].chosen[0]["content"] == FLUENT
    tools = {"calculator": calculator(sandbox)} if mechanism else {}
    helped, usage = await judged(judge, QUESTION, (FLUENT, TERSE), target="small", tools=tools)
    assert helped.better == 1
    pair = preferences([helped]).pairs[0]
    assert (pair.chosen[0]["content"], pair.rejected[0]["content"]) == (TERSE, FLUENT)
    assert pair.grounds.by == "tool"
    assert pair.grounds.evidence == (
        Evidence(tool="calculator", arguments={"expression": "17 * 23"}, result="391"),
    )
    assert usage.calls == 3
    file = tmp_path / "pairs.jsonl"
    write_jsonl(file, [pair])
    line = json.loads(file.read_text("utf-8"))
    assert line["prompt"] == QUESTION
    assert line["grounds"]["evidence"][0]["result"] == "391"


async def test_a_judge_that_prefers_a_place_has_not_decided() -> None:
    first = PolicyModel(lambda _m, _s: {"better": "first"})
    found, usage = await judged(first, QUESTION, (FLUENT, TERSE), target="small")
    assert found.better is None
    assert usage.calls == 2
    assert preferences([found], unproven=True).dropped == {"undecided": 1}


async def test_a_tool_that_fails_is_no_evidence_and_the_same_call_is_made_once(
    sandbox: Sandbox,
) -> None:
    def wrong(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        fields = (schema or {})["properties"]
        if "expression" in fields:
            return {"expression": "open('x')"}
        return {"tool": "calculator"} if "tool" in fields else fluent_judge(messages, schema)

    judge = PolicyModel(wrong)
    tools = {"calculator": calculator(sandbox)}
    found, usage = await judged(judge, QUESTION, (FLUENT, TERSE), target="small", tools=tools)
    assert found.evidence == ()
    assert (found.by, found.better) == ("judge", 0)
    assert usage.calls == 6


async def test_a_judge_with_the_weights_of_the_target_is_marked() -> None:
    judge = PolicyModel(fluent_judge, name="SmolLM2-135M-Instruct (embedded)")
    student = "SmolLM2-135M-Instruct (student a1)"
    found, _ = await judged(judge, QUESTION, (FLUENT, TERSE), target=student)
    assert found.shares_weights
    other, _ = await judged(judge, QUESTION, (FLUENT, TERSE), target="Qwen2.5-0.5B")
    assert preferences([found, other], unproven=True).flagged == 1
    kept = preferences([found, other], unproven=True, own_judge=False)
    assert kept.dropped == {"own judge": 1}
    assert [pair.grounds.target for pair in kept.pairs] == ["Qwen2.5-0.5B"]
    assert shares_weights("a", "b", bases={"a": "base", "b": "base"})
    assert not shares_weights("", "")


def test_what_a_tool_decided_stays_whoever_called_it() -> None:
    said = Evidence(tool="calculator", result="391")
    found = Judgement(
        prompt=tuple(QUESTION), answers=(TERSE, FLUENT), better=0, by="tool", evidence=(said,),
        shares_weights=True,
    )  # fmt: skip
    assert preferences([found], own_judge=False).flagged == 1
    same = found.model_copy(update={"answers": (TERSE, f" {TERSE}")})
    assert preferences([same]).dropped == {"same": 1}


@pytest.mark.parametrize(
    ("answers", "results", "side"),
    [
        ((FLUENT, TERSE), ["391"], 1),
        ((TERSE, FLUENT), ["1 + 2", "391"], 0),
        ((FLUENT, TERSE), ["401", "391"], None),
        ((TERSE, "It is 391."), ["391"], None),
        ((FLUENT, TERSE), ["no idea"], None),
        ((FLUENT, TERSE), [], None),
    ],
    ids=["second", "first", "one each", "both", "no number", "no result"],
)
def test_which_answer_results_bear_out(
    answers: tuple[str, str], results: list[str], side: int | None
) -> None:
    assert borne_out(answers, [Evidence(tool="t", result=one) for one in results]) == side
