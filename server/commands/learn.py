"""`journeyman learn`: rounds of train tasks; with `--distill` each trains and gates a student."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.contest import HELD_OUT, Ground, drawn
from agent.crossing import off
from agent.gathering import Course
from agent.home import Home, home
from agent.models.pull import EMBEDDED, find, list_models
from agent.models.resolve import resolve
from agent.models.types import Model
from agent.promotion import current
from agent.roundlog import Bounds, Held, Learned, Round
from agent.rounds import began, rounds
from agent.runner import Crew, Spec, run
from agent.schooling import School, Ways
from agent.settings import Settings, load
from agent.stages import read_rows
from distill.bases import prepared, sha256_of
from distill.monitor import Tuning
from distill.plan import Plan
from distill.recipes import recipe
from distill.training import LoraTrainer
from envs.errors import Missing, UserError
from envs.types import Frozen, Task
from memory.types import Trajectory
from server.commands.memory import Json
from server.commands.run import together
from server.commands.students import FAMILY, model_settings, solved_before
from server.console import err, go, out, safe, say_json, table


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("learn")(learn)


class Wanted(Frozen):
    """What the command line asked for."""

    env: str
    """Environment."""
    rounds: int
    """How many at the most."""
    n: int
    """Train tasks a round."""
    name: str
    """By which rounds and their students are kept."""
    recipe: str = "sft"
    """Of rows."""
    samples: int = 4
    """Runs at each task of the first round."""
    temperature: float = 0.7
    """Of the first round."""
    judged: int = 60
    """Val tasks of the gate."""
    held: int = 60
    """Val tasks that are held out."""
    shown: Path | None = None
    """Rows of demonstrations."""


def learn(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    distill: Annotated[
        bool, typer.Option("--distill", help="Train a student on what was solved, and gate it")
    ] = False,
    rounds_: Annotated[int, typer.Option("--rounds", min=1, help="How many at the most")] = 3,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Train tasks a round")] = 60,
    name: Annotated[str, typer.Option(help="Of these rounds; the same name goes on")] = "",
    recipe_: Annotated[str, typer.Option("--recipe", help="How rows are made")] = "sft",
    samples: Annotated[int, typer.Option(min=1, help="Runs at each task, to begin with")] = 4,
    temperature: Annotated[float, typer.Option(min=0, help="Of the replies, to begin with")] = 0.7,
    judged: Annotated[int, typer.Option(min=1, help="Val tasks that the gate plays")] = 60,
    held: Annotated[int, typer.Option(min=1, help="Val tasks held out from the gate")] = 60,
    shown: Annotated[
        Path | None,
        typer.Option("--rows", help="Rows of demonstrations (`journeyman distill`), for round 0"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rounds of train tasks: lessons are written from them, or a student is trained on them.

    With `--distill` a student is promoted only through the gate, rounds end when held-out success
    turns, and those that were killed go on with the same command.
    """
    wanted = Wanted(
        env=env,
        rounds=rounds_,
        n=n,
        name=name or env.replace(":", "-"),
        recipe=recipe_,
        samples=samples,
        temperature=temperature,
        judged=judged,
        held=held,
        shown=shown,
    )
    if not distill:
        curve = go(_lessons(load(), wanted, as_json=as_json))
        _curve(curve, as_json=as_json)
        return
    if recipe(recipe_).trains not in ("sft", "nft"):
        raise UserError(
            f"rows of recipe {recipe_} are no rounds' rows", repair="take sft, nft or steps"
        )
    learned = go(_distilled(load(), wanted))
    if as_json:
        say_json(learned)
    else:
        _told(learned)


async def _lessons(settings: Settings, wanted: Wanted, *, as_json: bool) -> list[tuple[int, int]]:
    """Rounds in which only memory and skills change: solved and played, by round."""
    async with home(settings) as place:
        env = await place.env(wanted.env)
        tasks = list(env.tasks("train"))
        random.Random(0).shuffle(tasks)
        curve: list[tuple[int, int]] = []
        for number in range(1, wanted.rounds + 1):
            crew = await place.crew()
            at = (number - 1) * wanted.n % max(1, len(tasks))
            batch = [*tasks[at:], *tasks[:at]][: wanted.n]

            def job(task: Task, crew: Crew = crew, arm: str = f"{wanted.name}/{number}") -> Any:
                spec = Spec(task=task, seed=task.seed, arm=arm)
                return lambda: run(crew, env, spec)

            done = await together([job(t) for t in batch], workers=1, as_json=as_json)
            curve.append((sum(_won(one) for one in done), len(done)))
        return curve


