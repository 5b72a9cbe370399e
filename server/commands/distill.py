"""`journeyman distill`: from verified successes to training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill.rows import rows, write_jsonl
from server.commands.memory import Json, opened
from server.console import out, plain, say_json


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("distill")(distill)


def distill(
    to: Annotated[Path, typer.Option("--out", help="JSONL file to write")] = Path("rows.jsonl"),
    env: Annotated[str, typer.Option(help="Only runs of this environment")] = "",
    as_json: Json = False,
) -> None:
    """Writes verified successes on train tasks as chat rows, to train a model with."""
    ledger = opened().ledger
    found = ledger.trajectories(env=env or None, split="train", limit=1_000_000)
    written = write_jsonl(to, rows(found))
    if as_json:
        say_json({**plain(written), "trajectories": len(found)})
    else:
        out.print(f"{to}: {written.rows} rows from {len(found)} train runs")
