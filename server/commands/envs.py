"""`journeyman envs ...`: environments, their data, and the checker of the seam."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from agent.settings import load
from agent.worlds import NAMES, alfworld_data, open_env
from envs.check import check as check_env
from envs.errors import JourneymanError, UnknownName
from envs.fetch import fetch_alfworld
from envs.types import SPLITS
from server.commands.memory import Json
from server.console import err, out, safe, say_json, table

app = typer.Typer(help="Environments, their data, and a checker for yours.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="envs")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Lists environments with the number of tasks in each split."""
    settings, rows = load(), []
    for name in NAMES:
        try:
            env = open_env(name, settings)
            counts = {split: len(env.tasks(split)) for split in SPLITS}
            env.close()
            rows.append({"env": name, **counts, "note": ""})
        except JourneymanError as error:
            rows.append({"env": name, **dict.fromkeys(SPLITS, 0), "note": str(error)})
    if as_json:
        say_json(rows)
    else:
        columns = ("env", *SPLITS, "note")
        table("environments", columns, [[row[column] for column in columns] for row in rows])


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="alfworld")] = "alfworld",
    archive: Annotated[
        Path | None, typer.Option("--from", help="An archive instead of a download")
    ] = None,
    as_json: Json = False,
) -> None:
    """Gets an environment's data."""
    if name != "alfworld":
        raise UnknownName("data set", name, ("alfworld",))
    where = alfworld_data(load())
    with Progress(console=err, transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bars.add_task(safe(what), total=total or None)
            bars.update(shown[what], completed=done)

        counts = fetch_alfworld(where, archive=archive, progress=progress)
    if as_json:
        say_json({"data": str(where), "games": counts})
    else:
        told = ", ".join(f"{count} {split}" for split, count in counts.items())
        out.print(f"{where}: {told} games; try: journeyman run alfworld -n 3")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="toy, household[:LEVEL], alfworld")],
    as_json: Json = False,
) -> None:
    """Holds an environment against the rules of the seam; exit code 1 if one is broken."""
    env = open_env(name, load())
    try:
        found = check_env(env)
    finally:
        env.close()
    if as_json:
        say_json(found)
    else:
        marks = [("holds" if f.holds else "BROKEN", f.rule, f.note) for f in found]
        table(
            f"{name}: {sum(f.holds for f in found)} of {len(found)} rules hold", ("", "", ""), marks
        )
    if not all(f.holds for f in found):
        sys.exit(1)
