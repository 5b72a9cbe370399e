"""The registry of adapters: whole or not at all, and one line for what is wrong."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from pydantic import ValidationError

from distill.adapters import ABOUT, WEIGHTS, Adapter, Registry
from envs.errors import Refused, StoreError, UnknownName

PUT = Adapter(
    id="put-1",
    base="SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    rows="0" * 64,
    parents=("put-0",),
    before={"val": 0.25},
    after={"val": 0.75},
    status="active",
    tags=("put",),
)
CLEAN = Adapter(id="clean-1", base="SmolLM2-135M-Instruct", licence="Apache-2.0")


def filled(folder: Path) -> Registry:
    registry = Registry(folder / "adapters")
    registry.add(PUT, weights=b"put")
    registry.add(CLEAN, weights=b"clean")
    return registry


def test_what_was_added_is_listed_and_read_back(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    clean, put = registry.listed().adapters
    assert put.model_copy(update={"weights": "", "path": None}) == PUT
    assert (clean.id, clean.path) == ("clean-1", tmp_path / "adapters" / "clean-1")
    assert registry.weights("put-1") == b"put"
    assert sorted(p.name for p in (tmp_path / "adapters").rglob("*")) == sorted(
        ["clean-1", "put-1", *(ABOUT, WEIGHTS) * 2]
    )


def test_a_folder_that_was_moved_tells_its_new_place(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "adapters").rename(tmp_path / "moved")
    assert Registry(tmp_path / "moved").get("put-1").path == tmp_path / "moved" / "put-1"


def test_what_was_removed_is_gone_and_may_come_again(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    registry.remove("put-1")
    assert [one.id for one in registry.listed().adapters] == ["clean-1"]
    assert [p.name for p in registry.folder.iterdir()] == ["clean-1"]
    assert registry.add(PUT, weights=b"again").id == "put-1"


def test_an_id_is_taken_once(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    with pytest.raises(Refused, match="an adapter put-1 exists"):
        registry.add(PUT, weights=b"other")
    assert registry.weights("put-1") == b"put"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refused, match="can't be written"):
        Registry(tmp_path / "file").add(PUT, weights=b"put")
    registry = filled(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(Refused, match="File too large"):
            registry.add(PUT.model_copy(update={"id": "half"}), weights=b"x" * 4000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in sorted(registry.folder.iterdir())] == ["clean-1", "put-1"]


def test_the_draft_of_a_killed_writer_is_no_adapter(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    (registry.folder / ".draft-x" / "half").mkdir(parents=True)
    listing = registry.listed()
    assert (len(listing.adapters), listing.damaged) == (2, ())


@pytest.mark.parametrize("name", ["put-2", "../adapters/put-1", ".", "", "/"])
def test_an_unknown_name_is_told_with_those_there_are(tmp_path: Path, name: str) -> None:
    for ask in (filled(tmp_path).get, Registry(tmp_path / "adapters").remove):
        with pytest.raises(UnknownName, match=r"no adapter named .*choose from: .*-1"):
            ask(name)


def test_no_registry_is_an_empty_one(tmp_path: Path) -> None:
    assert Registry(tmp_path / "none").listed().adapters == ()


def about(**changed: object) -> bytes:
    known = {**json.loads(PUT.model_dump_json()), "weights": "0" * 64}
    return json.dumps({**known, **changed}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "can't be read"),
        (b'{"format": 1', "can't be read"),
        (b"[" * 100_000, "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (b"[]", "can't be read"),
        (b" " * 1_000_001, "longer than 1000000 bytes"),
        (about(format=2, news="x"), "has format 2"),
        (about(id="other"), "is about 'other'"),
        (about(weights=""), "has no hash"),
        (about(secret="x"), "Extra inputs"),
        (about(after={"val": "NaN"}), "after.val"),
    ],
)
def test_a_damaged_record_is_one_line_and_hides_no_other(
    tmp_path: Path, content: bytes, said: str
) -> None:
    registry = filled(tmp_path)
    (registry.folder / "put-1" / ABOUT).write_bytes(content)
    listing = registry.listed()
    assert [one.id for one in listing.adapters] == ["clean-1"]
    (line,) = listing.damaged
    assert said in line
    assert "\n" not in line
    with pytest.raises(StoreError):
        registry.weights("put-1")
    registry.remove("put-1")
    assert registry.listed().damaged == ()


def test_altered_or_lost_weights_are_told(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    (registry.folder / "put-1" / WEIGHTS).write_bytes(b"pot")
    with pytest.raises(StoreError, match="is not what was registered"):
        registry.weights("put-1")
    (registry.folder / "put-1" / WEIGHTS).unlink()
    with pytest.raises(StoreError, match="can't be read: No such file"):
        registry.weights("put-1")


def test_foreign_folders_are_told_and_never_removed(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    (registry.folder / "photos").mkdir()
    (registry.folder / "photos" / "cat.jpg").write_bytes(b"cat")
    (registry.folder / "link").symlink_to(registry.folder / "put-1")
    (registry.folder / "notes.txt").write_text("not a folder")
    listing = registry.listed()
    assert len(listing.adapters) == 2
    assert len(listing.damaged) == 3
    for name in ("photos", "link", "notes.txt"):
        with pytest.raises(Refused, match="by hand"):
            registry.remove(name)
    assert (registry.folder / "photos" / "cat.jpg").read_bytes() == b"cat"
    assert registry.weights("put-1") == b"put"


def test_a_linked_file_is_not_followed(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    file = registry.folder / "put-1" / WEIGHTS
    file.unlink()
    file.symlink_to(registry.folder / "clean-1" / WEIGHTS)
    with pytest.raises(StoreError, match="no plain file"):
        registry.weights("put-1")


@pytest.mark.parametrize("name", ["../x", "A", "a/b", ".hidden", "", "a" * 65, "a\n"])
def test_an_id_is_a_plain_folder_name(name: str) -> None:
    with pytest.raises(ValidationError, match="id"):
        Adapter(id=name, base="b", licence="MIT")
