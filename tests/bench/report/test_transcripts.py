"""Which transcripts stand on a page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.arms.types import Note
from bench.report import transcripts
from bench.report.results import Results
from bench.report.transcripts import no_notes, outcome, picked, section, tell
from bench.report.view import Transcripts


def test_no_arm_and_kind_has_more_than_its_share(invented: Any) -> None:
    shown = Counter(
        (row.arm, outcome(row)) for row in picked(Results(invented.experiment, invented.rows))
    )
    most = {kind: max(n for (_, k), n in shown.items() if k == kind) for _, kind in shown}
    assert most.pop("solved") == transcripts.SOLVED
    assert max(most.values()) == transcripts.EACH
    assert {arm for arm, _ in shown} == {arm.name for arm in invented.experiment.arms}


def test_the_first_of_every_kind_comes_before_the_second(invented: Any) -> None:
    rows = picked(Results(invented.experiment, invented.rows))
    kinds = {(row.arm, outcome(row)) for row in rows}
    assert {(row.arm, outcome(row)) for row in rows[: len(kinds)]} == kinds


def test_what_does_not_fit_is_counted(invented: Any) -> None:
    run = invented.transcript(invented.rows[0].cell)
    big = run.model_copy(update={"first_observation": "x" * 100, "steps": run.steps * 60})
    found = section(Results(invented.experiment, invented.rows), lambda _: big, no_notes)
    (block,) = (b for b in found.blocks if isinstance(b, Transcripts))
    assert block.left_out > 0
    assert sum(len(t.model_dump_json()) for t in block.shown) <= transcripts.ROOM


def test_a_transcript_tells_notes_prompt_attempts_and_what_was_recalled(invented: Any) -> None:
    row = next(r for r in invented.rows if r.attempts == 3)
    run = invented.transcript(row.cell)
    told = tell(row, run, label="Reflexion", notes=(Note(id="n1", text="look first"),))
    assert told.notes == (("n1", "look first"),)
    assert [role for role, _ in told.prompt] == ["system", "user"]
    assert [attempt.number for attempt in told.attempts] == [1, 2, 3]
    assert sum(len(attempt.steps) for attempt in told.attempts) == len(run.steps)
    lessons = next(r for r in invented.rows if r.notes)
    shown = tell(lessons, invented.transcript(lessons.cell), label="lessons")
    assert shown.attempts[0].steps[0].recalled[0].lesson in lessons.notes


def test_long_observations_are_cut_and_say_so(invented: Any) -> None:
    row = invented.rows[0]
    run = invented.transcript(row.cell).model_copy(update={"first_observation": "y" * 5000})
    told = tell(row, run, label="a")
    assert told.first.startswith("y" * transcripts.LONG + " … (3,800")
