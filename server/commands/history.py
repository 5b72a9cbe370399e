"""`journeyman history`, `undo`, `as-of` and `diff`: every change of the agent, back and forth."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, get_args

import typer

from agent.journal_rounds import Told, fates_of
from agent.journal_rounds import rounds as read_rounds
from agent.settings import load
from envs.errors import UnknownName, clip
from memory.asof import FieldDiff, LessonDiff, Standing, as_of, others_as_of
from memory.asof import diff as compare
from memory.ledger import Ledger
from memory.types import Change
from server.commands.memory import Json, opened
from server.commands.memory import undo as undo_change
from server.console import many, out, safe, say_json, table

WORDS = {"same": "{}", "gone": "[red strike]{}[/red strike]", "new": "[green]{}[/green]"}
BARE = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
"""Without colours: as `git diff --word-diff` writes it."""
Kind = Literal["lesson", "skill", "prompt", "adapter", "setting", "task"]
TONES = {
    "kept": "green",
    "refused": "red",
    "undone": "yellow",
    "learned": "cyan",
    "played": "dim",
    "nothing": "dim",
    "held-out": "bold",
    "cost": "dim",
}
"""How the lines of a round are coloured."""
REASON = 200
"""Characters of a reason in a list of changes; one change alone is told whole."""
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
    target: Annotated[str, typer.Argument(help="A lesson, skill, ... or change; empty: all")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 30,
    kind: Annotated[str, typer.Option(help=f"Only {', '.join(get_args(Kind))}")] = "",
    rounds: Annotated[
        bool, typer.Option("--rounds", help="The rounds of `journeyman learn`, told as a story")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lists changes, newest first; with --rounds tells what each round learned, and what for."""
    ledger = opened().ledger
    if rounds:
        _tell(read_rounds(load().home, ledger), as_json=as_json)
        return
    if kind and kind not in get_args(Kind):
        raise UnknownName("kind", kind, get_args(Kind))
    changes = ledger.changes(target=target or None, kind=kind or None, limit=limit)
    if target and not changes:
        changes = _by_name(ledger, target, limit=limit)
    if as_json:
        say_json(changes)
        return
    fates = fates_of(reversed(ledger.changes(limit=-1)))
    most = REASON if len(changes) > 1 else max((len(c.reason) for c in changes), default=0)
    rows = [
        (c.id, c.time[:19], c.kind, _done(c, fates.get(c.id)), _target(c), c.actor, why)
        for c in changes
        for why in [clip(c.reason, most=most)]
    ]
    columns = ("change", "time", "kind", "what", "target", "by", "why")
    table(f"{len(changes)} change{'s' * (len(changes) != 1)}", columns, rows)
    if any(len(c.reason) > most for c in changes):
        out.print("all of a reason: `journeyman history CHANGE`")


def _by_name(ledger: Ledger, name: str, *, limit: int) -> list[Change]:
    """One change by its id, a batch or run, or what people call by this name."""
    whole = ledger.changes(limit=-1)
    found = [
        one
        for one in whole
        if name in (one.id, one.batch) or name == (one.after or one.before or {}).get("name")
    ]
    if not found:
        raise UnknownName("change or target", name, (one.target for one in whole))
    return found[:limit]


def _tell(told: list[Told], *, as_json: bool) -> None:
    if as_json:
        say_json(told)
        return
    if not told:
        out.print("no rounds yet: `journeyman learn ENV` plays some")
    for one in told:
        title = f"round {one.number}" if one.number else "the beginning"
        out.print(f"[bold]{safe(one.name)}, {title}[/bold]")
        for line in one.lines:
            undo = f" [dim](journeyman undo {line.undo})[/dim]" if line.undo else ""
            out.print(f"  [{TONES[line.tag]}]{line.tag:8}[/] {safe(line.text)}{undo}")


def past(
    moment: Moment,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Lists lessons, skills, students, prompts and settings as they stood."""
    ledger = opened().ledger
    lessons, others = as_of(ledger, moment), others_as_of(ledger, moment)
    if as_json:
        say_json({"lessons": lessons, "others": others})
        return
    states = Counter(lesson.status for lesson in lessons)
    told = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
    rows = [
        (one.id, f"v{one.version}", one.kind, one.status, clip(one.text, most=160))
        for one in lessons[:limit]
    ]
    title = f"{many(len(lessons), 'lesson')} as of {moment}" + (f": {told}" if told else "")
    table(safe(title), ("id", "", "kind", "status", "text"), rows)
    if others:
        more = [(one.kind, one.name, one.id, one.status, _value(one)) for one in others[:limit]]
        table(f"{len(others)} more", ("kind", "name", "id", "status", "what"), more)


def _value(one: Standing) -> str:
    """What a setting is set to, what a skill can be called with, what a prompt says."""
    state = one.state
    told = state.get("value", state.get("signature") or state.get("about") or "")
    return clip(" ".join(str(told).split()), most=160)


def diff(a: Moment, b: Moment, as_json: Json = False) -> None:
    """Tells what was added, edited, retired and removed from one moment to another."""
    found = compare(opened().ledger, a, b)
    if as_json:
        say_json(found)
        return
    every = (*found.items, *found.students, *found.others)
    counts = Counter(item.what for item in every)
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    out.print(f"{safe(a)} → {safe(b)}: {told or 'no difference'}")
    for item in found.items:
        _say(item)
    for one in found.students:
        out.print(f"student [bold]{safe(one.id)}[/bold] {one.what}")
        for field in one.fields:
            out.print(f"  {field.name}: {_values(field)}")
    for other in found.others:
        name = f" ({safe(other.name)})" if other.name not in ("", other.id) else ""
        out.print(f"{other.kind} [bold]{safe(other.id)}[/bold]{name} {other.what}")
        for field in other.fields:
            out.print(f"  {field.name}: {_values(field)}")


def _done(change: Change, fate: str | None) -> str:
    """What it did; one without effect says so, and one that was taken back."""
    if change.decision == "rejected":
        return f"{change.op} (rejected)"
    return f"{change.op} (undone)" if fate == "undone" else change.op


def _target(change: Change) -> str:
    """Its id, and what people call it."""
    name = (change.after or change.before or {}).get("name")
    return f"{change.target} ({name})" if name and name not in change.target else change.target


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
