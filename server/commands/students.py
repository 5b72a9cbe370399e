"""`journeyman models students|promote|rollback`: who answers, who may, and going back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from agent.contest import Seen, Side, Watch, drawn
from agent.gate import Decision, Evidence, decide, gate, size_of
from agent.home import Home, home
from agent.models.pull import EMBEDDED, find
from agent.models.resolve import resolve
from agent.models.students import listed, named, student, weights_of
from agent.promotion import (
    BASE,
    Student,
    best_before,
    check,
    current,
    derive,
    promote,
    rollback,
    students,
)
from agent.settings import ModelSettings, Settings, load
from distill.adapters import Adapter
from envs.errors import Missing
from memory.ledger import Ledger
from memory.types import Change
from server.commands.memory import Json, opened
from server.console import err, go, many, out, safe, say_json, table

FAMILY = 30
"""Tasks of each earlier family."""


def add_to(app: typer.Typer) -> None:
    """Registers the commands on the group `models`."""
    app.command("students")(list_)
    app.command("promote")(promote_)
    app.command("rollback")(rollback_)


def list_(as_json: Json = False) -> None:
    """Lists students: base, licence, status, scores, rows, and who let them answer."""
    settings, ledger = load(), opened().ledger
    derive(ledger, home=settings.home)
    listing = listed(settings.home)
    known, answering = students(ledger), current(ledger)
    now = answering.id if answering else BASE
    found = [_told(one, known.get(named(one)), ledger, now=now) for one in listing.adapters]
    if as_json:
        say_json({"answering": now, "students": found, "damaged": listing.damaged})
        return
    columns = ("id", "base", "licence", "status", "before", "after", "rows", "promoted by")
    cells = [
        (
            f"{one['id']}{' *' if one['answering'] else ''}",
            one["base"],
            one["licence"],
            one["status"],
            _shares(one["before"]),
            _shares(one["after"]),
            one["rows"][:12],
            one["promoted_by"],
        )
        for one in found
    ]
    table(f"{many(len(cells), 'student')}; {now} answers", columns, cells)
    for line in listing.damaged:
        err.print(safe(line))


def promote_(
    name: Annotated[str, typer.Argument(metavar="ID", help="A student of `models students`")],
    env: Annotated[str, typer.Option(help="What it is for; its val tasks decide")] = "alfworld",
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Val tasks")] = 60,
    champion: Annotated[str, typer.Option(help="Whom to beat; default: who answers now")] = "",
    family: Annotated[
        list[str] | None,
        typer.Option(help="Earlier environment that must not fall; default: all solved before"),
    ] = None,
    no_skills: Annotated[bool, typer.Option("--no-skills", help="By the weights alone")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, and change nothing")] = False,
    as_json: Json = False,
) -> None:
    """Plays champion against student, and lets it answer if it is better and nothing fell."""
    settings = load(skills={"use": False} if no_skills else {})
    done = go(
        _promote(settings, name, env, n=n, champion=champion, families=family, dry_run=dry_run)
    )
    decision, change = done
    if as_json:
        say_json({"decision": decision, "change": change})
    else:
        for reason in decision.reasons:
            refused = reason.partition(":")[0] in decision.failed
            out.print(f"[red]refused[/red] {safe(reason)}" if refused else safe(reason))
        out.print(_verdict(name, decision, change))
    raise typer.Exit(0 if decision.promote else 1)


def rollback_(
    reason: Annotated[str, typer.Option(help="Why")] = "asked for on the command line",
    as_json: Json = False,
) -> None:
    """Goes back to whoever answered before the last promotion; can be undone."""
    done = rollback(opened().ledger, home=load().home, reason=reason)
    if as_json:
        say_json(done)
        return
    ms = 1000 * done.seconds
    out.print(f"{safe(done.now)} answers again in the place of {safe(done.was)} ({ms:.1f} ms)")
    out.print(f"undo: journeyman undo {done.changes[-1].batch or done.changes[-1].id}")


async def _promote(
    settings: Settings,
    name: str,
    env: str,
    *,
    n: int,
    champion: str,
    families: list[str] | None,
    dry_run: bool,
) -> tuple[Decision, Change | None]:
    adapter = student(name, home=settings.home)
    name, weights = named(adapter), weights_of(adapter)
    async with home(settings) as place:
        answering = current(place.ledger)
        over = champion or (answering.id if answering else BASE)
        if not dry_run:
            check(place.ledger, name, over=over)
        decision = decide(Evidence(size=size_of(weights)))
        if not decision.failed:
            others = solved_before(place.ledger, but=env) if families is None else families
            decision = await _judged(place, name, over, [(env, n), *((f, FAMILY) for f in others)])
        change = None
        if not dry_run:
            change = promote(place.ledger, adapter, decision, home=settings.home, over=over)
        return decision, change


async def _judged(place: Home, name: str, over: str, played: Sequence[tuple[str, int]]) -> Decision:
    """The gate, at so many val tasks of each environment; the first is what the student is for."""
    adapter = student(name, home=place.settings.home)
    async with AsyncExitStack() as closing:
        sides = [await _side(place, who, closing) for who in (over, name)]
        salt = sides[1].label
        grounds = [drawn(await place.env(env), n=n, salt=salt) for env, n in played]
        with _progress() as watch:
            return await gate(
                sides[0],
                sides[1],
                grounds[0],
                families=grounds[1:],
                size=size_of(weights_of(adapter)),
                best=best_before(place.ledger),
                watch=watch,
            )


async def _side(place: Home, who: str, closing: AsyncExitStack) -> Side:
    """A student or the base as a player; its model starts with the first request."""
    model = await resolve(model_settings(place.settings, who), home=place.settings.home)
    closing.push_async_callback(model.close)
    label = BASE
    if who != BASE:
        label = f"{who}@{student(who, home=place.settings.home).weights[:8]}"
    settings = place.settings.model_copy(update={"model": model_settings(place.settings, who)})
    crew = await place.crew()
    return Side(label, replace(crew, model=model, settings=settings))


def model_settings(settings: Settings, who: str) -> ModelSettings:
    """How the bare base, or a student on it, is opened. Raises `Missing` where the base is gone."""
    file = find(EMBEDDED, home=settings.home)
    if file is None:
        raise Missing("no base is installed", repair="journeyman models pull smollm2-135m")
    update: dict[str, Any] = {"base_url": "", "file": "", "adapter": who, "name": ""}
    if who == BASE:
        stem = file.stem.split(".")[0]
        update |= {"file": str(file), "adapter": "", "name": f"{stem} (embedded)"}
    return settings.model.model_copy(update=update)


def solved_before(ledger: Ledger, *, but: str) -> list[str]:
    """Environments, other than this one, of which a train or val task was ever solved here."""
    query = (
        "SELECT DISTINCT env FROM trajectories WHERE passed = 1 "
        "AND split IN ('train', 'val') ORDER BY env"
    )
    return [env for (env,) in ledger.ask(query) if env not in (but, "chat")]


@contextmanager
def _progress() -> Iterator[Watch]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bars: dict[str, Any] = {}

        def watch(seen: Seen) -> None:
            if seen.stage not in bars:
                bars[seen.stage] = progress.add_task(safe(seen.stage), total=seen.most)
            progress.update(bars[seen.stage], completed=seen.done)

        yield watch


def _told(adapter: Adapter, known: Student | None, ledger: Ledger, *, now: str) -> dict[str, Any]:
    """What is listed of an adapter; what the ledger says of it goes before its own file."""
    changes = ledger.changes(target=named(adapter), kind="adapter", limit=-1)
    judged = [one for one in changes if "promoted over" in one.reason]
    last = judged[0] if judged else None
    by = ""
    if known is not None and known.turn:
        by = next((one.actor for one in judged if one.decision == "applied"), "")
    return {
        "id": named(adapter),
        "base": adapter.base,
        "licence": adapter.licence,
        "status": known.status if known else adapter.status,
        "answering": named(adapter) == now,
        "before": (known.before if known else adapter.before) or adapter.before,
        "after": (known.after if known else adapter.after) or adapter.after,
        "rows": adapter.rows,
        "runs": len(known.runs) if known else 0,
        "parents": adapter.parents,
        "promoted_by": by,
        "last_verdict": last.reason if last else "",
    }


def _shares(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in scores.items())


def _verdict(name: str, decision: Decision, change: Change | None) -> str:
    did = "would answer" if change is None else "answers"
    line = f"{safe(name)} {did}" if decision.promote else f"{safe(name)} is not promoted"
    if change is None:
        return f"{line}; nothing was changed (--dry-run)"
    back = "journeyman models rollback" if decision.promote else f"journeyman history {name}"
    return f"{line}, as change {change.id}; see or go back: {back}"
