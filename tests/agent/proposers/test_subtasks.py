"""Entries written after each sub-task, while the run goes on; a second pass profits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.proposers.subtasks import CALLS, Entry, entry_of, ruled, subtasks
from envs.errors import ModelError
from memory.types import StepRecord


def steps_of(*pairs: tuple[str, str]) -> list[StepRecord]:
    return [StepRecord(index=n, action=a, observation=o) for n, (a, o) in enumerate(pairs)]


@pytest.mark.paper("muse")
async def test_each_subtask_leaves_an_entry_at_once_and_a_second_pass_does_better(
    opens: Any, plays: Any, tasks: Any, won: Any, seek: Any, tmp_path: Path, mechanism: bool
) -> None:
    running: list[int] = []
    ledgers: list[Any] = []

    def watched(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        said = seek(messages, schema)
        if said["action"].startswith("give ") and ledgers:
            entries = [one for one in ledgers[-1].lessons(limit=-1) if entry_of(one)]
            running.append(len(entries))
        return said

    learning = {"use": ["subtasks"] if mechanism else []}
    some = [task for room in (0, 6) for task in tasks(most=12)[room : room + 6]]
    async with opens(watched, learning=learning) as home_:
        ledgers.append(home_.ledger)
        first = await plays(home_, some)
        lessons = home_.ledger.lessons(limit=-1)
        # only what the mechanism wrote is kept for the second pass
        for lesson in lessons:
            if entry_of(lesson) is None:
                added = home_.ledger.history(lesson.id)[0]
                home_.memory.take_back(added.id, reason="not an entry", cascade=True)
        kept = await plays(home_, some, learn=False)
    async with opens(folder=tmp_path / "emptied") as home_:
        emptied = await plays(home_, some, learn=False)
    assert running
    assert all(running)  # before `give`, and so before the end, the entry of `take` is there
    entries = {one.id: entry for one in lessons if (entry := entry_of(one))}
    assert {entry.level for entry in entries.values()} == {"procedural", "strategic"}
    assert {entry.outcome for entry in entries.values()} == {"done", "not done"}
    runs = {run.id for run in first}
    assert all(one.source.trajectory in runs for one in lessons if one.id in entries)
    candle = next(run for run in first if "candle" in run.goal)
    assert candle.score is not None
    assert not candle.score.passed  # the task failed, its first sub-task is remembered
    assert any(entry.subtask == "take candle" for entry in entries.values())
    assert won(kept) > won(emptied)
    assert sum(len(run.steps) for run in kept) < sum(len(run.steps) for run in emptied)


async def test_the_model_words_entries_within_its_bound_and_may_fail(
    opens: Any, plays: Any, tasks: Any
) -> None:
    said = {
        "level": "strategic",
        "subtask": "get the thing",
        "outcome": "done",
        "experience": "Things lie in drawers of one colour.",
    }

    def writes(messages: Any, schema: Any) -> Any:
        if "subtask" in schema["properties"]:
            return said
        raise ModelError("no words", repair="wait")

    writer = PolicyModel(writes)
    async with opens(
        writer=writer, learning={"use": ["subtasks"]}, memory={"drafts": "written"}
    ) as home_:
        (run,) = await plays(home_, tasks(thing="stamp", most=1))
        lessons = home_.ledger.lessons()
    assert any(entry_of(one) == Entry.model_validate(said) for one in lessons)
    assert run.usage.calls == len(run.steps) + len(writer.requests)
    assert len(writer.requests) <= CALLS


async def test_nothing_is_written_on_val_and_the_run_can_be_undone_whole(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async with opens(learning={"use": ["subtasks"]}) as home_:
        await plays(home_, tasks("val", thing="stamp", most=1))
        assert home_.ledger.lessons() == []
        (run,) = await plays(home_, tasks(thing="stamp", most=1))
        assert len(home_.ledger.lessons()) == 3
        home_.memory.take_back(run.id, reason="all of it", cascade=True)
        assert home_.ledger.lessons() == []


def test_a_stretch_ends_with_a_deed_and_an_idle_action_is_none() -> None:
    some = steps_of(
        ("go to shelf 1", "A mug."),
        ("take mug 1 from shelf 1", "Nothing happens."),
        ("take mug 1 from shelf 1", "You pick up the mug 1."),
        ("go to desk 1", "A desk."),
    )
    assert [[s.index for s in stretch] for stretch in subtasks(some)] == [[0, 1, 2]]


def test_what_is_written_is_read_again() -> None:
    some = steps_of(("open red drawer", "A key."), ("take key", "You take the key."))
    entry = ruled(some, "done")
    assert entry.text() == "[procedural] take key: done. The way: open red drawer > take key"
    idle = ruled(
        steps_of(
            ("fly", "Nothing happens."),
        ),
        "not done",
    )
    assert (idle.level, idle.outcome) == ("tool", "not done")
