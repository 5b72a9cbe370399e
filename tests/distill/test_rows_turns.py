"""Calls of skills become the actions that they did."""

from __future__ import annotations

import json

from distill.rows import rows
from distill.rows_turns import called, flattened, said, teacher_of
from envs.types import Score
from memory.types import StepRecord, Trajectory

CALL = "look(x='cd', y='desklamp')"


def _run(*, solver_first: bool = False, model: str = "tiny") -> Trajectory:
    actions = ["go to desk 1", "take cd 1", "use desklamp 1"]
    by_skill = [not solver_first, True, True]
    first_call = by_skill.index(True)
    messages = [{"role": "system", "content": "You play."}]
    for n, action in enumerate(actions):
        reply = said(CALL if n == first_call else action)
        messages.append({"role": "user", "content": f"seen {n}"})
        messages.append({"role": "assistant", "content": reply})
    messages.append({"role": "user", "content": "seen 3"})
    return Trajectory(
        id="r1",
        env="toy",
        task="toy/1",
        task_key="cd",
        split="train",
        goal="examine the cd",
        model=model,
        steps=tuple(
            StepRecord(index=n, action=a, observation=f"seen {n + 1}", skill=CALL if s else "")
            for n, (a, s) in enumerate(zip(actions, by_skill, strict=True))
        ),
        messages=tuple(messages),
        score=Score(value=1.0, passed=True),
        calls=({"call": {"skill": "S1", "name": "look"}, "attempt": 0},),
    )


def test_a_call_is_said_as_the_actions_that_it_did() -> None:
    (row,) = rows([_run()])
    turns = [json.loads(m["content"]) for m in row.messages if m["role"] == "assistant"]
    assert turns == [
        {"action": "go to desk 1"},
        {"action": "take cd 1"},
        {"action": "use desklamp 1"},
    ]
    assert row.messages[0] == {"role": "system", "content": "You play."}
    assert (row.metadata.teacher, row.metadata.skills) == ("skills", ("S1",))
    assert not row.metadata.rebuilt


def test_what_the_solver_chose_itself_stays_as_it_was_said() -> None:
    run = _run(solver_first=True)
    spoken = ({**run.messages[2], "content": '{"thought": "hm", "action": "go to desk 1"}'},)
    run = run.model_copy(update={"messages": run.messages[:2] + spoken + run.messages[3:]})
    (row,) = rows([run])
    assert json.loads(row.messages[2]["content"])["thought"] == "hm"
    assert json.loads(row.messages[4]["content"]) == {"action": "take cd 1"}
    assert row.metadata.teacher == "model tiny"


def test_without_an_attempt_nothing_is_altered() -> None:
    turns = [{"role": "assistant", "content": "hello"}]
    assert flattened(turns, []) == turns


def test_the_teacher_is_named() -> None:
    assert teacher_of(_run(model="expert"), _run().steps) == "expert"
    assert teacher_of(_run(), ()) == "model tiny"
    assert (called(_run()), called(_run(), attempt=1)) == (("S1",), ())
