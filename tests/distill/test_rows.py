"""Only verified successes on train tasks become rows, and only the solver's words train."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distill.rows import Row, rows, write_jsonl
from envs.errors import UserError
from envs.types import SPLITS, Score
from memory.types import Recalled, Source, StepRecord, Trajectory

WON = Score(value=1.0, passed=True)
LOST = Score(value=0.0, passed=False)
LESSON = "Spoons are kept in the red drawer."


def _recalled(text: str = LESSON) -> Recalled:
    return Recalled(lesson="L1", version=1, text=text, similarity=0.9, tokens=8, source=Source())


def _step(index: int, action: str, *, attempt: int = 0, thought: str = "") -> StepRecord:
    return StepRecord(
        index=index, attempt=attempt, action=action, observation=f"After {action}.", thought=thought
    )


def _messages(*actions: str) -> tuple[dict[str, Any], ...]:
    """As the runner writes them: what was seen last stands at the end."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You play a game."}]
    seen = "You see a cabinet."
    for action in actions:
        messages.append({"role": "user", "content": seen})
        messages.append({"role": "assistant", "content": json.dumps({"action": action})})
        seen = f"After {action}."
    return (*messages, {"role": "user", "content": seen})


def _run(name: str = "r1", *actions: str, **more: Any) -> Trajectory:
    actions = actions or ("open red drawer", "take spoon")
    fields: dict[str, Any] = {
        "id": name,
        "env": "toy",
        "task": f"toy/{name}",
        "task_key": "spoon in room 1",
        "task_type": "fetch",
        "split": "train",
        "goal": "Give me the spoon.",
        "model": "tiny",
        "config": "abc",
        "first_observation": "You see a cabinet.",
        "steps": tuple(_step(n, action) for n, action in enumerate(actions)),
        "messages": _messages(*actions),
        "score": WON,
    }
    return Trajectory(**{**fields, **more})


def _retried(**more: Any) -> Trajectory:
    steps = (
        _step(0, "open blue drawer", attempt=0),
        _step(1, "open white drawer", attempt=0),
        _step(2, "open red drawer", attempt=1),
        _step(3, "take spoon", attempt=1),
    )
    return _run("r9", **{"steps": steps, "attempts": 2, **more})


def _ids(*trajectories: Trajectory, **options: Any) -> list[str]:
    return [row.metadata.trajectory for row in rows(trajectories, **options)]


