"""The index on a Chroma server, alone and shared by several who write; over a ledger in a file and
over one on a PostgreSQL server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import servers
from envs.errors import StoreError, UserError
from memory.embed import HashEmbedder
from memory.index import Damaged
from memory.ledger import Ledger
from memory.recall import Memory, Query
from memory.served import ServedIndex, is_server
from memory.types import Lesson

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")
TEXTS = [(f"L{n}", f"find the {word}") for n, word in enumerate(("mug", "egg", "lamp", "desk"))]


@pytest.fixture(scope="module")
def chroma() -> Iterator[str]:
    with servers.chroma() as url:
        yield url


@pytest.fixture
def ledger(place: Path | str) -> Iterator[Ledger]:
    opened = Ledger(place)
    yield opened
    opened.close()


def learned(memory: Memory, name: str, text: str) -> None:
    memory.add(Lesson(id=name, kind="fact", text=text, status="active"), reason="test")


def recalled(memory: Memory, goal: str) -> list[str]:
    found = memory.recall(Query(goal=goal), budget_tokens=900, floor=0.5, most=3, guard=True)
    return [one.lesson for one in found]


def standing(memory: Memory) -> set[str]:
    return {id_ for id_, _ in memory.index.search("find", most=1000)}


def test_it_keeps_the_seam(chroma: str, ledger: Ledger) -> None:
    index = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    assert (index.origin, index.generation) == ("", 0)
    assert index.search("mug", most=3) == []
    index.add(TEXTS)
    index.add([("X", TEXTS[0][1])], shelf="a house: 1/2 #ü")
    index.mark(origin=ledger.origin, generation=7)
    assert (index.origin, index.generation) == (ledger.origin, 7)
    assert index.search("find the egg", most=2)[0] == ("L1", pytest.approx(1.0, abs=1e-5))
    assert [i for i, _ in index.search("find the mug", most=9, shelves=["a house: 1/2 #ü"])] == [
        "X"
    ]
    assert index.search("mug", most=9, shelves=["nowhere"]) == []
    assert index.vectors(["L0", "X", "nobody"]).keys() == {"L0"}
    index.add([("L1", "something else entirely")])
    index.remove(["X", "L2", "nobody"])
    assert {i for i, _ in index.search("find", most=99)} == {"L0", "L1", "L3"}
    assert index.search("find", most=0) == []
    assert index.sweep() == 0
    assert index.answers() == 3
    index.clear()
    assert (index.origin, index.generation) == ("", 0)
    assert index.search("find", most=3) == []
    index.close()
    index.close()


def test_it_is_there_for_those_who_come_later(chroma: str, ledger: Ledger) -> None:
    first = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    first.add(TEXTS)
    first.mark(origin=ledger.origin, generation=4)
    first.close()
    second = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    assert (second.origin, second.generation) == (ledger.origin, 4)
    assert len(second.search("find", most=9)) == 4
    second.close()


def test_ledgers_and_embedders_do_not_mix(chroma: str, places: Callable[[str], Path | str]) -> None:
    one, two = Ledger(places("one")), Ledger(places("two"))
    mine = ServedIndex(chroma, HashEmbedder(), ledger=one)
    mine.add(TEXTS)
    mine.mark(origin=one.origin, generation=4)
    for other in (
        ServedIndex(chroma, HashEmbedder(), ledger=two),
        ServedIndex(chroma, HashEmbedder(dimensions=64), ledger=one),
    ):
        assert other.generation == 0
        assert other.search("find", most=9) == []
        other.add(TEXTS[:1])
        other.mark(origin="x", generation=1)
        other.close()
    assert mine.generation == 4
    assert len(mine.search("find", most=9)) == 4
    for opened in (mine, one, two):
        opened.close()


def test_nobody_sees_half_of_what_is_built_anew(chroma: str, ledger: Ledger) -> None:
    builder = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    builder.add(TEXTS)
    builder.mark(origin=ledger.origin, generation=4)
    reader = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    assert len(reader.search("find", most=9)) == 4
    builder.clear()
    builder.add(TEXTS[:2])
    assert len(reader.search("find", most=9)) == 4
    builder.mark(origin=ledger.origin, generation=5)
    assert {i for i, _ in reader.search("find", most=9)} == {"L0", "L1"}
    assert reader.generation == 5
    builder.close()
    reader.close()


def test_what_a_build_that_broke_off_left_is_deleted_by_the_next(
    chroma: str, ledger: Ledger
) -> None:
    broken = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    broken.add(TEXTS)
    broken.close()
    whole = ServedIndex(chroma, HashEmbedder(), ledger=ledger)
    whole.add(TEXTS[:1])
    whole.mark(origin=ledger.origin, generation=1)
    names = [one.name for one in whole._listed(f"journeyman-{ledger.origin}")]
    assert len(names) == 2, "the pointer and one shelf"
    whole.close()


def memories(chroma: str, place: Path | str, number: int) -> list[Memory]:
    made = [Ledger(place) for _ in range(number)]
    return [Memory(one, ServedIndex(chroma, HashEmbedder(), ledger=one)) for one in made]


def test_what_one_learns_the_other_recalls(chroma: str, place: Path | str) -> None:
    one, two = memories(chroma, place, 2)
    learned(one, "A", "the mug stands in the cupboard")
    assert recalled(two, "the mug stands in the cupboard") == ["A"]
    learned(two, "B", "knives lie beside the toaster")
    assert recalled(one, "knives lie beside the toaster") == ["B"]
    assert one.index.generation == two.index.generation == one.ledger.generation
    one.close()
    two.close()


def test_several_who_write_and_change_leave_what_the_ledger_says(
    chroma: str, place: Path | str
) -> None:
    writers = memories(chroma, place, 3)
    failed: list[StoreError] = []

    def work(at: int, memory: Memory) -> None:
        try:
            for number in range(8):
                name = f"W{at}-{number}"
                learned(memory, name, f"drawer {number} of room {at} holds thing {at * number}")
                lesson = memory.ledger.lesson(name)
                if number % 3 == 0:
                    text = f"shelf {number} of cellar {at} keeps bottle {at}"
                    memory.edit(lesson.model_copy(update={"text": text}), reason="moved")
                if number % 3 == 1:
                    gone = lesson.model_copy(update={"status": "retired"})
                    memory.edit(gone, reason="gone")
        except StoreError as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(at, memory)) for at, memory in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for memory in writers:
        memory.sync()
    shown = {one.id: one for one in writers[0].ledger.lessons(limit=-1) if one.status == "active"}
    assert len(shown) == 15
    for memory in writers:
        assert standing(memory) == set(shown)
        for id_, lesson in shown.items():
            found = dict(memory.index.search(lesson.text, most=30))
            assert found[id_] == pytest.approx(1.0, abs=1e-4), "the text is the newest"
        memory.close()


def test_one_that_moved_there_and_back_stands_on_one_shelf(chroma: str, place: Path | str) -> None:
    one, two = memories(chroma, place, 2)
    learned(one, "A", "the mug stands in the cupboard")
    two.sync()
    for memory, env in ((one, "household"), (one, "")):
        lesson = memory.ledger.lesson("A")
        scope = lesson.scope.model_copy(update={"env": env})
        memory.edit(lesson.model_copy(update={"scope": scope}), reason="moved")
        if env:
            continue
    two.sync()
    assert [i for i, _ in two.index.search("the mug stands in the cupboard", most=9)] == ["A"]
    one.close()
    two.close()


def test_an_index_that_the_server_lost_is_built_anew(chroma: str, place: Path | str) -> None:
    (memory,) = memories(chroma, place, 1)
    learned(memory, "A", "the mug stands in the cupboard")
    index = memory.index
    assert isinstance(index, ServedIndex)
    for one in index._listed(f"journeyman-{memory.ledger.origin}"):
        index._client.delete_collection(one.name)
    assert recalled(memory, "the mug stands in the cupboard") == ["A"]
    memory.close()


def test_who_cannot_get_in_goes_on_with_what_there_is(chroma: str, place: Path | str) -> None:
    one, two = memories(chroma, place, 2)
    learned(one, "A", "the mug stands in the cupboard")
    two.sync()
    with one.ledger.alone(wait=1.0) as still:
        assert still is not None
        assert still()
        after = Lesson(id="B", kind="fact", text="knives lie beside the toaster", status="active")
        two.ledger.apply(*two.plan([after], reason="test"))
        assert recalled(two, "the mug stands in the cupboard") == ["A"]
    assert recalled(two, "knives lie beside the toaster") == ["B"]
    one.close()
    two.close()


class Loser:
    """A ledger whose connection is lost while somebody thinks to be alone."""

    origin = "0000"

    @contextmanager
    def alone(self, *, wait: float) -> Iterator[Callable[[], bool]]:
        yield lambda: False


def test_who_was_not_alone_all_the_time_marks_nothing(chroma: str) -> None:
    index = ServedIndex(chroma, HashEmbedder(), ledger=Loser())
    with index.alone(wait=1.0) as mine, pytest.raises(StoreError, match="was let go while"):
        assert mine
        index.add(TEXTS)
        index.mark(origin="0000", generation=4)
    assert index.generation == 0
    index.close()


def test_a_server_that_is_not_there_is_one_line(ledger: Ledger) -> None:
    index = ServedIndex("http://ann:s3cret@127.0.0.1:1", HashEmbedder(), ledger=ledger)
    with pytest.raises(StoreError, match=r"does not answer .*start it \(`chroma run") as caught:
        index.search("mug", most=1)
    assert not isinstance(caught.value, Damaged)
    assert "s3cret" not in str(caught.value)
    index.close()


def test_an_address_is_known_from_its_form() -> None:
    assert is_server("http://127.0.0.1:8000")
    assert not is_server("")
    with pytest.raises(UserError, match="is no address of a server; write http://HOST:PORT"):
        is_server("localhost:8000")
