"""Students: an adapter by what it is called, the model that it belongs to, and its LoRA file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from agent.models.pull import EMBEDDED, find, list_models
from distill.adapters import ABOUT, Adapter, Listing, Registry
from distill.bases import sha256_of
from distill.gguf import derived, names_in
from envs.errors import Missing, Refused, UnknownName

SHIPPED = "shipped:"
"""What the name of a student begins with that came with the installation."""


def registry(home: Path) -> Registry:
    """Where the adapters of a home are kept."""
    return Registry(home / "adapters")


def shipped() -> Registry:
    """The adapters that came with the installation."""
    return Registry(Path(str(resources.files("distill").joinpath("shipped"))))


def student(name: str, *, home: Path) -> Adapter:
    """An adapter by its id, `shipped:NAME`, or its folder (which is named by its id).

    Raises `UnknownName` that lists what there is, and `StoreError` where its folder is damaged.
    """
    kept = _holder(name, home=home)
    if kept is not None:
        return kept.get(_id(name))
    here = [one.id for one in registry(home).listed().adapters]
    raise UnknownName("adapter", name, [*here, *(SHIPPED + one for one in _shipped_names())])


def listed(home: Path) -> Listing:
    """All students of a home, then those that are shipped."""
    mine = registry(home).listed()
    sent = tuple(shipped().get(name) for name in _shipped_names())
    return Listing(adapters=mine.adapters + sent, damaged=mine.damaged)


def named(adapter: Adapter) -> str:
    """What to set `model.adapter` to."""
    sent = adapter.path is not None and adapter.path.parent == shipped().folder
    return f"{SHIPPED}{adapter.id}" if sent else adapter.id


def called(adapter: Adapter, *, base: Path) -> str:
    """Name of a student for reports: its model's, and which student."""
    return f"{names_in(base)[-1]} (student {adapter.id})"


def base_of(adapter: Adapter, *, file: Path | None, home: Path) -> Path:
    """The model file that an adapter is served beside: `file`, or the one that it names.

    Raises `Missing` where that isn't on this machine, and `Refused` where `file` is another model.
    """
    wanted = adapter.base
    if file is not None:
        if wanted not in _names(file, home=home):
            raise Refused(
                f"adapter {adapter.id!r} alters {wanted!r}, and {file.name} is another model",
                repair=f"leave model.file empty, or set it to {wanted}",
            )
        return file
    embedded = find(EMBEDDED, home=home)
    found = find(wanted, home=home)
    if found is None and embedded is not None and wanted in _names(embedded, home=home):
        found = embedded
    if found is None:
        known = {model.name for model in list_models(home)}
        get = f"journeyman models pull {wanted}" if wanted in known else "set model.file to it"
        raise Missing(
            f"{wanted!r}, which adapter {adapter.id!r} alters, is not on this machine", repair=get
        )
    return found


def lora_file(adapter: Adapter, *, base: Path, home: Path) -> Path:
    """The LoRA file that llama.cpp loads, made in the home's cache when it isn't there.

    Reads the weights; takes seconds the first time. Raises `StoreError` where they are damaged and
    `Refused` where they were trained beside another file than `base`.
    """
    trained_on = adapter.manifest.base_sha256 if adapter.manifest else ""
    if trained_on and trained_on != sha256_of(base):
        raise Refused(
            f"adapter {adapter.id!r} was trained beside another file than {base.name} "
            f"({trained_on[:12]})",
            repair=f"serve it with the {adapter.base} that it was trained on, or train it anew",
        )
    return derived(
        weights_of(adapter), base=base, cache=home / "models" / "adapters", name=adapter.id
    )


def weights_of(adapter: Adapter) -> bytes:
    """Its weights from its folder. Raises `StoreError` where they are not those registered."""
    if adapter.path is None:
        raise Missing(f"adapter {adapter.id!r} has no folder", repair="register it first")
    return Registry(adapter.path.parent).weights(adapter.path.name)


def _holder(name: str, *, home: Path) -> Registry | None:
    """The registry that holds it; a registered id goes before a folder of that name."""
    if name.startswith(SHIPPED):
        return shipped() if _id(name) in _shipped_names() else None
    mine = registry(home)
    if Path(name).name == name and (mine.folder / name).is_dir():
        return mine
    path = Path(name).expanduser()
    if (path / ABOUT).is_file():
        return Registry(path.resolve().parent)
    return None


def _id(name: str) -> str:
    if name.startswith(SHIPPED):
        return name.removeprefix(SHIPPED)
    return Path(name).expanduser().resolve().name


def _shipped_names() -> list[str]:
    folder = shipped().folder
    return sorted(about.parent.name for about in folder.glob(f"*/{ABOUT}"))


def _names(file: Path, *, home: Path) -> set[str]:
    """What a model file is called: by its own name, and in the list of models."""
    known = {model.name for model in list_models(home) if model.path == file}
    return known | set(names_in(file))
