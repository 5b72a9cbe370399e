"""`journeyman explore`: tries out what can be done in an environment, and writes skills from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from agent.crossing import off
from agent.exploring import Effort, Explored, explore
from agent.exploring_guides import Asked, Guide, Relevance
from agent.settings import Settings, load
from agent.synthesis import Induction, Learned, learned, together
from agent.weaving import proposals
from envs.types import Env, Frozen, Task
from server.commands.memory import Json
from server.commands.skill_learning import place_of, told_dimly
from server.console import go, many, out, safe, say_json, table
from skills.showing import demonstrated
from skills.trials import Bounds
from skills.types import Shown

Whose = Literal["tries", "expert"]


class Asking(Frozen):
    """What the command line asked for."""

    env: str
    """Environment."""
    whose: Whose
    """Where ways come from."""
    guide: Literal["relevance", "model"]
    """What says what is worth trying."""
    only: tuple[str, ...]
    """Kinds of goals; empty: those that no skill answers to."""
    kinds: int
    """How many of them."""
    effort: Effort
    """How much is tried."""


class Report(Frozen):
    """What exploring came to."""

    explored: tuple[Explored, ...] = ()
    """For each kind of goal what was tried."""
    learned: Learned | None = None
    """What was written from the ways; None where nothing was solved."""


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("explore")(explore_)


def explore_(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`: site, miniwob")],
    whose: Annotated[
        Whose, typer.Option("--from", help="tries: own attempts; expert: demonstrations")
    ] = "tries",
    guide: Annotated[
        Literal["relevance", "model"],
        typer.Option("--guide", help="What is tried first: by its looks, or what the model picks"),
    ] = "relevance",
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind of goal")] = None,
    kinds: Annotated[int, typer.Option(min=1, help="Kinds of goals without a skill")] = 8,
    ways: Annotated[int, typer.Option(min=2, help="Ways looked for, of each kind")] = 3,
    episodes: Annotated[int, typer.Option(min=1, help="Attempts at one task, at most")] = 40,
    steps: Annotated[int, typer.Option(min=1, help="Actions of one attempt, at most")] = 8,
    tasks: Annotated[int, typer.Option(min=4, help="Tasks that each skill is tried on")] = 24,
    as_json: Json = False,
) -> None:
    """Tries what can be done on train tasks, writes skills from what worked, admits the proven.

    Every draft that was tried is kept with the reason; `journeyman undo` takes changes back.
    """
    effort = Effort(ways=ways, tries=ways + 2, episodes=episodes, steps=steps)
    asking = Asking(
        env=env, whose=whose, guide=guide, only=tuple(kind or ()), kinds=kinds, effort=effort
    )
    done = go(_explored(load(), asking, bounds=Bounds(solve=tasks)))
    if as_json:
        say_json(done)
        return
    rows = [(one.kind, one.tasks, one.episodes, len(one.ways)) for one in done.explored]
    if rows:
        table("tried", ("kind of goal", "tasks", "episodes", "solved"), rows)
    if done.learned is None:
        out.print("nothing was solved, so there is nothing to write a skill from")
        return
    found = [
        (one.name, "active" if one.admitted else "no", one.trials, one.reason)
        for one in done.learned.outcomes
    ]
    table(many(done.learned.drafts, "draft"), ("draft", "admitted", "episodes", "why"), found)
    out.print(f"`journeyman skills list --env {safe(env)}` lists them")


async def _explored(settings: Settings, asking: Asking, *, bounds: Bounds) -> Report:
    """Kind by kind, so that what was learned stays when this is stopped."""
    async with place_of(settings, asking.env) as (place, ground):
        guide: Guide = Relevance()
        if asking.guide == "model":
            guide = Asked(await place.model("model"))
        explored: list[Explored] = []
        done: list[Learned] = []
        open_ = [(one.kind, one.tasks) for one in await off(proposals, ground)]
        chosen = [one for one in open_ if not asking.only or one[0] in asking.only][: asking.kinds]
        for one in chosen:
            if asking.whose == "expert":
                ways = await off(_shown, ground.env, [one], most=asking.effort.ways)
            else:
                found = await explore(
                    ground.env, guide, [one], effort=asking.effort, told=told_dimly
                )
                explored += found
                ways = [way for each in found for way in each.ways]
            if ways:
                done.append(
                    await learned(ground, Induction(), ways, bounds=bounds, told=told_dimly)
                )
        return Report(explored=tuple(explored), learned=together(done) if done else None)


def _shown(env: Env, kinds: Sequence[tuple[str, Sequence[Task]]], *, most: int) -> list[Shown]:
    """What the environment's expert does at some tasks of each kind; the others are for trials."""
    found = [demonstrated(env, task) for _, tasks in kinds for task in tasks[:most]]
    return [way for way in found if way]
