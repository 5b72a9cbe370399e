"""`journeyman bisect`: which change broke a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from agent.bisecting import SEEDS, Broke, Played, bisect, last_solved
from agent.bisecting_past import Past, Students
from agent.breaks import Search
from agent.crossing import off
from agent.home import Home, home
from agent.journal import said
from agent.models.resolve import resolve
from agent.models.types import Model
from agent.settings import Settings, load
from envs.errors import UserError
from envs.types import Frozen, Task
from memory.ledger import Ledger
from memory.types import Change
from server.commands.memory import Json
from server.commands.run import choose
from server.commands.students import model_settings
from server.console import err, go, many, out, safe, say_json

NAMED = 8
"""Most changes that are listed where it can't tell."""


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("bisect")(broken)


class Wanted(Frozen):
    """What the command line asked for."""

    task: str
    """Id of the task."""
    env: str
    """Environment; empty: that of the newest run of the task."""
    good: str
    """A moment when it was solved; empty: that of the last run that solved it."""
    bad: str
    """A moment when it was not; empty: now."""
    seeds: int
    """Most plays of a state."""
    once: bool
    """One play of each state."""


def broken(
    task: Annotated[str, typer.Argument(help="A task's id, as `journeyman run` shows it")],
    env: Annotated[str, typer.Option(help="Environment; default: where it was run")] = "",
    good: Annotated[
        str, typer.Option(help="Change or ISO time; default: when a run last solved it")
    ] = "",
    bad: Annotated[str, typer.Option(help="Change or ISO time; default: now")] = "now",
    seeds: Annotated[int, typer.Option(min=1, help="Most plays of one state")] = SEEDS,
    once: Annotated[
        bool, typer.Option("--once", help="One play of each state: where nothing is left to chance")
    ] = False,
    as_json: Json = False,
) -> None:
    """Finds the change that broke a task: plays it as of older states, by halves.

    Plays learn nothing and leave what is remembered alone. A search that was stopped goes on with
    the same command.
    """
    end = "" if bad == "now" else bad
    wanted = Wanted(task=task, env=env, good=good, bad=end, seeds=seeds, once=once)
    found = go(_searched(load(), wanted))
    if as_json:
        told = said(found.change) if found.change else ""
        undo = f"journeyman undo {found.change.id}" if found.change else ""
        say_json({**found.model_dump(mode="json"), "in_words": told, "undo": undo})
        return
    for line in lines(found):
        out.print(line)


def lines(found: Broke) -> list[str]:
    """What a search came to, for people."""
    searched = many(found.steps, "change")
    head = f"{many(len(found.plays), 'play')} of {safe(found.task)}, {searched} searched"
    if found.all > found.steps:
        head += f" ({found.all - found.steps} more can't matter to {safe(found.env)})"
    if found.change is not None:
        return [
            head,
            f"[bold]broken by change {found.change.id}[/bold]: {safe(said(found.change))}",
            *(f"  {safe(line)}" for line in _whence(found.change)),
            f"  {found.fall()}",
            f"  {found.bound()}",
            *_picked(found),
            f"  take it back: journeyman undo {found.change.id}",
        ]
    if found.verdict == "nothing":
        return [head, f"nothing is shown to have broken it: {found.fall()}", *_picked(found)]
    some = [f"  {one.id}  {safe(said(one))}" for one in found.left[:NAMED]]
    more = len(found.left) - len(some)
    return [
        head,
        f"something broke it ({found.fall()}), {many(len(found.left), 'change')} left:",
        *some,
        *([f"  and {more} more"] if more > 0 else []),
        "  more plays would tell: give a larger --seeds; those that were made count",
    ]


def _whence(change: Change) -> list[str]:
    """Why it was made, by whom, and from what."""
    told = [f"made {change.time[:19]} by {change.actor}: {change.reason}"]
    source = ((change.after or {}).get("source") or {}) if change.kind == "lesson" else {}
    if source.get("trajectory"):
        told.append(f"from run {source['trajectory']}, which says: “{source.get('quote', '')}”")
    elif source.get("origin"):
        told.append(f"from {source['origin']}")
    if change.evidence:
        rest = len(change.evidence) - 3
        more = f" and {rest} more" if rest > 0 else ""
        told.append(f"evidence it was made on: {', '.join(change.evidence[:3])}{more}")
    if change.batch:
        told.append(f"one of batch {change.batch}; `journeyman undo {change.batch}` undoes it all")
    return told


def _picked(found: Broke) -> list[str]:
    if found.split in ("train", "val"):
        return []
    return [f"  what is undone for a {found.split} task is chosen by it: report it on others"]


async def _searched(settings: Settings, wanted: Wanted) -> Broke:
    async with home(settings) as place:
        name = wanted.env or await off(_ran, place.ledger, wanted.task)
        env = await place.env(name)
        task = (await off(choose, env, "train", n=1, task_id=wanted.task))[0]
        good, bad = await off(_moments, place.ledger, task, wanted)
        past = await off(_past, place.ledger, good, bad, name)
        err.print(f"[dim]{many(len(past.steps), 'change')} from {safe(good)} to {safe(bad)}[/dim]")
        return await bisect(
            place,
            env,
            task,
            past,
            most=wanted.seeds,
            certain=wanted.once,
            students=_students(place),
            watch=_live(past),
        )


def _past(ledger: Ledger, good: str, bad: str, env: str) -> Past:
    return Past(ledger, good=good, bad=bad, env=env)


def _ran(ledger: Ledger, task: str) -> str:
    """The environment in which a task was run last."""
    found = ledger.ask("SELECT env FROM runs WHERE task = ? ORDER BY seq DESC LIMIT 1", task)
    if not found:
        raise UserError(f"no run of {task} is here", repair="name its environment with --env")
    return found[0][0]


def _moments(ledger: Ledger, task: Task, wanted: Wanted) -> tuple[str, str]:
    newest = ledger.changes(limit=1)
    if not newest:
        raise UserError("nothing was ever changed here", repair="`journeyman run` learns something")
    good = wanted.good
    if not good:
        run = last_solved(ledger, task)
        if run is None:
            raise UserError(
                f"no run here solved {task.id}",
                repair="name a moment when it was solved: --good CHANGE or ISO time",
            )
        good = run.began
    return good, wanted.bad or newest[0].id


def _students(place: Home) -> Students | None:
    """Who opens students of the past; None: the settings name who answers."""
    model = place.settings.model
    if model.base_url or model.file or model.adapter:
        return None

    async def open_(name: str) -> Model:
        return await resolve(model_settings(place.settings, name), home=place.settings.home)

    return open_


def _live(past: Past) -> Callable[[Played, Search], None]:
    def watch(play: Played, search: Search) -> None:
        at = past.steps[play.state - 1].id if play.state else "the good moment"
        won, n = search.counts(play.state, play.state)
        left = f"{many(play.left, 'change')} left" if search.shown else "is it broken at all?"
        how = "[green]solved[/green]" if play.won else "[yellow]not solved[/yellow]"
        err.print(
            f"{sum(search.played):4d}  after {play.state}/{search.steps} ({at}): {how}, "
            f"{won} of {n} there · {left}"
        )

    return watch
