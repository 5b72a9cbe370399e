"""`journeyman skills ...`: what the agent can do, what speaks for it, and its way in and out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.syntax import Syntax

from agent.settings import load
from agent.worlds import open_env
from envs.errors import Refused, UnknownName, clip, one_line
from memory.telling import in_words, points
from memory.types import Change, Status
from server.commands.memory import Json, opened
from server.console import err, many, out, safe, say_json, table
from skills.admitting import verify as verified
from skills.calling import bound
from skills.folders import HIDDEN, export, take_in, told
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground, tasks_for
from skills.trials import trial as played
from skills.types import Skill, Trial

app = typer.Typer(help="What the agent can do, and what speaks for it.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Id or name of a skill")]
Env = Annotated[str, typer.Option("--env", help="Environment; default: that of the skill")]


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="skills")


def library() -> Library:
    """The skills of this home."""
    memory = opened()
    return Library(memory.ledger, effects=memory.effects)


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="candidate, active, quarantined, retired ...")] = "",
    env: Annotated[str, typer.Option(help="Only skills of this environment")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Lists skills, newest first; retired ones only when asked for."""
    found = library().all(env=env or None, status=_status(status) if status else None)
    found = [one for one in found if status or one.status != "retired"][:limit]
    if as_json:
        say_json(found)
    elif found:
        rows = [
            (
                one.id,
                f"{one.signature} v{one.version}",
                one.env,
                one.status,
                told(one.trials),
                points(one.effect) if one.effect.shown else "not measured",
                clip(one_line(one.about), most=100),
            )
            for one in found
        ]
        columns = ("id", "skill", "env", "status", "trials", "effect", "what it does")
        table(many(len(found), "skill"), columns, rows)
    else:
        out.print("no skills here: `journeyman skills learn household:tiny` writes some")


@app.command()
def show(skill: Name, as_json: Json = False) -> None:
    """Tells all of a skill: its code, where it comes from, its trials, effect, moves, callers."""
    shelf = library()
    found = shelf.get(skill)
    uses = shelf.closure(found)[:-1]
    callers, history = shelf.callers(found.id), shelf.history(found.id)
    if as_json:
        names = {"uses": [one.name for one in uses], "callers": [one.name for one in callers]}
        words = in_words(found.effect)
        say_json({"skill": found, **names, "history": history, "effect_in_words": words})
        return
    out.print(f"[bold]{safe(found.signature)}[/bold] v{found.version} · {found.status}", end="")
    out.print(f" · {safe(found.env)} · trust: {found.trust} · {found.id}")
    out.print(f"  {safe(found.about) or 'no description'}")
    for goal in found.goals:
        out.print(f"  for: {safe(goal)}")
    if found.requires:
        out.print(f"  may do: {safe(', '.join(found.requires))}")
    _say_origin(found)
    out.print(Syntax(HIDDEN.sub("?", found.code.rstrip()), "python", background_color="default"))
    for what, others in (("calls", uses), ("is called by", callers)):
        names = ", ".join(f"{one.name} v{one.version} ({one.status})" for one in others)
        out.print(f"  {what}: {safe(names) or 'no other skill'}")
    _say_trials(found.trials, note=found.note)
    for line in in_words(found.effect):
        out.print(f"  {safe(line)}")
    _say_history(history)


@app.command("try")
def try_(
    skill: Name,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Tasks to play")] = 1,
    task: Annotated[str, typer.Option(help="Id of a train task")] = "",
    env: Env = "",
    as_json: Json = False,
) -> None:
    """Plays a skill on train tasks that it was not written from; nothing is kept of it."""
    shelf = library()
    found = shelf.get(skill)
    with _ground(shelf, found, env=env) as ground:
        tasks = {one.id: one for one in ground.env.tasks("train")} if task else {}
        if task and task not in tasks:
            raise UnknownName("train task", task, tasks)
        chosen = [tasks[task]] if task else tasks_for(ground.env, found, most=n)
        if not chosen or bound(found.goals, chosen[0].goal) is None:
            raise Refused(
                f"no goal of {found.name} is that of {'this' if task else 'any other'} train task",
                repair="take another environment with --env, or try a skill that calls it",
            )
        source = shelf.source(found)
        trials = [played(ground, found, source, one) for one in chosen]
    if as_json:
        say_json(trials)
        return
    for one in trials:
        how = "solved" if one.passed else "not solved"
        given = ", ".join(f"{key}={value!r}" for key, value in one.arguments.items())
        out.print(f"[bold]{how}[/bold] {safe(one.task)} with {safe(f'{found.name}({given})')}")
        for number, action in enumerate(one.actions):
            out.print(f"    [dim]{number:3d}[/dim] {safe(action)}")
        if one.error:
            out.print(f"  {safe(one.error)}")


