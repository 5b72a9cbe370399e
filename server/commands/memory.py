"""`journeyman memory ...`: inspect and prune what the agent remembers."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, get_args

import typer

from agent.home import open_index, open_memory
from agent.promotion import derive
from agent.settings import load as load_settings
from envs.errors import UnknownName, UserError, clip
from memory.admission import disputes
from memory.asof import as_of as read_as_of
from memory.asof import lesson_at
from memory.forget import ForgetPlan, apply_forget, plan_forget
from memory.portable import Prefer, load
from memory.portable import export as write_export
from memory.purge import Purged, purge_lessons, purge_source
from memory.recall import Memory
from memory.telling import in_words
from memory.types import Change, Lesson, LessonKind, Status, Trajectory
from server.console import many, out, safe, say_json, table

app = typer.Typer(help="Inspect and prune what the agent remembers.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output")]
AsOf = Annotated[str, typer.Option("--as-of", help="As it stood: ISO time or id of a change")]
Purge = Annotated[bool, typer.Option("--purge", help="Delete for good, with --apply. No way back")]
Runs = Annotated[bool, typer.Option("--runs", help="Purge the runs it was learned from as well")]


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="memory")


def opened() -> Memory:
    """Ledger and index of this home, closed when the process ends."""
    memory = open_memory(load_settings())
    atexit.register(memory.close)
    return memory


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="candidate, probation, active, ...")] = "",
    env: Annotated[str, typer.Option(help="Only lessons of this environment")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Lists lessons, newest first."""
    ledger, state = opened().ledger, _status(status) if status else None
    if as_of:
        lessons = read_as_of(ledger, as_of, status=state, env=env or None)[:limit]
    else:
        lessons = ledger.lessons(status=state, env=env or None, limit=limit)
    if as_json:
        say_json(lessons)
    elif lessons:
        _table(many(len(lessons), "lesson"), [(lesson, "") for lesson in lessons])
    else:
        out.print("no lessons yet: `journeyman run household:tiny` writes some")


@app.command()
def show(lesson: Annotated[str, typer.Argument()], as_of: AsOf = "", as_json: Json = False) -> None:
    """Tells where a lesson came from and what became of it."""
    memory = opened()
    if as_of:
        _show_past(lesson_at(memory.ledger, lesson, as_of), as_of, as_json=as_json)
        return
    found = memory.ledger.lesson(lesson)
    others = disputes(memory.ledger, found)
    source = _trajectory(memory, found)
    history = memory.ledger.history(lesson)
    exposures = memory.ledger.exposures(lesson=lesson)
    effect = memory.effects.of(lesson)
    found = found.model_copy(update={"effect": effect})
    if as_json:
        steps = [] if source is None else [s for s in source.steps if _within(found, s.index)]
        parts = {"lesson": found, "steps": steps, "history": history, "exposures": exposures}
        say_json({**parts, "disputes": others, "effect_in_words": in_words(effect)})
        return
    _head(found)
    for other in others:
        how = "contradicts" if other.id in found.contradicts else "is contradicted by"
        out.print(f"  [bold red]≠[/bold red] {how} {other.id} ({other.status}): {safe(other.text)}")
    if source is not None:
        out.print(f"  from run {source.id} ({safe(source.goal)}), ", end="")
        out.print(f"steps {found.source.first_step} to {found.source.last_step}:")
        for step in source.steps:
            if _within(found, step.index):
                seen = clip(step.observation.replace("\n", " "), most=120)
                out.print(f"    [dim]{step.index:3d}[/dim] {safe(step.action)} → {safe(seen)}")
    if found.source.quote:
        out.print(f"  quote: “{safe(found.source.quote)}”")
    for place in found.sources[1:]:
        said = f", as: {safe(place.said)}" if place.said else ""
        out.print(f"  learned again: {safe(place.trajectory or place.origin or 'typed')}{said}")
    for line in in_words(effect):
        out.print(f"  {safe(line)}")
    played = effect.replayed.shown * 2 if effect.replayed else 0
    elsewhere = len(exposures) - effect.shown - effect.withheld - played
    if elsewhere:
        out.print(
            f"  came up in {elsewhere} more runs that don't count (its own task, no toss, ...)"
        )
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
    contradicts: Annotated[
        list[str] | None, typer.Option(help="A lesson that says otherwise; both stay")
    ] = None,
    as_json: Json = False,
) -> None:
    """Stores a lesson of your own and reads it back."""
    memory = opened()
    stored = memory.typed(text, situation=when, env=env, contradicts=contradicts or ())
    if as_json:
        say_json(stored)
        return
    how = "stored" if len(stored.sources) < 2 else "known, your words added to"
    out.print(f"{how} {stored.id}: {safe(stored.text)} (undo: journeyman history {stored.id})")


