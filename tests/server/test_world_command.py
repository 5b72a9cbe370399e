"""`journeyman eval world` counts what a learnt model foretells."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from memory.ledger import Ledger
from memory.types import StepRecord, Trajectory, Verdict
from server.cli import app


def test_held_out_steps_are_counted(tmp_path: Path) -> None:
    given = {"JOURNEYMAN_HOME": str(tmp_path), "COLUMNS": "200"}
    few = CliRunner().invoke(app, ["eval", "world", "toy"], env=given)
    assert "too few train runs of toy" in str(few.exception)
    ledger = Ledger(tmp_path / "ledger.db")
    for number in range(10):
        step = StepRecord(index=0, action="press", observation="A bell rings.")
        run = Trajectory(
            id=f"r{number}",
            env="toy",
            task=f"t{number}",
            task_key=f"k{number}",
            split="train",
            goal="ring",
            first_observation=f"Room {number}.",
            steps=(step,),
            verdicts=(Verdict(accepted=False),),
        )
        ledger.add_trajectory(run)
    ledger.close()
    done = CliRunner().invoke(app, ["eval", "world", "toy", "--json"], env=given)
    told = json.loads(done.stdout)
    assert (told["learnt"], told["asked"], told["known"], told["right"]) == (8, 2, 2, 2)
    assert told["share"] == 1.0
