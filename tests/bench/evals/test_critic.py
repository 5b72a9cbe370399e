"""Criticism of own and others' answers, apart; the self-check as a filter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.chat import Chats, new_thread
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.settings import load
from bench.evals.critic import Answer, Tally, criticise, labelled, program
from bench.evals.items import items, right
from envs.errors import UserError
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

N = 18
ITEMS = {item.question: item for item in items(N, seed=5)}


def vain(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Answers questions of the first level rightly, finds its own answers right, judges others'."""
    content = str(messages[-1]["content"])
    item = next(item for question, item in ITEMS.items() if question in content)
    assert schema is not None
    if "work" in schema["properties"]:
        found = item.expected if item.level == 1 else "no idea"
        return {"work": "By myself.", "answer": found}
    answer = content.partition("Somebody's answer:\n")[2]
    good = "By myself." in answer or right(item, answer)
    return {"critique": "Hm.", "answer": "right" if good else "wrong"}


def test_the_programs_answers_are_half_right() -> None:
    answers = program(ITEMS.values())
    assert len(answers) == 2 * N
    assert sum(answer.right for answer in answers) == N


async def test_own_and_others_answers_are_counted_apart() -> None:
    report = await criticise(PolicyModel(vain), n=N, seed=5)
    first = sum(item.level == 1 for item in ITEMS.values())
    assert report.own == Tally(right_right=first, wrong_right=N - first)
    assert report.others == Tally(right_right=N, wrong_wrong=N)
    assert report.own.accuracy == first / N
    assert report.others.accuracy == 1.0
    assert report.difference[1] < 0
    assert report.own_by_kind["code"] == Tally(right_right=2, wrong_right=4)
    assert report.usage.calls == N + N + 2 * N


async def test_the_label_comes_from_the_program_whatever_the_model_says() -> None:
    report = await criticise(PolicyModel(vain), n=N, seed=5)
    first = {item.id for item in ITEMS.values() if item.level == 1}
    assert {answer.item for answer in report.answers if answer.right} == first


async def test_answers_of_another_model_can_be_put_in_the_programs_place() -> None:
    theirs = (await criticise(PolicyModel(vain, name="other"), n=N, seed=5)).answers
    lied = [answer.model_copy(update={"right": True}) for answer in theirs]
    report = await criticise(PolicyModel(vain), n=N, seed=5, others=lied)
    assert report.others.total == N
    assert labelled(ITEMS.values(), lied) == list(theirs)


def test_answers_to_other_items_are_a_mistake() -> None:
    strange = [Answer(item="9/text/1/1", by="other", text="Answer: 1", right=True)]
    with pytest.raises(UserError, match="answers are to other items; take the same -n and --seed"):
        labelled(ITEMS.values(), strange)


async def test_the_self_check_leaves_out_own_answers_that_the_model_finds_wrong() -> None:
    def strict(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        said = vain(messages, schema)
        return {**said, "answer": "wrong"} if "no idea" in str(messages[-1]["content"]) else said

    on = (await criticise(PolicyModel(strict), n=N, seed=5)).selfcheck
    off = (await criticise(PolicyModel(strict), n=N, seed=5, selfcheck=False)).selfcheck
    assert on is not None
    assert (on.answers, on.right, on.kept, on.kept_right) == (N, 6, 6, 6)
    assert off is None


def test_a_model_that_calls_everything_wrong_is_no_critic() -> None:
    blunt = Tally(right_wrong=1, wrong_wrong=9)
    assert (blunt.accuracy, blunt.balanced) == (0.9, 0.5)
    assert Tally(right_right=3, right_wrong=1, wrong_right=1, wrong_wrong=1).balanced == 0.625
    assert Tally(wrong_wrong=9).balanced is None


def test_nothing_judged_has_no_accuracy() -> None:
    assert (Tally().accuracy, Tally().interval) == (None, (0.0, 1.0))


@pytest.mark.paper("criticbench")
async def test_both_figures_are_reported_and_the_self_check_filters_when_it_is_on(
    tmp_path: Path, mechanism: bool
) -> None:
    report = await criticise(PolicyModel(vain), n=N, seed=5, selfcheck=mechanism)
    assert (report.own.accuracy, report.others.accuracy) == (6 / 18, 1.0)

    def wrong(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        if schema is None:
            return "It is 41."
        if "tool" in schema["properties"]:
            return {"tool": "reply"}
        return {"critique": "6*7 is 42.", "answer": "wrong"}

    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(tmp_path), selfcheck=mechanism, memory={"learn": False})
    async with home(settings, memory=memory, models={"model": PolicyModel(wrong)}) as place:
        turn = await Chats(place).turn("How much is 6*7?", thread=new_thread())
    assert turn.accepted is False
    assert "6*7 is 42." in turn.answer
    assert report.selfcheck is not None
