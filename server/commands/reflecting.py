"""`journeyman eval secondlook | reflection`: what thinking over is worth with the model at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.home import Home, home
from agent.settings import Reflection, load
from envs.errors import UnknownName
from envs.types import SPLITS, Split
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json, table

Many = Annotated[int, typer.Option("-n", "--n", min=1, help="How many")]
Work = Callable[[Home, Callable[[int, int], None]], Any]


def add_to(parent: typer.Typer) -> None:
    """Registers the commands."""
    parent.command("secondlook")(secondlook)
    parent.command("reflection")(reflection)


def secondlook(
    n: Many = 18,
    seed: Annotated[int, typer.Option(help="Seed of the questions")] = 0,
    looks: Annotated[str, typer.Option(help="Which, with commas")] = "review,if-or-else",
    as_json: Json = False,
) -> None:
    """Which right answers a second look breaks, and which wrong ones it mends."""
    from bench.evals.secondlook import measure

    names = _names(looks)

    async def work(place: Home, progress: Callable[[int, int], None]) -> Any:
        return await measure(await place.model(), n=n, seed=seed, looks=names, progress=progress)

    report = go(asking(work, "looking again"))
    if as_json:
        say_json(report)
        return
    columns = ("second look", "right before", "right after", "right to wrong", "wrong to right",
               "untouched", "no reply", "questions")  # fmt: skip
    rows = [
        (
            one.name,
            f"{one.flips.stayed_right + one.flips.right_to_wrong}/{n}",
            f"{one.flips.stayed_right + one.flips.wrong_to_right}/{n}",
            one.flips.right_to_wrong,
            one.flips.wrong_to_right,
            one.untouched,
            one.failed,
            one.calls,
        )
        for one in report.looks
    ]
    table(f"second looks · {report.model} · {n} questions, seed {seed}", columns, rows)


def reflection(
    env: Annotated[str, typer.Argument(help="toy, household[:LEVEL] or alfworld")],
    n: Many = 10,
    split: Annotated[str, typer.Option(help="train, val, test, seen or unseen")] = "train",
    kinds: Annotated[str, typer.Option(help="Which, with commas; empty: all")] = "",
    as_json: Json = False,
) -> None:
    """What each kind of reflection adds to a retry, on the same failed tasks."""
    from bench.evals.reflection import KINDS, compare

    wanted = cast("tuple[Reflection, ...]", _names(kinds) or KINDS)
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)

    async def work(place: Home, progress: Callable[[int, int], None]) -> Any:
        world = await place.env(env)
        tasks = world.tasks(cast("Split", split))[:n]
        return await compare(await place.crew(), world, tasks, kinds=wanted, progress=progress)

    report = go(asking(work, "trying again"))
    if as_json:
        say_json(report)
        return
    columns = ("kind", "tasks", "solved", "without", "gain", "95% interval", "p (McNemar)",
               "p (Holm)", "dropped")  # fmt: skip
    rows = [
        (
            one.kind,
            one.n,
            one.solved,
            one.without,
            "can't tell" if one.gain is None else f"{one.gain:+.0%}",
            f"{one.low:+.0%} to {one.high:+.0%}",
            f"{one.p:.3f}",
            f"{one.p_holm:.3f}",
            one.dropped,
        )
        for one in report.gains
    ]
    table(f"kinds of reflection · {report.model} · {report.env}", columns, rows)
    out.print(
        f"{report.failed} of {report.tasks} tasks failed at first and were tried once more; the "
        "environment told that they had failed (oracle_retry)"
    )


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())


async def asking(work: Work, doing: str) -> Any:
    """Opens the configured home and shows how far the work is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    async with home(load()) as place:
        model = await place.model()
        err.print(f"asking {safe(model.name)}")
        with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as bar:
            task = bar.add_task(doing, total=None)
            return await work(
                place, lambda done, total: bar.update(task, completed=done, total=total)
            )
