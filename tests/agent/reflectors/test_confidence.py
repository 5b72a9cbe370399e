"""If-or-Else: what the model is confident of stays as it is, in a chat and over many answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.chat import Chats, Turn, new_thread
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.reflectors.registry import second_look
from agent.settings import load
from bench.evals.items import items
from bench.evals.secondlook import measure
from envs.errors import ModelError, UnknownName
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

SURE, UNSURE = "How much is 6*7?", "How much is 7*8?"


def doubts(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Says 42 to all; sure of it only where it is right; a review makes everything 56."""
    if schema is None:
        return "It's  42 ."
    if "tool" in schema["properties"]:
        return {"tool": "reply"}
    if "confidence" in schema["properties"]:
        return {"confidence": "confident" if SURE in str(messages) else "unsure"}
    return {"answer": "It is 56."}


async def talked(
    folder: Path, *questions: str, policy: Any = doubts, **learning: Any
) -> tuple[list[Turn], PolicyModel]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    model = PolicyModel(policy)
    settings = load(home=str(folder), memory={"learn": False}, learning=learning)
    async with home(settings, memory=memory, models={"model": model}) as place:
        chats = Chats(place)
        return [await chats.turn(one, thread=new_thread()) for one in questions], model


@pytest.mark.paper("if-or-else")
async def test_a_confident_answer_comes_back_byte_for_byte_and_another_is_revised(
    tmp_path: Path, mechanism: bool
) -> None:
    look = "if-or-else" if mechanism else "review"
    (sure, unsure), _ = await talked(tmp_path, SURE, UNSURE, second_look=look)
    assert sure.answer == "It's  42 ."
    assert unsure.answer == "It is 56."
    assert [one.trajectory.notes[0]["confidence"] for one in (sure, unsure)] == [
        "confident",
        "unsure",
    ]


@pytest.mark.paper("if-or-else")
async def test_the_report_shows_fewer_right_answers_broken_than_by_a_plain_review(
    mechanism: bool,
) -> None:
    asked = {item.question: item for item in items(24)}

    def answers(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        """Two of three right at first, mostly sure of those; every second review breaks it."""
        assert schema is not None
        text = str(messages[-1]["content"])
        item = next(item for question, item in asked.items() if text.startswith(question))
        number = int(item.id.rpartition("/")[2])
        if "work" in schema["properties"]:
            lines, _, end = (item.right if number % 3 else item.wrong).rpartition("\nAnswer: ")
            return {"work": lines.replace("\n", " ")[:200], "answer": end}
        if "confidence" in schema["properties"]:
            return {"confidence": "confident" if number % 3 and number % 8 else "unsure"}
        return {"answer": item.wrong if number % 2 else item.right}

    ways = ("review", "if-or-else" if mechanism else "review")
    report = await measure(PolicyModel(answers), n=24, looks=ways)
    plain, chosen = report.looks
    assert plain.flips.right_to_wrong == 8
    assert chosen.flips.right_to_wrong < plain.flips.right_to_wrong
    assert chosen.flips.wrong_to_right == plain.flips.wrong_to_right == 4
    assert chosen.untouched > plain.untouched


async def test_both_looks_cost_what_they_say(tmp_path: Path) -> None:
    (one,), plain = await talked(tmp_path / "a", UNSURE)
    (two,), looked = await talked(tmp_path / "b", UNSURE, second_look="if-or-else")
    assert len(looked.requests) - len(plain.requests) == 2
    assert two.trajectory.usage.calls - one.trajectory.usage.calls == 2


async def test_a_model_that_fails_on_the_way_loses_no_answer(tmp_path: Path) -> None:
    def breaks(messages: Any, schema: Any) -> Any:
        if schema and "answer" in schema["properties"]:
            raise ModelError("gone", repair="start it")
        return doubts(messages, schema)

    (turn,), _ = await talked(tmp_path, UNSURE, policy=breaks, second_look="if-or-else")
    assert turn.answer == "It's  42 ."
    assert turn.trajectory.notes[0]["error"] == "gone; start it"
    assert turn.trajectory.usage.calls >= 3


async def test_what_a_tool_worked_out_is_not_thought_over(tmp_path: Path) -> None:
    def counts(messages: Any, schema: Any) -> Any:
        if schema and "tool" in schema["properties"]:
            done = "Result of calculator" in str(messages)
            return {"tool": "reply" if done else "calculator"}
        if schema and "expression" in schema["properties"]:
            return {"expression": "6*7"}
        return doubts(messages, schema)

    (turn,), _ = await talked(tmp_path, UNSURE, policy=counts, second_look="review")
    assert turn.tools == ("calculator",)
    assert turn.answer == "It's  42 ."
    assert turn.trajectory.notes == ()


async def test_a_draft_that_is_replaced_is_never_streamed(tmp_path: Path) -> None:
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(
        home=str(tmp_path), learning={"second_look": "review"}, server={"verify": "after"}
    )
    told: list[str] = []
    models = {"model": PolicyModel(doubts)}
    async with home(settings, memory=memory, models=models) as place:
        await Chats(place).turn(
            UNSURE,
            thread=new_thread(),
            emit=lambda event: told.append(event.text) if event.kind == "draft" else None,
        )
    assert told == ["It is 56."]


def test_a_look_that_there_is_not_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with pytest.raises(UnknownName, match="if-or-else"):
        second_look("if-or-els", ledger=ledger)
    ledger.close()