def test_a_success_is_a_row_that_says_where_it_comes_from() -> None:
    (row,) = rows([_run()])
    assert [message["role"] for message in row.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert row.messages[-1]["content"] == '{"action": "take spoon"}'
    source = row.metadata
    assert (source.trajectory, source.task, source.model, source.score) == (
        "r1",
        "toy/r1",
        "tiny",
        1.0,
    )
    assert (source.steps, source.attempts, source.rebuilt) == (2, 1, False)


def test_only_the_assistant_trains() -> None:
    (row,) = rows([_run()])
    weights = [(message["role"], message.get("weight")) for message in row.messages]
    assert weights == [
        ("system", None),
        ("user", None),
        ("assistant", 1),
        ("user", None),
        ("assistant", 1),
    ]


def test_earlier_turns_of_a_conversation_do_not_train() -> None:
    before = (
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello, what can I do?"},
    )
    (row,) = rows([_run(messages=before + _messages("open red drawer", "take spoon"))])
    assert [m["weight"] for m in row.messages if m["role"] == "assistant"] == [0, 1, 1]


@pytest.mark.parametrize(
    "other",
    [
        _run("x", score=LOST),
        _run("x", score=None),
        _run("x", error="the model stopped"),
        _run("x", steps=()),
        *(_run("x", split=split) for split in SPLITS if split != "train"),
    ],
)
def test_anything_but_a_success_on_a_train_task_is_left_out(other: Trajectory) -> None:
    assert _ids(other) == []


def test_held_out_tasks_are_left_out() -> None:
    other = _run("r2", task_key="spoon in room 2")
    assert _ids(_run(), other, held_out_keys={"spoon in room 1"}) == ["r2"]


def test_the_same_actions_on_the_same_task_make_one_row() -> None:
    again, longer = _run("r2"), _run("r3", "look", "open red drawer", "take spoon")
    elsewhere = _run("r4", task_key="spoon in room 2")
    assert _ids(_run(), again, longer, elsewhere) == ["r1", "r3", "r4"]


def test_oracle_retries_are_left_out_unless_asked_for() -> None:
    assert _ids(_retried()) == []
    assert _ids(_retried(), retries=True) == ["r9"]


def test_of_a_retried_run_only_the_last_attempt_counts() -> None:
    (row,) = rows([_retried()], retries=True)
    assert (row.metadata.attempts, row.metadata.steps, row.metadata.rebuilt) == (2, 2, False)
    assert "blue" not in json.dumps(row.messages)


def test_a_retried_run_that_kept_all_attempts_is_rebuilt_from_its_last() -> None:
    spoken = _messages("open blue drawer", "open white drawer", "open red drawer", "take spoon")
    (row,) = rows([_retried(messages=spoken)], retries=True)
    assert row.metadata.rebuilt
    assert row.messages == (
        {"role": "user", "content": "You see a cabinet."},
        {"role": "assistant", "content": '{"action": "open red drawer"}', "weight": 1},
        {"role": "user", "content": "After open red drawer."},
        {"role": "assistant", "content": '{"action": "take spoon"}', "weight": 1},
    )


def test_a_run_without_messages_is_rebuilt_from_its_steps() -> None:
    steps = (_step(0, "take spoon", thought="There it is."),)
    (row,) = rows([_run(messages=(), steps=steps)])
    assert row.metadata.rebuilt
    assert json.loads(row.messages[1]["content"]) == {
        "thought": "There it is.",
        "action": "take spoon",
    }


def _with_lesson(*, messages: tuple[dict[str, Any], ...], text: str = LESSON) -> Trajectory:
    step = _step(0, "take spoon").model_copy(update={"recalled": (_recalled(text),)})
    return _run(steps=(step,), messages=messages)


def test_lessons_are_named_and_not_quoted() -> None:
    (row,) = rows([_with_lesson(messages=_messages("take spoon"))])
    assert row.metadata.recalled == ("L1",)
    assert LESSON not in row.model_dump_json()


@pytest.mark.parametrize(
    "content",
    [
        f"Lessons:\n- {LESSON}",
        "I remember: spoons are  kept in the\nRED drawer.",
        json.dumps({"thought": f'As "I" know: {LESSON}', "action": "take spoon"}),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_row_in_which_a_lesson_is_quoted_is_left_out(role: str, content: str) -> None:
    messages = (*_messages("take spoon")[:-1], {"role": role, "content": content})
    asked = ({"role": "user", "content": content}, *_messages("take spoon"))
    quoted = _with_lesson(messages=asked if role == "user" else messages)
    assert _ids(quoted) == []


def test_a_quote_with_escaped_signs_is_found() -> None:
    lesson = 'Say "open red drawer" before you take the spoon.'
    spoken = {"role": "assistant", "content": json.dumps({"thought": lesson, "action": "x"})}
    quoted = _with_lesson(messages=({"role": "user", "content": "?"}, spoken), text=lesson)
    assert _ids(quoted) == []


def test_a_lesson_of_a_word_or_two_does_not_cost_the_row() -> None:
    assert _ids(_with_lesson(messages=_messages("take spoon"), text="take spoon")) == ["r1"]


def test_rows_are_written_as_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    written = write_jsonl(path, rows([_run(), _run("r2", "look", "größer \ud800")]))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert (written.rows, len(lines)) == (2, 2)
    assert lines[0]["metadata"]["trajectory"] == "r1"
    assert set(lines[0]) == {"messages", "metadata"}
    assert Row.model_validate(lines[0])


def test_the_same_rows_have_the_same_hash(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "a.jsonl", rows([_run()]))
    two = write_jsonl(tmp_path / "b.jsonl", rows([_run()]))
    other = write_jsonl(tmp_path / "c.jsonl", rows([_run("r2")]))
    assert one.sha256 == two.sha256 != other.sha256


def test_a_write_that_breaks_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, rows([_run()]))
    before = path.read_bytes()

    def broken() -> Iterator[Row]:
        yield from rows([_run("r2")])
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_jsonl(path, broken())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*rows.jsonl: .*; choose a folder"):
        write_jsonl(tmp_path / "file" / "rows.jsonl", rows([_run()]))
