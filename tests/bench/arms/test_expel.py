"""ExpeL: gathering, votes on rules, similar solved tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.settings import load
from bench.arms.expel import HEADER, OVER, RULES, ExpeL, voted
from bench.arms.reflexion import Planner
from bench.arms.types import Desk, Played
from envs.errors import ModelError, UserError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.text import estimate_tokens

FROM = {"runs": ["new"], "task_keys": ["new key"]}


def rule(text: str, count: int, run: str = "old") -> dict[str, Any]:
    source = {"runs": [run], "task_keys": [f"{run} key"]}
    return {"id": f"rule-{text}", "text": text, "count": count, **source}


def op(name: str, number: int = 0, text: str = "") -> dict[str, Any]:
    return {"operation": name, "rule": number, "text": text}


def told(rules: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(each["text"], each["count"]) for each in rules]


def test_each_operation_moves_importance_as_in_the_paper() -> None:
    rules = [rule("one.", 3), rule("two.", 2), rule("three.", 1), rule("four.", 1)]
    asked = [op("AGREE", 2), op("EDIT", 4, "better."), op("REMOVE", 3), op("ADD", 0, "new.")]
    after, made = voted(rules, asked, made=4, source=FROM)
    assert told(after) == [("one.", 3), ("two.", 3), ("better.", 2), ("new.", 2)]
    assert made == 5
    assert after[-1]["id"] == "rule-5"


def test_only_what_was_written_goes_back_to_the_new_runs() -> None:
    after, _ = voted(
        [rule("one.", 3), rule("two.", 2)],
        [op("AGREE", 1), op("EDIT", 2, "better."), op("ADD", 0, "new.")],
        made=2,
        source=FROM,
    )
    assert {each["text"]: each["runs"] for each in after} == {
        "one.": ["old"],
        "better.": ["new"],
        "new.": ["new"],
    }


def test_a_rule_gets_one_operation_and_a_list_four() -> None:
    rules = [rule("one.", 2), rule("two.", 2)]
    asked = [op("AGREE", 1), op("REMOVE", 1), *(op("ADD", 0, f"{n}.") for n in range(5))]
    after, _ = voted(rules, asked, made=2, source=FROM)
    assert told(after) == [("one.", 3), ("two.", 2), ("0.", 2), ("1.", 2)]


def test_what_is_known_is_not_added_and_as_an_edit_it_is_a_vote() -> None:
    rules = [rule("look first.", 2), rule("two.", 2)]
    asked = [op("ADD", 0, "Well, look first."), op("EDIT", 2, "look first.")]
    after, _ = voted(rules, asked, made=2, source=FROM)
    assert told(after) == [("look first.", 3), ("two.", 2)]


@pytest.mark.parametrize("asked", [op("EDIT", 9, "x."), op("REMOVE", 0), op("ADD"), op("EDIT", 1)])
def test_operations_on_nothing_change_nothing(asked: dict[str, Any]) -> None:
    assert told(voted([rule("one.", 2)], [asked], made=1, source=FROM)[0]) == [("one.", 2)]


def test_an_over_full_list_takes_nothing_and_removes_three_times_as_hard() -> None:
    rules = [rule(f"<{n}>", 3) for n in range(RULES + OVER)]
    after, _ = voted(rules, [op("ADD", 0, "new."), op("REMOVE", 1)], made=25, source=FROM)
    assert len(after) == RULES + OVER - 1
    assert "<0>" not in [text for text, _ in told(after)]


def adds(*texts: str) -> dict[str, Any]:
    return {"operations": [op("ADD", 0, text) for text in texts]}


async def test_failed_and_solved_attempts_are_compared_and_written_rules_name_all_in_the_prompt(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(adds("first."), adds("second."))
    arm = ExpeL(desk, chunk=9)
    one, two = make_played(0, passed=(False, True)), make_played(1, passed=(False, True))
    assert (await arm.learn(one)).calls == 1
    await arm.learn(two)
    rules = arm.dump()["rules"]
    assert [(each["text"], each["runs"]) for each in rules] == [
        ("first.", ["r0"]),
        ("second.", ["r1", "r0"]),
    ]
    assert rules[1]["task_keys"] == [two.task.key, one.task.key]
    asked = str(desk.model.requests[1].messages[1]["content"])  # type: ignore[attr-defined]
    assert asked.index("SUCCESSFUL TRIAL:") < asked.index("FAILED TRIAL:")
    assert "EXISTING RULES:\n1. first." in asked


async def test_a_handful_of_successes_is_read_together(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    desk = make_desk(adds("shared."))
    arm = ExpeL(desk, chunk=3)
    calls = [(await arm.learn(make_played(n))).calls for n in range(3)]
    assert calls == [0, 0, 1]
    assert arm.dump()["rules"][0]["runs"] == ["r0", "r1", "r2"]
    assert arm.dump()["waiting"] == []


async def test_two_extractions_a_task_at_most(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ExpeL(make_desk(*[adds(f"{n}.") for n in range(9)]), chunk=2)
    await arm.learn(make_played(0))
    assert (await arm.learn(make_played(1, passed=(False, False, True)))).calls == 2


async def test_train_tasks_are_gathered_without_rules_and_others_get_rules_and_examples(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ExpeL(make_desk(adds("look first.", "then take.")), chunk=2)
    for number in range(2):
        await arm.learn(make_played(number))
    assert await arm.notes(Toy().tasks("train")[7]) == ()
    header, first, second, *examples = await arm.notes(Toy().tasks("val")[0])
    assert header == HEADER
    assert (first.text, second.text) == ("- look first.", "- then take.")
    assert {note.runs for note in examples} == {("r0",), ("r1",)}
    assert '{"thought": "I look for it.", "action": "open red drawer"}' in examples[0].text


async def test_notes_keep_to_the_budget_and_leave_out_the_task_itself(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ExpeL(
        make_desk(adds(*["word " * 30 + f"{n}." for n in range(4)]), note_tokens=200), chunk=2
    )
    steps = [(f"open {n} drawer", "You see nothing at all in it.") for n in range(20)]
    for number in range(2):
        await arm.learn(make_played(number, steps=steps))
    asked = Toy().tasks("val")[0]
    notes = await arm.notes(asked)
    assert 0 < sum(estimate_tokens(note.text) for note in notes) <= 200
    own = asked.model_copy(update={"key": Toy().tasks("train")[0].key})
    assert all("r0" not in note.runs for note in await arm.notes(own))


async def test_gathering_retries_with_plans_and_measuring_does_not(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    models: Any = {"model": PolicyModel(lambda _m, _s: "")}
    async with home(load(home=str(tmp_path)), memory=memory, models=models) as opened:
        crew = await opened.crew()
        arm = ExpeL(make_desk(), retries=2)
        gathering, measured = arm.gather(crew), arm.crew(crew)
    assert gathering.settings.solver.retries == 2
    assert isinstance(gathering.reflector, Planner)
    assert measured.settings.solver.retries == 0
    assert measured.reflector is crew.reflector
    assert measured.settings.solver.think


async def test_a_failed_run_that_was_not_tried_again_is_refused(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    with pytest.raises(UserError, match="not tried again; let `gather` play its train tasks"):
        await ExpeL(make_desk()).learn(make_played(passed=False))
    assert (await ExpeL(make_desk(), retries=0).learn(make_played(passed=False))).calls == 0


async def test_a_model_that_fails_leaves_all_as_it_was_and_what_is_kept_comes_back(
    make_desk: Callable[..., Desk], make_played: Callable[..., Played]
) -> None:
    arm = ExpeL(make_desk(adds("one.")), chunk=9)
    await arm.learn(make_played(0, passed=(False, True)))
    before = json.dumps(arm.dump())
    with pytest.raises(ModelError, match="used up"):
        await arm.learn(make_played(1, passed=(False, True)))
    assert json.dumps(arm.dump()) == before
    again = ExpeL(make_desk())
    again.load(json.loads(before))
    asked = Toy().tasks("val")[0]
    assert again.dump() == arm.dump()
    assert await again.notes(asked) == await arm.notes(asked)
