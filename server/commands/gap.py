"""`journeyman eval gap`: whether filtering own runs by the verifier makes them better."""

from __future__ import annotations

from typing import Annotated

import typer

from distill.gap import gap as measure
from distill.gap import require
from envs.errors import UserError
from server.commands.memory import Json, opened
from server.console import out, say_json


def add_to(parent: typer.Typer) -> None:
    """Registers the command in the group of evaluations."""
    parent.command("gap")(gap)


def gap(
    env: Annotated[str, typer.Option(help="Only runs in this environment")] = "",
    arm: Annotated[str, typer.Option(help="Only runs of this arm")] = "",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many runs")] = 1000,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse unless the gap is positive")
    ] = False,
    as_json: Json = False,
) -> None:
    """Accuracy of stored val runs, of those that the verifier accepts, and the difference."""
    ledger = opened().ledger
    runs = ledger.trajectories(env=env or None, arm=arm or None, split="val", limit=limit)
    found = measure(runs)
    if not found.runs:
        raise UserError(
            "there are no scored val runs",
            repair=f"journeyman run {env or 'household:tiny'} --split val --no-learn",
        )
    if as_json:
        figures = {"generator": found.generator, "filtered": found.filtered}
        more = {"difference": found.difference, "interval": found.interval}
        say_json({**found.model_dump(), **figures, **more, "positive": found.positive})
    else:
        out.print(found.said())
        verdict = "positive" if found.positive else "not known to be positive"
        out.print(f"the generation-verification gap is {verdict}")
    if strict:
        require(found)
