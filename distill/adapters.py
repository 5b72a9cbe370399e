"""Adapters: skills as weights beside a base model, where they come from, and where they are kept.

    adapters/put-1/adapter.json            what it is: base, licence, rows, parents, scores, tags
    adapters/put-1/adapter.safetensors     its weights, as `distill/composing.py` reads them

Nothing is trained here and nothing served: an adapter comes in with its weights, is listed and
goes again. Source: Liu et al. 2025, Skill Expansion and Composition in Parameter Space (PSEC),
arXiv 2502.05932: its library of skills that grows by one LoRA module each.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, FiniteFloat, StringConstraints, ValidationError

from distill.plan import Manifest
from envs.errors import Refused, StoreError, UnknownName
from envs.types import Frozen
from memory.rows import first_of
from memory.types import Status

FORMAT: Literal[1] = 1
"""Version of `adapter.json`; a newer one is refused."""
ABOUT, WEIGHTS = "adapter.json", "adapter.safetensors"
LONGEST = {ABOUT: 1_000_000, WEIGHTS: 4_000_000_000}
"""Bytes of a file."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$", max_length=64)]


class Adapter(Frozen):
    """What is known of an adapter; its weights lie beside it."""

    format: Literal[1] = FORMAT
    """Version of this record."""
    id: Id
    """Name of its folder: lower-case letters and digits, joined by `-`, `_` or `.`."""
    base: str = Field(min_length=1)
    """Name of the model whose weights it alters; it fits no other."""
    licence: str = Field(min_length=1)
    """Licence of the base (SPDX); an adapter gets no looser one."""
    rows: Sha256 = ""
    """SHA-256 of the rows that it was trained on; empty: not trained from rows."""
    parents: tuple[Id, ...] = ()
    """Adapters that its training began from; they may be gone."""
    before: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Scores of the base without it, by the name of what was measured; empty: not scored."""
    after: dict[str, FiniteFloat] = Field(default_factory=dict)
    """The same with it."""
    status: Status = "candidate"
    """Only an active one is activated by a task."""
    tags: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    """Tags of tasks (`Task.tags`) that it is for."""
    manifest: Manifest | None = None
    """What it was trained from, and how; None: it came from elsewhere."""
    weights: Sha256 = ""
    """SHA-256 of its file of weights; the registry fills it in."""
    path: Path | None = Field(default=None, exclude=True)
    """Folder that it lies in; None until it is registered, and told by where it was found."""


class Listing(Frozen):
    """What lies in a registry."""

    adapters: tuple[Adapter, ...]
    """Those that can be read, by id."""
    damaged: tuple[str, ...]
    """A line with its repair for each folder that can't."""


class Registry:
    """Adapters in a folder, one folder each, that are there whole or not at all.

    Folders whose names begin with a dot are drafts of writers that were killed, and are no
    adapters. Several processes may use one registry.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def listed(self) -> Listing:
        """All adapters; a damaged or foreign folder is a line, and hides no other."""
        adapters: list[Adapter] = []
        damaged: list[str] = []
        for name in self._names():
            try:
                adapters.append(self.get(name))
            except StoreError as error:
                damaged.append(str(error))
            except UnknownName:
                continue  # Removed by somebody else since its name was read.
        return Listing(adapters=tuple(adapters), damaged=tuple(damaged))

    def get(self, name: str) -> Adapter:
        """An adapter by id. Raises `UnknownName`, and `StoreError` where its folder is damaged."""
        path = self._path(name)
        return _about(path, _bytes(path, ABOUT))

    def weights(self, name: str) -> bytes:
        """Its file of weights, as it was registered. Raises like `get`."""
        adapter = self.get(name)
        found = _bytes(self._path(name), WEIGHTS)
        if hashlib.sha256(found).hexdigest() != adapter.weights:
            raise _bad(self._path(name), f"{WEIGHTS} is not what was registered")
        return found

    def add(self, adapter: Adapter, *, weights: bytes) -> Adapter:
        """Registers an adapter with its weights and gives it with its hash and its place.

        The bytes are not looked into: `composing.packed` makes them. Raises `Refused` where the
        id is taken or the folder can't be written; nothing is left of it then.
        """
        path = self.folder / adapter.id
        digest = hashlib.sha256(weights).hexdigest()
        kept = adapter.model_copy(update={"weights": digest, "path": path})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.exists() or path.is_symlink():
                raise _taken(adapter.id)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".draft-") as made:
                draft = Path(made) / adapter.id
                draft.mkdir()
                _written(draft / ABOUT, (kept.model_dump_json(indent=1) + "\n").encode())
                _written(draft / WEIGHTS, weights)
                draft.rename(path)
        except OSError as error:
            if path.exists():
                raise _taken(adapter.id) from error
            why = error.strerror or str(error)
            raise Refused(f"{path} can't be written: {why}", repair="make room for it") from error
        return kept

    def remove(self, name: str) -> None:
        """Takes an adapter out, all of it at once; a damaged one too.

        Raises `UnknownName`, and `Refused` where the folder holds what is no adapter's, or can't
        be removed.
        """
        path = self._path(name)
        try:
            inside = {one.name for one in path.iterdir()} if not path.is_symlink() else {""}
            if not inside or not inside <= set(LONGEST):
                raise Refused(f"{path} is no adapter's folder", repair="remove it by hand")
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".gone-") as gone:
                path.rename(Path(gone) / name)
        except OSError as error:
            why = error.strerror or str(error)
            raise Refused(f"{path} can't be removed: {why}", repair="remove it by hand") from error

    def _names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("."))

    def _path(self, name: str) -> Path:
        """Where it lies; a name that is a path is not among the names."""
        names = self._names()
        if name not in names:
            raise UnknownName("adapter", name, names)
        return self.folder / name


class _Versioned(BaseModel):
    """All that is asked of a record before it is known to be one of ours."""

    format: int


def _about(path: Path, content: bytes) -> Adapter:
    try:
        version = _Versioned.model_validate_json(content).format
        if version > FORMAT:
            raise StoreError(
                f"{path} has format {version}, not {FORMAT}", repair="update Journeyman"
            )
        adapter = Adapter.model_validate_json(content)
    except ValidationError as error:
        raise _bad(path, f"{ABOUT} can't be read ({first_of(error)})") from error
    if adapter.id != path.name or not adapter.weights:
        raise _bad(path, f"{ABOUT} is about {adapter.id!r}, or has no hash of its weights")
    return adapter.model_copy(update={"path": path})


def _bytes(path: Path, name: str) -> bytes:
    """Content of a plain file that is no link, of a folder that is none."""
    file = path / name
    try:
        if path.is_symlink() or not path.is_dir() or not stat.S_ISREG(file.lstat().st_mode):
            raise _bad(path, f"it has no plain file {name}")
        if file.stat().st_size > LONGEST[name]:
            raise _bad(path, f"{name} is longer than {LONGEST[name]} bytes")
        return file.read_bytes()
    except OSError as error:
        raise _bad(path, f"{name} can't be read: {error.strerror or error}") from error


def _written(file: Path, content: bytes) -> None:
    """On the disk before the folder gets its name, so that a power cut leaves no half of it."""
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _taken(name: str) -> Refused:
    return Refused(f"an adapter {name} exists", repair="take another id, or remove it first")


def _bad(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged or foreign: {why}", repair="move it away, or add it anew")
