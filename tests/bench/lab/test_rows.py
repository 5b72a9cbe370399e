"""From a run to its row."""

from __future__ import annotations

from typing import Any

import pytest

from bench.arms.types import Note
from bench.lab.rows import digest, fitted, place, recalled, row_of
from bench.lab.types import CHANGING, ArmSpec, Cell, Row, same
from envs.toy import Toy
from envs.types import Score
from memory.text import estimate_tokens
from memory.types import Recalled, Source, StepRecord, Trajectory, Usage, Verdict

TASK = Toy().tasks("val")[0]
CELL = Cell(experiment="e", arm="a", seed=1, phase="measure", learned=4, task=TASK)
ARM = ArmSpec(name="a", kind="bare", model="m")


def step(index: int, action: str = "look", *lessons: str, attempt: int = 0) -> StepRecord:
    shown = tuple(
        Recalled(lesson=one, version=1, text="t", similarity=0.5, tokens=1, source=Source())
        for one in lessons
    )
    return StepRecord(
        index=index, action=action, observation="You see.", attempt=attempt, recalled=shown
    )


def run(**more: Any) -> Trajectory:
    known: dict[str, Any] = {
        "id": CELL.id, "env": "toy", "task": TASK.id, "task_key": TASK.key, "split": "val",
        "goal": TASK.goal,
        "steps": (step(0, "look", "L2", "L1"), step(1, "look", "L1", "L3")),
        "usage": Usage(calls=2, prompt_tokens=10, completion_tokens=4, seconds=1.0, cost=0.5),
        "verdicts": (Verdict(accepted=False), Verdict(accepted=True, confidence=0.75)),
        "score": Score(value=1.0, passed=True), "stop": "done",
    }  # fmt: skip
    return Trajectory(**{**known, **more})


def row(found: Trajectory, **more: Any) -> Row:
    return row_of(CELL, ARM, found, notes=(), spent=Usage(), **more)


def test_a_row_says_who_played_what_and_how_it_went() -> None:
    notes = [Note(id="n1", text="Look into drawers."), Note(id="n1", text="")]
    found = row_of(CELL, ARM, run(), notes=notes, spent=Usage(calls=1, prompt_tokens=5, cost=0.5))
    assert (found.cell, found.arm, found.kind, found.model) == (CELL.id, "a", "bare", "m")
    assert (found.seed, found.learned, found.set) == (1, 4, "toy/val")
    assert (found.task_key, found.room, found.task_type) == (TASK.key, "room 60", "bring")
    assert (found.passed, found.won, found.failure, found.steps) == (True, True, "", 2)
    assert (found.accepted, found.confidence) == (True, 0.75)
    assert found.notes == ("n1", "L2", "L1", "L3")
    assert found.note_tokens > 0
    assert (found.calls, found.prompt_tokens, found.completion_tokens, found.cost) == (3, 15, 4, 1)


def test_the_first_attempt_is_the_first_verdict_and_with_one_attempt_the_score() -> None:
    assert row(run(attempts=2)).first_passed is False
    assert row(run(attempts=1)).first_passed is True
    assert row(run(attempts=1, score=None, verdicts=())).first_passed is None


def test_what_was_not_scored_is_none_and_not_solved() -> None:
    found = row(run(score=None, error="it broke", stop="error"))
    assert (found.passed, found.won, found.failure, found.error) == (
        None, False, "crashed", "it broke",
    )  # fmt: skip
    assert row(run(score=None, error="a leak"), leak=True).failure == "leak"


def test_a_run_without_a_verdict_has_none() -> None:
    found = row(run(verdicts=()))
    assert (found.accepted, found.verified_by) == (None, Verdict(accepted=None).source)


def test_equal_play_has_equal_digests() -> None:
    assert digest(run()) == digest(run(id="other", score=None))
    other = run(steps=(step(0, "open red drawer"), step(1)))
    again = run(steps=(step(0), step(1, attempt=1)))
    assert len({digest(one) for one in (run(), other, again, run(first_observation="x"))}) == 4


def test_only_times_may_differ_between_plays_of_a_cell() -> None:
    one = row(run())
    values = {"session": "x", "ended": "x", "cached_tokens": 9, "model_s": 9.0, "wall_s": 9.0}
    assert values.keys() == CHANGING
    assert same(one, one.model_copy(update=values))
    assert not same(one, one.model_copy(update={"steps": 9}))


def test_notes_are_taken_whole_while_they_fit() -> None:
    long = Note(id="long", text="many words " * 50)
    short = [Note(id=str(number), text="few words") for number in range(3)]
    each = estimate_tokens("few words")
    assert fitted([long, *short], most=2 * each) == tuple(short[:2])
    assert fitted([long], most=0) == ()


@pytest.mark.parametrize(
    ("key", "room"), [("bring it | room 1", "room 1"), ("all", "all"), ("a | b | c", "c")]
)
def test_the_room_is_what_stands_after_the_last_bar(key: str, room: str) -> None:
    assert place(key) == room
    assert recalled(run()) == ("L2", "L1", "L3")
