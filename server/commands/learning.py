"""The one loop for `journeyman learn`: what it works with, and the curve as it grows."""

from __future__ import annotations

from contextlib import AsyncExitStack

from agent.crossing import off
from agent.curricula import curriculum
from agent.evolve import Loop, evolve
from agent.evolving import Bounds, Decided, Evolution, Evolved
from agent.home import home
from agent.proposers.evolving import LESSONS, Staff, chosen
from agent.roundlog import Held
from agent.schooling import School
from agent.settings import Settings
from envs.errors import UserError
from envs.types import Frozen
from server.commands import learning_students
from server.commands.learning_students import progress
from server.console import out, safe, say_json, table


class Wanted(Frozen):
    """What the command line asked for."""

    env: str
    """Environment."""
    name: str
    """By which rounds are kept."""
    rounds: int
    """How many at the most."""
    proposers: tuple[str, ...]
    """Who may propose."""
    by: str
    """Which curriculum."""
    bounds: Bounds
    """How rounds are made."""
    workers: int
    """Runs at a time."""
    students: learning_students.Wanted
    """How students are made, where somebody proposes them."""


async def learned(settings: Settings, wanted: Wanted, *, as_json: bool) -> Evolution:
    """Rounds of the loop, each told when it is over. Raises `UserError` without val tasks."""
    distills = "distill" in wanted.proposers
    async with home(settings, follow=distills) as place, AsyncExitStack() as closing:
        env = await place.env(wanted.env, workers=wanted.workers)
        if len(env.tasks("val")) < 2:
            raise UserError(
                f"{env.name} has no val tasks, so nothing could be judged",
                repair="name an environment that has some",
            )
        school = None
        if distills:
            ways = await off(learning_students.ways, settings, wanted.students, ())
            school = School(place, env, ways)
            closing.push_async_callback(school.close)
        staff = Staff(model=lambda: place.model("reflector"), school=school)
        loop = Loop(
            name=wanted.name,
            env=env,
            crew=place.crew,
            proposers=chosen(wanted.proposers, staff),
            curriculum=await off(curriculum, wanted.by, env.tasks("train")),
            folder=settings.home / "learning" / wanted.name,
            bounds=wanted.bounds,
            lessons=LESSONS in wanted.proposers,
            at_once=wanted.workers,
            school=school,
            told=progress,
        )

        def seen(so_far: Evolution) -> None:
            if as_json:
                say_json(point(so_far))
            else:
                out.print(safe(_line(so_far)))

        return await evolve(loop, most=wanted.rounds, seen=seen)


def point(so_far: Evolution) -> dict[str, object]:
    """The newest point of the curve, for programs."""
    last = so_far.rounds[-1] if so_far.rounds else None
    held = last.held if last else so_far.start
    return {
        "round": last.number if last else 0,
        "held_out": {"won": held.won, "played": held.total},
        "train": {"won": last.won, "played": last.played} if last else None,
        "episodes": last.episodes if last else 0,
        "tokens": last.tokens if last else 0,
        "kept": [list(one.about) for one in last.decided if one.decision.promote] if last else [],
        "refused": (
            [list(one.about) for one in last.decided if not one.decision.promote] if last else []
        ),
    }


def told(done: Evolution) -> None:
    """The whole curve, then what was kept, what was refused, and why."""
    columns = ("round", "held-out, 95% interval", "train", "lessons", "episodes", "tokens")
    cells: list[tuple[object, ...]] = [(0, done.start, "", "", 0, 0), *map(_row, done.rounds)]
    table(f"learning {done.name}", columns, cells)
    for title, some in (("kept", done.kept()), ("refused", done.refused())):
        out.print(f"[bold]{title}[/bold]" + ("" if some else ": nothing"))
        for one in some:
            out.print(safe(_said(one)))
    quiet = [
        f"round {one.number}, {made.by}: {made.note or 'nothing new'}"
        for one in done.rounds
        for made in one.proposals
        if not made.changes
    ]
    if quiet:
        out.print("[bold]not proposed[/bold]")
        out.print(safe("\n".join(f"  {line}" for line in quiet)))


def _line(so_far: Evolution) -> str:
    """The newest point of the curve, for people: printed one under the other they draw it."""
    if not so_far.rounds:
        return f"curve, before learning  {_bar(so_far.start)} {so_far.start} of held-out tasks"
    last = so_far.rounds[-1]
    before = so_far.rounds[-2].held if len(so_far.rounds) > 1 else so_far.start
    return (
        f"{f'curve, after round {last.number}':<22}  {_bar(last.held)} {last.held}, "
        f"{_change(last.held, before)}; {_lessons(last)}, {_counted(last)}; so far "
        f"{last.episodes:,} train episodes and {last.tokens:,} tokens"
    )


def _bar(now: Held) -> str:
    wide = 20
    full = round(now.share * wide)
    return f"|{'#' * full}{'.' * (wide - full)}|"


def _change(now: Held, before: Held) -> str:
    more = now.won - before.won
    if more == 0:
        return "as many as before"
    return f"{abs(more)} {'more' if more > 0 else 'fewer'} than before"


def _lessons(last: Evolved) -> str:
    count = len(last.lessons)
    return f"{count or 'no'} new lesson{'' if count == 1 else 's'}"


def _counted(last: Evolved) -> str:
    kept, count = sum(one.decision.promote for one in last.decided), len(last.decided)
    return f"{kept} of {count} proposals kept" if count else "nothing proposed"


def _row(one: Evolved) -> tuple[object, ...]:
    train = f"{one.won}/{one.played}"
    tokens = f"{one.tokens:,}"
    return (one.number, one.held, train, len(one.lessons), f"{one.episodes:,}", tokens)


def _said(one: Decided) -> str:
    undo = f"\n    undo: journeyman undo {one.batch}" if one.decision.promote else ""
    return f"  {one.by}: {'; '.join(one.about)}\n    {one.decision}{undo}"