@app.command()
def prune(
    status: Annotated[str, typer.Option(help="Retire lessons of this status")] = "",
    kind: Annotated[str, typer.Option(help="Retire lessons of this kind")] = "",
    contains: Annotated[str, typer.Option(help="Retire lessons with these words")] = "",
    unused_days: Annotated[float | None, typer.Option(help="Not recalled for so long")] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep so many of the newest")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it")] = False,
    purge: Purge = False,
    runs: Runs = False,
    as_json: Json = False,
) -> None:
    """Shows what would be retired, and why; does it with --apply. Can be undone until --purge."""
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
    changes = memory.apply_prune(plan) if apply and not purge else ()
    purged = None
    if apply and purge:
        ids = [item.lesson.id for item in plan.items]
        home = load_settings().home
        purged = purge_lessons(memory, ids, home=home, reason="purged by a rule", runs=runs)
    if as_json:
        say_json({"plan": plan, "applied": apply, "changes": changes, "purged": purged})
        return
    verb = "purge" if purge else "retire"
    _table(
        f"{f'{verb}d' if apply else f'would {verb}'} {len(plan.items)}",
        [(item.lesson, item.why) for item in plan.items],
    )
    _say_done(changes, purged, applied=apply or not plan.items)


@app.command()
def forget(
    source: Annotated[
        str,
        typer.Option(
            help="Run, lesson, skill, task's key, user:NAME, web:HOST, web:URL, imported folder"
        ),
    ],
    apply: Annotated[bool, typer.Option("--apply", help="Do it")] = False,
    purge: Purge = False,
    runs: Runs = False,
    as_json: Json = False,
) -> None:
    """Shows what goes back to a source, and why; --apply retracts it, undoable until --purge."""
    memory = opened()
    plan = plan_forget(memory.ledger, source)
    changes: tuple[Change, ...] = ()
    purged: Purged | None = None
    if apply and purge:
        purged = _purged(memory, source, runs=runs)
    elif apply:
        changes = apply_forget(memory.ledger, plan)
    derive(memory.ledger, home=load_settings().home)
    if as_json:
        say_json({"plan": plan, "applied": apply, "changes": changes, "purged": purged})
        return
    _say_plan(plan, applied=apply)
    _say_done(changes, purged, applied=apply or not plan.some)


@app.command()
def export(file: Annotated[Path, typer.Argument()], as_json: Json = False) -> None:
    """Writes all lessons to a file of JSON lines."""
    count = write_export(opened().ledger, file)
    if as_json:
        say_json({"file": str(file), "lessons": count})
    else:
        out.print(f"{many(count, 'lesson')} written to {safe(str(file))}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument()],
    prefer: Annotated[str, typer.Option(help="Who wins where they differ: mine or theirs")] = "",
    foreign: Annotated[bool, typer.Option(help="A stranger's: on trial here, no pins")] = False,
    as_json: Json = False,
) -> None:
    """Takes in the lessons of a file, all or nothing; can be undone."""
    done = load(opened().ledger, file, prefer=_prefer(prefer), foreign=foreign)
    if as_json:
        say_json(done)
        return
    out.print(
        f"{len(done.added)} added, {len(done.edited)} edited, {len(done.same)} were the same, "
        f"{len(done.known)} say what another lesson says, {len(done.kept)} kept as they are here"
    )
    _say_done(done.changes, None, applied=True)


