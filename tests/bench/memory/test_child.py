"""Journeyman and bare Chroma as children; the rivals take part where they are installed."""

from pathlib import Path

import pytest

from bench.memory.child import Child, children, python_of, share
from bench.memory.timings import asked_of, corpus, recalling, writing
from envs.errors import Missing
from memory.embed import HashEmbedder
from memory.query import Query

EMBEDDER = HashEmbedder()
NOWHERE = Path("/nowhere")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    share(tmp_path / "shared", [entry["text"] for entry in corpus(30)], EMBEDDER)
    return tmp_path / "shared"


def child(name: str, folder: Path, shared: Path) -> Child:
    return Child(name, folder, shared=shared, embedder=EMBEDDER)


@pytest.mark.parametrize("name", ["journeyman", "journeyman-ledger", "chroma"])
def test_what_was_acknowledged_is_found_after_a_kill(name, tmp_path: Path, shared: Path) -> None:
    one = child(name, tmp_path / name, shared)
    given = [one.ask("write", entry=entry).value for entry in corpus(6)]
    one.begin("write", entry=corpus(7)[6])
    one.kill()
    again = child(name, tmp_path / name, shared)
    assert again.ask("missing", names=[*given, "never-written"]).value == ["never-written"]
    again.close()
    again.close()


def test_a_filled_store_finds_an_entry_by_its_words(tmp_path: Path, shared: Path) -> None:
    entries = corpus(30)
    with children(["journeyman", "chroma"], tmp_path, shared=shared, embedder=EMBEDDER) as both:
        for one in both.values():
            one.ask("fill", entries=entries)
            query = asked_of(Query(goal=f"{entries[7]['text']} now"))
            answer = one.ask("recall", query=query, most=3)
            assert answer.value[0] == entries[7]["id"]
            assert answer.ms > 0.0
            assert answer.texts == 1


def test_vectors_that_are_not_shared_come_from_the_parent(tmp_path: Path) -> None:
    share(tmp_path / "shared", [], EMBEDDER)
    one = child("chroma", tmp_path / "chroma", tmp_path / "shared")
    one.ask("write", entry={"id": "x", "text": "a mug on a shelf", "say": "a mug"})
    found = one.ask("recall", query=asked_of(Query(goal="mug on shelf")), most=1)
    assert found.value == ["x"]
    one.kill()


def test_sharing_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    share(tmp_path, ["one", "two"], EMBEDDER)
    rows = tmp_path / "vectors.f32"
    rows.write_bytes(rows.read_bytes() + b"half a vector")
    share(tmp_path, ["two", "three"], EMBEDDER)
    assert (tmp_path / "vectors.f32").stat().st_size == 3 * EMBEDDER.dimensions * 4
    assert len((tmp_path / "texts.jsonl").read_text("utf-8").splitlines()) == 3


def test_a_rival_that_is_not_installed_names_the_line() -> None:
    with pytest.raises(Missing, match=r"pip install -r bench/memory/rivals.txt"):
        python_of("mem0", rivals=NOWHERE)


def test_a_contender_that_breaks_names_its_log(tmp_path: Path, shared: Path) -> None:
    one = child("chroma", tmp_path / "chroma", shared)
    with pytest.raises(Missing, match=r"broke off .*chroma\.log"):
        one.ask("recall", query={}, most=1)
    one.kill()


def test_writes_are_timed_and_none_is_lost(tmp_path: Path) -> None:
    rows = writing(
        ["journeyman-ledger"], tmp_path / "write", embedder=EMBEDDER, rivals=NOWHERE, base=20,
        writes=5, kills=1,
    )  # fmt: skip
    assert rows[0].times.count == 5
    assert (rows[0].killed, rows[0].acknowledged, rows[0].lost) == (2, 35, 0)


def test_recalls_are_timed_in_turns_and_filling_is_kept(tmp_path: Path) -> None:
    rows = recalling(
        ["journeyman", "chroma"], tmp_path / "recall", size=40, embedder=EMBEDDER, rivals=NOWHERE,
        asked=5,
    )  # fmt: skip
    assert [(row.name, row.entries, row.times.count) for row in rows] == [
        ("journeyman", 40, 5),
        ("chroma", 40, 5),
    ]
    assert all(row.disk and row.resident for row in rows)
    assert (tmp_path / "recall" / "chroma.filled.json").exists()