def _won(one: Trajectory) -> bool:
    return bool(one.score and one.score.passed)


def _curve(curve: list[tuple[int, int]], *, as_json: bool) -> None:
    if as_json:
        say_json({"rounds": [{"solved": won, "played": total} for won, total in curve]})
        return
    rows = [(n, f"{won}/{total}") for n, (won, total) in enumerate(curve, start=1)]
    table("rounds", ("round", "solved"), rows)


async def _distilled(settings: Settings, wanted: Wanted) -> Learned:
    async with home(settings) as place, AsyncExitStack() as closing:
        env = await place.env(wanted.env)
        answering = await off(current, place.ledger)
        families = [
            drawn(await place.env(one), n=FAMILY, salt=wanted.name)
            for one in await off(solved_before, place.ledger, but=wanted.env)
        ]
        shown = await off(read_rows, wanted.shown) if wanted.shown else []
        ways = await off(_ways, settings, wanted, families)
        school = School(place, env, ways)
        closing.push_async_callback(school.close)
        folder = settings.home / "learning" / wanted.name
        first = await off(began, folder)
        course = Course(
            name=wanted.name,
            tasks=env.tasks("train"),
            seams=school,
            folder=folder,
            bounds=Bounds(
                tasks=wanted.n,
                anchors=wanted.n // 5,
                tuning=Tuning(samples=wanted.samples, temperature=wanted.temperature),
            ),
            student=first if first is not None else answering.id if answering else "",
            demonstrations=shown,
            teacher=await _teacher(place, school),
            told=_progress,
        )
        return await rounds(course, most=wanted.rounds)


def _ways(settings: Settings, wanted: Wanted, families: Sequence[Ground]) -> Ways:
    """Who opens and trains students here: on the base that comes with the installation."""
    file = find(EMBEDDED, home=settings.home)
    if file is None:
        raise Missing("no base is installed", repair=f"journeyman models pull {EMBEDDED}")
    known = next(model for model in list_models(settings.home) if model.name == EMBEDDED)

    async def open_(student: str) -> Model:
        return await resolve(model_settings(settings, student), home=settings.home)

    def trainer(parent: str) -> LoraTrainer:
        plan = Plan(loss="nft" if recipe(wanted.recipe).trains == "nft" else "sft")
        if parent:  # warming up anew in each round costs what was known
            plan = plan.model_copy(update={"schedule": "constant", "warmup": 0.0})
        folder = prepared(file, cache=settings.home / "cache" / "bases")
        return LoraTrainer(folder, plan, told=_progress, base_sha256=sha256_of(file))

    return Ways(
        open=open_,
        trainer=trainer,
        base=EMBEDDED,
        licence=known.licence,
        recipe=wanted.recipe,
        judged=wanted.judged,
        held=wanted.held,
        families=families,
    )


async def _teacher(place: Home, school: School) -> Held | None:
    """The configured model on the held-out tasks, where it is one behind an endpoint."""
    if not place.settings.model.base_url:
        return None
    crew = await place.crew()
    return await school.held(crew, crew.model.name, arm=f"{HELD_OUT}/teacher")


def _progress(line: str) -> None:
    err.print(f"[dim]{safe(line)}[/dim]")


def _told(learned: Learned) -> None:
    columns = (
        "round", "exploration", "precision", "coverage", "one sample", "rows (fresh)",
        "held-out", "outcome", "why",
    )  # fmt: skip
    table(f"rounds {learned.name}", columns, [_row(one) for one in learned.rounds])
    out.print(safe(learned.said()))


def _row(one: Round) -> tuple[object, ...]:
    got = one.gathered
    seen = got.figures
    return (
        one.number,
        f"{seen.exploration:.2f}" if seen else "",
        "" if seen is None or seen.exploitation is None else f"{seen.exploitation:.0%}",
        f"{got.coverage.share:.0%}" if seen else "",
        f"{got.coverage.single:.0%}" if seen else "",
        f"{got.rows} ({got.fresh})",
        one.held or "",
        one.outcome,
        one.why,
    )
