"""Without labels, only answers that most samples agree on become rows, and they say so."""

from __future__ import annotations

from typing import Any

import pytest

from distill.votes import answer_of, voted
from envs.types import Score
from memory.types import Recalled, Source, StepRecord, Trajectory

ASKED = {"role": "user", "content": "How many legs have two spiders?"}


def run(number: int, said: str, *, key: str = "legs", **more: Any) -> Trajectory:
    fields: dict[str, Any] = {
        "id": f"r{number}", "env": "chat", "task": key, "task_key": key, "split": "train",
        "goal": str(ASKED["content"]), "model": "tiny",
        "messages": (ASKED, {"role": "assistant", "content": said}),
    }  # fmt: skip
    return Trajectory(**{**fields, **more})


AGREED = [
    run(1, "8 and 8 are 16. The answer is 16."),
    run(2, "Twice 8 legs.\nThe answer is 16"),
    run(3, "8 and 8 are 16. The answer is 16."),
    run(4, "One has 6.\nThe answer is 12."),
]
SPLIT = [run(5, "Answer: 3", key="odd"), run(6, "Answer: 4", key="odd"), run(7, "3", key="odd")]


@pytest.mark.paper("lmsi")
def test_only_agreed_answers_are_rows_with_all_their_rationales_and_no_label(
    mechanism: bool,
) -> None:
    known = run(8, "The answer is 9.", key="known", score=Score(value=1.0, passed=True))
    found = voted([*AGREED, *SPLIT, known], threshold=0.7 if mechanism else 0.0)
    assert [row.metadata.trajectory for row in found.rows] == ["r1", "r2"]
    assert [row.messages[-1]["weight"] for row in found.rows] == [1, 1]
    assert {(row.metadata.teacher, row.metadata.outcome) for row in found.rows} == {("vote", None)}
    told = found.manifest()
    assert told["label_free"] is True
    assert (told["tasks"], told["agreed"], told["labelled"], told["rows"]) == (2, 1, 1, 2)
    assert told["shares"] == {"legs": 0.75, "odd": pytest.approx(2 / 3)}


def test_a_few_samples_and_a_tie_are_no_majority() -> None:
    assert voted(AGREED[:2]).tasks == 0
    tie = [run(n, f"Answer: {n % 2}") for n in range(4)]
    assert voted(tie, threshold=0.5).rows == ()


def test_so_many_rationales_of_a_task_and_no_more() -> None:
    found = voted([run(n, f"Way {n}.\nAnswer: 7") for n in range(9)], most=3)
    assert len(found.rows) == 3


def test_other_splits_broken_runs_and_the_wordless_have_no_vote() -> None:
    others = [
        run(1, "7", split="val"),
        run(2, "7", error="dead"),
        run(3, " "),
        run(4, "7", messages=()),
    ]
    assert voted(others, least=1).tasks == 0


def test_a_quoted_lesson_is_not_taught() -> None:
    text = "Spiders have eight legs each and always did."
    lesson = Recalled(lesson="L1", version=1, text=text, similarity=1, tokens=9, source=Source())
    step = StepRecord(index=0, action="calculator", observation="16", recalled=(lesson,))
    same = [run(n, f"{text} Answer: 16", steps=(step,)) for n in range(3)]
    found = voted(same)
    assert (found.agreed, found.rows) == (1, ())


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("So the answer is **1,600**.", "1600"),
        ("First.\nSecond: Paris!\n", "second: paris"),
        ("Answer: -4", "-4"),
        ("answer is 3\nno, the answer is 5", "5"),
    ],
)
def test_equal_answers_are_equal_texts(said: str, answer: str) -> None:
    assert answer_of(run(1, said)) == answer


def test_in_an_environment_the_way_is_the_answer() -> None:
    steps = tuple(
        StepRecord(index=n, action=action, observation="Done.")
        for n, action in enumerate(("Open drawer", "take spoon"))
    )
    three = [run(n, "", steps=steps, messages=(), first_observation="A desk.") for n in range(3)]
    assert answer_of(three[0]) == "open drawer > take spoon"
    (row,) = voted(three).rows
    assert [turn["content"] for turn in row.messages if "weight" in turn] == [
        '{"action": "Open drawer"}',
        '{"action": "take spoon"}',
    ]
