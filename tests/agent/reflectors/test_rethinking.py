"""Past mistakes: asked about before an action counts, and told apart in training rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.settings import load
from distill import rows as solved
from distill import rows_mistakes as mistakes
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Lesson, LessonKind, Source, Trajectory

TASK: Task = Toy().tasks("train")[0]
WAY = tuple(action.text for action in Toy().open(TASK).demonstrate())
WRONG = next(
    choice
    for choice in Toy().open(TASK).first.admissible or ()
    if choice.startswith("open ") and choice != WAY[0]
)


def stubborn(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens the wrong drawer whenever it can, unless it is asked whether that is a mistake."""
    assert schema is not None
    fields, asked = schema["properties"], str(messages[-1]["content"])
    if "mistake" in fields:
        made = asked.rpartition("done:")[2].strip() == WRONG
        return {"mistake": fields["mistake"]["enum"][1] if made else "none"}
    choices = (fields.get("action") or fields["answer"])["enum"]
    better = next((wish for wish in reversed(WAY) if wish in choices), choices[0])
    if "answer" in fields:
        return {"answer": better}
    return {"action": WRONG if better == WAY[0] and WRONG in choices else better}


async def played(
    folder: Path, *, look: str, kind: LessonKind = "pitfall", task: Task = TASK
) -> tuple[Trajectory, PolicyModel]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    lesson = Lesson(
        id="P1",
        kind=kind,
        text="It was looked for where it never is.",
        situation=TASK.goal,
        source=Source(task_keys=("elsewhere",)),
        status="active",
    )
    memory.add(lesson, reason="it went wrong")
    model = PolicyModel(stubborn)
    settings = load(
        home=str(folder),
        memory={"floor": -1.0, "drafts": "plain", "withhold": False},
        learning={"second_look": look},
        solver={"break_loops": False},
    )
    async with home(settings, memory=memory, models={"model": model}) as place:
        done = await run(await place.crew(), Toy(), Spec(task=task, seed=task.seed, learn=False))
    return done, model


@pytest.mark.paper("learn-from-mistakes")
async def test_a_recalled_pitfall_is_asked_about_before_the_action_counts(
    tmp_path: Path, mechanism: bool
) -> None:
    done, model = await played(tmp_path, look="mistakes" if mechanism else "none")
    checks = [
        str(request.messages[-1]["content"])
        for request in model.requests
        if "mistake" in (request.schema_ or {})["properties"]
    ]
    assert checks
    assert "have I made this mistake?" in checks[0]
    assert "[P1] It was looked for where it never is." in checks[0]
    assert checks[0].endswith(f"About to be said or done:\n{WRONG}")
    assert done.verdicts[-1].accepted
    assert [step.action for step in done.steps] == list(WAY)
    assert [note["made"] for note in done.notes] == ["P1", "none", "none"]


async def test_other_lessons_are_not_taken_for_mistakes(tmp_path: Path) -> None:
    done, model = await played(tmp_path, look="mistakes", kind="strategy")
    assert done.notes == ()
    assert not any("mistake" in str(request.schema_) for request in model.requests)


@pytest.mark.paper("learn-from-mistakes")
async def test_rows_say_which_way_is_right_and_which_is_wrong(
    tmp_path: Path, mechanism: bool
) -> None:
    runs = [
        (await played(tmp_path / look, look=look))[0] for look in ("mistakes", "none", "review")
    ]
    assert [bool(one.verdicts[-1].accepted) for one in runs] == [True, False, True]
    rows = list(mistakes.rows(runs) if mechanism else solved.rows(runs))
    assert [row.metadata.made for row in rows] == ["correct", "incorrect"]
    assert [row.messages[0] for row in rows] == [
        {"role": "system", "content": "[CORRECT WAY]"},
        {"role": "system", "content": "[INCORRECT WAY]"},
    ]
    assert rows[0].messages[-1]["weight"] == 1
    assert WRONG in str(rows[1].messages)


async def test_rows_keep_to_train_tasks_that_are_not_held_out(tmp_path: Path) -> None:
    done, _ = await played(tmp_path, look="none")
    assert list(mistakes.rows([done], held_out_keys={TASK.key})) == []
    assert list(mistakes.rows([done.model_copy(update={"split": "val"})])) == []
    assert list(mistakes.rows([done.model_copy(update={"error": "broke"})])) == []
