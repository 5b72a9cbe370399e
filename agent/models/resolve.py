"""Which model answers: what the settings name, a promoted student, a file, the embedded one.

A student is a model of this machine with an adapter beside it (`agent/models/students.py`); in a
server, where no model is named, the promoted one is followed while it runs.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Literal

from agent.crossing import off
from agent.models.client import OpenAIModel
from agent.models.local import LocalModel, check_file
from agent.models.pull import EMBEDDED, find, list_models, models_folder
from agent.models.students import base_of, called, lora_file, student
from agent.models.swap import Following
from agent.models.types import Model
from agent.settings import ModelSettings
from distill.adapters import Adapter
from envs.errors import Missing, Refused, StoreError, UnknownName, clip, one_line
from envs.types import Frozen

PROMOTED = "promoted.json"
"""In `HOME/models`: `{"file": path, "name": ..., "adapter": id}` of the student that answers by
default; `adapter` is left out for a file that is a student as it stands."""
PULL = "journeyman models pull smollm2-135m"
Origin = Literal["server", "file", "student", "promoted", "embedded"]


class Chosen(Frozen):
    """The model that would answer, found without starting anything."""

    name: str
    """Name for reports."""
    origin: Origin
    """Which rule chose it."""
    base_url: str = ""
    """Address of its server, for one that runs already."""
    file: Path | None = None
    """GGUF file to serve, for a model of this machine."""
    adapter: Adapter | None = None
    """What makes a student of it."""

    def __str__(self) -> str:
        """One line for people."""
        if self.base_url:
            return f"{self.name} at {self.base_url}"
        beside = f" with {self.adapter.path}" if self.adapter else ""
        return f"{self.name}, {self.file}{beside}"


def describe(settings: ModelSettings, *, home: Path) -> Chosen:
    """What `resolve` would open. Starts nothing, asks nobody.

    Order: `settings.base_url` (into which `OPENAI_BASE_URL` has gone), `settings.adapter` and
    `settings.file`, a promoted student, the embedded model. Raises `Missing` or `UnknownName` when
    the chosen file or adapter is not there, `Refused` for an adapter of another model, and
    `StoreError` for a damaged adapter or `promoted.json`.
    """
    if settings.base_url and settings.adapter:
        raise Refused(
            "model.base_url and model.adapter are both set, and an adapter is served from here",
            repair="set one of them; for an adapter on that server set model.name",
        )
    if settings.base_url:
        name = settings.name or "the first model that it lists"
        return Chosen(name=name, origin="server", base_url=settings.base_url)
    named = _of_file(settings, home=home) if settings.file else None
    if settings.adapter:
        file = named.file if named else None
        return _of_adapter(settings.adapter, file=file, home=home, origin="student")
    if named is not None:
        return named
    promoted = _promoted(home)
    if promoted is not None:
        return promoted
    file = find(EMBEDDED, home=home)
    if file is None:
        raise Missing("no model is installed", repair=f"{PULL}, or set OPENAI_BASE_URL")
    return Chosen(name=f"{file.stem.split('.')[0]} (embedded)", origin="embedded", file=file)


async def resolve(settings: ModelSettings, *, home: Path, follow: bool = False) -> Model:
    """The model that `describe` names. A model of this machine starts with its first request.

    With `follow`, where the settings name no model, a promotion or its undoing is noticed while it
    serves, and the model exchanged (see `agent/models/swap.py`).
    """
    if follow and not (settings.base_url or settings.file or settings.adapter):
        stamp = promotion(home)
        first = await resolve(settings, home=home)
        return Following(
            first,
            stamp=stamp,
            stamped=lambda: promotion(home),
            fresh=lambda: resolve(settings, home=home),
        )
    chosen = describe(settings, home=home)
    if chosen.file is None:
        return OpenAIModel(settings)
    check_file(chosen.file)
    lora = None
    if chosen.adapter is not None:
        lora = await off(lora_file, chosen.adapter, base=chosen.file, home=home)
    # A student says what it is whatever it is called: it is asked as it was trained.
    name = chosen.name if chosen.adapter else settings.name or chosen.name
    return LocalModel(settings, file=chosen.file, name=name, adapter=lora)


def promotion(home: Path) -> str:
    """A stamp of the promotion of a home, for a look that costs microseconds; empty: there is none.

    It changes whenever `promoted.json` is written.
    """
    try:
        stat = (models_folder(home) / PROMOTED).stat()
    except OSError:
        return ""
    return f"{stat.st_mtime_ns} {stat.st_size} {stat.st_ino}"


def sha256_of(file: Path) -> str:
    """SHA-256 of a model file in hex, for manifests; computed once per file and change."""
    stat = file.stat()
    return _sha256(file, stat.st_size, stat.st_mtime_ns)


@cache
def _sha256(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _of_file(settings: ModelSettings, *, home: Path) -> Chosen:
    path = Path(settings.file).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return Chosen(name=path.stem, origin="file", file=path)
    found = find(settings.file, home=home)
    if found is not None:
        return Chosen(name=settings.file, origin="file", file=found)
    known = {model.name: model for model in list_models(home)}
    if settings.file in known:
        raise Missing(
            f"model {settings.file!r} is not on this machine",
            repair=f"journeyman models pull {settings.file}",
        )
    if path.suffix == ".gguf":
        raise Missing(
            f"there is no model file {settings.file!r}",
            repair=f"mend model.file, or fetch one: {PULL}",
        )
    raise UnknownName("model", settings.file, known)


def _of_adapter(name: str, *, file: Path | None, home: Path, origin: Origin) -> Chosen:
    adapter = student(name, home=home)
    base = base_of(adapter, file=file, home=home)
    return Chosen(name=called(adapter, base=base), origin=origin, file=base, adapter=adapter)


def _promoted(home: Path) -> Chosen | None:
    path = models_folder(home) / PROMOTED
    try:
        read = json.loads(path.read_text("utf-8"))
        file = path.parent / Path(read["file"]).expanduser()
        name, adapter = str(read.get("name") or file.stem), str(read.get("adapter") or "")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} can't be read: {one_line(str(error))}",
            repair="remove it to go back to the embedded model, or promote again",
        ) from error
    if not file.is_file():
        raise Missing(
            f"the promoted model {file} is gone",
            repair=f"remove {path} to go back to the embedded model, or promote again",
        )
    if adapter:
        try:
            return _of_adapter(adapter, file=file, home=home, origin="promoted")
        except UnknownName as error:
            raise Missing(
                f"the promoted student {clip(adapter)!r} is gone",
                repair="put its folder back, or let who was before answer: "
                "journeyman models rollback",
            ) from error
    return Chosen(name=name, origin="promoted", file=file)
