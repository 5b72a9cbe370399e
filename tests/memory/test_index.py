from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory.embed import HashEmbedder
from memory.index import Damaged, Index, ListIndex, VectorIndex
from memory.ledger import Ledger
from memory.recall import Memory, Query
from memory.types import Lesson

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")
WORDS = ("mug", "egg", "lamp", "desk", "sofa", "knife", "towel", "phone")
TEXTS = [
    (f"L{n}", f"find the {word} near the {other}")
    for n, (word, other) in enumerate((word, other) for word in WORDS for other in WORDS)
]


def check(index: VectorIndex) -> None:
    """What every index has to keep."""
    assert (index.origin, index.generation) == ("", 0)
    assert index.search("mug", most=3) == []
    index.add(TEXTS)
    index.mark(origin="ledger", generation=7)
    assert (index.origin, index.generation) == ("ledger", 7)
    found = index.search("find the egg near the sofa", most=5)
    assert found[0] == ("L12", pytest.approx(1.0, abs=1e-5))
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)
    index.add([("L12", "something else entirely")])
    index.remove(["L11", "nobody"])
    assert not {"L11", "L12"} & {id_ for id_, _ in index.search(TEXTS[12][1], most=3)}
    assert len(index.search("find", most=1000)) == 63
    assert index.search("find", most=0) == []
    index.clear()
    assert (index.origin, index.generation) == ("", 0)
    assert index.search("find", most=3) == []
    index.close()
    index.close()


def test_both_indexes_keep_the_seam(tmp_path: Path) -> None:
    check(ListIndex(HashEmbedder()))
    check(Index(tmp_path / "index", HashEmbedder()))


def shelved(index: VectorIndex) -> None:
    """What every index has to keep of its shelves."""
    index.add(TEXTS[:2])
    index.add([("X", TEXTS[0][1])], shelf="a house: 1/2 #ü")
    index.mark(origin="ledger", generation=1)
    query = TEXTS[0][1]
    assert [i for i, _ in index.search(query, most=2)] in (["L0", "X"], ["X", "L0"])
    assert [i for i, _ in index.search(query, most=9, shelves=[""])] == ["L0", "L1"]
    assert [i for i, _ in index.search(query, most=9, shelves=["a house: 1/2 #ü"])] == ["X"]
    assert index.search(query, most=9, shelves=["nowhere"]) == []
    assert index.search(query, most=9, shelves=[]) == []
    known = index.vectors(["L0", "L1", "X", "nobody"])
    assert known.keys() == {"L0", "L1"}
    assert known["L0"] @ index.embedder.embed([query])[0] == pytest.approx(1.0, abs=1e-5)
    assert index.vectors([], shelf="nowhere") == {}
    assert index.vectors(["L0"], shelf="nowhere") == {}
    index.remove(["X", "L0"])
    assert [i for i, _ in index.search(query, most=9)] == ["L1"]
    index.close()


def test_both_indexes_keep_their_shelves_apart(tmp_path: Path) -> None:
    shelved(ListIndex(HashEmbedder()))
    shelved(Index(tmp_path / "index", HashEmbedder()))
    again = Index(tmp_path / "index", HashEmbedder())
    assert again.search("mug", most=9, shelves=["a house: 1/2 #ü"]) == []
    assert [i for i, _ in again.search("mug", most=9)] == ["L1"]
    again.close()


def test_an_index_is_as_it_was_after_it_was_closed(tmp_path: Path) -> None:
    first = Index(tmp_path, HashEmbedder())
    first.add(TEXTS)
    first.mark(origin="ledger", generation=7)
    answer = first.search("the mug", most=5)
    first.close()
    second = Index(tmp_path, HashEmbedder())
    assert (second.origin, second.generation) == ("ledger", 7)
    assert second.search("the mug", most=5) == answer
    second.close()


def test_vectors_of_another_embedder_are_not_used(tmp_path: Path) -> None:
    first = Index(tmp_path, HashEmbedder())
    first.add(TEXTS)
    first.mark(origin="ledger", generation=7)
    first.close()
    second = Index(tmp_path, HashEmbedder(dimensions=64))
    with pytest.raises(Damaged, match="another embedder"):
        second.search("mug", most=1)
    second.close()


