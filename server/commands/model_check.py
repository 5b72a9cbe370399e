"""`journeyman models check`: whether a server does all that is asked of vLLM."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.table import Table

from agent.models.contract import Line, replay
from agent.models.vllm import CONTRACT
from agent.settings import Settings, load
from distill.adapters import Registry
from distill.peft_folder import blank_folder, peft_folder, shapes_of
from envs.errors import UserError, clip
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json

OWN = "http://127.0.0.1:8000/v1"
"""Where vLLM listens, if nothing else is said."""
MARKS = {True: "[green]ok[/green]", False: "[red]NO[/red]", None: "-"}


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("check")(check)


def check(
    url: Annotated[
        str, typer.Argument(help="Its address; default: model.base_url, or vLLM's")
    ] = "",
    adapter: Annotated[
        str, typer.Option(help="A registered adapter, or a folder in PEFT's format, to load there")
    ] = "",
    base: Annotated[
        Path | None, typer.Option(help="Folder of the base, if the server names none here")
    ] = None,
    key: Annotated[str, typer.Option(help="Its key; default: model.api_key")] = "",
    as_json: Json = False,
) -> None:
    """Asks a vLLM server, request by request, all that is needed of it; a line for each.

    Adapters are loaded there and unloaded again: one that changes nothing, unless one is named.
    Exit code 1 if something does not hold.
    """
    settings = load()
    place = url or settings.model.base_url or OWN
    password = key or settings.model.api_key
    with _folder(adapter, settings, place=place, base=base, key=password) as folder:
        if folder is None and not as_json:
            err.print("no adapter to try: give --adapter, or the base's folder with --base")
        lines = go(replay(CONTRACT, place, key=password, adapter=folder))
    if as_json:
        say_json(lines)
    else:
        _table(place, lines)
    if any(line.ok is False for line in lines):
        sys.exit(1)


def _table(place: str, lines: tuple[Line, ...]) -> None:
    grid = Table(title=f"vLLM at {safe(place)}", title_justify="left", title_style="bold")
    for column in ("", "what has to hold", "asked", "came"):
        grid.add_column(column, overflow="fold")
    for line in lines:
        came = f"{line.came}\nmend: {line.repair}" if line.repair else line.came
        grid.add_row(MARKS[line.ok], *(safe(cell) for cell in (line.name, line.asked, came)))
    out.print(grid)
    held, asked = sum(line.ok is True for line in lines), sum(line.ok is not None for line in lines)
    out.print(f"{held} of {asked} hold; {len(CONTRACT) - asked} not asked")


@contextmanager
def _folder(
    adapter: str, settings: Settings, *, place: str, base: Path | None, key: str
) -> Iterator[Path | None]:
    """An adapter to try, in a folder that is gone afterwards; None where there can't be one."""
    given = Path(adapter).expanduser()
    if adapter and given.is_dir():
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="journeyman-check-") as made:
        out_ = Path(made) / "adapter"
        if adapter:
            registry = Registry(settings.home / "adapters")
            yield peft_folder(registry.weights(adapter), registry.get(adapter), out_)
            return
        folder = base or _root(place, key=key)
        config = None if folder is None else folder / "config.json"
        if config is None or not config.is_file():
            if base is not None:
                raise UserError(f"{base} has no config.json", repair="give the base's own folder")
            yield None
            return
        try:
            shapes = shapes_of(json.loads(config.read_text("utf-8")))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UserError(
                f"{config} can't be read ({clip(str(error))})", repair="give --adapter"
            ) from error
        yield blank_folder(str(folder), shapes, out_)


def _root(place: str, *, key: str) -> Path | None:
    """Where the server says that its base lies, if that is a folder of this machine."""
    root = place.rstrip("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(trust_env=False, timeout=10.0) as client:
            cards = client.get(f"{root}/v1/models", headers=headers).json()["data"]
        told = next(str(card["root"]) for card in cards if not card.get("parent"))
    except (httpx.HTTPError, ValueError, KeyError, TypeError, StopIteration):
        return None  # What is wrong there, the check itself tells.
    return Path(told) if Path(told).is_dir() else None
