"""`journeyman run`: plays tasks of an environment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Protocol, cast, runtime_checkable

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.home import Home, home
from agent.models.router import noted
from agent.runner import Spec, interrupted, resume
from agent.runner import run as run_task
from agent.settings import Settings, load
from agent.tutor import EXPERT, taught
from agent.worker import worker
from envs.errors import UnknownName, UserError
from envs.pages_shown import Filmed
from envs.types import SPLITS, Env, Frozen, Split, Task
from memory.intervals import wilson
from memory.types import Trajectory
from server.console import err, go, out, safe, say_json, table


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("run")(run)


def run(
    env: Annotated[str, typer.Argument(help="A name of `journeyman envs list`")] = "",
    split: Annotated[str, typer.Option(help="train, val, test, seen or unseen")] = "train",
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many tasks")] = 10,
    task: Annotated[str, typer.Option(help="One task, by its id or its type")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed; default: each task's own")] = None,
    arm: Annotated[str, typer.Option(help="A name for these runs")] = "default",
    workers: Annotated[int, typer.Option(min=1, help="Episodes at once")] = 1,
    no_learn: Annotated[bool, typer.Option("--no-learn", help="Write no lessons")] = False,
    no_recall: Annotated[bool, typer.Option("--no-recall", help="Consult no memory")] = False,
    guard: Annotated[
        bool, typer.Option("--guard", help="Hide what earlier attempts at the same task left")
    ] = False,
    think: Annotated[bool, typer.Option("--think", help="A thought before each action")] = False,
    retries: Annotated[int | None, typer.Option(help="New attempts after a failed one")] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Keep pictures, where tasks are pages")
    ] = False,
    expert: Annotated[
        bool,
        typer.Option("--expert", help="Its expert plays, on train tasks; lessons come of it"),
    ] = False,
    resume_: Annotated[bool, typer.Option("--resume", help="Take up interrupted runs")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line per run")] = False,
) -> None:
    """Runs tasks; prints a row per task and a summary."""
    if not env and not resume_:
        raise UserError("which environment?", repair="for example: journeyman run household:tiny")
    settings = load(
        solver={"think": think or None, "retries": retries}, model={"parallel": workers}
    )
    shows = settings.home / "shows" if show else None
    spec = {"arm": arm, "learn": not no_learn, "recall": not no_recall, "guard": guard}
    if expert:
        if split != "train":
            raise UserError(f"no expert shows {split} tasks", repair="leave out --split, or it")
        spec |= {"arm": EXPERT, "recall": False, "skills": False}
    wanted = Wanted(
        env=env, split=split, n=n, task=task, seed=seed, workers=workers, shows=shows, spec=spec
    )
    go(_run(settings, wanted, again=resume_, as_json=as_json))


class Wanted(Frozen):
    """What the command line asked for."""

    env: str
    """Environment, or empty to resume only."""
    split: str
    """Split."""
    n: int
    """How many tasks."""
    task: str
    """One task id, or empty."""
    seed: int | None
    """Seed for all, or each task's own."""
    workers: int
    """Episodes at once."""
    shows: Path | None
    """Folder for pictures of what happened, or None."""
    spec: dict[str, Any]
    """Fields of `Spec`."""


async def _run(settings: Settings, wanted: Wanted, *, again: bool, as_json: bool) -> None:
    async with home(settings) as place:
        broken = interrupted(place.ledger.runs(status="running", limit=1000), here=worker(settings))
        if again:
            await _resume(place, [run.id for run in broken], as_json=as_json)
        elif broken:
            err.print(f"{len(broken)} interrupted run(s): `journeyman run --resume` goes on")
        if not wanted.env:
            return
        env = await place.env(wanted.env, workers=wanted.workers)
        tasks = choose(env, wanted.split, n=wanted.n, task_id=wanted.task, seed=wanted.seed)
        filmed = Filmed(env, folder=wanted.shows) if wanted.shows else None
        shown = wanted.spec["arm"] == EXPERT
        crew = await place.crew()

        def play(task: Task) -> Callable[[], Awaitable[Trajectory]]:
            seed = task.seed if wanted.seed is None else wanted.seed
            whole = Spec.model_validate({"task": task, "seed": seed, **wanted.spec})
            who, where = taught(crew, filmed or env) if shown else (crew, filmed or env)
            return lambda: run_task(who, where, whole)

        jobs = [play(task) for task in tasks]
        done = await together(jobs, workers=wanted.workers, as_json=as_json)
        summary(done, as_json=as_json)
        for path in filmed.left if filmed else ():
            err.print(f"pictures: {path}")


@runtime_checkable
class AnySeed(Protocol):
    """An environment of which more can be played than is listed."""

    def task(self, name: str, *, seed: int = 0) -> Task:
        """The task of that type and seed."""
        ...