@app.command()
def undo(
    change: Annotated[str, typer.Argument(help="A change, a batch, or a run: all that it wrote")],
    cascade: Annotated[bool, typer.Option(help="And all that builds on it, newest first")] = False,
    as_json: Json = False,
) -> None:
    """Takes back a change (see `journeyman history`)."""
    reason = "asked for on the command line"
    ledger = opened().ledger
    done = ledger.take_back(change, reason=reason, cascade=cascade)
    derive(ledger, home=load_settings().home)
    if as_json:
        say_json(done[-1] if len(done) == 1 else done)
        return
    for one in done:
        out.print(f"undone: {one.parents[0]} · {safe(one.target)} · as change {one.id}")
    _say_done(done, None, applied=True)


@app.command()
def rebuild(as_json: Json = False) -> None:
    """Builds the index anew from the ledger."""
    count = opened().rebuild()
    if as_json:
        say_json({"lessons": count})
    else:
        out.print(f"index rebuilt: {many(count, 'lesson')}")


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


def _prefer(name: str) -> Prefer | None:
    for one in get_args(Prefer):
        if one == name:
            return one
    if name:
        raise UnknownName("side", name, get_args(Prefer))
    return None


def _head(found: Lesson) -> None:
    out.print(f"[bold]{found.id}[/bold] v{found.version} · {found.kind} · {found.status}")
    out.print(f"  {safe(found.text)}")
    out.print(f"  when: {safe(found.situation) or 'always'}")
    out.print(f"  trust: {found.trust} · scope: {found.scope.env or 'everywhere'}")
    if found.valid_from or found.valid_to:
        out.print(f"  holds from {found.valid_from or 'ever'} to {found.valid_to or 'no end'}")


def _show_past(found: Lesson, moment: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"lesson": found, "as_of": moment})
        return
    out.print(f"as of {safe(moment)}:")
    _head(found)


def _purged(memory: Memory, source: str, *, runs: bool) -> Purged:
    """Purges a source, with the index of skills."""
    settings = load_settings()
    index = open_index(settings, memory.ledger, memory.index.embedder, name="skills")
    with closing(index):
        return purge_source(memory, source, home=settings.home, runs=runs, indexes=[index])


def _say_plan(plan: ForgetPlan, *, applied: bool) -> None:
    words = {"remove": "goes", "detach": "stays, without it", "gone": "gone already"}
    what = f"{'went' if applied else 'go'} back to {plan.kind} {clip(plan.source)}"
    rows = [
        (item.lesson.id, words[item.what], item.why, clip(item.lesson.text, most=160))
        for item in plan.items
    ]
    if rows or not plan.skills:
        table(f"{many(len(rows), 'lesson')} {what}", ("id", "what", "why", "text"), rows)
    skills = [(one.id, words[one.what], one.why, one.name) for one in plan.skills]
    if skills:
        table(f"{many(len(skills), 'skill')} {what}", ("id", "what", "why", "name"), skills)
    for one in (*plan.adapters, *plan.own):
        out.print(safe(str(one)))
    for env in dict.fromkeys(str(one.state.get("env")) for one in plan.skills if one.rest):
        out.print(f"written anew from the rest with `journeyman skills learn {safe(env)}`")
    if plan.episodes:
        out.print(f"no more recalled as an episode: {many(len(plan.episodes), 'run')}")
    if plan.returning:
        out.print(f"shown again, as what took their place goes: {', '.join(plan.returning)}")


def _say_done(changes: Sequence[Change], purged: Purged | None, *, applied: bool) -> None:
    if not applied:
        out.print("nothing was changed; add --apply to do it")
    if changes:
        out.print(f"undo: journeyman undo {changes[0].batch or changes[0].id}")
    if purged is None:
        return
    out.print(f"deleted for good: {purged.counts()}")
    for what, names in (
        ("sources taken out of the history of", purged.detached),
        ("can't be resumed any more:", purged.checkpoints),
        ("taken out of", purged.exports),
        ("still hold what was learned from them (--runs deletes them):", purged.runs_left),
        ("still hold a text of it:", purged.files_left),
    ):
        if names:
            out.print(f"  {what} {safe(', '.join(names))}")
    if purged.server:
        out.print(
            f"  the log of {safe(purged.server)}, its replicas and its backups hold some of it "
            "until they are replaced"
        )
    if purged.open_elsewhere:
        out.print(
            f"  {purged.open_elsewhere} other processes have files open: end them, then again"
        )


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
