"""`journeyman distill`: from verified trajectories to training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from agent.settings import load
from distill import filters
from distill.recipes import RECIPES
from distill.rows_record import Record
from server.commands.memory import Json, opened
from server.console import err, many, out, safe, say_json, table
from server.distilling import HELD, Wanted, splits, written

From = Annotated[
    list[str] | None,
    typer.Option("--from", help="Environment, or a file of conversations; may be repeated"),
]
Expert = Annotated[
    str, typer.Option("--from-expert", help="Environment whose expert shows train tasks")
]
Ways = Annotated[int, typer.Option("--n", "-n", min=1, help="Ways of the expert")]
Recipes = Annotated[
    list[str] | None, typer.Option("--recipe", help="What makes rows of runs; see --recipes")
]
Arm = Annotated[str, typer.Option(help="Only runs of this arm")]
To = Annotated[Path, typer.Option("--out", help="JSONL file to write")]
Most = Annotated[int | None, typer.Option("--most-per-task", min=1, help="Most rows of a task")]
Least = Annotated[
    int, typer.Option("--least-per-task", min=1, help="Rows of a rarely solved task, by repeating")
]
Types = Annotated[
    float, typer.Option("--least-of-type", min=0, max=1, help="Share of the largest type's rows")
]
Steps = Annotated[int | None, typer.Option("--most-steps", min=1, help="Most actions of a row")]
Near = Annotated[
    float, typer.Option(min=0, max=1, help="Shared words of near-duplicates; 0: all stay")
]
Held = Annotated[
    list[str] | None, typer.Option("--held-out", help="Split that is kept out; else all but train")
]
Fresh = Annotated[
    float, typer.Option(min=0, max=1, help="Least share of rows that an environment judged here")
]
Since = Annotated[str, typer.Option(help="ISO time from which such a row is fresh")]
Round = Annotated[int, typer.Option("--round", min=0, help="Round of self-training")]
Licence = Annotated[str, typer.Option(help="Licence of the imported files (SPDX)")]
Retries = Annotated[bool, typer.Option("--retries", help="Let oracle retries count")]
AsStudent = Annotated[
    bool, typer.Option("--as-student", help="Put the student's instruction before what it learns")
]
Force = Annotated[
    bool, typer.Option("--force", help="Write own runs although the gap says they gain nothing")
]
List = Annotated[bool, typer.Option("--recipes", help="List the recipes, and end")]


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("distill")(distill)


def distill(
    from_: From = None,
    expert: Expert = "",
    n: Ways = 100,
    recipe: Recipes = None,
    arm: Arm = "",
    to: To = Path("rows.jsonl"),
    most: Most = None,
    least: Least = 1,
    types: Types = 0.0,
    steps: Steps = None,
    near: Near = 0.95,
    held: Held = None,
    fresh: Fresh = 0.0,
    since: Since = "",
    round_: Round = 0,
    licence: Licence = "",
    retries: Retries = False,
    as_student: AsStudent = False,
    force: Force = False,
    list_: List = False,
    as_json: Json = False,
) -> None:
    """Writes rows to train a model with, and beside them what they were made of."""
    if list_:
        _list(as_json=as_json)
        return
    envs, files = _sources(from_ or [])
    wanted = Wanted(
        envs=envs,
        files=files,
        expert=expert,
        n=n,
        recipes=tuple(dict.fromkeys(recipe or ["sft"])),
        arm=arm,
        retries=retries,
        as_student=as_student,
        licence=licence,
        round=round_,
        held=splits(held or HELD),
        force=force,
    )
    last = [
        filters.lengths(steps=steps),
        filters.distinct(near=near or None),
        filters.balanced(most=most, least=least),
        *([filters.balanced_types(least=types)] if types else []),
        filters.fresh(least=fresh, since=since, round=round_),
    ]
    made = written(opened().ledger, load(), wanted, to=to, last=last, told=_told)
    if as_json:
        say_json(made)
    else:
        _say(made)


def _sources(named: Sequence[str]) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Environments, and files."""
    files = [name for name in named if Path(name).is_file() or name.endswith((".jsonl", ".json"))]
    envs = [name for name in named if name not in files]
    return tuple(dict.fromkeys(envs)), tuple(dict.fromkeys(map(Path, files)))


def _list(*, as_json: bool) -> None:
    if as_json:
        fields = ("does", "trains", "paper")
        say_json({name: {f: getattr(one, f) for f in fields} for name, one in RECIPES.items()})
        return
    rows = [(name, one.does, one.trains, one.paper) for name, one in RECIPES.items()]
    table("recipes", ("name", "rows of", "train", "from"), rows)


def _say(made: Record) -> None:
    rows = []
    for one in made.filters:
        why, figures = _words(one.reasons, "{1} {0}"), _words(one.figures, "{0} {1:g}")
        rows.append((one.name, one.before, one.after, why, figures))
    table("filters", ("filter", "in", "out", "why", "figures"), rows)
    for note in made.notes:
        err.print(f"[yellow]{safe(note)}[/yellow]")
    by = _words(made.teachers, ", {1} by {0}", joint="")
    out.print(
        safe(f"{made.path}: {many(made.rows, 'row')} from {made.trajectories} train runs{by}")
    )


def _words(counts: Mapping[str, float], form: str, *, joint: str = ", ") -> str:
    return joint.join(form.format(name or "nobody known", n) for name, n in counts.items())


def _told(line: str) -> None:
    err.print(f"[dim]{safe(line)}[/dim]")
