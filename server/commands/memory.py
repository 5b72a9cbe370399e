"""`journeyman memory ...`: inspect and prune what the agent remembers."""

from __future__ import annotations

import atexit
from typing import Annotated

import typer

from agent.home import open_memory
from agent.settings import load
from envs.errors import UnknownName, UserError, clip
from memory.recall import Memory
from memory.types import Lesson, LessonKind, Status, Trajectory
from server.console import out, safe, say_json, table

app = typer.Typer(help="Inspect and prune what the agent remembers.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output")]


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="memory")


def opened() -> Memory:
    """Ledger and index of this home, closed when the process ends."""
    memory = open_memory(load())
    atexit.register(memory.close)
    return memory


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="candidate, probation, active, ...")] = "",
    env: Annotated[str, typer.Option(help="Only lessons of this environment")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Lists lessons, newest first."""
    lessons = opened().ledger.lessons(
        status=_status(status) if status else None, env=env or None, limit=limit
    )
    if as_json:
        say_json(lessons)
    elif lessons:
        _table(f"{len(lessons)} lessons", [(lesson, "") for lesson in lessons])
    else:
        out.print("no lessons yet: `journeyman run household:tiny` writes some")


@app.command()
def show(lesson: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Tells where a lesson came from and what became of it."""
    memory = opened()
    found = memory.ledger.lesson(lesson)
    source = _trajectory(memory, found)
    history = memory.ledger.history(lesson)
    exposures = memory.ledger.exposures(lesson=lesson)
    if as_json:
        steps = [] if source is None else [s for s in source.steps if _within(found, s.index)]
        say_json({"lesson": found, "steps": steps, "history": history, "exposures": exposures})
        return
    out.print(f"[bold]{found.id}[/bold] v{found.version} · {found.kind} · {found.status}")
    out.print(f"  {safe(found.text)}")
    out.print(f"  when: {safe(found.situation) or 'always'}")
    out.print(f"  trust: {found.trust} · scope: {found.scope.env or 'everywhere'}")
    if source is not None:
        out.print(f"  from run {source.id} ({safe(source.goal)}), ", end="")
        out.print(f"steps {found.source.first_step} to {found.source.last_step}:")
        for step in source.steps:
            if _within(found, step.index):
                seen = clip(step.observation.replace("\n", " "), most=120)
                out.print(f"    [dim]{step.index:3d}[/dim] {safe(step.action)} → {safe(seen)}")
    if found.source.quote:
        out.print(f"  quote: “{safe(found.source.quote)}”")
    effect = found.effect
    shown = f"shown in {len(exposures)} runs"
    if effect.shown:
        shown += f", {effect.won_shown} of {effect.shown} other tasks solved"
    out.print(f"  {shown}; effect not measured yet (no episode withheld it)")
    for change in history:
        out.print(
            f"  {change.time[:19]} {change.op} by {change.actor}: {safe(change.reason)} ", end=""
        )
        out.print(f"[dim]{change.id}[/dim]")


@app.command()
def search(
    text: Annotated[str, typer.Argument()],
    most: Annotated[int, typer.Option(min=1)] = 10,
    as_json: Json = False,
) -> None:
    """Finds lessons by meaning."""
    memory = opened()
    memory.sync()
    found = memory.search(text, most=most)
    if as_json:
        say_json([{"lesson": lesson, "similarity": similarity} for lesson, similarity in found])
    else:
        _table(f"for {text!r}", [(lesson, f"{similarity:.2f}") for lesson, similarity in found])


@app.command()
def add(
    text: Annotated[str, typer.Argument()],
    when: Annotated[str, typer.Option(help="The situation it applies in")] = "",
    env: Annotated[str, typer.Option(help="Only in this environment")] = "",
    as_json: Json = False,
) -> None:
    """Stores a lesson of your own and reads it back."""
    memory = opened()
    stored = memory.typed(text, situation=when, env=env)
    if as_json:
        say_json(stored)
    else:
        out.print(f"stored {stored.id}: {safe(stored.text)} (undo: journeyman history {stored.id})")


@app.command()
def prune(
    status: Annotated[str, typer.Option(help="Retire lessons of this status")] = "",
    kind: Annotated[str, typer.Option(help="Retire lessons of this kind")] = "",
    contains: Annotated[str, typer.Option(help="Retire lessons with these words")] = "",
    unused_days: Annotated[float | None, typer.Option(help="Not recalled for so long")] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep so many of the newest")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it")] = False,
    as_json: Json = False,
) -> None:
    """Shows what would be retired, and why; does it with --apply. Can be undone."""
    if not (status or kind or contains or unused_days is not None or keep is not None):
        raise UserError("prune what?", repair="give a rule, for example --unused-days 30")
    memory = opened()
    plan = memory.prune(
        status=_status(status) if status else None,
        kind=_kind(kind) if kind else None,
        contains=contains or None,
        unused_days=unused_days,
        keep=keep,
    )
    changes = memory.apply_prune(plan) if apply else ()
    if as_json:
        say_json({"plan": plan, "applied": apply, "changes": changes})
        return
    _table(
        f"{'retired' if apply else 'would retire'} {len(plan.items)}",
        [(item.lesson, item.why) for item in plan.items],
    )
    for change in changes:
        out.print(f"undo: journeyman undo {change.id}")
    if plan.items and not apply:
        out.print("nothing was changed; add --apply to do it")


@app.command()
def undo(change: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Takes back a change (see `journeyman history`)."""
    done = opened().undo(change, reason="asked for on the command line")
    if as_json:
        say_json(done)
    else:
        out.print(f"undone: {safe(done.reason)} · {done.target} · as change {done.id}")


@app.command()
def rebuild(as_json: Json = False) -> None:
    """Builds the index anew from the ledger."""
    count = opened().rebuild()
    if as_json:
        say_json({"lessons": count})
    else:
        out.print(f"index rebuilt: {count} lessons")


def _status(name: str) -> Status:
    known: tuple[Status, ...] = ("candidate", "probation", "active", "quarantined", "retired")
    for one in known:
        if one == name:
            return one
    raise UnknownName("status", name, known)


def _kind(name: str) -> LessonKind:
    known: tuple[LessonKind, ...] = ("fact", "strategy", "pitfall", "workflow")
    for one in known:
        if one == name:
            return one
    raise UnknownName("kind", name, known)


def _trajectory(memory: Memory, lesson: Lesson) -> Trajectory | None:
    try:
        return memory.ledger.trajectory(lesson.source.trajectory)
    except UnknownName:
        return None


def _within(lesson: Lesson, index: int) -> bool:
    return lesson.source.first_step <= index <= lesson.source.last_step


def _table(title: str, lessons: list[tuple[Lesson, str]]) -> None:
    rows = [
        (lesson.id, lesson.kind, lesson.status, note, clip(lesson.text, most=160))
        for lesson, note in lessons
    ]
    table(title, ("id", "kind", "status", "", "text"), rows)
