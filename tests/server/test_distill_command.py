"""`journeyman distill`: rows with a report and a record, and nothing where they are refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from agent.transcript import prompt
from distill.rows_turns import said
from envs.errors import JourneymanError
from envs.types import Score
from memory.ledger import Ledger
from memory.types import StepRecord, Trajectory, Verdict
from server.commands import distill

Says = Callable[..., dict[str, Any]]


def run_of(name: str, *actions: str, won: bool = True, **more: Any) -> Trajectory:
    fields: dict[str, Any] = {
        "id": name,
        "env": "toy",
        "task": "toy/x",
        "task_key": "spoon in no room",
        "task_type": "fetch",
        "split": "train",
        "goal": "Give me the spoon.",
        "model": "tiny",
        "first_observation": "You see a cabinet with many drawers.",
        "steps": tuple(
            StepRecord(index=n, action=action, observation=f"After {action}.")
            for n, action in enumerate(actions)
        ),
        "verdicts": (Verdict(accepted=won),),
        "score": Score(value=float(won), passed=won),
        "ended": "2026-01-01T00:00:00.000+00:00",
    }
    return Trajectory(**{**fields, **more})


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """The command in a home with four runs, and what it says in JSON."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(home / "ledger.db")
    for run in (
        run_of("r1", "a", "b"),
        run_of("r2", "a", "c", won=False),
        run_of("r3", "d", arm="other"),
        run_of("v1", "a", split="val", task_key="stamp", goal="Give me the stamp."),
    ):
        ledger.add_trajectory(run)
    ledger.close()
    app = typer.Typer()
    distill.add_to(app)

    def call(*words: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*words, "--json"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_rows_come_with_a_report_and_a_record_beside_them(says: Says, tmp_path: Path) -> None:
    told = says("--from", "toy", "--round", "2", "--out", str(tmp_path / "rows.jsonl"))
    rows = tmp_path / "rows.jsonl"
    assert (told["rows"], told["trajectories"], told["teachers"]) == (2, 3, {"model tiny": 2})
    assert told["sha256"] == hashlib.sha256(rows.read_bytes()).hexdigest()
    names = [one["name"] for one in told["filters"]]
    assert names == [
        "score",
        "held out",
        "licence",
        "taint",
        "synthetic",
        "length",
        "duplicates",
        "balance",
        "fresh",
    ]
    assert json.loads((tmp_path / "rows.manifest.json").read_text("utf-8")) == told
    origins = [line["metadata"] for line in lines_of(rows)]
    assert [(one["trajectory"], one["round"], one["outcome"]) for one in origins] == [
        ("r1", 2, True),
        ("r3", 2, True),
    ]
    assert origins[0]["rate"] == pytest.approx(2 / 3)


def test_runs_are_chosen_by_arm_and_rows_made_by_recipe(says: Says, tmp_path: Path) -> None:
    assert says("--arm", "other", "--most-steps", "1")["rows"] == 1
    assert says("--recipe", "nft", "--out", "n.jsonl")["made"] == {"attempt": 3}
    assert says("--recipe", "dpo", "--out", "d.jsonl")["rows"] == 1
    assert set(lines_of(tmp_path / "d.jsonl")[0]) == {"prompt", "chosen", "rejected", "metadata"}
    with pytest.raises(JourneymanError, match=r"rows of one file train one thing \(sft"):
        says("--recipe", "sft", "--recipe", "dpo")
    with pytest.raises(JourneymanError, match="no environment or file named 'toi'"):
        says("--from", "toi")
    with pytest.raises(JourneymanError, match="no split that can be held out named 'train'"):
        says("--held-out", "train")


def test_an_expert_is_a_teacher_and_its_rows_say_so(says: Says, tmp_path: Path) -> None:
    told = says(
        "--from-expert", "toy", "-n", "4", "--as-student", "--fresh", "1", "--out", "e.jsonl"
    )
    assert (told["rows"], told["teachers"]) == (4, {"expert": 4})
    first = lines_of(tmp_path / "e.jsonl")[0]
    assert first["messages"][0] == {"role": "system", "content": prompt("student")}
    assert first["metadata"]["teacher"] == "expert"
    assert first["messages"][-1]["content"].startswith('{"action": "give ')


def test_files_are_imported_under_their_licence_and_never_fresh(says: Says, tmp_path: Path) -> None:
    asked = {"role": "user", "content": "Which?"}
    line = {"messages": [asked, {"role": "assistant", "content": said("x")}]}
    stolen = "You see a cabinet with many drawers. Give me the stamp."
    leak = {"messages": [{**asked, "content": stolen}, line["messages"][1]]}
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(line)}\n{json.dumps(leak)}\n", "utf-8")
    assert says("--from", "in.jsonl")["rows"] == 0
    told = says("--from", "in.jsonl", "--licence", "mit")
    assert (told["rows"], told["licences"], told["imported"]) == (1, {"mit": 1}, {"in.jsonl": 1})
    (held,) = [one for one in told["filters"] if one["name"] == "held out"]
    assert held["reasons"] == {"held out, by its words": 1}
    with pytest.raises(JourneymanError, match=r"0 of 1 rows .* at least 10% must be"):
        says("--from", "in.jsonl", "--licence", "mit", "--fresh", "0.1", "--out", "no.jsonl")
    assert not (tmp_path / "no.jsonl").exists()
    both = says("--from", "in.jsonl", "--from", "toy", "--licence", "mit", "--fresh", "0.5")
    assert both["rows"] == 3


def test_own_runs_are_refused_where_the_verifier_lets_through_what_comes(
    says: Says, tmp_path: Path
) -> None:
    assert "is not known" in says("--from", "toy")["notes"][0]
    ledger = Ledger(tmp_path / "home" / "ledger.db")
    for n in range(20):
        lost = {"score": Score(value=0.0, passed=False), "goal": f"Give me stamp {n}."}
        ledger.add_trajectory(run_of(f"w{n}", split="val", task_key=f"k{n}", **lost))
    ledger.close()
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(JourneymanError, match=r"own runs would gain nothing; in toy .* --force"):
        says("--from", "toy")
    assert not (tmp_path / "rows.jsonl").exists()
    forced = says("--from", "toy", "--force")
    assert forced["rows"] == 2
    assert forced["notes"][0].endswith("forced")
    assert says("--from-expert", "toy", "-n", "2")["notes"] == []


def test_recipes_are_listed(says: Says) -> None:
    found = says("--recipes")
    assert found["nft"]["trains"] == "nft"
    assert "arXiv 2505.18116" in found["nft"]["paper"]
