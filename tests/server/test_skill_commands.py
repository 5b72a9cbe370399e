"""`journeyman skills`: what it tells of a skill, and carrying one from home to home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envs.errors import UserError
from envs.toy import THINGS, Toy
from memory.ledger import Ledger
from server.cli import app
from skills.library import Library
from skills.types import Origin, Skill, Trial

LOOK = '''\
def look_here(place: str) -> bool:
    """Goes to a place and says that this was all."""
    return "\\x1b[2J" not in act(f"go to {place} 1")
'''
TWICE = '''\
def look_twice(place: str) -> bool:
    """Goes there twice."""
    return look_here(place) and look_here(place)
'''


def journeyman(*arguments: str, home: Path) -> Result:
    return CliRunner().invoke(app, arguments, env={"JOURNEYMAN_HOME": str(home), "COLUMNS": "250"})


def said(*arguments: str, home: Path) -> str:
    done = journeyman(*arguments, home=home)
    assert done.exception is None, done.exception
    return done.stdout


def refused(*arguments: str, home: Path) -> str:
    """The line of a command that is refused."""
    error = journeyman(*arguments, home=home).exception
    assert isinstance(error, UserError), error
    assert "\n" not in str(error)
    return str(error)


def asked(*arguments: str, home: Path) -> Any:
    return json.loads(said(*arguments, "--json", home=home))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two skills, one calls the other; both active."""
    folder = tmp_path / "home"
    ledger = Ledger(folder / "ledger.db")
    library = Library(ledger)
    low = library.add(
        Skill(id="", name="look_here", env="toy", code=LOOK, requires=("go to *",)),
        reason="seen in two runs",
    )
    high = library.add(
        Skill(
            id="",
            name="look_twice",
            env="toy",
            code=TWICE,
            goals=("look at {place}.",),
            uses=(low.id,),
            origin=Origin(author="expert", by="induction", runs=("r1",), task_keys=("k1",)),
        ),
        reason="seen in three runs",
    )
    trials = (
        Trial(task="toy-3", task_key="k3", seed=7, passed=True, claimed=True, steps=2),
        Trial(task="toy-4", task_key="k4", purpose="decline", error="ValueError: [red]no"),
    )
    library.move(high, "active", reason="solved 1 of 1", trials=trials, note="1 of 1", cascade=True)
    ledger.close()
    return folder


def test_an_empty_home_says_how_skills_come(tmp_path: Path) -> None:
    assert "no skills here" in said("skills", "list", home=tmp_path)
    assert asked("skills", "list", home=tmp_path) == []
    assert "no skill named 'x'; choose from: none exist yet" in refused(
        "skills", "show", "x", home=tmp_path
    )


def test_list_names_trials_and_effect(home: Path) -> None:
    told = said("skills", "list", home=home)
    assert "look_twice(place: str) -> bool v1" in told
    assert "1 of 1 trials to solve passed, 0 of 1 trials to decline passed" in told
    assert "not measured" in told
    assert [one["name"] for one in asked("skills", "list", "--env", "toy", home=home)] == [
        "look_twice",
        "look_here",
    ]
    assert asked("skills", "list", "--status", "candidate", home=home) == []
    assert "no status named 'good'" in refused("skills", "list", "--status", "good", home=home)


def test_show_tells_the_story(home: Path) -> None:
    told = said("skills", "show", "look_twice", home=home)
    for words in (
        "look_twice(place: str) -> bool v1 · active · toy · trust: self · S",
        "Goes there twice.",
        "for: look at {place}.",
        "from: an expert, written by induction",
        "seen in: r1",
        "return look_here(place) and look_here(place)",
        "calls: look_here v1 (active)",
        "is called by: no other skill",
        "toy-3",
        "ValueError: [red]no",
        "judged: 1 of 1",
        "effect not measured yet",
        "add → v1 candidate by agent: seen in three runs",
        "status → v1 active by rule:trials: solved 1 of 1",
    ):
        assert words in told, words
    assert "is called by: look_twice v1 (active)" in said("skills", "show", "look_here", home=home)
    data = asked("skills", "show", "look_twice", home=home)
    assert (data["uses"], data["callers"]) == (["look_here"], [])
    assert [change["op"] for change in data["history"]] == ["add", "status"]
    assert data["skill"]["trials"][0]["seed"] == 7


