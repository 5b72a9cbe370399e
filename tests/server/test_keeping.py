"""Editing, pinning, judging and counting lessons on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envs.errors import UnknownName, UserError
from envs.types import Score
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.measuring import Setting
from memory.recall import Memory
from memory.types import Lesson, Recalled, Source, StepRecord, Trajectory
from memory.withholding import Occasion, decide
from server.cli import app

STEP = StepRecord(index=0, action="open fridge 1", observation="In it you see a mug 2.")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One lesson that helps in every episode, one whose quote is made up."""
    folder = tmp_path / "home"
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    ended(memory, "r0", won=True)
    for id_, quote in (("good", "you see a mug 2"), ("false", "you see a unicorn")):
        source = Source(trajectory="r0", quote=quote, task_keys=("r0",))
        text = f"{id_} {id_} advice on fridges"
        memory.add(Lesson(id=id_, kind="strategy", text=text, source=source), reason="r")
    found = Recalled(lesson="good", version=1, text="t", similarity=0.9, tokens=3, source=Source())
    for n in range(1, 161):
        at = Occasion(run=f"r{n}", tosses=True, setting=Setting(model="m", policy="p"))
        (one,) = decide(memory, [found], at)
        ended(memory, f"r{n}", won=one.shown)
    memory.close()
    return folder


def ended(memory: Memory, run: str, *, won: bool) -> None:
    given = {"id": run, "env": "e", "task": run, "task_key": run, "split": "train", "goal": "g"}
    more = {"score": Score(value=float(won), passed=won), "steps": (STEP,)}
    memory.ledger.add_trajectory(Trajectory.model_validate({**given, **more}))


def journeyman(*arguments: str, home: Path) -> Result:
    return CliRunner().invoke(app, arguments, env={"JOURNEYMAN_HOME": str(home), "COLUMNS": "250"})


def said(*arguments: str, home: Path) -> str:
    done = journeyman("memory", *arguments, home=home)
    assert done.exception is None, done.exception
    return done.stdout


def asked(*arguments: str, home: Path) -> Any:
    return json.loads(said(*arguments, "--json", home=home))


def test_show_tells_a_stranger_where_a_lesson_came_from_and_what_it_did(home: Path) -> None:
    told = said("show", "good", home=home)
    assert "from run r0" in told
    assert "open fridge 1 → In it you see a mug 2." in told
    assert "quote: “you see a mug 2”" in told
    assert "it helps" in told
    assert "95% interval" in told
    assert "training episodes" in told
    assert "holds for version 1, model m, settings p" in told
    page = asked("show", "good", home=home)
    assert page["lesson"]["effect"]["verdict"] == "helps"
    assert page["effect_in_words"][0] in told
    assert "effect not measured yet" in said("show", "false", home=home)


def test_life_is_shown_then_done_then_undone(home: Path) -> None:
    preview = said("life", home=home)
    assert "would move 2 lessons" in preview
    assert "nothing was changed" in preview
    moves = {one["target"]: one for one in asked("life", "--apply", home=home)["changes"]}
    assert moves["false"]["after"]["status"] == "quarantined"
    assert moves["good"]["after"]["status"] in ("probation", "active")
    said("life", "--apply", home=home)
    assert asked("show", "good", home=home)["lesson"]["status"] == "active"
    assert "moved 0 lessons" in said("life", "--apply", home=home)
    said("undo", moves["false"]["id"], home=home)
    assert asked("show", "false", home=home)["lesson"]["status"] == "candidate"


def test_an_edit_is_a_new_version_that_is_measured_anew(home: Path) -> None:
    edited = asked("edit", "good", "--text", "look into the fridge", home=home)
    assert (edited["lesson"]["version"], edited["lesson"]["text"]) == (2, "look into the fridge")
    said("undo", edited["change"]["id"], home=home)
    assert asked("show", "good", home=home)["lesson"]["text"] == "good good advice on fridges"
    error = journeyman("memory", "edit", "good", home=home).exception
    assert isinstance(error, UserError)
    assert "give --text or --when" in str(error)
    assert isinstance(journeyman("memory", "edit", "x", home=home).exception, UnknownName)


def test_a_pinned_lesson_says_so_and_rules_leave_it_alone(home: Path) -> None:
    assert "· pinned" in said("pin", "false", home=home)
    error = journeyman("memory", "pin", "false", home=home).exception
    assert isinstance(error, UserError)
    assert "is pinned already" in str(error)
    assert "pinned" not in said("unpin", "false", home=home)


def test_stats_count_and_tell_the_ends(home: Path) -> None:
    told = said("stats", home=home)
    assert "lessons: 2 candidate" in told
    assert "trajectories: 161" in told
    assert "measured: 1 helps" in told
    assert asked("stats", home=home)["ends"][0]["lesson"] == "good"
