"""A look at everything that was put before a solver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.arms.types import Note
from bench.lab.audit import MOST, contaminated, suspicious
from bench.lab.rows import row_of
from bench.lab.table import Table, kept, packed
from bench.lab.types import ArmSpec, Cell, Phase
from envs.toy import Toy
from envs.types import Score, Task
from memory.types import Recalled, Source, StepRecord, Trajectory, Usage


def seen(task: Task) -> str:
    with closing(Toy()) as toy:
        return toy.open(task).first.observation


TRAIN, VAL = Toy().tasks("train")[:4], Toy().tasks("val")[:4]
SECRET = seen(VAL[0])


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with closing(Table(tmp_path)) as opened:
        yield opened


def play(
    table: Table, task: Task, *notes: Note, kind: str = "a", won: bool = False, lesson: str = ""
) -> str:
    phase: Phase = "learn" if task.split == "train" else "measure"
    cell = Cell(experiment="e", arm=kind, seed=0, phase=phase, learned=0, task=task)
    shown = Recalled(lesson="L1", version=1, text=lesson, similarity=0.5, tokens=1, source=Source())
    step = StepRecord(index=0, action="look", observation="", recalled=(shown,) if lesson else ())
    known: dict[str, Any] = {"score": Score(value=float(won), passed=won)}
    run = Trajectory(
        id=cell.id, env="toy", task=task.id, task_key=task.key, split=task.split, goal=task.goal,
        first_observation=seen(task), steps=(step,), **known,
    )  # fmt: skip
    row = row_of(cell, ArmSpec(name=kind, kind=kind), run, notes=notes, spent=Usage())
    table.add(row, kept(run, notes))
    return cell.id


def test_a_note_that_tells_of_a_held_out_place_is_found_and_named(table: Table) -> None:
    cell = play(table, VAL[1], Note(id="n1", text=f"Remember this: {SECRET}"))
    play(table, VAL[0])
    (line,) = contaminated(table)
    assert line.startswith(f"contamination: note n1 of a in {cell}: ")
    assert VAL[0].id in line


def test_a_recalled_lesson_counts_as_well(table: Table) -> None:
    cell = play(table, VAL[1], lesson=SECRET)
    play(table, VAL[0])
    assert contaminated(table)[0].startswith(f"contamination: lesson L1 of a in {cell}: ")


def test_what_stands_in_train_tasks_is_no_secret(table: Table) -> None:
    for task in TRAIN:
        play(table, task)
    play(table, VAL[0])
    note = Note(id="n1", text=" ".join(seen(task) for task in TRAIN), runs=("c0",))
    play(table, VAL[1], note)
    assert contaminated(table) == []


def test_only_the_examples_that_the_laboratory_gave_are_let_through(table: Table) -> None:
    note = Note(id="n1", text=SECRET, runs=("demo:train/1/key",))
    play(table, VAL[0])
    play(table, VAL[1], note)
    assert len(contaminated(table)) == 1
    given = {"examples": {"toy/bring": [{"id": "demo:x", "task_key": "k", "text": SECRET}]}}
    table.keep("a", 0, 0, packed(given))
    assert contaminated(table) == []


def test_many_findings_are_counted(table: Table) -> None:
    play(table, VAL[0])
    notes = [Note(id=f"n{number}", text=f"{number}: {SECRET}") for number in range(MOST + 5)]
    play(table, VAL[1], *notes)
    told = contaminated(table)
    assert len(told) == MOST + 1
    assert told[-1] == "contamination: 5 more"


def test_an_arm_far_ahead_of_the_expert_is_pointed_out(table: Table) -> None:
    tasks = Toy().tasks("val")[:12]
    for task in tasks:
        play(table, task, kind="expert")
        play(table, task, kind="lucky", won=task in tasks[:3])
    assert suspicious(table) == []
    for task in tasks:
        play(table, task, kind="knowing", won=True)
    (line,) = suspicious(table)
    assert line.startswith("look: knowing on toy/val solved 12 tasks that the expert did not")


def test_without_an_expert_nothing_is_suspicious(table: Table) -> None:
    play(table, VAL[0], won=True)
    assert suspicious(table) == []