def test_retire_is_refused_for_what_is_called_and_can_be_undone(home: Path) -> None:
    assert "is called by: look_twice" in refused("skills", "retire", "look_here", home=home)
    told = said("skills", "retire", "look_here", "--cascade", home=home)
    assert told.count("retired S") == 2
    assert "no skills here" in said("skills", "list", home=home)
    assert "retired already" in refused("skills", "retire", "look_here", home=home)
    undo = told.split("journeyman undo ")[1].strip()
    said("undo", undo, home=home)
    assert len(asked("skills", "list", "--status", "active", home=home)) == 2


def test_export_and_import_into_another_home(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = said("skills", "export", "look_twice", "--to", str(out), home=home)
    assert "look-twice" in told
    assert "exists" in refused("skills", "export", "look_twice", "--to", str(out), home=home)
    other = tmp_path / "other"
    told = said("skills", "import", str(out / "look-twice"), home=other)
    assert "candidate S" in told
    assert "its exporter claims 1 of 1 trials to solve passed" in told
    assert "journeyman skills verify look_twice" in told
    (high,) = [one for one in asked("skills", "list", home=other) if one["name"] == "look_twice"]
    assert (high["status"], high["trust"], high["trials"]) == ("candidate", "web", [])
    assert "imported from: " in said("skills", "show", "look_twice", home=other)
    assert "exists already" in refused("skills", "import", str(out / "look-twice"), home=other)
    assert "is no folder" in refused("skills", "import", str(out / "none"), home=other)


BRING = """\
HOMES = {homes!r}


def bring(thing: str) -> bool:
    \"\"\"Brings a thing from the drawer in which such things are kept.\"\"\"
    if thing not in HOMES:
        return False
    act(f"open {{HOMES[thing]}} drawer")
    act(f"take {{thing}}")
    return "Thank you" in act(f"give {{thing}}")
"""
LIE = """\
def lie(item: str) -> bool:
    act("open red drawer")
    return item != ""
"""


@pytest.fixture
def cabinet(tmp_path: Path) -> Path:
    """One skill that brings things, and one that only says so."""
    env = Toy()
    tasks = env.tasks("train")[: len(THINGS)]
    ways = {task.tags[1]: env.open(task).demonstrate() for task in tasks}
    homes = {thing: way[0].text.split()[1] for thing, way in ways.items()}
    folder = tmp_path / "cabinet"
    ledger = Ledger(folder / "ledger.db")
    library = Library(ledger)
    requires = ("open * drawer", "take *", "give *")
    for name, code in (("bring", BRING.format(homes=homes)), ("lie", LIE)):
        goal = "Bring me the {thing}." if name == "bring" else "Bring me the {item}."
        given = {"id": "", "name": name, "env": "toy", "code": code, "goals": (goal,)}
        origin = {
            "author": "own",
            "by": "induction",
            "task_keys": tuple(task.key for task in tasks),
        }
        data = {**given, "requires": requires, "origin": origin}
        library.add(Skill.model_validate(data), reason="seen")
    ledger.close()
    return folder


def test_try_plays_and_keeps_nothing(cabinet: Path) -> None:
    told = said("skills", "try", "bring", "-n", "2", home=cabinet)
    assert told.count("solved train/") == 2
    assert "give " in told
    (one,) = asked("skills", "try", "lie", home=cabinet)
    assert (one["claimed"], one["passed"], one["actions"]) == (True, False, ["open red drawer"])
    assert {one["status"] for one in asked("skills", "list", home=cabinet)} == {"candidate"}
    assert "no train task named 'x'" in refused(
        "skills", "try", "bring", "--task", "x", home=cabinet
    )


def test_verify_admits_what_solves_and_refuses_what_lies(cabinet: Path) -> None:
    told = said("skills", "verify", "bring", home=cabinet)
    assert "active bring: it solved 24 of 24 fresh tasks" in told
    assert "journeyman undo C" in told
    assert "24 of 24 trials to solve passed" in said("skills", "show", "bring", home=cabinet)
    lied = asked("skills", "verify", "lie", home=cabinet)
    assert lied["skill"]["status"] == "quarantined"
    assert "it said that it was done" in lied["outcome"]["reason"]


def test_a_skill_without_a_task_says_so(home: Path) -> None:
    line = refused("skills", "try", "look_twice", home=home)
    assert "no goal of look_twice is that of any other train task" in line
