"""`journeyman history` and `journeyman undo`: every change of the agent, and back."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.memory import Json, opened
from server.commands.memory import undo as undo_change
from server.console import say_json, table


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command("history")(history)
    app.command("undo")(undo_change)


def history(
    target: Annotated[str, typer.Argument(help="A lesson; empty for all")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 30,
    as_json: Json = False,
) -> None:
    """Lists changes, newest first."""
    changes = opened().ledger.changes(target=target or None, limit=limit)
    if as_json:
        say_json(changes)
        return
    rows = [(c.id, c.time[:19], c.kind, c.op, c.target, c.actor, c.reason) for c in changes]
    columns = ("change", "time", "kind", "what", "target", "by", "why")
    table(f"{len(changes)} changes", columns, rows)
