"""Getting ALFWorld's games: out of an archive, or from where ALFWorld publishes them."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import httpx

from envs.alfworld import FETCH, OFFICIAL, ROOT
from envs.errors import UserError, clip, one_line

RELEASES = "https://github.com/alfworld/alfworld/releases/download"
URLS = (
    f"{RELEASES}/0.2.2/json_2.1.1_json.zip",
    f"{RELEASES}/0.4.0/json_2.1.2_tw-pddl.zip",
)
"""Of what `alfworld-download` takes (alfworld 0.4.2), the two archives that text games need."""
WANTED = frozenset({"game.tw-pddl", "traj_data.json"})
"""The files of a game; all others in an archive are left there."""
CHUNK = 1 << 18
DAMAGED = (
    EOFError,
    NotImplementedError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much (0: unknown)."""


def fetch_alfworld(
    data: Path,
    *,
    archive: Path | None = None,
    progress: Progress | None = None,
    urls: Sequence[str] = URLS,
) -> dict[str, int]:
    """Puts ALFWorld's games under `data/json_2.1.1`, beside those that are there already.

    `archive` is a `.tar.xz`, `.tar.gz`, `.tar` or `.zip` that holds `json_2.1.1` somewhere; without
    it the games are downloaded. Nothing is changed before all has been unpacked.
    Returns the number of games in each official folder. Raises `UserError`.
    """
    tell = progress or _silent
    with _writing(data):
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data, prefix=".fetch-") as folder:
            stage = Path(folder) / ROOT
            for source in [archive] if archive else _downloaded(urls, Path(folder), tell=tell):
                _unpack(source, stage, tell=tell)
            _install(stage, data / ROOT)
    counts = {
        official: sum(1 for _ in (data / ROOT / official).glob("*/*/game.tw-pddl"))
        for official in OFFICIAL.values()
    }
    if not any(counts.values()):
        raise UserError(
            f"{archive or 'the download'} holds no games ({ROOT}/*/*/*/game.tw-pddl)",
            repair="take an archive of ALFWorld's release 0.4 or later",
        )
    return counts


def _downloaded(urls: Sequence[str], folder: Path, *, tell: Progress) -> Iterator[Path]:
    for url in urls:
        name = PurePosixPath(url).name
        path = folder / name
        try:
            with (
                httpx.stream("GET", url, follow_redirects=True, timeout=30.0) as answer,
                path.open("wb") as file,
            ):
                answer.raise_for_status()
                total = int(answer.headers.get("content-length", "0"))
                for chunk in answer.iter_bytes(CHUNK):
                    file.write(chunk)
                    tell(f"downloading {name}", file.tell(), total)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            why = one_line(str(error)) or type(error).__name__
            raise UserError(
                f"{url} can't be downloaded: {clip(why, most=160)}",
                repair=f"check the network, or run `{FETCH} --from ARCHIVE`",
            ) from error
        yield path
        path.unlink()


def _unpack(archive: Path, stage: Path, *, tell: Progress) -> None:
    """Copies the wanted files of an archive to places that we name: nothing lands elsewhere."""
    if not archive.is_file():
        raise UserError(f"no archive at {archive}", repair="give the path of a .tar.xz or .zip")
    try:
        members = _zip(archive) if zipfile.is_zipfile(archive) else _tar(archive)
        for number, (name, content) in enumerate(members, start=1):
            place = stage.joinpath(*name)
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as file:
                shutil.copyfileobj(content, file)
            tell(f"unpacking {archive.name}", number, 0)
    except DAMAGED as error:
        raise UserError(
            f"{archive} can't be unpacked: {clip(one_line(str(error)), most=160)}",
            repair="get the archive again: a .tar.xz, .tar.gz or .zip of json_2.1.1",
        ) from error


def _tar(archive: Path) -> Iterator[tuple[Sequence[str], IO[bytes]]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            name = _place(member.name, archive=archive)
            content = tar.extractfile(member) if name and member.isreg() else None
            if name and content:
                yield name, content


def _zip(archive: Path) -> Iterator[tuple[Sequence[str], IO[bytes]]]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            name = _place(info.filename, archive=archive)
            if name and not info.is_dir():
                yield name, file.open(info)


def _place(name: str, *, archive: Path) -> Sequence[str]:
    """Official folder, task, trial, file; empty for what is not wanted."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith("/") or "\0" in name:
        raise UserError(
            f"{archive} reaches outside of its folder: {clip(name)!r}",
            repair="don't use this archive; get it from ALFWorld's releases",
        )
    place = parts[parts.index(ROOT) + 1 :] if ROOT in parts else ()
    wanted = len(place) == 4 and place[0] in OFFICIAL.values() and place[3] in WANTED
    return place if wanted else ()


def _install(stage: Path, root: Path) -> None:
    """Moves all games to their places; those that are there already are replaced file by file."""
    if stage.is_dir() and not root.exists():
        stage.rename(root)
        return
    for file in stage.glob("*/*/*/*"):
        place = root / file.relative_to(stage)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)


@contextmanager
def _writing(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"games can't be put into {data}: {error.strerror or error}",
            repair="give a folder that you may write to, with 1 GB free",
        ) from error


def _silent(_what: str, _done: int, _of: int) -> None:
    return
