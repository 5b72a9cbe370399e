"""`journeyman models ...`: which models there are, and getting more."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.models.pull import list_models
from agent.models.pull import pull as pull_model
from agent.settings import load
from server.commands.memory import Json
from server.console import err, out, safe, say_json, table

app = typer.Typer(help="Models that can be served from this machine.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="models")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Lists models that are installed, and those that can be pulled."""
    known = list_models(load().home)
    if as_json:
        say_json(known)
        return
    rows = [(m.name, m.size, m.licence, "yes" if m.path else "", m.source) for m in known]
    table("models", ("name", "size", "licence", "here", "from"), rows)


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
