"""`journeyman skills learn`: skills from solved train tasks, tried before they may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from agent.crossing import off
from agent.home import Home, home
from agent.settings import Settings, load
from agent.skillwriter import Written, failed_before
from agent.synthesis import Induction, Learned, Told, Writer, learned, ways_of
from envs.types import Env, ToolSpec
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json, table
from skills.checking import practised
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground
from skills.types import Shown

Whose = Literal["own", "expert"]
With = Literal["induction", "model"]


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
    with_: Annotated[
        With,
        typer.Option(
            "--with", help="induction: no model; model: the one that puts lessons into words"
        ),
    ] = "induction",
    as_json: Json = False,
) -> None:
    """Writes skills from solved train tasks, and admits those that pass their trials.

    Every draft that was tried is kept with the reason; `journeyman undo` takes changes back.
    """
    done = go(_learned(load(), env, whose, n=n, with_=with_, bounds=Bounds(solve=tasks)))
    if as_json:
        say_json(done)
        return
    rows = [
        (one.name, one.skill, "active" if one.admitted else "no", one.trials, one.reason)
        for one in done.outcomes
    ]
    title = f"{done.drafts} drafts from {done.ways} ways"
    table(title, ("draft", "skill", "admitted", "episodes", "why"), rows)
    if done.usage.calls:
        tokens = done.usage.prompt_tokens + done.usage.completion_tokens
        out.print(f"{done.usage.calls} replies of the model, {tokens} tokens")
    out.print("`journeyman skills show NAME` tells all of one")


async def _learned(
    settings: Settings, env: str, whose: Whose, *, n: int, with_: With, bounds: Bounds
) -> Learned:
    def told(line: str) -> None:
        err.print(f"[dim]{safe(line)}[/dim]")

    async with home(settings) as place:
        world = await place.env(env)
        ways = await off(ways_of, world, place.ledger, whose=whose, most=n, told=told)
        shelf = Library(place.ledger, effects=place.memory.effects)
        with Sandbox() as sandbox:
            ground = Ground(world, sandbox, shelf)
            writer: Writer = Induction()
            if with_ == "model":
                writer = await _written(place, ground, ways, told=told)
            return await learned(ground, writer, ways, bounds=bounds, told=told)


async def _written(place: Home, ground: Ground, ways: Sequence[Shown], *, told: Told) -> Writer:
    """The model that puts lessons into words as a writer of code; it practises on its examples."""
    chosen = place.settings.reflector or place.settings.model
    return Written(
        await place.model("reflector"),
        sandbox=ground.sandbox,
        tools=await off(_tools, ground.env, ways),
        failed=await off(failed_before, place.ledger, ways),
        practise=lambda draft, way: practised(ground, draft, way),
        context=chosen.context,
        told=told,
    )


def _tools(env: Env, ways: Sequence[Shown]) -> tuple[ToolSpec, ...]:
    """What the episodes of an environment offer; none where actions are text."""
    if not ways:
        return ()
    episode = env.open(ways[0].task)
    try:
        return tuple(episode.tools)
    finally:
        episode.close()
