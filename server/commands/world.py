"""`journeyman eval world`: how well a model learnt from runs foretells held-out ones."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.lookahead import standing
from agent.worldmodel import WorldModel, accuracy, held_out
from envs.errors import UserError
from server.commands.memory import Json, opened
from server.console import out, safe, say_json


def add_to(group: typer.Typer) -> None:
    """Registers the command in the group of evaluations."""
    group.command("world")(world)


def world(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    share: Annotated[int, typer.Option(min=2, help="Every so manyth task is held out")] = 5,
    as_json: Json = False,
) -> None:
    """Learns a model of an environment from its train runs; counts what it foretells rightly."""
    learnt, held = held_out(standing(opened().ledger, env), share=share)
    if not learnt or not held:
        raise UserError(f"too few train runs of {env}", repair=f"play some: `journeyman run {env}`")
    found = accuracy(WorldModel(learnt), held)
    if as_json:
        say_json({**found.model_dump(), "share": found.share, "learnt": len(learnt)})
        return
    told = f"{found.right} of {found.known}" if found.known else "none"
    out.print(
        safe(
            f"{env}: learnt from {len(learnt)} steps; of {found.asked} held-out steps it foretells "
            f"{found.known}, and {told} of these letter by letter"
        )
    )
