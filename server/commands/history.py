"""`journeyman history`, `undo`, `as-of` and `diff`: every change of the agent, back and forth."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from envs.errors import clip
from memory.asof import FieldDiff, LessonDiff, as_of
from memory.asof import diff as compare
from memory.types import Change
from server.commands.memory import Json, opened
from server.commands.memory import undo as undo_change
from server.console import out, safe, say_json, table

WORDS = {"same": "{}", "gone": "[red strike]{}[/red strike]", "new": "[green]{}[/green]"}
BARE = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
"""Without colours: as `git diff --word-diff` writes it."""
Moment = Annotated[
    str, typer.Argument(help="ISO time (UTC), or the id of a change: right after it")
]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command("history")(history)
    app.command("undo")(undo_change)
    app.command("as-of")(past)
    app.command("diff")(diff)


def history(
    target: Annotated[str, typer.Argument(help="A lesson; empty for all")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 30,
    as_json: Json = False,
) -> None:
    """Lists changes, newest first."""
    changes = opened().ledger.changes(target=target or None, limit=limit)
    if as_json:
        say_json(changes)
        return
    rows = [(c.id, c.time[:19], c.kind, _done(c), c.target, c.actor, c.reason) for c in changes]
    columns = ("change", "time", "kind", "what", "target", "by", "why")
    table(f"{len(changes)} changes", columns, rows)


def past(
    moment: Moment,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Lists lessons as they stood at a time or after a change."""
    lessons = as_of(opened().ledger, moment)
    if as_json:
        say_json(lessons)
        return
    states = Counter(lesson.status for lesson in lessons)
    told = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
    rows = [
        (one.id, f"v{one.version}", one.kind, one.status, clip(one.text, most=160))
        for one in lessons[:limit]
    ]
    title = f"{len(lessons)} lessons as of {moment}" + (f": {told}" if told else "")
    table(safe(title), ("id", "", "kind", "status", "text"), rows)


def diff(a: Moment, b: Moment, as_json: Json = False) -> None:
    """Tells what was added, edited, retired and removed from one moment to another."""
    found = compare(opened().ledger, a, b)
    if as_json:
        say_json(found)
        return
    counts = Counter(item.what for item in (*found.items, *found.students))
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    out.print(f"{safe(a)} → {safe(b)}: {told or 'no difference'}")
    for item in found.items:
        _say(item)
    for one in found.students:
        out.print(f"student [bold]{safe(one.id)}[/bold] {one.what}")
        for field in one.fields:
            out.print(f"  {field.name}: {_values(field)}")


def _done(change: Change) -> str:
    """What it did; one without effect says so."""
    return change.op if change.decision == "applied" else f"{change.op} (rejected)"


def _say(item: LessonDiff) -> None:
    out.print(f"[bold]{item.id}[/bold] {item.what}")
    if not item.fields:
        out.print(f"  {safe(item.lesson.text)}")
    for field in item.fields:
        out.print(f"  {field.name}: {_values(field)}")


def _values(field: FieldDiff) -> str:
    if not field.words:
        return f"{safe(str(field.before))} → {safe(str(field.after))}"
    how = WORDS if out.is_terminal and not out.no_color else BARE
    return "".join(how[part.how].format(safe(part.text)) for part in field.words)