def test_a_second_user_of_a_folder_gets_a_slot_of_its_own(tmp_path: Path) -> None:
    first, second = (Index(tmp_path, HashEmbedder()) for _ in range(2))
    first.add(TEXTS)
    assert second.search("mug", most=1) == []
    second.add(TEXTS[:1])
    assert len(first.search("mug", most=100)) == 64
    assert len(second.search("mug", most=100)) == 1
    first.close()
    second.close()


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    for place in range(0, len(raw), max(1, len(raw) // 50)):
        raw[place] ^= 0xFF
    path.write_bytes(raw)


def files(folder: Path, name: str) -> Iterator[Path]:
    found = sorted(folder.rglob(name))
    assert found, f"no {name} in {folder}"
    yield from found


DAMAGES: dict[str, Callable[[Path], object]] = {
    "database flipped": lambda folder: [flip(file) for file in files(folder, "chroma.sqlite3")],
    "database cut": lambda folder: [
        file.write_bytes(file.read_bytes()[:5000]) for file in files(folder, "chroma.sqlite3")
    ],
    "database empty": lambda folder: [
        file.write_bytes(b"") for file in files(folder, "chroma.sqlite3")
    ],
    "database deleted": lambda folder: [file.unlink() for file in files(folder, "chroma.sqlite3")],
    "vectors flipped": lambda folder: [flip(file) for file in files(folder, "data_level0.bin")],
    "stamp deleted": lambda folder: [file.unlink() for file in files(folder, "stamp.json")],
    "stamp nonsense": lambda folder: [
        file.write_text("[1") for file in files(folder, "stamp.json")
    ],
    "stamp of another shape": lambda folder: [
        file.write_text("[1]") for file in files(folder, "stamp.json")
    ],
}
QUERY = Query(goal="find the egg near the sofa")


def recalled(memory: Memory, query: Query = QUERY) -> list[tuple[str, float]]:
    found = memory.recall(query, budget_tokens=500, floor=0.2, most=2, guard=True)
    return sorted([(one.lesson, round(one.similarity, 4)) for one in found], reverse=True)


def remembering(folder: Path) -> Memory:
    return Memory(Ledger(folder / "ledger.db"), Index(folder / "index", HashEmbedder()))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose index has written its vectors to files of their own (1,000 entries)."""
    folder = tmp_path_factory.mktemp("filled")
    memory = remembering(folder)
    texts = [*TEXTS, *((f"M{n}", f"open door {n} with key {n * 7}") for n in range(1000))]
    lessons = [Lesson(id=id_, kind="fact", text=text) for id_, text in texts]
    memory.ledger.apply(*memory.plan(lessons, reason="test"))
    memory.sync()
    memory.close()
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_rebuilt_with_one_warning(
    damage: str, filled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "home"
    shutil.copytree(filled, folder)
    memory = remembering(folder)
    before = recalled(memory)
    assert before == [("L33", 1.0), ("L12", 1.0)]
    assert not caplog.records, "an index in order is used as it is"
    memory.close()
    DAMAGES[damage](folder / "index")
    memory = remembering(folder)
    with caplog.at_level(logging.WARNING):
        assert recalled(memory) == before
    assert ["built anew" in record.message for record in caplog.records] == [True]
    memory.close()
    caplog.clear()
    memory = remembering(folder)
    assert recalled(memory) == before
    assert caplog.records == []
    memory.close()


def test_a_deleted_index_is_rebuilt(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    shutil.copytree(filled, folder)
    memory = remembering(folder)
    before = recalled(memory)
    memory.close()
    shutil.rmtree(folder / "index")
    memory = remembering(folder)
    assert memory.sync() == 1064
    assert recalled(memory) == before
    memory.close()


def test_an_index_deleted_under_a_running_process_is_rebuilt(tmp_path: Path) -> None:
    memory = remembering(tmp_path)
    memory.typed("the egg is on the sofa")
    shutil.rmtree(tmp_path / "index")
    memory.typed("the mug is on the desk")
    assert [one.text for one, _ in memory.search("mug on desk", most=1)] == [
        "the mug is on the desk"
    ]
    memory.close()
    memory = remembering(tmp_path)
    assert len(memory.search("the", most=5)) == 2
    memory.close()


def test_the_index_of_another_ledger_is_not_used(tmp_path: Path) -> None:
    one = remembering(tmp_path)
    one.typed("the egg is on the sofa")
    one.close()
    (tmp_path / "ledger.db").rename(tmp_path / "old.db")
    two = remembering(tmp_path)
    two.typed("the lamp is green")
    assert [lesson.text for lesson, _ in two.search("egg sofa", most=5)] == ["the lamp is green"]
    two.close()


def test_an_index_that_was_closed_is_found_as_it_was_left(tmp_path: Path) -> None:
    for turn in range(3):
        index = Index(tmp_path, HashEmbedder())
        if turn == 0:
            index.clear()
            index.add([("a", "a red apple"), ("b", "a blue door")])
            index.mark(origin="here", generation=7)
        assert (index.origin, index.generation) == ("here", 7)
        assert index.search("apple", most=1)[0][0] == "a"
        index.close()
