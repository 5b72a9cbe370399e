"""Conversations over the real graph, tools and ledger, with a scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.chat import Chats, said_in
from agent.chatting import once, results_of
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.settings import load
from envs.errors import ModelError, UserError
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import StepRecord


def uses(tool: str, arguments: dict[str, Any], answer: str) -> Any:
    """A model that calls one tool once and then answers."""

    def policy(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        told = str(messages[-1]["content"])
        if schema is None:
            return answer
        if "tool" in schema["properties"]:
            return {"tool": "reply" if "Result of" in told else tool}
        return arguments

    return policy


@asynccontextmanager
async def chats(folder: Path, policy: Any, **settings: Any) -> AsyncIterator[tuple[Chats, Memory]]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    options = load(home=str(folder), **settings)
    async with home(options, memory=memory, models={"model": PolicyModel(policy)}) as place:
        yield Chats(place), memory


async def test_a_turn_uses_a_tool_and_is_kept_as_a_run(tmp_path: Path) -> None:
    policy = uses("calculator", {"expression": "37 * 91"}, "That makes 3367.")
    async with chats(tmp_path, policy) as (talk, memory):
        turn = await talk.turn("What is 37 * 91?", thread="t1")
        stored = memory.ledger.trajectory(turn.run)
    assert (turn.tools, turn.answer, turn.accepted) == (("calculator",), "That makes 3367.", True)
    assert "3367" in stored.steps[0].observation
    assert (stored.thread, stored.env) == ("t1", "chat")


async def test_a_wrong_answer_is_delivered_with_the_tools_correction(tmp_path: Path) -> None:
    policy = uses("calculator", {"expression": "37 * 91"}, "That makes 3377.")
    async with chats(tmp_path, policy) as (talk, _):
        turn = await talk.turn("What is 37 * 91?", thread="t1")
    assert turn.draft == "That makes 3377."
    assert turn.answer.startswith("That makes 3377.")
    assert "Correction" in turn.answer
    assert "3367" in turn.answer


async def test_a_conversation_is_continued_from_the_ledger(tmp_path: Path) -> None:
    def policy(messages: Any, schema: Any) -> Any:
        return {"tool": "reply"} if schema else f"heard {len(messages)} messages"

    async with chats(tmp_path, policy) as (talk, _):
        await talk.turn("One", thread="t1")
        await talk.turn("Elsewhere", thread="t2")
    async with chats(tmp_path, policy) as (talk, _):
        turn = await talk.turn("Two", thread="t1")
        history = talk.history("t1")
    assert turn.answer == "heard 4 messages"
    assert [m["content"] for m in history] == ["One", "heard 2 messages", "Two", turn.answer]


async def test_what_a_user_says_is_remembered_with_its_quote_and_recalled(tmp_path: Path) -> None:
    policy = uses("remember", {"fact": "The user's sister is called Ada."}, "Noted.")
    async with chats(tmp_path, policy, memory={"floor": 0.2}) as (talk, memory):
        first = await talk.turn("Remember that my sister is called Ada.", thread="t1")
        (lesson,) = memory.ledger.lessons()
        later = await talk.turn("What is my sister called?", thread="t2")
        shown = {r.lesson for step in later.trajectory.steps for r in step.recalled}
    assert (lesson.kind, lesson.trust, lesson.source.trajectory) == ("fact", "user", first.run)
    assert lesson.source.quote == "Remember that my sister is called Ada."
    assert lesson.id in shown


async def test_what_nobody_said_is_not_remembered(tmp_path: Path) -> None:
    policy = uses("remember", {"fact": "The user's friend is on Friday."}, "Hello.")
    async with chats(tmp_path, policy) as (talk, memory):
        turn = await talk.turn("Hello, who are you?", thread="t1")
        assert memory.ledger.lessons() == []
    assert "error:" in turn.trajectory.steps[0].observation
    assert said_in("The user lives in Lisbon.", "I live in Lisbon and keep bees")
    assert not said_in("The user", "anything")


async def test_a_turn_whose_model_fails_is_recorded_as_failed(tmp_path: Path) -> None:
    def policy(messages: Any, schema: Any) -> Any:
        raise ModelError("the server went away", repair="start it again")

    async with chats(tmp_path, policy) as (talk, memory):
        with pytest.raises(ModelError, match="went away; start it again"):
            await talk.turn("Hi", thread="t1")
        assert [run.status for run in memory.ledger.runs()] == ["failed"]
        with pytest.raises(UserError, match="message is empty"):
            await talk.turn(" \n", thread="t1")


async def test_a_megabyte_and_broken_text_are_answered(tmp_path: Path) -> None:
    def policy(messages: Any, schema: Any) -> Any:
        return {"tool": "reply"} if schema else "All right."

    async with chats(tmp_path, policy) as (talk, _):
        for text in ("x" * 1_000_000, "broken \udcff text"):
            assert (await talk.turn(text, thread="t1")).answer == "All right."


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ([("sum", "[r1] 7"), ("sum", "[r2] 7")], ["The result is 7."]),
        ([("sum", "[r1] error: no"), ("sum", "[r2] 7")], ["The result is 7."]),
        ([("sum", "[r1] error: no"), ("sum", "[r2] error: not")], ["The sum says: error: not"]),
        (
            [("keep", "error: full"), ("sum", "[r1] [r2] 7")],
            ["The keep says: error: full", "The result is [r2] 7."],
        ),
        ([("find", "[r1] Ada.")], ["The result is Ada."]),
        ([("open", "[r1] a\nb")], ["The open says: a\nb"]),
        ([], []),
    ],
)
def test_each_result_is_told_once_and_failures_where_nothing_else_is_there(
    heard: list[tuple[str, str]], told: list[str]
) -> None:
    steps = [
        StepRecord(index=at, action=f'{{"tool":"{tool}","arguments":{{}}}}', observation=said)
        for at, (tool, said) in enumerate(heard)
    ]
    assert results_of(steps) == told


@pytest.mark.parametrize(
    ("sum_", "answer"),
    [("3 + 4", "Well."), ("6 *", "I could not check this (The calculator says: error: ")],
)
async def test_where_tools_only_failed_an_answer_is_said_to_be_unchecked(
    tmp_path: Path, sum_: str, answer: str
) -> None:
    policy = uses("calculator", {"expression": sum_}, "Well.")
    async with chats(tmp_path, policy) as (talks, _memory):
        told = (await talks.turn("What is it?", thread="t1")).answer
    assert told.startswith(answer)
    assert "Well." in told


async def test_an_answer_ends_where_it_goes_round_in_circles(tmp_path: Path) -> None:
    circles = "I can help. " + "I am just a tool. " * 60

    def policy(messages: Any, schema: Any) -> Any:
        return {"tool": "reply"} if schema else circles

    async with chats(tmp_path, policy) as (talks, _memory):
        turn = await talks.turn("What are you?", thread="t1")
    assert turn.answer == "I can help. I am just a tool."


@pytest.mark.parametrize(
    "text", ["-" * 80, "0, " * 90, "no no no ", "one two three " * 5, "A line.\n" * 3, ""]
)
def test_rules_rows_of_numbers_and_short_repetitions_are_no_circles(text: str) -> None:
    assert once(text) is None
