"""Games come out of archives and from the network, whole, and land nowhere else."""

from __future__ import annotations

import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envs.errors import UserError
from envs.fetch import fetch_alfworld

GAME = "json_2.1.1/train/pick-Mug-None-Desk-301/trial_1/game.tw-pddl"
TRAJ = "json_2.1.1/train/pick-Mug-None-Desk-301/trial_1/traj_data.json"
SEEN = "json_2.1.1/valid_seen/pick-Cup-None-Desk-301/trial_2/game.tw-pddl"
FILES = {GAME: b"game", TRAJ: b"traj", SEEN: b"seen", "json_2.1.1/readme.txt": b"no"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Address of a server of the folder `site`."""
    (tmp_path / "site").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def packed(path: Path, files: dict[str, bytes], *, under: str = "") -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(under + name, content)
        return path
    mode = "w:xz" if path.suffix == ".xz" else "w:gz"
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(under + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def held(data: Path) -> dict[str, bytes]:
    return {
        path.relative_to(data).as_posix(): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("under", ["", "./", "deep/er/"])
@pytest.mark.parametrize("name", ["a.tar.xz", "a.tar.gz", "a.zip"])
def test_an_archive_is_unpacked(tmp_path: Path, name: str, under: str) -> None:
    told: list[tuple[str, int, int]] = []
    data = tmp_path / "data"
    counts = fetch_alfworld(
        data,
        archive=packed(tmp_path / name, FILES, under=under),
        progress=lambda *what: told.append(what),
    )
    assert counts == {"train": 1, "valid_seen": 1, "valid_unseen": 0}
    assert held(data) == {GAME: b"game", TRAJ: b"traj", SEEN: b"seen"}
    assert told[-1] == (f"unpacking {name}", 3, 0)


def test_games_that_are_there_stay_and_are_renewed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fetch_alfworld(data, archive=packed(tmp_path / "a.zip", FILES))
    more = packed(tmp_path / "b.zip", {SEEN: b"newer"})
    assert fetch_alfworld(data, archive=more)["train"] == 1
    assert held(data) == {GAME: b"game", TRAJ: b"traj", SEEN: b"newer"}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize(
    "evil", ["json_2.1.1/train/../../../evil", "/tmp/evil", "../json_2.1.1/train/a/b/game.tw-pddl"]
)
def test_an_archive_that_reaches_outside_changes_nothing(
    tmp_path: Path, name: str, evil: str
) -> None:
    archive = packed(tmp_path / name, {GAME: b"game", evil: b"evil"})
    with pytest.raises(UserError, match="reaches outside of its folder"):
        fetch_alfworld(tmp_path / "data", archive=archive)
    assert held(tmp_path / "data") == {}


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, target in ((GAME, str(tmp_path / "secret")), (SEEN, "../../../x")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    with pytest.raises(UserError, match="holds no games"):
        fetch_alfworld(tmp_path / "data", archive=tmp_path / "a.tar.gz")


@pytest.mark.parametrize("name", ["a.tar.xz", "a.tar.gz", "a.zip"])
def test_half_an_archive_changes_nothing(tmp_path: Path, name: str) -> None:
    whole = packed(tmp_path / name, {**FILES, GAME: bytes(range(256)) * 400}).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"can't be unpacked: .*get the archive again"):
        fetch_alfworld(tmp_path / "data", archive=tmp_path / name)
    assert held(tmp_path / "data") == {}


def test_an_archive_without_games_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.zip holds no games"):
        fetch_alfworld(tmp_path / "data", archive=packed(tmp_path / "a.zip", {"x": b"x"}))


def test_no_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no archive at"):
        fetch_alfworld(tmp_path / "data", archive=tmp_path / "a.zip")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    archive = packed(tmp_path / "a.zip", FILES)
    with pytest.raises(UserError, match=r"can't be put into .*give a folder"):
        fetch_alfworld(tmp_path / "file" / "data", archive=archive)


def test_two_archives_are_downloaded_and_joined(tmp_path: Path, site: str) -> None:
    packed(tmp_path / "site" / "one.zip", {TRAJ: b"traj"})
    packed(tmp_path / "site" / "two.zip", {GAME: b"game"})
    told: list[tuple[str, int, int]] = []
    fetch_alfworld(
        tmp_path / "data",
        urls=(f"{site}/one.zip", f"{site}/two.zip"),
        progress=lambda *what: told.append(what),
    )
    assert held(tmp_path / "data") == {GAME: b"game", TRAJ: b"traj"}
    what, done, of = told[0]
    assert what == "downloading one.zip" and done == of > 0


def test_a_download_that_fails_changes_nothing(tmp_path: Path, site: str) -> None:
    packed(tmp_path / "site" / "one.zip", {GAME: b"game"})
    with pytest.raises(UserError, match=r"two.zip can't be downloaded: .*404.*--from ARCHIVE"):
        fetch_alfworld(tmp_path / "data", urls=(f"{site}/one.zip", f"{site}/two.zip"))
    assert held(tmp_path / "data") == {}


def test_without_a_network_the_other_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't be downloaded: .*envs fetch alfworld --from"):
        fetch_alfworld(tmp_path / "data", urls=("http://127.0.0.1:9/one.zip",))