def choose(
    env: Env, split: str, *, n: int, task_id: str = "", seed: int | None = None
) -> list[Task]:
    """The first `n` tasks of a split, or the one with this id, or the first of this type.

    Of a type, the one whose own seed is `seed`, where that is given; listed or not, where any
    seed makes one.
    """
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    chosen = cast("Split", split)
    if task_id:
        known = [task for one in SPLITS for task in env.tasks(one)]
        kind = [task for task in known if task.tags[:1] == (task_id,)]
        found = [task for task in known if task.id == task_id]
        found = found or [task for task in kind if seed in (None, task.seed)][:1]
        if not found and kind and seed is not None and isinstance(env, AnySeed):
            found = [env.task(task_id, seed=seed)]
        if not found:
            raise UnknownName("task", task_id, (task.id for task in kind or known))
        return found
    tasks = list(env.tasks(chosen))
    if not tasks:
        have = ", ".join(one for one in SPLITS if env.tasks(one)) or "none"
        raise UserError(f"{env.name} has no {split} tasks", repair=f"splits with tasks: {have}")
    return tasks[:n]


async def _resume(place: Home, ids: list[str], *, as_json: bool) -> None:
    if not ids:
        err.print("no interrupted runs")
    for run_id in ids:
        row = place.ledger.run(run_id)
        if row.env == "chat":
            place.ledger.end_run(run_id, status="failed", error="interrupted; ask again")
            continue
        crew = await place.crew()
        trajectory = await resume(crew, await place.env(row.env), run_id)
        if as_json:
            say_json(trajectory)
        else:
            out.print(f"resumed {run_id}: {line(trajectory)}")


async def together(
    jobs: list[Callable[[], Awaitable[Trajectory]]], *, workers: int, as_json: bool
) -> list[Trajectory]:
    """Runs all jobs, `workers` at a time, with a row as each ends; results in the jobs' order."""
    gate = asyncio.Semaphore(workers)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as progress:
        bar = progress.add_task("running", total=len(jobs))

        async def one(number: int, job: Callable[[], Awaitable[Trajectory]]) -> Trajectory:
            async with gate:
                trajectory = await job()
            progress.advance(bar)
            if as_json:
                say_json(row(trajectory))
            else:
                progress.console.print(f"{number + 1:4d} {line(trajectory)}")
            return trajectory

        return list(await asyncio.gather(*(one(i, job) for i, job in enumerate(jobs))))


def row(trajectory: Trajectory) -> dict[str, object]:
    """What `run` tells of one trajectory."""
    usage, steps = trajectory.usage, len(trajectory.steps)
    return {
        "run": trajectory.id,
        "task": trajectory.task,
        "type": trajectory.task_type,
        "goal": trajectory.goal,
        "success": trajectory.score.passed if trajectory.score else None,
        "steps": steps,
        "seconds_per_step": round(usage.seconds / steps, 3) if steps else None,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "recalled": sorted({r.lesson for s in trajectory.steps for r in s.recalled}),
        "lessons": list(trajectory.lessons),
        "stop": trajectory.stop,
        "oracle_retry": trajectory.attempts > 1,
        "routed": noted(trajectory),
        "error": trajectory.error,
    }


def line(trajectory: Trajectory) -> str:
    """One trajectory on one line."""
    told = row(trajectory)
    solved = trajectory.score.passed if trajectory.score else None
    marks = {True: "[green]solved[/green]", False: "[yellow]not solved[/yellow]"}
    mark = "[red]failed[/red]" if solved is None else marks[solved]
    tokens = f"{told['prompt_tokens']}+{told['completion_tokens']}"
    text = (
        f"{mark}  {safe(str(told['type']))}  {told['steps']} steps  "
        f"{told['seconds_per_step']} s/step  {tokens} tokens  {trajectory.id}"
    )
    if trajectory.attempts > 1:
        text += f"  oracle retry x{trajectory.attempts - 1}"
    if trajectory.lessons:
        text += f"  wrote {', '.join(trajectory.lessons)}"
    recalled = {item.lesson for step in trajectory.steps for item in step.recalled}
    if recalled:
        text += f"  recalled {len(recalled)}"
    if routed := noted(trajectory):
        text += safe(f"\n     to {routed['model']}: {routed['why']}")
    return text + (f"\n     {safe(trajectory.error)}" if trajectory.error else "")


def summary(done: list[Trajectory], *, as_json: bool) -> None:
    """Success by type of task with Wilson intervals; runs that broke count as not solved."""
    if as_json:
        return
    rows = []
    for kind in [*sorted({t.task_type for t in done}), "all"]:
        these = [t for t in done if kind in (t.task_type, "all")]
        won = sum(bool(t.score and t.score.passed) for t in these)
        low, high = wilson(won, len(these))
        steps = sum(len(t.steps) for t in these)
        tokens = sum(t.usage.prompt_tokens + t.usage.completion_tokens for t in these)
        seconds = sum(t.usage.seconds for t in these) / max(steps, 1)
        rows.append(
            (
                kind,
                f"{won}/{len(these)}",
                f"{won / len(these):.0%} ({low:.0%} to {high:.0%})",
                f"{steps / len(these):.1f}",
                f"{seconds:.2f}",
                f"{tokens / len(these):,.0f}",
            )
        )
    columns = ("type", "solved", "rate, 95% interval", "steps", "model s/step", "tokens/task")
    table(f"{done[0].env} · {done[0].model} · {time.strftime('%H:%M:%S')}", columns, rows)
