"""`journeyman eval gap`: figures of stored val runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from envs.errors import Refused, UserError
from envs.types import Score
from memory.ledger import Ledger
from memory.types import Trajectory, Verdict
from server.cli import app


def stored(home: Path, *, sees: bool, split: str = "val") -> dict[str, str]:
    """Twenty runs, half of them won; the verifier sees which, or accepts every other pair."""
    ledger = Ledger(home / "ledger.db")
    for n in range(20):
        won = n % 2 == 0
        verdict = Verdict(accepted=won if sees else n % 4 < 2, confidence=1.0)
        ledger.add_trajectory(
            Trajectory(
                id=f"r{n}", env="toy", task=f"t{n}", task_key=f"k{n}", goal="",
                split="val" if split == "val" else "train",
                score=Score(value=float(won), passed=won), verdicts=(verdict,),
            )
        )  # fmt: skip
    ledger.close()
    return {"JOURNEYMAN_HOME": str(home), "COLUMNS": "250"}


def test_it_prints_both_accuracies_and_their_difference(tmp_path: Path) -> None:
    env = stored(tmp_path, sees=True)
    done = CliRunner().invoke(app, ["eval", "gap", "--strict"], env=env)
    assert done.exit_code == 0, done.output
    assert "generator 10/20 (30% to 70%), after the verifier 10/10: +50.0%" in done.stdout
    assert "the generation-verification gap is positive" in done.stdout
    read = json.loads(CliRunner().invoke(app, ["eval", "gap", "--json"], env=env).stdout)
    assert (read["generator"], read["filtered"], read["difference"]) == (0.5, 1.0, 0.5)


def test_strict_refuses_where_the_verifier_knows_nothing(tmp_path: Path) -> None:
    env = stored(tmp_path, sees=False)
    done = CliRunner().invoke(app, ["eval", "gap", "--strict"], env=env)
    assert "is not known to be positive" in done.stdout
    assert isinstance(done.exception, Refused)
    assert CliRunner().invoke(app, ["eval", "gap"], env=env).exit_code == 0


def test_train_runs_are_not_looked_at(tmp_path: Path) -> None:
    env = stored(tmp_path, sees=True, split="train")
    done = CliRunner().invoke(app, ["eval", "gap", "--env", "toy"], env=env)
    with pytest.raises(UserError, match="no scored val runs; journeyman run toy --split val"):
        raise done.exception or AssertionError
