"""What a model may do with its opinion of an answer: doubt it, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.chat import Chats, new_thread
from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.player import Seen
from agent.selfcheck import SelfCheck, third_party
from agent.settings import load
from agent.state import Attempt
from agent.verifier import FirstThatKnows, ToolResults
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import StepRecord

TASK = Task(id="t", env="chat", goal="How much is 6*7?", key="k", split="train")


def attempt(answer: str, *steps: StepRecord) -> Attempt:
    return Attempt(
        task=TASK, number=0, first="", steps=steps, last=Seen(observation=""), answer=answer
    )


def critic(judged: str) -> PolicyModel:
    return PolicyModel(lambda _messages, _schema: {"critique": "I get 42.", "answer": judged})


async def test_a_doubt_rejects_without_evidence_and_a_liking_accepts_nothing() -> None:
    doubt, usage = await SelfCheck(critic("wrong")).verify(attempt("It is 41."))
    liking, _ = await SelfCheck(critic("right")).verify(attempt("It is 42."))
    assert (doubt.accepted, doubt.evidence, doubt.source) == (False, (), "judge")
    assert "I get 42." in doubt.critique
    assert liking.accepted is None
    assert usage.calls == 1


async def test_the_answer_is_shown_as_somebody_elses_and_judged_greedily() -> None:
    model = critic("right")
    await SelfCheck(model).verify(attempt("It is 42."))
    request = model.requests[0]
    assert [message["role"] for message in request.messages] == ["system", "user"]
    assert "Somebody's answer:\nIt is 42." in request.messages[1]["content"]
    assert request.sampling.temperature == 0.0


def test_the_wording_presupposes_neither_an_error_nor_its_absence() -> None:
    said = third_party("q", "a")[0]["content"]
    assert "may be right or wrong" in said


async def test_what_a_tool_worked_out_is_not_put_to_the_model() -> None:
    model = critic("wrong")
    call = '{"tool":"calculator","arguments":{"expression":"6*7"}}'
    result = StepRecord(index=0, action=call, observation="[r1] 42")
    chain = FirstThatKnows([ToolResults(), SelfCheck(model)])
    verdict, _ = await chain.verify(attempt("It is 42.", result))
    assert (verdict.accepted, verdict.source) == (True, "tool")
    assert model.requests == []


async def test_without_an_answer_nothing_is_asked() -> None:
    model = critic("wrong")
    verdict, usage = await SelfCheck(model).verify(attempt(""))
    assert (verdict.accepted, usage.calls, model.requests) == (None, 0, [])


def talks(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Says 41, and finds it wrong when asked."""
    if schema is None:
        return "It is 41."
    if "tool" in schema["properties"]:
        return {"tool": "reply"}
    return {"critique": "I get 42.", "answer": "wrong"}


@asynccontextmanager
async def talking(folder: Path, **settings: Any) -> AsyncIterator[tuple[Home, PolicyModel]]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    model = PolicyModel(talks)
    options = load(home=str(folder), memory={"learn": False}, **settings)
    async with home(options, memory=memory, models={"model": model}) as opened:
        yield opened, model


async def test_in_chat_a_doubt_is_told_and_replaces_nothing_even_with_retries(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, selfcheck=True, solver={"retries": 2}) as (place, _):
        turn = await Chats(place).turn("How much is 6*7?", thread=new_thread())
    assert turn.accepted is False
    assert turn.answer.startswith("It is 41.\n\n")
    assert "I get 42." in turn.answer
    assert turn.trajectory.attempts == 1


async def test_in_chat_nobody_is_asked_unless_it_is_switched_on(tmp_path: Path) -> None:
    async with talking(tmp_path) as (place, model):
        turn = await Chats(place).turn("How much is 6*7?", thread=new_thread())
    assert (turn.accepted, turn.answer) == (None, "It is 41.")
    assert not any("critique" in str(request.schema_) for request in model.requests)


def test_configurations_without_it_keep_their_hash(tmp_path: Path) -> None:
    plain, off, on = (
        load(home=str(tmp_path), **flags)
        for flags in ({}, {"selfcheck": False}, {"selfcheck": True})
    )
    assert plain.hash() == off.hash() != on.hash()
