"""Rows of what a model can already say."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.models.scripted import ScriptedModel
from agent.rehearsing import rehearsed, rehearsed_once, whole
from agent.transcript import prompt
from distill.rows_near import near_duplicates


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("The capital of Portugal is Lisbon.", True),
        ("Lisbon.", False),
        ("Boil an egg: Boil an egg: Boil an egg: Boil an egg.", False),
        ("The capital of Portugal is", False),
    ],
)
def test_answers_that_break_off_or_repeat_themselves_are_not_kept(answer: str, kept: bool) -> None:
    assert whole(answer) is kept


async def test_each_question_is_asked_once_and_the_row_says_whose_words_it_has() -> None:
    questions = prompt("rehearsal").splitlines()
    model = ScriptedModel(["I can say this in five words."] * len(questions), name="small")

    rows = await rehearsed(model)

    assert len(rows) == len(questions) == len(set(questions))
    assert rows[0].messages[1]["weight"] == 1
    assert rows[0].metadata.teacher == "model small"
    assert {row.metadata.env for row in rows} == {"chat"}


async def test_a_home_asks_once_and_opens_no_model_again(tmp_path: Path) -> None:
    questions = prompt("rehearsal").splitlines()
    opened = []

    async def opens() -> ScriptedModel:
        said = ["I can say this\u2028in five words."] * len(questions)
        opened.append(ScriptedModel(said, name="small"))
        return opened[0]

    first = await rehearsed_once(tmp_path, "small", opens)
    again = await rehearsed_once(tmp_path, "small", opens)

    assert first == again
    assert len(first) == len(questions)
    assert len(opened) == 1


def test_nothing_is_rehearsed_that_the_gate_asks() -> None:
    asked = [
        line.partition("|")[2].partition("=>")[0].strip()
        for name in ("chat", "safety")
        for line in prompt(f"ability_{name}").splitlines()
    ]

    found = near_duplicates([*asked, *prompt("rehearsal").splitlines()], least=0.8)

    assert [place for place in found if place >= len(asked)] == []
