"""`journeyman tasks next | make | list`: what to learn from next, and tasks of the agent's own."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from agent.crossing import off
from agent.curricula import DEFAULT, curriculum
from agent.curriculum import Chosen, history
from agent.home import home
from agent.relabel import new_goals
from agent.selfmade import Own, composed, keep, own_start, refuse, standing
from agent.settings import Settings, load
from agent.startpoints import mined
from envs.types import Frozen
from memory.types import Change
from server.commands.memory import Json
from server.console import go, many, out, safe, say_json, table
from skills.library import Library
from skills.sandbox import Sandbox

Of = Literal["starts", "goals"]
RUNS = 2000
"""Latest runs that starts are looked for in."""
app = typer.Typer(help="What to learn from next, and tasks of the agent's own.")


class Made(Frozen):
    """A task of the agent's own, and what became of it."""

    task: Own
    """The task."""
    change: str
    """Id of the change by which it is kept or refused; empty: it was there already."""
    why: str
    """Why it was refused; empty: it was not."""


def add_to(main: typer.Typer) -> None:
    """Registers the commands."""
    main.add_typer(app, name="tasks")


@app.command("next")
def next_(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Tasks")] = 8,
    by: Annotated[str, typer.Option(help="frontier, bandit or order")] = DEFAULT,
    seed: Annotated[int, typer.Option(help="Of what is left to chance")] = 0,
    as_json: Json = False,
) -> None:
    """Which train tasks would teach most now, and why."""
    chosen = go(_next(load(), env, n=n, by=by, seed=seed))
    if as_json:
        say_json(chosen)
        return
    rows = [(one.task.id, one.task.goal, one.why) for one in chosen]
    table(many(len(chosen), "task"), ("task", "goal", "why"), rows)


@app.command("make")
def make(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    of: Annotated[
        Of,
        typer.Option(help="starts: undecided states that runs met; goals: out of mastered goals"),
    ] = "starts",
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="At most so many")] = 8,
    as_json: Json = False,
) -> None:
    """Makes tasks of the agent's own; those that hold are run as `own:ENV`, for training only."""
    made = go(_made(load(), env, of=of, n=n))
    if as_json:
        say_json(made)
        return
    rows = [(one.task.id, one.task.words, one.change, one.why or "kept") for one in made]
    table(f"{sum(not one.why for one in made)} kept", ("task", "goal", "change", "why"), rows)
    if made:
        out.print(f"`journeyman run own:{safe(env)}` plays them; `journeyman undo` takes them away")


@app.command("list")
def list_(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    as_json: Json = False,
) -> None:
    """The tasks of the agent's own in an environment."""
    found = go(_listed(load(), env))
    if as_json:
        say_json(found)
        return
    rows = [(one.id, one.made, one.words, one.by, len(one.runs)) for one in found]
    table(many(len(found), "task"), ("task", "kind", "goal", "by", "runs"), rows)


async def _next(settings: Settings, env: str, *, n: int, by: str, seed: int) -> list[Chosen]:
    async with home(settings) as place:
        world = await place.env(env)
        chooser = curriculum(by, await off(world.tasks, "train"), seed=seed)
        past = await off(history, place.ledger, world.name)
        return list(await off(chooser.explain, n, past))


async def _listed(settings: Settings, env: str) -> list[Own]:
    async with home(settings) as place:
        return await off(standing, place.ledger, env)


async def _made(settings: Settings, env: str, *, of: Of, n: int) -> list[Made]:
    async with home(settings) as place:
        world = await place.env(env)
        ledger = place.ledger
        if of == "starts":
            runs = await off(ledger.trajectories, env=world.name, split="train", limit=RUNS)
            goals = {run.id: run.goal for run in runs}
            found = await off(mined, world, runs, most=n)
            own = [own_start(world.name, one, words=goals.get(one.start.run, "")) for one in found]
            done = await off(keep, ledger, own, reason="outcomes vary most from there")
            return _joined([(one, "") for one in own], done)
        library = Library(ledger, effects=place.memory.effects)
        skills = [one for one in library.all(env=world.name) if one.status == "active"]
        new, _ = await new_goals(await off(world.tasks, "train"), skills, most=n)
        with Sandbox() as sandbox:
            judged = await off(composed, world, new, sandbox=sandbox, library=library)
        good = [one for one, why in judged if not why]
        done = await off(keep, ledger, good, reason="its skills reached all parts at once")
        bad = [await off(refuse, ledger, one, why=why) for one, why in judged if why]
        return _joined(judged, (*done, *bad))


def _joined(judged: list[tuple[Own, str]], done: tuple[Change, ...]) -> list[Made]:
    changes = {one.target: one.id for one in done}
    return [Made(task=one, change=changes.get(one.id, ""), why=why) for one, why in judged]
