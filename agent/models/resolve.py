"""Which model answers: what the settings name, a promoted student, a file, the embedded one."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Literal

from agent.models.client import OpenAIModel
from agent.models.local import LocalModel, check_file
from agent.models.pull import EMBEDDED, find, list_models, models_folder
from agent.models.types import Model
from agent.settings import ModelSettings
from envs.errors import Missing, StoreError, UnknownName, one_line
from envs.types import Frozen

PROMOTED = "promoted.json"
"""In `HOME/models`: `{"file": path, "name": ...}` of the student that answers by default."""
PULL = "journeyman models pull smollm2-135m"
Origin = Literal["server", "file", "promoted", "embedded"]


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

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.name} at {self.base_url}" if self.base_url else f"{self.name}, {self.file}"


def describe(settings: ModelSettings, *, home: Path) -> Chosen:
    """What `resolve` would open. Starts nothing, asks nobody.

    Order: `settings.base_url` (into which `OPENAI_BASE_URL` has gone), `settings.file`, a promoted
    student, the embedded model. Raises `Missing` or `UnknownName` when the chosen file is not
    there, `StoreError` for a damaged `promoted.json`.
    """
    if settings.base_url:
        name = settings.name or "the first model that it lists"
        return Chosen(name=name, origin="server", base_url=settings.base_url)
    if settings.file:
        return _of_file(settings, home=home)
    promoted = _promoted(home)
    if promoted is not None:
        return promoted
    file = find(EMBEDDED, home=home)
    if file is None:
        raise Missing("no model is installed", repair=f"{PULL}, or set OPENAI_BASE_URL")
    return Chosen(name=f"{file.stem.split('.')[0]} (embedded)", origin="embedded", file=file)


async def resolve(settings: ModelSettings, *, home: Path) -> Model:
    """The model that `describe` names. A model of this machine starts with its first request."""
    chosen = describe(settings, home=home)
    if chosen.file is None:
        return OpenAIModel(settings)
    check_file(chosen.file)
    return LocalModel(settings, file=chosen.file, name=settings.name or chosen.name)


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


def _promoted(home: Path) -> Chosen | None:
    path = models_folder(home) / PROMOTED
    try:
        read = json.loads(path.read_text("utf-8"))
        file = path.parent / Path(read["file"]).expanduser()
        name = str(read.get("name") or file.stem)
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
    return Chosen(name=name, origin="promoted", file=file)
