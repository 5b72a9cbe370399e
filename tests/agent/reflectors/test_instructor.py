"""The instructor's three words, each where it belongs, and rounds that end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.chat import Chats, Turn, new_thread
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.reflectors.instructor import ROUNDS, Instructed, instruct
from agent.settings import load
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory


class Case(PolicyModel):
    """Answers by a script: `again` after each review, what it holds of it, and what anew."""

    def __init__(
        self, *, again: Sequence[str], holds: Sequence[bool], anew: Sequence[str] = ()
    ) -> None:
        super().__init__(self._said)
        self._again, self._holds, self._anew = map(list, (again, holds, anew))

    def _said(self, messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        if schema is None:
            return "Answer: 41"
        fields = schema["properties"]
        if "tool" in fields:
            return {"tool": "reply"}
        if "thought" in fields:
            return {"thought": "Multiply, then check by adding."}
        if "better" in fields:
            return {"better": "second"}
        if "enum" in fields["answer"]:
            return {"answer": "holds" if self._holds.pop(0) else "does not hold"}
        fresh = "from the beginning" in str(messages[-1]["content"])
        return {"answer": (self._anew if fresh else self._again).pop(0)}


async def played(folder: Path, case: Case, *, look: str) -> Turn:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), memory={"learn": False}, learning={"second_look": look})
    async with home(settings, memory=memory, models={"model": case}) as place:
        return await Chats(place).turn("How much is 6*7?", thread=new_thread())


CASES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "agreement": ({"again": ["It is so. Answer: 41"], "holds": [True]}, ["stop"], "Answer: 41"),
    "drift": (
        {"again": ["Answer: 42", "Answer: 42"], "holds": [True]},
        ["select", "stop"],
        "Answer: 42",
    ),
    "stubborn repetition": (
        {
            "again": ["Answer: 41", "Answer: 42"],
            "holds": [False, True],
            "anew": ["Answer: 42"],
        },
        ["refresh", "stop"],
        "Answer: 42",
    ),
    "never content": (
        {
            "again": ["Answer: 41", "Answer: 42", "Answer: 43"],
            "holds": [False, False, False],
            "anew": ["Answer: 42", "Answer: 43", "Answer: 44"],
        },
        ["refresh"] * ROUNDS,
        "Answer: 44",
    ),
}


@pytest.mark.paper("instruct-of-reflection")
@pytest.mark.parametrize("name", CASES)
async def test_each_case_gets_its_instruction_and_the_rounds_end(
    tmp_path: Path, name: str, mechanism: bool
) -> None:
    script, expected, answer = CASES[name]
    turn = await played(tmp_path, Case(**script), look="instructed" if mechanism else "review")
    notes = turn.trajectory.notes
    assert [one.get("meta_thought", "") != "" for one in notes] == [True]
    rounds = [one["instruction"] for one in notes[0]["rounds"]]
    assert rounds == expected
    assert len(rounds) <= ROUNDS
    assert turn.answer == answer
    assert turn.trajectory.usage.calls <= Instructed.calls + 2


@pytest.mark.parametrize(
    ("after", "sound", "said"),
    [("42", True, "stop"), ("42", False, "refresh"), ("43", True, "select"), ("", False, "select")],
)
def test_there_are_three_instructions(after: str, sound: bool, said: str) -> None:
    assert instruct("Answer: 42", after, sound=sound) == said
