"""What verifiers and reflectors that use a model may and may not do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent.models.scripted import ScriptedModel
from agent.models.types import Message, Reply
from agent.player import Seen
from agent.reflector import Plain, Written, lesson_from, quoted
from agent.state import Attempt
from agent.verifier import FirstThatKnows, Judge, ToolResults
from envs.types import Task
from memory.types import StepRecord, Verdict

TASK = Task(
    id="t",
    env="household:tiny",
    goal="put a mug on desk.",
    key="mug | 1",
    split="train",
    tags=("p",),
)
STEPS = (
    StepRecord(index=0, action="go to shelf 1", observation="On the shelf 1, you see a mug 1."),
    StepRecord(index=1, action="look", observation="A shelf."),
    StepRecord(index=2, action="take mug 1 from shelf 1", observation="You pick up the mug 1."),
    StepRecord(index=3, action="go to desk 1", observation="On the desk 1, you see nothing."),
    StepRecord(index=4, action="move mug 1 to desk 1", observation="You move the mug 1."),
)
ATTEMPT = Attempt(
    task=TASK, number=0, first="A room.", steps=STEPS, last=Seen(observation="", terminated=True)
)


class Stubborn(ScriptedModel):
    """A model whose server pays no heed to the schema."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__([])
        self._data = data

    async def reply(self, messages: Sequence[Message], **_: Any) -> Reply:
        return Reply(text=json.dumps(self._data), data=self._data)


FAILED = Verdict(accepted=False, confidence=1.0, critique="not reached within the limit")


async def test_a_judge_that_cites_nothing_has_not_judged() -> None:
    said = {"critique": "Looks fine to me.", "evidence": [], "accepted": True}
    verdict, _ = await Judge(ScriptedModel([said])).verify(ATTEMPT)
    assert (verdict.accepted, verdict.confidence, verdict.source) == (None, 0.0, "judge")


async def test_a_judge_that_cites_a_step_that_is_not_there_has_not_judged() -> None:
    said = {"critique": "Step 9 shows it.", "evidence": ["step 9"], "accepted": True}
    verdict, _ = await Judge(Stubborn(said)).verify(ATTEMPT)
    assert verdict.accepted is None


async def test_a_judge_that_cites_a_step_is_heard_after_tools_that_cannot_tell() -> None:
    said = {"critique": "Put down.", "evidence": ["step 4"], "accepted": True}
    chain = FirstThatKnows([ToolResults(), Judge(ScriptedModel([said]))])
    verdict, usage = await chain.verify(ATTEMPT)
    assert (verdict.accepted, verdict.evidence) == (True, ("step 4",))
    assert usage.calls == 1


async def test_a_success_becomes_a_workflow_without_a_model() -> None:
    lessons, usage = await Plain().draft(ATTEMPT, Verdict(accepted=True))
    assert usage.calls == 0
    assert len(lessons) == 1
    lesson = lessons[0]
    assert "go to shelf 1 > take mug 1 from shelf 1 > go to desk 1 > move mug" in lesson.text
    assert "look" not in lesson.text
    assert (lesson.source.first_step, lesson.source.last_step) == (0, 4)
    assert lesson.source.task_keys == ("mug | 1",)
    assert lesson.scope.env == "household"
    assert quoted(lesson, ATTEMPT)


async def test_a_failure_becomes_a_lesson_that_quotes_the_step_it_comes_from() -> None:
    said = {
        "step": 1,
        "kind": "pitfall",
        "situation": "standing at a shelf with the thing in sight",
        "text": "Take the thing at once; looking again shows nothing new.",
    }
    lessons, _ = await Written(ScriptedModel([said])).draft(ATTEMPT, FAILED)
    assert [(one.kind, one.source.quote) for one in lessons] == [("pitfall", "look\nA shelf.")]
    assert quoted(lessons[0], ATTEMPT)


async def test_a_lesson_about_a_step_that_is_not_there_is_dropped() -> None:
    said = {"step": 77, "kind": "pitfall", "situation": "anywhere", "text": "Do not do that again."}
    lessons, _ = await Written(Stubborn(said)).draft(ATTEMPT, FAILED)
    assert lessons == []


def test_a_quote_must_stand_in_the_steps_it_names() -> None:
    false = lesson_from(
        ATTEMPT, kind="fact", text="x" * 20, situation="s", span=(0, 1), quote="You win."
    )
    assert not quoted(false, ATTEMPT)


async def test_an_unverified_attempt_teaches_nothing() -> None:
    lessons, _ = await Written(ScriptedModel([])).draft(ATTEMPT, Verdict(accepted=None))
    assert lessons == []
