"""Anticipated failures with remedies: before each action, used without a new plan, reviewed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from envs.errors import ModelError

STUCK = ("open oak door", "stay", "climb", "take treasure")
"""The second step comes to nothing."""


@pytest.mark.paper("devils-advocate")
async def test_a_failed_action_is_followed_by_its_remedy_without_a_new_plan(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path, mechanism: bool
) -> None:
    use = ["anticipate"] if mechanism else []
    asked: list[str] = []
    plan = script(STUCK[:2] + STUCK[3:])

    def counted(messages: Any, schema: Any) -> Any:
        said = plan(messages, schema)
        asked.append(said["action"])
        return said

    async with home_at(tmp_path, counted, learning={"use": use}) as place:
        (done,) = await plays(place, hall, hall.tasks("train")[:1])
        lessons = place.ledger.lessons()
    assert [step.action for step in done.steps] == list(STUCK)
    assert asked == ["open oak door", "stay", "take treasure"]  # nobody was asked for the climb
    notes = {note["step"]: note for note in done.notes if note["by"] == "anticipation"}
    assert sorted(notes) == [step.index for step in done.steps]  # one before every action
    assert all(note["failure"] and note["remedy"] for note in notes.values())
    assert notes[1]["remedy"] == "climb"
    assert notes[2]["because"] == 1
    reviews = [one for one in lessons if one.text.startswith("Plan reviewed (reached)")]
    assert len(reviews) == 1
    assert "'stay' failed, 'climb' was done instead" in reviews[0].text
    assert reviews[0].source.quote.startswith("climb\n")


async def test_where_the_remedy_lies_behind_the_way_back_is_taken_first(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path
) -> None:
    def thinks(messages: Any, schema: Any) -> Any:
        fields, said = schema["properties"], str(messages[-1]["content"])
        if "remedy" in fields:
            ways = fields["remedy"].get("enum", ["none"])
            remedy = "open oak door" if "open oak door" in ways else ways[0]
            return {"failure": "it is the wrong door", "remedy": remedy}
        if "outcome" in fields:
            return {"outcome": "failed" if "garden" in said else "as planned"}
        raise ModelError("no words", repair="wait")

    writer = PolicyModel(thinks)
    plan = script(("open glass door", "climb", "take treasure"))
    learning = {"use": ["anticipate"]}
    async with home_at(tmp_path, plan, writer=writer, learning=learning) as place:
        (done,) = await plays(place, hall, hall.tasks("val")[:1], learn=False)
    taken = [step.action for step in done.steps]
    assert taken[:4] == ["open glass door", "back to hall", "open oak door", "climb"]
    because = [note["because"] for note in done.notes if note["by"] == "anticipation"]
    assert because[:3] == [None, 0, 0]