@app.command()
def verify(
    skill: Name,
    tasks: Annotated[int, typer.Option(min=4, help="Fresh tasks to solve, at most")] = 24,
    env: Env = "",
    as_json: Json = False,
) -> None:
    """Tries a skill in fresh episodes of train tasks, and moves it by what it shows."""
    shelf = library()
    found = shelf.get(skill)
    with _ground(shelf, found, env=env) as ground, err.status("playing its trials"):
        outcome = verified(ground, found, bounds=Bounds(solve=tasks))
    after = shelf.get(found.id)
    if as_json:
        say_json({"outcome": outcome, "skill": after})
        return
    out.print(f"[bold]{after.status}[/bold] {safe(after.name)}: {safe(outcome.reason)}")
    _say_trials(after.trials, note="")
    _say_undo(shelf.history(after.id)[-1])


@app.command()
def retire(
    skill: Name,
    reason: Annotated[str, typer.Option(help="Why")] = "asked for on the command line",
    cascade: Annotated[bool, typer.Option(help="And the active skills that call it")] = False,
    as_json: Json = False,
) -> None:
    """Takes a skill out of use; can be undone."""
    shelf = library()
    gone = shelf.retire(skill, reason=reason, cascade=cascade)
    if as_json:
        say_json(gone)
        return
    for one in gone:
        out.print(f"retired {one.id} {safe(one.signature)}")
    _say_undo(shelf.history(gone[-1].id)[-1])


@app.command("export")
def export_(
    skill: Name,
    to: Annotated[Path, typer.Option(help="Folder in which its folder is made")] = Path(),
    license_: Annotated[str, typer.Option("--license", help="Under which it may be used")] = "",
    as_json: Json = False,
) -> None:
    """Writes a skill, and those that it calls, as a folder of the Agent Skills format."""
    path = export(library(), skill, to=to, license=license_)
    if as_json:
        say_json({"folder": str(path)})
    else:
        out.print(f"written to {safe(str(path))}: SKILL.md, scripts/, assets/skills.json")


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="The folder that holds SKILL.md")],
    as_json: Json = False,
) -> None:
    """Takes in the skill of a folder, untrusted: a candidate, whose trials count for nothing."""
    shelf = library()
    added = take_in(shelf, folder)
    if as_json:
        say_json(added)
        return
    for one in added:
        out.print(f"candidate {one.id} {safe(one.signature)}: {safe(one.note)}")
        _say_undo(shelf.history(one.id)[-1])
    out.print(f"prove it here: journeyman skills verify {added[-1].name}")


@contextmanager
def _ground(shelf: Library, skill: Skill, *, env: str) -> Iterator[Ground]:
    """Environment and sandbox in which a skill is played."""
    world = open_env(env or skill.env, load())
    try:
        with Sandbox() as sandbox:
            yield Ground(env=world, sandbox=sandbox, library=shelf)
    finally:
        world.close()


def _say_origin(skill: Skill) -> None:
    origin = skill.origin
    whose = {"expert": "an expert", "teacher": "a stronger model", "own": "its own runs"}
    by = f", written by {safe(origin.by)}" if origin.by else ""
    out.print(f"  from: {whose.get(origin.author, origin.author)}{by}")
    if origin.runs:
        more = f" and {len(origin.runs) - 5} more" if len(origin.runs) > 5 else ""
        out.print(f"  seen in: {safe(', '.join(origin.runs[:5]))}{more}")
    if origin.example:
        out.print(f"  the shortest of those: [dim]{safe(' > '.join(origin.example))}[/dim]")
    if origin.address:
        out.print(f"  imported from: {safe(origin.address)}")


def _say_trials(trials: Sequence[Trial], *, note: str) -> None:
    words = {True: "done", False: "not done", None: "broke"}
    if trials:
        rows = [
            (
                one.purpose,
                one.task,
                one.seed,
                "passed" if one.passed else "failed",
                words[one.claimed],
                one.steps,
                one.error,
            )
            for one in trials
        ]
        columns = ("asked to", "task", "seed", "it", "and said", "steps", "error")
        table(told(trials), columns, rows)
    else:
        out.print("  no trials of this version yet")
    if note:
        out.print(f"  judged: {safe(note)}")


def _say_history(history: Sequence[Change]) -> None:
    for change in history:
        after = change.after or {}
        state = f"v{after.get('version')} {after.get('status')}" if after else "gone"
        out.print(f"  {change.time[:19]} {change.op} → {state} by {safe(change.actor)}: ", end="")
        out.print(f"{safe(change.reason)} [dim]{change.id}[/dim]")


def _say_undo(change: Change) -> None:
    out.print(f"undo: journeyman undo {change.batch or change.id}")


def _status(name: str) -> Status:
    for one in get_args(Status):
        if one == name:
            return one
    raise UnknownName("status", name, get_args(Status))
