"""`journeyman models ...`: which models there are, and getting more."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.models.pull import Known, list_models
from agent.models.pull import pull as pull_model
from agent.models.students import listed, named
from agent.settings import load
from distill.adapters import WEIGHTS, Adapter
from server.commands.memory import Json
from server.console import err, out, safe, say_json, table

app = typer.Typer(help="Models that can be served from this machine.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="models")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Lists models that are installed, those that can be pulled, and students."""
    place = load().home
    found = listed(place)
    known = [*list_models(place), *(_as_known(one) for one in found.adapters)]
    for line in found.damaged:
        err.print(safe(line))
    if as_json:
        say_json(known)
        return
    rows = [(m.name, m.size, m.licence, "yes" if m.path else "", m.source) for m in known]
    table("models", ("name", "size", "licence", "here", "from"), rows)


def _as_known(adapter: Adapter) -> Known:
    """A student as a row: it is set with `model.adapter`."""
    weights = adapter.path / WEIGHTS if adapter.path else None
    there = weights is not None and weights.is_file()
    size = f"{weights.stat().st_size / 1e6:.1f} MB" if weights and there else ""
    return Known(
        name=named(adapter),
        source=f"adapter ({adapter.status}) for {adapter.base}",
        licence=adapter.licence,
        size=size,
        path=weights if there else None,
    )


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A name of `models list`, or REPO/FILE.gguf")],
    as_json: Json = False,
) -> None:
    """Fetches a model; a second call finds it there."""
    settings = load()
    path = pull_model(name, home=settings.home, progress=lambda text: err.print(safe(text)))
    if as_json:
        say_json({"name": name, "path": str(path)})
    else:
        out.print(f"{path}\nuse it: JOURNEYMAN_MODEL__FILE={name} journeyman chat")
