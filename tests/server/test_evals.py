"""`journeyman eval`: asks the configured model, reads stored runs, prints what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envs.errors import UserError
from memory.ledger import Ledger
from memory.types import StepRecord, Trajectory, Verdict
from server.cli import app


def says(schema: dict[str, Any]) -> dict[str, Any]:
    """Answers 1, and finds everything right."""
    if "critique" in schema["properties"]:
        return {"critique": "Hm.", "answer": "right"}
    return {"work": "Hm.", "answer": "1"}


@pytest.fixture
def model(serves: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Variables that name that model."""
    return serves(says)


def ask(env: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments], env=env)


def read(env: dict[str, str], *arguments: str) -> Any:
    done = ask(env, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def stored(home: Path, *runs: Trajectory) -> dict[str, str]:
    ledger = Ledger(home / "ledger.db")
    for run in runs:
        ledger.add_trajectory(run)
    ledger.close()
    return {"JOURNEYMAN_HOME": str(home), "COLUMNS": "250"}


def run(name: str, thought: str, *accepted: bool) -> Trajectory:
    """A run that looks once in each attempt."""
    return Trajectory(
        id=name,
        env="toy",
        task="t",
        task_key="k",
        split="train",
        goal="Bring it.",
        steps=tuple(
            StepRecord(
                index=n, attempt=n, action=f"open drawer {n}", observation="", thought=thought
            )
            for n in range(len(accepted))
        ),
        verdicts=tuple(Verdict(accepted=yes, confidence=1.0, evidence=("0",)) for yes in accepted),
        attempts=len(accepted),
    )


def test_critic_counts_own_and_others_answers_apart(model: dict[str, str]) -> None:
    found = read(model, "critic", "-n", "4")
    assert found["others"] | {"interval": None} == {
        "right_right": 4,
        "right_wrong": 0,
        "wrong_right": 4,
        "wrong_wrong": 0,
        "accuracy": 0.5,
        "balanced": 0.5,
        "interval": None,
    }
    assert found["own"]["wrong_right"] + found["own"]["right_right"] == 4
    assert found["selfcheck"]["kept"] == 4
    assert read(model, "critic", "-n", "4", "--no-selfcheck")["selfcheck"] is None


def test_critic_says_both_figures_and_the_filter_to_people(model: dict[str, str]) -> None:
    done = ask(model, "critic", "-n", "3")
    assert done.exit_code == 0, done.output
    assert "others'" in done.output
    assert "with the self-check as a filter" in done.output


def test_answers_of_another_run_take_the_programs_place(
    model: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(read(model, "critic", "-n", "3")), "utf-8")
    found = read(model, "critic", "-n", "3", "--answers", str(path))
    assert sum(found["others"][key] for key in found["others"] if "_" in key) == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"answers": [1]}'])
def test_a_file_without_answers_is_a_mistake(
    text: str, model: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, "utf-8")
    done = ask(model, "critic", "--answers", str(path))
    assert isinstance(done.exception, UserError)
    assert "journeyman eval critic --json > FILE" in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1


def test_blindspot_prints_both_rates_and_says_when_it_cannot_tell(model: dict[str, str]) -> None:
    found = read(model, "blindspot", "-n", "9", "--wait")
    assert set(found["levels"]) == {"1", "2", "3"}
    assert (found["wait"], found["all"]["errors"], found["all"]["own"]) == (True, 9, 0)
    done = ask(model, "blindspot", "-n", "3")
    assert "can't tell" in done.output


def test_overthinking_marks_patterns_and_the_run_to_keep(tmp_path: Path) -> None:
    thought = "and then again it might well be somewhere else " * 20
    env = stored(tmp_path, run("wordy", thought, True), run("calm", "", True))
    found = read(env, "overthinking", "--env", "toy")
    assert {one["run"]: one["chosen"] for one in found["runs"]} == {"wordy": False, "calm": True}
    assert "mean" in ask(env, "overthinking").output


def test_process_prints_the_four_metrics(tmp_path: Path) -> None:
    env = stored(tmp_path, run("mended", "", False, True), run("at once", "", True))
    found = read(env, "process", "--steps", "1")
    counts = {key: (found[key]["count"], found[key]["total"]) for key in found if "_" in key}
    assert counts == {"correction_success": (1, 1), "over_budget": (1, 2)}
    assert (found["overcorrection"]["rate"], found["slope"]) == (1.0, 1.0)
    output = ask(env, "process").output
    for name in ("overcorrection risk rate", "correction success rate", "improvement slope"):
        assert name in output


@pytest.mark.parametrize("command", ["overthinking", "process"])
def test_without_runs_it_says_how_to_make_some(command: str, tmp_path: Path) -> None:
    done = ask({"JOURNEYMAN_HOME": str(tmp_path)}, command, "--env", "toy")
    assert str(done.exception) == (
        "no stored runs env toy; make some, for example: journeyman run household:tiny"
    )
