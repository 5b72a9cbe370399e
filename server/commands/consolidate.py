"""`journeyman memory consolidate`: lessons from many runs at once, by a published mechanism."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agent.home import home
from agent.proposers.consolidate import CALLS, RUNS, Plan, apply, passed, plan
from agent.proposers.registry import PROPOSERS
from agent.replay import gate
from agent.settings import Settings, load
from envs.errors import clip
from memory.types import Change
from server.commands.memory import Json
from server.commands.replaying import told
from server.console import err, go, many, out, safe, say_json, table

NAMES = ", ".join(PROPOSERS)
REPLAYS = 6
"""Tasks that are played twice before a consolidation is kept."""


def add_to(group: typer.Typer) -> None:
    """Registers the command in the group of memory."""
    group.command("consolidate")(consolidate)


def consolidate(
    with_: Annotated[str, typer.Option("--with", help=f"Which proposer: {NAMES}")],
    env: Annotated[str, typer.Option(help="Only runs of this environment")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many runs, the latest")] = RUNS,
    calls: Annotated[int, typer.Option(min=0, help="Most requests to the model")] = CALLS,
    replays: Annotated[
        int, typer.Option(min=0, help="Tasks to play with and without; 0: write unseen")
    ] = REPLAYS,
    preview: Annotated[bool, typer.Option("--preview", help="Show it, write nothing")] = False,
    as_json: Json = False,
) -> None:
    """Proposes lessons from the latest train runs; kept if a replay does not lose by them.

    What is kept is written as one batch, which can be undone; what loses is kept as rejected.
    """
    asked = {"env": env, "limit": limit, "calls": calls}
    most = 0 if preview else replays
    planned, changes = go(_consolidated(load(), with_, asked, preview=preview, replays=most))
    if as_json:
        say_json({"plan": planned, "applied": not preview, "changes": changes})
        return
    _say(planned, changes, preview=preview)


async def _consolidated(
    settings: Settings, name: str, asked: dict[str, Any], *, preview: bool, replays: int
) -> tuple[Plan, tuple[Change, ...]]:
    async with home(settings) as place:
        planned = await plan(
            name,
            place.memory,
            settings,
            model=lambda: place.model("reflector"),
            progress=lambda line: err.print(f"[dim]{safe(line)}[/dim]"),
            **asked,
        )
        if preview:
            return planned, ()
        judge = gate(place.crew, place.env, most=replays, watch=told) if replays else passed
        return planned, await apply(planned, place.memory, gate=judge)


def _say(planned: Plan, changes: tuple[Change, ...], *, preview: bool) -> None:
    shown = planned.changes if preview else changes
    rows = [
        (
            change.target,
            change.op if change.decision == "applied" else change.decision,
            len(change.evidence),
            change.reason,
            clip(str((change.after or {}).get("text", "")), most=160),
        )
        for change in shown
    ]
    spent = f"{planned.usage.calls} calls" if planned.usage.calls else "no model"
    verb = "would change" if preview else "changed"
    changed = f"{verb} {many(len(rows), 'lesson')}"
    title = f"{planned.proposer}, {many(planned.runs, 'run')}, {spent}: {changed}"
    table(title, ("id", "what", "runs", "why", "text"), rows)
    if preview and rows:
        out.print("nothing was changed; without --preview it is done")
    elif changes:
        out.print(f"undo: journeyman memory undo {changes[0].batch}")
