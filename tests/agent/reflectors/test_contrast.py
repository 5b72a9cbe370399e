"""Self-Contrast: perspectives, what they differ in, a checklist; no more where they agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.chat import Chats, Turn, new_thread
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.reflectors.contrast import SelfContrast
from agent.reflectors.types import Asker, Draft
from agent.settings import load
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

VIEWS = ("add up seven sixes", "halve twelve sevens")


def thinks(*, agree: bool) -> PolicyModel:
    def said(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        if schema is None:
            return "Answer: 42" if agree else "Answer: 41"
        fields, asked = schema["properties"], str(messages[-1]["content"])
        if "tool" in fields:
            return {"tool": "reply"}
        if "perspectives" in fields:
            return {"perspectives": list(VIEWS)}
        if "checklist" in fields:
            return {"discrepancies": ["41 or 42"], "checklist": ["Count the sixes."]}
        if "why" in fields:
            return {"answer": "Answer: 42", "why": "There are seven sixes."}
        return {"answer": "Answer: 42" if VIEWS[0] in asked or agree else "Answer: 41"}

    return PolicyModel(said)


async def played(folder: Path, model: PolicyModel, *, look: str) -> Turn:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), memory={"learn": False}, learning={"second_look": look})
    async with home(settings, memory=memory, models={"model": model}) as place:
        return await Chats(place).turn("How much is 6*7?", thread=new_thread())


@pytest.mark.paper("self-contrast")
async def test_what_perspectives_disagree_on_becomes_a_checklist_and_the_answer_is_revised(
    tmp_path: Path, mechanism: bool
) -> None:
    look = "self-contrast" if mechanism else "none"
    turn = await played(tmp_path, thinks(agree=False), look=look)
    notes = turn.trajectory.notes
    assert [one["by"] for one in notes] == ["self-contrast"]
    assert [one["perspective"] for one in notes[0]["perspectives"]][1:] == list(VIEWS)
    assert notes[0]["discrepancies"] == ["41 or 42"]
    assert notes[0]["checklist"] == ["Count the sixes."]
    assert turn.answer == "Answer: 42"


@pytest.mark.paper("self-contrast")
async def test_where_perspectives_agree_nothing_is_revised(tmp_path: Path, mechanism: bool) -> None:
    model = thinks(agree=True)
    turn = await played(tmp_path, model, look="self-contrast" if mechanism else "none")
    notes = turn.trajectory.notes
    assert [len(one["perspectives"]) for one in notes] == [3]
    assert notes[0]["checklist"] == []
    assert turn.answer == "Answer: 42"
    schemas = str([request.schema_ for request in model.requests])
    assert "checklist" not in schemas
    assert "why" not in schemas


async def test_it_works_on_actions_too_and_can_name_no_other() -> None:
    def said(_messages: Any, schema: Any) -> Any:
        fields = schema["properties"]
        if "perspectives" in fields:
            return {"perspectives": ["near", "far"]}
        if "checklist" in fields:
            return {"discrepancies": ["left or right"], "checklist": ["Where is it?"]}
        rest = {"why": "It is there."} if "why" in fields else {}
        return {"answer": fields["answer"]["enum"][-1], **rest}

    asked = ({"role": "user", "content": "Where to?"},)
    draft = Draft(asked=asked, text="left", choices=("left", "right"))
    ask = Asker(PolicyModel(said), most=SelfContrast.calls)
    looked = await SelfContrast().look(draft, ask)
    assert looked.text == "right"
    assert ask.usage.calls == SelfContrast.calls - 1
