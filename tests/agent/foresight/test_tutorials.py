"""A text becomes demonstrations, which count where they reach the goal when they are played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.models.scripted import PolicyModel
from agent.tutorials import demonstrate, instructions
from distill.filters import sifted
from distill.rows import rows
from distill.rows_synthetic import TUTORIAL_ARM, genuine, tag_of
from envs.errors import Refused
from envs.toy import Toy
from envs.types import Action
from memory.ledger import Ledger
from server.cli import app

TASK = Toy().tasks("train")[0]
COLOUR = Toy().open(TASK).demonstrate()[0].text.split()[1]
TEXT = f"""How to find a {TASK.tags[1]}.

1. Open the {COLOUR} drawer.
2. Take what was asked for: the {TASK.tags[1]}.
3. Give the {TASK.tags[1]} away.
"""
LIE = TEXT.replace(COLOUR, "red" if COLOUR != "red" else "blue")


@pytest.mark.paper("synatra")
async def test_a_tutorial_becomes_a_run_of_real_actions_that_replays_and_is_tagged(
    mechanism: bool,
) -> None:
    told = await demonstrate(TEXT if mechanism else "Be brave.", Toy(), TASK)
    assert told.run is not None, told.refused
    episode = Toy().open(TASK)
    seen = episode.first
    for step in told.run.steps:  # every action is in the environment's own schema
        assert step.action in (seen.admissible or ())
        seen = episode.step(Action(text=step.action))
        assert seen.observation == step.observation
    assert seen.terminated
    assert told.run.arm == TUTORIAL_ARM == "synthetic:tutorial"
    assert tag_of(env=told.run.env, arm=told.run.arm) == "tutorial"
    (row,) = rows([told.run])
    assert row.metadata.arm == TUTORIAL_ARM
    assert sifted([row], [genuine(asked=())])[0] == []
    assert "How to find" not in str(row.messages)


async def test_what_does_not_reach_the_goal_when_it_is_played_is_refused() -> None:
    told = await demonstrate(LIE, Toy(), TASK)
    assert told.run is None
    assert told.refused


async def test_a_step_that_no_action_does_is_named() -> None:
    told = await demonstrate("1. Whistle a song.", Toy(), TASK)
    assert told.refused == "no action does step 1: 'Whistle a song.'"


async def test_a_model_can_name_nothing_but_what_is_possible() -> None:
    def picks(messages: Any, schema: Any) -> Any:
        ways = schema["properties"]["action"]["enum"]
        thing = TASK.tags[1]
        wishes = (f"give {thing}", f"take {thing}", f"open {COLOUR} drawer")
        return {"action": next(wish for wish in (*wishes, "none") if wish in ways)}

    model = PolicyModel(picks)
    vague = "Look where such things are kept. Pick it up. Hand it over."
    told = await demonstrate(vague, Toy(), TASK, model=model)
    assert told.run is not None
    assert len(model.requests) == told.usage.calls == 3


async def test_only_train_tasks_are_demonstrated() -> None:
    with pytest.raises(Refused, match="no demonstration on val; use a train task"):
        await demonstrate(TEXT, Toy(), Toy().tasks("val")[0])
    with pytest.raises(Refused, match="the text tells no steps; write them one a line"):
        await demonstrate(" \n", Toy(), TASK)


def test_steps_are_numbered_lines_or_sentences() -> None:
    assert instructions("a\n1. Open it.\n- Take it.\nStep 3: Go.") == (
        "Open it.",
        "Take it.",
        "Go.",
    )
    assert instructions("Open it. Take it!") == ("Open it.", "Take it!")


def test_the_command_keeps_what_reached_its_goal(tmp_path: Path) -> None:
    file = tmp_path / "how.txt"
    file.write_text(TEXT, "utf-8")
    words = ["skills", "tutorial", "toy", str(file), "--rules", "-n", "2", "--contains"]
    given = {"JOURNEYMAN_HOME": str(tmp_path), "COLUMNS": "200"}
    done = CliRunner().invoke(app, [*words, TASK.tags[1]], env=given)
    assert done.exit_code == 0, done.output
    assert "2 of 2 reach their goals" in done.output
    ledger = Ledger(tmp_path / "ledger.db")
    assert len(ledger.trajectories(arm=TUTORIAL_ARM)) == 2
    ledger.close()
    lost = CliRunner().invoke(app, [*words, "zebra"], env=given)
    assert "no train task of toy asks for 'zebra'" in str(lost.output) + str(lost.exception)
