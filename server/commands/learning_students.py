"""Rounds of self-training for `journeyman learn --distill`: who plays, trains and is told."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from agent.contest import HELD_OUT, Ground, Seen, drawn
from agent.crossing import off
from agent.gathering import Course
from agent.home import Home, home
from agent.models.pull import EMBEDDED, find, list_models
from agent.models.resolve import resolve
from agent.models.types import Model
from agent.promotion import current
from agent.roundlog import Bounds, Held, Learned, Round
from agent.rounds import began, rounds
from agent.schooling import School, Ways
from agent.settings import Settings
from distill.bases import prepared, sha256_of
from distill.monitor import Tuning
from distill.plan import PLANS
from distill.recipes import recipe
from distill.rows import Pair, Row
from distill.training import LoraTrainer
from envs.errors import Missing
from envs.types import Frozen
from server.commands.students import FAMILY, model_settings, solved_before
from server.console import err, out, safe, table
from server.distilling import demonstrations

GENTLY = 0.3
"""Of a plan's rate, for rounds that go on from a student: what made the one that is shipped."""


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


async def distilled(settings: Settings, wanted: Wanted) -> Learned:
    """Rounds in which students are trained, gated and promoted."""
    async with home(settings) as place, AsyncExitStack() as closing:
        env = await place.env(wanted.env)
        answering = await off(current, place.ledger)
        families = [
            drawn(await place.env(one), n=FAMILY, salt=wanted.name)
            for one in await off(solved_before, place.ledger, but=wanted.env)
        ]
        shown = await off(_shown, place, settings, wanted.shown) if wanted.shown else []
        school = School(place, env, await off(ways, settings, wanted, families))
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
            told=progress,
        )
        return await rounds(course, most=wanted.rounds)


def ways(settings: Settings, wanted: Wanted, families: Sequence[Ground]) -> Ways:
    """Who opens and trains students here: on the base that comes with the installation."""
    file = find(EMBEDDED, home=settings.home)
    if file is None:
        raise Missing("no base is installed", repair=f"journeyman models pull {EMBEDDED}")
    known = next(model for model in list_models(settings.home) if model.name == EMBEDDED)

    async def open_(student: str) -> Model:
        return await resolve(model_settings(settings, student), home=settings.home)

    def trainer(parent: str) -> LoraTrainer:
        plan = PLANS[recipe(wanted.recipe).trains]
        if parent:  # warming up anew in each round costs what was known
            later = {"schedule": "constant", "warmup": 0.0, "rate": plan.rate * GENTLY}
            plan = plan.model_copy(update=later)
        folder = prepared(file, cache=settings.home / "cache" / "bases")
        return LoraTrainer(folder, plan, told=progress, base_sha256=sha256_of(file))

    return Ways(
        open=open_,
        trainer=trainer,
        base=EMBEDDED,
        licence=known.licence,
        recipe=wanted.recipe,
        judged=wanted.judged,
        held=wanted.held,
        families=families,
        watch=seen,
        rehearse=True,
        told=progress,
    )


def _shown(place: Home, settings: Settings, path: Path) -> list[Row | Pair]:
    return demonstrations(place.ledger, settings, path, told=progress)


async def _teacher(place: Home, school: School) -> Held | None:
    """The configured model on the held-out tasks, where it is one behind an endpoint."""
    if not place.settings.model.base_url:
        return None
    crew = await place.crew()
    return await school.held(crew, crew.model.name, arm=f"{HELD_OUT}/teacher")


def progress(line: str) -> None:
    """A line of progress, beside what is asked for."""
    err.print(f"[dim]{safe(line)}[/dim]")


def seen(so_far: Seen) -> None:
    """How far plays and the gate are."""
    progress(f"{so_far.stage}: {so_far.done} of at most {so_far.most}")


def told(learned: Learned) -> None:
    """A row for each round, and how they ended."""
    columns = (
        "round", "exploration", "precision", "coverage", "one sample", "rows (fresh)",
        "held-out", "outcome", "why",
    )  # fmt: skip
    table(f"rounds {learned.name}", columns, [_row(one) for one in learned.rounds])
    out.print(safe(learned.said()))


def _row(one: Round) -> tuple[object, ...]:
    got = one.gathered
    measured = got.figures
    return (
        one.number,
        f"{measured.exploration:.2f}" if measured else "",
        "" if measured is None or measured.exploitation is None else f"{measured.exploitation:.0%}",
        f"{got.coverage.share:.0%}" if measured else "",
        f"{got.coverage.single:.0%}" if measured else "",
        f"{got.rows} ({got.fresh})",
        one.held or "",
        one.outcome,
        one.why,
    )
