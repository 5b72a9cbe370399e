"""`journeyman skills learn`: skills from solved train tasks, tried before they may be called."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from agent.crossing import off
from agent.home import home
from agent.settings import Settings, load
from agent.synthesis import Induction, Learned, learned, ways_of
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json, table
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground

Whose = Literal["own", "expert"]


def add_to(group: typer.Typer) -> None:
    """Registers the command in the group of skills."""
    group.command("learn")(learn)


def learn(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    whose: Annotated[
        Whose, typer.Option("--from", help="own: solved train runs; expert: demonstrations")
    ] = "own",
    n: Annotated[int, typer.Option("--n", "-n", min=2, help="Ways to write them from")] = 60,
    tasks: Annotated[int, typer.Option(min=4, help="Tasks that each skill is tried on")] = 24,
    as_json: Json = False,
) -> None:
    """Writes skills from solved train tasks, and admits those that pass their trials.

    Every draft that was tried is kept with the reason; `journeyman undo` takes changes back.
    """
    done = go(_learned(load(), env, whose, n=n, bounds=Bounds(solve=tasks)))
    if as_json:
        say_json(done)
        return
    rows = [
        (one.name, one.skill, "active" if one.admitted else "no", one.trials, one.reason)
        for one in done.outcomes
    ]
    title = f"{done.drafts} drafts from {done.ways} ways"
    table(title, ("draft", "skill", "admitted", "episodes", "why"), rows)
    out.print("`journeyman skills show NAME` tells all of one")


async def _learned(
    settings: Settings, env: str, whose: Whose, *, n: int, bounds: Bounds
) -> Learned:
    def told(line: str) -> None:
        err.print(f"[dim]{safe(line)}[/dim]")

    async with home(settings) as place:
        world = await place.env(env)
        ways = await off(ways_of, world, place.ledger, whose=whose, most=n, told=told)
        shelf = Library(place.ledger, effects=place.memory.effects)
        with Sandbox() as sandbox:
            ground = Ground(world, sandbox, shelf)
            return await learned(ground, Induction(), ways, bounds=bounds, told=told)
