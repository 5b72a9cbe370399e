"""The earliest wrong step, and what the next attempt does about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.reflectors.structured import Record, record_of
from envs.errors import ModelError

LOST = ("open oak door", "stay", "stay", "stay", "stay", "stay")


def critical(messages: Any, schema: Any) -> Any:
    """Names the second step, and in its place what was not tried there."""
    fields = schema["properties"]
    if "step" in fields:
        return {"step": next(name for name in fields["step"]["enum"] if int(name) % 6 == 1)}
    if "action" in fields:
        return {"action": fields["action"].get("enum", ["climb"])[0]}
    raise ModelError("no words", repair="wait")


@pytest.mark.paper("structured-reflection")
@pytest.mark.parametrize("writes", [False, True], ids=["rule", "model"])
async def test_the_next_attempt_repeats_what_was_right_and_deviates_at_the_wrong_step(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path, mechanism: bool, writes: bool
) -> None:
    asked: list[str] = []
    plan = script(LOST, ("take treasure",))

    def counted(messages: Any, schema: Any) -> Any:
        said = plan(messages, schema)
        asked.append(said["action"])
        return said

    use = ["structured"] if mechanism else []
    options = {"learning": {"use": use}, "solver": {"retries": 1, "break_loops": False}}
    writer = PolicyModel(critical) if writes else None
    async with home_at(tmp_path, counted, writer=writer, **options) as place:
        (done,) = await plays(place, hall, hall.tasks("val")[:1], learn=False)
    records = [record_of(text) for text in done.reflections]
    assert records == [Record(step=1, wrong="stay", instead="climb")]
    again = [step.action for step in done.steps if step.attempt == 1]
    assert again == ["open oak door", "climb", "take treasure"]
    assert done.verdicts[-1].accepted
    assert asked == [*LOST, "take treasure"]  # the beginning was not asked for again
    assert done.attempts == 2


async def test_what_was_named_wrong_in_a_place_is_never_done_there_again(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path
) -> None:
    def first_door(messages: Any, schema: Any) -> Any:
        fields = schema["properties"]
        if "step" in fields:
            return {"step": fields["step"]["enum"][0]}
        if "action" in fields:
            return {"action": fields["action"]["enum"][0]}
        raise ModelError("no words", repair="wait")

    options = {"learning": {"use": ["structured"]}, "solver": {"retries": 2, "break_loops": False}}
    writer = PolicyModel(first_door)
    wrong = 3 * ("open glass door", "back to hall")
    plan = script(wrong, wrong, wrong)
    async with home_at(tmp_path, plan, writer=writer, **options) as place:
        (done,) = await plays(place, hall, hall.tasks("val")[:1], learn=False)
    assert not done.error
    begun = {step.attempt: step.action for step in reversed(done.steps)}
    assert len(set(begun.values())) == len(begun) >= 2  # each attempt begins otherwise


def test_a_record_is_read_back_whatever_stands_in_it() -> None:
    for instead in ("", "type 'it''s' into 'box', but slowly"):
        record = Record(step=12, wrong='click button "Don\'t"', instead=instead)
        assert record_of(record.text()) == record
    assert record_of("Try harder.") is None
