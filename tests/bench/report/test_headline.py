"""The answer in words, against figures worked out by hand."""

from __future__ import annotations

from typing import Any

from bench.lab.types import Experiment, Row
from bench.report.comparisons import Compared, section
from bench.report.headline import sentences
from bench.report.rates import section as rates
from bench.report.results import Results
from bench.report.view import Chart, Table


def results(invented: Any, won: dict[str, int], **changed: Any) -> Results:
    """Fifteen tasks an arm in as many rooms, the first `won` of them solved."""
    exp: Experiment = invented.experiment.model_copy(update=changed)
    rows: list[Row] = []
    for arm, solved in won.items():
        first = [r for r in invented.rows if r.arm == arm and r.env == "alfworld" and not r.seed]
        once = {row.task: row for row in first}.values()
        rows += [
            row.model_copy(
                update={
                    "passed": at < solved, "first_passed": at < solved, "attempts": 1,
                    "room": f"room{at}", "learned": 0,
                }
            )
            for at, row in enumerate(list(once)[:15])
        ]  # fmt: skip
    return Results(exp, tuple(rows))


def plain(lines: list[str]) -> list[str]:
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def test_three_of_fifteen_against_none_cannot_be_told_apart(invented: Any) -> None:
    found = results(invented, {"ReAct + example": 3, "bare (1.5B)": 0})
    (line,) = plain(sentences(found))
    assert line.startswith("alfworld/val: ReAct + example (1.5B) solved 3 of 15 (20 %, ")
    assert "; bare (1.5B) solved 0 of 15 (0 %, 0 to 20 %); can't tell whether they differ" in line
    assert "to see one of 20 points takes about" in line


def test_fourteen_of_fifteen_against_one_is_better(invented: Any) -> None:
    (line,) = plain(sentences(results(invented, {"ReAct + example": 14, "bare (1.5B)": 1})))
    assert "; better on 15 pairs (+87 points, " in line


def test_without_planned_comparisons_all_stand_against_the_baseline(invented: Any) -> None:
    found = results(invented, {"expert": 15, "bare (1.5B)": 0}, compare=())
    (line,) = plain(sentences(found))
    assert line.startswith("alfworld/val: expert solved 15 of 15")
    assert "better on 15 pairs (+100 points" in line
    assert line.endswith("This comparison was not planned.")


def test_an_answer_that_was_planned_is_not_replaced_by_another(invented: Any) -> None:
    (line,) = plain(sentences(results(invented, {"expert": 15, "bare (1.5B)": 0})))
    assert line.startswith("alfworld/val: Solved: expert 15 of 15")
    assert "better" not in line


def test_a_single_arm_is_told_alone(invented: Any) -> None:
    (line,) = plain(sentences(results(invented, {"expert": 15})))
    assert line == "alfworld/val: Solved: expert 15 of 15 (100 %, 80 to 100 %)."


def test_arms_with_retries_meet_others_by_first_attempts_alone(invented: Any) -> None:
    found = Results(invented.experiment, tuple(invented.rows))
    difference, first = Compared(found).of("Reflexion", "bare (1.5B)", "alfworld/val") or (None, 0)
    assert difference is not None
    assert first
    rows = [r for r in invented.rows if r.arm == "Reflexion" and r.env == "alfworld"]
    solved = sum(row.first_passed is True for row in rows)
    bare = sum(r.won for r in invented.rows if r.arm == "bare (1.5B)" and r.env == "alfworld")
    assert difference.estimate == (solved - bare) / len(rows)


def test_an_arm_that_may_retry_is_set_apart_before_it_does(invented: Any) -> None:
    rows = [row for row in invented.rows if row.arm == "Reflexion" and row.attempts == 1]
    found = Results(invented.experiment, tuple(rows))
    assert found.again == ("Reflexion",)
    assert found.single == ()


def test_retries_on_train_tasks_are_learning(invented: Any) -> None:
    row = next(row for row in invented.rows if row.arm == "lessons")
    taught = row.model_copy(update={"phase": "learn", "split": "train", "attempts": 3})
    assert Results(invented.experiment, (row, taught)).single == ("lessons",)


def test_arms_with_retries_have_charts_of_their_own(invented: Any) -> None:
    blocks = rates(Results(invented.experiment, tuple(invented.rows))).blocks
    for block in blocks:
        if isinstance(block, Chart | Table) and "with retries" not in block.name:
            assert "Reflexion (1.5B): " not in (block.alt if isinstance(block, Chart) else "")
        if isinstance(block, Table):
            names = {row[0].text for row in block.rows}
            assert ("Reflexion (1.5B)" in names) == ("with retries" in block.name)


def test_comparisons_that_were_not_planned_are_marked(invented: Any) -> None:
    made = section(Results(invented.experiment, tuple(invented.rows)))
    assert made is not None
    table = next(block for block in made.blocks if isinstance(block, Table))
    kinds = {(row[0].text, row[1].text): row[-1].text for row in table.rows}
    assert kinds["ReAct + example (1.5B)", "bare (1.5B)"] == "planned"
    assert kinds["random", "bare (1.5B)"] == "exploratory"
