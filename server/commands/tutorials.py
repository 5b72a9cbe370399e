"""`journeyman skills tutorial`: demonstrations out of a text, kept where they reach the goal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.crossing import off
from agent.home import home
from agent.settings import Settings, load
from agent.tutorials import Demonstrated, demonstrate
from envs.errors import UserError, clip
from server.commands.memory import Json
from server.console import go, out, safe, say_json, table


def add_to(group: typer.Typer) -> None:
    """Registers the command in the group of skills."""
    group.command("tutorial")(tutorial)


def tutorial(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    file: Annotated[Path, typer.Argument(help="A text that tells how, step by step")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Train tasks to play it at")] = 10,
    contains: Annotated[str, typer.Option(help="Only tasks whose goal has these words")] = "",
    rules: Annotated[bool, typer.Option("--rules", help="Match words, ask no model")] = False,
    as_json: Json = False,
) -> None:
    """Plays train tasks by a tutorial; what reaches the goal is kept as a run of its own arm."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read: {error}", repair="name a text in UTF-8") from error
    done = go(_played(load(), env, text, name=file.name, n=n, contains=contains, rules=rules))
    if as_json:
        say_json(done)
        return
    rows = [(one.task, "kept" if one.run else "refused", clip(one.refused)) for one in done]
    kept = sum(one.run is not None for one in done)
    table(f"{kept} of {len(done)} reach their goals", ("task", "", "why"), rows)
    if kept:
        out.print(f"`journeyman distill --from {safe(env)} --arm synthetic:tutorial` makes rows")


async def _played(
    settings: Settings, env: str, text: str, *, name: str, n: int, contains: str, rules: bool
) -> list[Demonstrated]:
    async with home(settings) as place:
        world = await place.env(env)
        model = None if rules else await place.model("reflector")
        wanted = contains.casefold()
        found = [task for task in world.tasks("train") if wanted in task.goal.casefold()][:n]
        if not found:
            raise UserError(f"no train task of {env} asks for {contains!r}", repair="other words")
        done = [await demonstrate(text, world, task, model=model, name=name) for task in found]
        for one in done:
            if one.run is not None:
                await off(place.ledger.add_trajectory, one.run)
        return done
