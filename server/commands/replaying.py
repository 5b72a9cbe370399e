"""`journeyman memory replay`: plays tasks with a lesson and without, to see what it does."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.home import home
from agent.replay import Pair, measured
from agent.settings import Settings, load
from envs.errors import UnknownName, UserError
from memory.ledger import Ledger
from memory.telling import in_words
from memory.types import Effect, Lesson
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json


def add_to(group: typer.Typer) -> None:
    """Registers the command in the group of memory."""
    group.command("replay")(replay)


def replay(
    lesson: Annotated[str, typer.Argument()],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Tasks to play twice")] = 10,
    env: Annotated[str, typer.Option(help="Environment; default: that of its run")] = "",
    as_json: Json = False,
) -> None:
    """Plays train tasks twice, with the lesson and without; tells what it was measured to do.

    For environments without chance: there a few replays tell what many tossed episodes would.
    """
    found, effect = go(_replayed(load(), lesson, n=n, env=env))
    if as_json:
        say_json({"lesson": found, "effect": effect, "effect_in_words": in_words(effect)})
        return
    out.print(f"[bold]{found.id}[/bold] {safe(found.text)}")
    for line in in_words(effect):
        out.print(f"  {safe(line)}")


def told(pair: Pair, number: int, of: int) -> None:
    """A line for each task that was played twice."""
    words = {True: "solved", False: "not solved"}
    how = f"with: {words[pair.won[0]]}, without: {words[pair.won[1]]}"
    err.print(f"[dim]{number}/{of} {safe(pair.task)} · {how}[/dim]")


async def _replayed(settings: Settings, lesson: str, *, n: int, env: str) -> tuple[Lesson, Effect]:
    async with home(settings) as place:
        found = place.ledger.lesson(lesson)
        name = env or _played(place.ledger, found)
        world = await place.env(name)
        effect = await measured(await place.crew(), world, lesson, most=n, watch=told)
        return found, effect


def _played(ledger: Ledger, lesson: Lesson) -> str:
    """The environment of the run that a lesson comes from."""
    try:
        return ledger.trajectory(lesson.source.trajectory).env
    except UnknownName as error:
        raise UserError(
            f"lesson {lesson.id} comes from no run here", repair="name one with --env"
        ) from error
