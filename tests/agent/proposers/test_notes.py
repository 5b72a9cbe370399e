"""One note for each type of task, revised; later runs read the new revision."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.models.scripted import PolicyModel, ScriptedModel
from agent.proposers.consolidate import apply, plan
from agent.settings import Settings
from envs.errors import ModelError

NOTES = (
    "Bring me the stamp: drawers hold one thing each.",
    "Bring me the stamp or any thing: drawers hold one thing each, so open blue drawer for it.",
)


def writer() -> PolicyModel:
    """Drafts a lesson in nearly the same words after each failure; revises the note in order."""
    asked: list[str] = []

    def says(messages: Any, schema: Any) -> Any:
        if "note" in schema["properties"]:
            asked.append("note")
            return {"run": 0, "step": 0, "note": NOTES[min(len(asked), len(NOTES)) - 1]}
        asked.append("lesson")
        words = {"step": 0, "kind": "strategy", "situation": "asked to bring a thing"}
        return {**words, "text": f"Drawers hold one thing each, seen on try {len(asked)}."}

    return PolicyModel(says)


@pytest.mark.paper("in-memory-learning")
async def test_two_rounds_leave_one_note_with_its_history_and_runs_read_the_latest(
    opens: Any, plays: Any, tasks: Any, mechanism: bool
) -> None:
    async with opens(writer=writer(), memory={"drafts": "written"}) as home_:

        async def model() -> Any:
            return await home_.model("reflector")

        for number in range(2):
            await plays(home_, tasks(thing="key")[number : number + 1], learn=not mechanism)
            if mechanism:
                planned = await plan("notes", home_.memory, home_.settings, model=model)
                await apply(planned, home_.memory)
        lessons = home_.ledger.lessons()
        (later,) = await plays(home_, tasks("val", thing="stamp", most=1))
        history = home_.ledger.history(lessons[0].id)
        assert home_.ledger.changes(kind="adapter") == []
    assert len(lessons) == 1  # not two near-duplicates
    (note,) = lessons
    assert (note.text, note.version) == (NOTES[1], 2)
    assert [change.op for change in history] == ["add", "edit"]
    assert history[1].before is not None
    assert history[1].before["text"] == NOTES[0]
    assert history[1].parents == (history[0].id,)
    recalled = later.steps[0].recalled[0]
    assert (recalled.lesson, recalled.version, recalled.text) == (note.id, 2, NOTES[1])
    assert len(note.sources) == 2


async def test_asked_again_for_the_same_runs_it_proposes_nothing(
    opens: Any, plays: Any, tasks: Any
) -> None:
    model = writer()

    async def asked() -> Any:
        return model

    async with opens() as home_:
        await plays(home_, tasks(thing="key", most=2), learn=False)
        first = await plan("notes", home_.memory, home_.settings, model=asked)
        await apply(first, home_.memory)
        second = await plan("notes", home_.memory, home_.settings, model=asked)
        calls = len(model.requests)
    assert (len(first.changes), len(second.changes)) == (1, 0)
    assert (first.usage.calls, second.usage.calls, calls) == (1, 0, 1)


async def test_the_model_sees_no_score_and_a_revision_can_be_undone(
    opens: Any, plays: Any, tasks: Any
) -> None:
    model = writer()

    async def asked() -> Any:
        return model

    async with opens() as home_:
        for thing in ("key", "stamp"):
            await plays(home_, tasks(thing=thing, most=1), learn=False)
            done = await apply(
                await plan("notes", home_.memory, home_.settings, model=asked), home_.memory
            )
        home_.memory.take_back(done[0].batch, reason="the first was better")
        (note,) = home_.ledger.lessons()
    assert note.text == NOTES[0]
    told = json.dumps([request.messages for request in model.requests])
    assert "score" not in told
    assert "reward" not in told


async def test_without_calls_left_nothing_is_proposed_and_a_model_that_fails_writes_nothing(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async def silent() -> Any:
        return ScriptedModel([])

    async with opens() as home_:
        await plays(home_, tasks(thing="key", most=1), learn=False)
        settings: Settings = home_.settings
        none = await plan("notes", home_.memory, settings, model=silent, calls=0)
        assert none.changes == ()
        with pytest.raises(ModelError, match="used up"):
            await plan("notes", home_.memory, settings, model=silent)
        assert home_.ledger.lessons() == []
