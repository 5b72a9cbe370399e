"""`journeyman skills learn | weave | challenge`: skills and tasks that are tried before use."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import typer

from agent.challenger import Challenger
from agent.crossing import off
from agent.home import Home, home
from agent.relabel import Relabeller
from agent.runner import Spec, run
from agent.selfmade import keep, own_challenge
from agent.settings import Settings, load
from agent.skillwriter import Written, failed_before
from agent.synthesis import Induction, Learned, Writer, learned, ways_of
from agent.weaving import Practice
from agent.weaving import weave as woven
from envs.types import Env, Frozen, Task, ToolSpec
from memory.types import Trajectory
from server.commands.memory import Json
from server.console import err, go, many, out, safe, say_json, table
from skills.challenges import Challenge
from skills.checking import practised
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground
from skills.types import Shown

Whose = Literal["own", "expert"]
With = Literal["induction", "model"]


def add_to(group: typer.Typer) -> None:
    """Registers the commands in the group of skills."""
    group.command("learn")(learn)
    group.command("weave")(weave)
    group.command("challenge")(challenge)


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
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Use failed runs too, for other goals they reached")
    ] = False,
    as_json: Json = False,
) -> None:
    """Writes skills from solved train tasks, and admits those that pass their trials.

    Every draft that was tried is kept with the reason; `journeyman undo` takes changes back.
    """
    wanted = Wanted(env=env, whose=whose, n=n, with_=with_, relabel=relabel)
    done = go(_learned(load(), wanted, bounds=Bounds(solve=tasks)))
    if as_json:
        say_json(done)
    else:
        _say(done)


def weave(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    kinds: Annotated[int, typer.Option(min=1, help="Kinds of goals without a skill")] = 4,
    tries: Annotated[int, typer.Option(min=1, help="Train tasks of each that are run")] = 4,
    tasks: Annotated[int, typer.Option(min=4, help="Tasks that each skill is tried on")] = 24,
    as_json: Json = False,
) -> None:
    """Practises goals that no skill answers to, and has a model write skills from what held."""
    done = go(_woven(load(), env, kinds=kinds, tries=tries, bounds=Bounds(solve=tasks)))
    if as_json:
        say_json(done)
        return
    for one in done:
        out.print(f"{safe(one.kind)}: {one.solved} of {len(one.runs)} runs solved and hold")
        if one.learned is not None:
            _say(one.learned)


def challenge(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Tasks to make up")] = 3,
    seed: Annotated[int, typer.Option(help="Of what is looked at")] = 0,
    as_json: Json = False,
) -> None:
    """Has a model make up tasks as code; those that can tell are run as `challenges:ENV`."""
    made = go(_challenged(load(), env, n=n, seed=seed))
    if as_json:
        say_json(made)
        return
    rows = [(one.id, one.instruction, one.world) for one in made]
    table(f"{len(made)} of {n} admitted", ("id", "instruction", "in the world of"), rows)
    if made:
        out.print(f"`journeyman run challenges:{safe(env)}` plays them")


def _say(done: Learned) -> None:
    rows = [
        (one.name, one.skill, "active" if one.admitted else "no", one.trials, one.reason)
        for one in done.outcomes
    ]
    title = f"{many(done.drafts, 'draft')} from {many(done.ways, 'way')}"
    table(title, ("draft", "skill", "admitted", "episodes", "why"), rows)
    if done.usage.calls:
        tokens = done.usage.prompt_tokens + done.usage.completion_tokens
        out.print(f"{done.usage.calls} replies of the model, {tokens} tokens")
    out.print("`journeyman skills show NAME` tells all of one")


class Wanted(Frozen):
    """What the command line asked for."""

    env: str
    """Environment."""
    whose: Whose
    """Whose ways."""
    n: int
    """How many."""
    with_: With
    """Who writes."""
    relabel: bool
    """Whether failed runs count, for other goals."""


def told_dimly(line: str) -> None:
    """A line of progress."""
    err.print(f"[dim]{safe(line)}[/dim]")


@asynccontextmanager
async def place_of(settings: Settings, env: str) -> AsyncIterator[tuple[Home, Ground]]:
    """An open home, and where skills of an environment are tried."""
    async with home(settings) as place:
        world = await place.env(env)
        shelf = Library(place.ledger, effects=place.memory.effects)
        with Sandbox() as sandbox:
            yield place, Ground(world, sandbox, shelf)


async def _learned(settings: Settings, wanted: Wanted, *, bounds: Bounds) -> Learned:
    async with place_of(settings, wanted.env) as (place, ground):
        ways = await off(
            ways_of, ground.env, place.ledger, whose=wanted.whose, most=wanted.n, told=told_dimly
        )
        if wanted.relabel:
            ways += await _relabelled(place, ground.env, most=wanted.n)
        writer: Writer = Induction()
        if wanted.with_ == "model":
            failed = await off(failed_before, place.ledger, ways)
            writer = await _written(place, ground, failed)
        return await learned(ground, writer, ways, bounds=bounds, told=told_dimly)


async def _relabelled(place: Home, env: Env, *, most: int) -> list[Shown]:
    """Ways to other goals, in the latest failed runs."""
    runs = await off(place.ledger.trajectories, env=env.name, split="train", limit=-1)
    failed = [one for one in runs if one.score and not one.score.passed][:most]
    found: list[Shown] = []
    for lost in failed:
        found += (await Relabeller(env).relabel(lost))[0]
    told_dimly(f"{len(found)} other goals were reached in {len(failed)} failed runs")
    return found


async def _woven(
    settings: Settings, env: str, *, kinds: int, tries: int, bounds: Bounds
) -> list[Practice]:
    async with place_of(settings, env) as (place, ground):
        crew = await place.crew()

        async def play(task: Task) -> Trajectory:
            return await run(crew, ground.env, Spec(task=task, seed=task.seed, arm="practice"))

        writer = await _written(place, ground, {})
        return await woven(
            ground, writer, play, kinds=kinds, tries=tries, bounds=bounds, told=told_dimly
        )


async def _challenged(settings: Settings, env: str, *, n: int, seed: int) -> list[Challenge]:
    async with place_of(settings, env) as (place, ground):
        rng = random.Random(seed)
        chosen = settings.reflector or settings.model
        maker = Challenger(
            ground.env,
            await place.model("reflector"),
            sandbox=ground.sandbox,
            rng=rng,
            context=chosen.context,
        )
        tasks = ground.env.tasks("train")
        made: list[Challenge] = []
        for world in rng.sample(tasks, min(n, len(tasks))):
            one, why, _ = await maker.challenge(world)
            told_dimly(f"{world.id}: {why or 'admitted'}")
            made += [one] if one else []
        by = (await place.model("reflector")).name
        own = [own_challenge(ground.env.name, one, by=by) for one in made]
        await off(keep, place.ledger, own, reason="its verifier can tell")
        return made


async def _written(place: Home, ground: Ground, failed: Mapping[str, Trajectory]) -> Writer:
    """The model that puts lessons into words as a writer of code; it practises on its examples."""
    chosen = place.settings.reflector or place.settings.model
    return Written(
        await place.model("reflector"),
        sandbox=ground.sandbox,
        tools=await off(_tools, ground.env),
        failed=failed,
        practise=lambda draft, way: practised(ground, draft, way),
        context=chosen.context,
        told=told_dimly,
    )


def _tools(env: Env) -> tuple[ToolSpec, ...]:
    """What the episodes of an environment offer; none where actions are text."""
    tasks = env.tasks("train")
    if not tasks:
        return ()
    episode = env.open(tasks[0])
    try:
        return tuple(episode.tools)
    finally:
        episode.close()
