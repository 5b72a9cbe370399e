"""What learning arms share: runs told as text, closeness, options, lineage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.arms.ace import ACE
from bench.arms.awm import AgentWorkflowMemory
from bench.arms.expel import ExpeL
from bench.arms.learning import attempts, closest, fitting, joined, judged, nearest, story, told
from bench.arms.reasoningbank import ReasoningBank
from bench.arms.reflexion import Reflexion
from bench.arms.types import Arm, Desk, Note, Played
from bench.arms.worked import WorkedExample
from bench.lab.guards import check_notes
from envs.errors import UserError
from envs.toy import Toy
from memory.types import StepRecord

ARMS: tuple[type[Arm], ...] = (
    WorkedExample,
    Reflexion,
    ExpeL,
    AgentWorkflowMemory,
    ReasoningBank,
    ACE,
)


def steps(count: int) -> list[StepRecord]:
    return [
        StepRecord(index=n, action=f"go to drawer {n}", observation=f"It is empty {n}.")
        for n in range(count)
    ]


def test_a_run_is_told_as_react_writes_it() -> None:
    record = StepRecord(index=0, action="look", observation="A\nroom.", thought="Where am I?")
    assert story("Start.", [record], most=500, outcome="STATUS: FAIL") == (
        "Start.\n> think: Where am I?\n> look\nA room.\nSTATUS: FAIL"
    )


@pytest.mark.parametrize("most", [200, 300, 600])
def test_a_long_run_loses_its_middle_and_says_so(most: int) -> None:
    text = story("Start.", steps(40), most=most)
    assert len(text) <= most
    assert text.startswith("Start.\n> go to drawer 0")
    assert "lines are left out here.)" in text
    assert text.endswith("It is empty 39.")


def test_lineage_keeps_each_once_in_order() -> None:
    assert joined(["b", "a"], ["a", "c"]) == ["b", "a", "c"]


def test_notes_that_do_not_fit_are_skipped() -> None:
    notes = [Note(id=str(n), text="word " * n) for n in (3, 40, 4)]
    assert [note.id for note in fitting(notes, tokens=12)] == ["3", "4"]


def test_closeness_goes_by_meaning_and_ties_by_order(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    texts = ["clean a mug", "heat an egg", "heat an egg"]
    assert nearest(desk, "heat some egg", texts)[:2] == [1, 2]
    place, likeness = closest(desk, "heat an egg", texts)
    assert (place, likeness) == (1, pytest.approx(1.0))
    assert closest(desk, "heat", [])[1] == -1.0


def test_attempts_are_told_apart(make_played: Callable[..., Played]) -> None:
    run = make_played(passed=(False, True)).trajectory
    assert [[step.index for step in one] for one in attempts(run)] == [[0], [1]]


async def test_a_judge_sees_what_a_player_sees_and_no_score(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk({"thoughts": "it did", "status": "success"})
    verdict, usage = await judged(desk, make_played(passed=False))
    assert verdict is True
    assert usage.calls == 1
    asked = str(desk.model.requests)  # type: ignore[attr-defined]
    assert "In it you see a key." in asked
    assert "passed" not in asked


@pytest.mark.parametrize("kind", ARMS)
def test_every_arm_names_its_paper_and_how_it_differs(kind: type[Arm]) -> None:
    assert "arXiv" in kind.paper
    assert len(kind.differs) > 100


@pytest.mark.parametrize("kind", [ExpeL, AgentWorkflowMemory, ReasoningBank, ACE])
async def test_a_run_that_crashed_teaches_nothing(
    kind: type[Arm], make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = kind(make_desk())
    before = arm.dump()
    usage = await arm.learn(make_played(error="the game broke"))
    assert usage.calls == 0
    assert arm.dump() == before


def test_a_judge_that_does_not_exist_is_refused(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(UserError, match="option judge = 'me' does not fit; give model or"):
        ReasoningBank(make_desk(), judge="me")


def agreeable(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """The simplest answer that every schema of these arms admits, with new words each time."""
    words = f"after {len(str(messages)) % 997} words"

    def made(rule: dict[str, Any]) -> Any:
        if "enum" in rule:
            return rule["enum"][0]
        if rule["type"] == "array":
            return [made(rule["items"])] * max(1, rule.get("minItems", 0))
        if rule["type"] == "object":
            return {name: made(each) for name, each in rule["properties"].items()}
        return words[: rule["maxLength"]]

    assert schema is not None
    return made(schema)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ExpeL, {"chunk": 2}),
        (AgentWorkflowMemory, {}),
        (AgentWorkflowMemory, {"mode": "offline"}),
        (ReasoningBank, {}),
        (ACE, {}),
    ],
)
async def test_the_guards_can_account_for_every_note(
    kind: type[Arm],
    options: dict[str, Any],
    make_desk: Callable[..., Desk],
    make_played: Callable[..., Played],
) -> None:
    arm = kind(make_desk(policy=agreeable, note_tokens=2000), **options)
    learned: dict[str, str] = {}
    for number in range(6):
        played = make_played(number, passed=(False, True) if number % 2 else True)
        await arm.learn(played)
        learned[played.trajectory.id] = played.task.key
    asked = Toy().tasks("val")[0]
    notes = await arm.notes(asked)
    check_notes(notes, task=asked, learned=learned, fixed=arm.fixed())
    assert len(notes) > 1
    own = Toy().tasks("train")[2]
    assert all(own.key not in note.task_keys for note in await arm.notes(own))


@pytest.mark.parametrize(
    "name",
    [
        "ace_curate",
        "ace_reflect",
        "awm",
        "bank_failure",
        "bank_success",
        "expel_compare",
        "expel_operations",
        "expel_success",
        "judge",
        "reflexion",
    ],
)
def test_prompts_are_there(name: str) -> None:
    assert len(told(name)) > 200
