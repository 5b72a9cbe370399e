"""`journeyman memory absorb`: lessons that a student has no more use for leave the prompt."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

import typer

from agent.absorbing import Absorbed, absorb, in_words
from agent.home import home, ledger_place
from agent.promotion import current
from agent.settings import Settings, load
from envs.types import Task
from memory.absorbed import Judged
from memory.ledger import Ledger
from memory.telling import points
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json, table

WORDS = {"retire": "can go", "keep": "stays", "open": "not known yet"}


def add_to(group: typer.Typer) -> None:
    """Registers the command in the group of memory."""
    group.command("absorb")(absorb_)


def absorb_(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    n: Annotated[int, typer.Option("--n", "-n", min=0, help="Train tasks to play twice")] = 40,
    student: Annotated[str, typer.Option(help="Who is tested; default: who answers")] = "",
    as_json: Json = False,
) -> None:
    """Tests the lessons that a student was trained under, and retires what it can do without.

    Train tasks are played twice under the student, with lessons shown and withheld; what was
    played before counts on. Only for a promoted student something is retired; it can be undone.
    """
    found = go(_absorbed(load(), env, n=n, student=student))
    if as_json:
        said: dict[str, Any] = {
            **found.model_dump(mode="json"),
            "kept": found.ids("keep"),
            "open": found.ids("open"),
            "in_words": in_words(found),
        }
        say_json(said)
        return
    if found.judged:
        columns = ("lesson", "tokens", "worth", "effect under the student", "tasks", "so", "more")
        table(f"Lessons of {found.student}", columns, (_cells(one) for one in found.judged))
    for line in in_words(found):
        out.print(safe(line))


async def _absorbed(settings: Settings, env: str, *, n: int, student: str) -> Absorbed:
    async with home(chosen_for(settings, student)) as place:
        return await absorb(await place.crew(), await place.env(env), most=n, watch=_told)


def chosen_for(settings: Settings, student: str) -> Settings:
    """Settings under which that student answers; as they are where it does so anyway."""
    chosen = settings.model
    with closing(Ledger(ledger_place(settings))) as ledger:
        now = current(ledger)
    free = not (chosen.base_url or chosen.file or chosen.adapter)
    if not student or (free and now is not None and now.id == student):
        return settings
    update = {"base_url": "", "file": "", "name": "", "adapter": student}
    return settings.model_copy(update={"model": chosen.model_copy(update=update)})


def _told(task: Task, number: int) -> None:
    err.print(f"[dim]{number} {safe(task.id)}, played both ways[/dim]")


def _cells(one: Judged) -> tuple[str, ...]:
    more = "" if one.decision != "open" else "thousands" if one.more is None else f"~{one.more}"
    return (
        ", ".join(one.unit.members),
        str(one.unit.tokens),
        f"{100 * one.margin:.1f} points",
        points(one.measured),
        str(one.measured.shown),
        WORDS[one.decision],
        more,
    )
