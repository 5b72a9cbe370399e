"""`journeyman skills learn | weave | challenge`, with a model that is served over loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envs.errors import Missing, Refused
from envs.toy import Toy
from server.cli import app

TOY = Toy()
HOMES = {
    task.tags[1]: action.text
    for task in TOY.tasks("train")[:6]
    for action in TOY.open(task).demonstrate()[:1]
}
BRING = f'''\
HOMES: dict[str, str] = {HOMES!r}


def bring(x: str) -> bool:
    """Opens the drawer that a thing is kept in, takes it and gives it."""
    if x not in HOMES:
        return False
    act(HOMES[x])
    act(f"take {{x}}")
    return act(f"give {{x}}").startswith("Thank you")
'''
CHALLENGE = """\
Instruction: Hold anything.
```python
def verify(done: list[str], answers: list[str], offered: list[str]) -> bool:
    return any(one.startswith("give ") for one in offered)
```
```python
def solve() -> bool:
    for command in offered():
        if command.startswith("open "):
            act(command)
            for other in offered():
                if other.startswith("take "):
                    act(other)
                    return True
    return False
```
```python
def solve() -> bool:
    act(offered()[0])
    return True
```
"""
QUIET = {"JOURNEYMAN_MEMORY__RECALL": "false", "JOURNEYMAN_MEMORY__LEARN": "false"}
Served = Callable[[Callable[[dict[str, Any]], dict[str, Any] | str]], dict[str, str]]


def says(reply: str) -> Callable[[dict[str, Any]], dict[str, Any] | str]:
    """A solver that gives, takes, else opens the first drawer; as a writer it says `reply`."""

    def said(schema: dict[str, Any]) -> dict[str, Any] | str:
        if not schema:
            return reply
        choices = schema["properties"]["action"]["enum"]
        for verb in ("give ", "take ", "open "):
            for one in choices:
                if one.startswith(verb):
                    return {"action": one}
        return {"action": choices[0]}

    return said


def journeyman(*arguments: str, env: dict[str, str]) -> Any:
    done = CliRunner().invoke(app, [*arguments, "--json"], env={**QUIET, **env})
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def test_a_model_writes_skills_from_demonstrations(serves: Served) -> None:
    variables = serves(says(f"```python\n{BRING}```"))
    how = ("--from", "expert", "-n", "6", "--tasks", "8", "--with", "model")
    done = journeyman("skills", "learn", "toy", *how, env=variables)
    assert [(one["name"], one["admitted"]) for one in done["outcomes"]] == [("bring", True)]
    assert done["usage"]["calls"] == 1
    shown = journeyman("skills", "show", "bring", env=variables)["skill"]
    assert shown["origin"]["by"] == "says"
    assert shown["origin"]["author"] == "expert"


def test_failed_runs_count_for_the_goals_that_they_reached(serves: Served) -> None:
    variables = serves(says(f"```python\n{BRING}```"))
    CliRunner().invoke(app, ["run", "toy", "-n", "18"], env={**QUIET, **variables})
    how = ("-n", "18", "--tasks", "8", "--with", "model")
    plain = journeyman("skills", "learn", "toy", *how, env=variables)
    more = journeyman("skills", "learn", "toy", *how, "--relabel", env=variables)
    assert 0 < plain["ways"] < more["ways"]


def test_what_no_skill_answers_to_is_practised_and_written_down(serves: Served) -> None:
    variables = serves(says(f"```python\n{BRING}```"))
    (done,) = journeyman("skills", "weave", "toy", "--tries", "18", "--tasks", "8", env=variables)
    assert done["kind"] == "bring"
    assert len(done["runs"]) == 18
    assert 1 < done["solved"] < 18
    assert [one["admitted"] for one in done["learned"]["outcomes"]] == [True]
    assert journeyman("skills", "weave", "toy", env=variables) == []


def test_made_up_tasks_are_kept_and_can_be_run(serves: Served) -> None:
    variables = serves(says(CHALLENGE))
    made = journeyman("skills", "challenge", "toy", "-n", "2", env=variables)
    assert [one["instruction"] for one in made] == ["Hold anything."] * 2
    done = CliRunner().invoke(app, ["run", "challenges:toy", "--json"], env={**QUIET, **variables})
    assert done.exception is None, done.exception
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["success"], row["goal"]) for row in rows] == [(True, "Hold anything.")] * 2
    kept = journeyman("tasks", "list", "toy", env=variables)
    assert [one["challenge"]["instruction"] for one in kept] == ["Hold anything."] * 2


def test_an_environment_without_made_up_tasks_says_how_to_make_some(tmp_path: Path) -> None:
    home = {"JOURNEYMAN_HOME": str(tmp_path)}
    done = CliRunner().invoke(app, ["run", "challenges:toy"], env=home)
    assert isinstance(done.exception, Missing)
    with pytest.raises(Missing, match="journeyman skills challenge toy"):
        raise done.exception


def test_without_a_model_skills_are_induced_told_and_taken_back(tmp_path: Path) -> None:
    variables = {"JOURNEYMAN_HOME": str(tmp_path), "COLUMNS": "250"}
    how = ("skills", "learn", "toy", "--from", "expert", "-n", "12", "--tasks", "8")
    done = CliRunner().invoke(app, how, env={**QUIET, **variables})
    assert done.exception is None, done.exception
    assert "3 drafts from 12 ways" in done.stdout
    assert "it solved 8 of 8 fresh tasks" in done.stdout
    assert "expert: 10 tasks shown, 10 of 12 ways" in done.stderr
    assert len(journeyman("skills", "list", "--status", "active", env=variables)) == 3
    again = journeyman(*how, env=variables)
    assert again["usage"]["calls"] == 0
    assert not any(one["admitted"] for one in again["outcomes"])
    history = journeyman("skills", "show", "bring", env=variables)["history"]
    CliRunner().invoke(app, ["undo", history[-1]["batch"]], env={**QUIET, **variables})
    assert journeyman("skills", "list", "--status", "active", env=variables) == []


def test_without_solved_runs_the_repair_is_told(tmp_path: Path) -> None:
    variables = {**QUIET, "JOURNEYMAN_HOME": str(tmp_path)}
    error = CliRunner().invoke(app, ["skills", "learn", "toy"], env=variables).exception
    assert isinstance(error, Refused)
    assert "--from expert" in str(error)
    assert "\n" not in str(error)
