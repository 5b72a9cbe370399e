from __future__ import annotations

import sqlite3
import threading

import pytest

from memory.lexical import POSTINGS, SPARE, Words, words_of

TEXTS = [
    ("fridge", "open the fridge before cooling an apple"),
    ("mug", "heat the mug in the microwave, then carry the mug to the desk"),
    ("lamp", "turn on the desk lamp to examine a book"),
    ("both", "the microwave is closed: open it"),
]


def filled() -> Words:
    words = Words()
    words.add(TEXTS)
    return words


def ids(found: list[tuple[str, float]]) -> list[str]:
    return [id_ for id_, _ in found]


def test_texts_are_found_by_their_rare_words() -> None:
    words = filled()
    assert ids(words.search("a hot MUG", most=9)) == ["mug"]
    assert ids(words.search("opening microwaves", most=9))[0] == "both"
    assert ids(words.search("the microwave", most=1)) == ["both"]
    assert words.search("sofa 7", most=9) == []
    assert words.search("", most=9) == []
    assert words.search("mug", most=0) == []
    assert Words().search("mug", most=3) == []


def test_scores_are_those_of_another_bm25() -> None:
    """SQLite's FTS5 has the same formula, but for how rare a word is."""
    words = filled()
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(body)")
    stored = [(" ".join(words_of(text)),) for _, text in TEXTS]
    db.executemany("INSERT INTO t VALUES (?)", stored)
    for asked in ("mug", "lamp", "fridge"):
        (found,) = db.execute("SELECT -bm25(t) FROM t WHERE t MATCH ?", words_of(asked)).fetchall()
        other = db.execute("SELECT -bm25(t) FROM t WHERE t MATCH 'appl'").fetchone()
        mine = dict(words.search(asked, most=1)), dict(words.search("apple", most=1))
        ratio = next(iter(mine[0].values())) / mine[1]["fridge"]
        assert found[0] / other[0] == pytest.approx(ratio, rel=1e-4)
    db.close()


def test_what_was_removed_or_replaced_is_not_found() -> None:
    words = filled()
    words.add([("mug", "wash the plate")], shelf="house")
    words.remove(["lamp", "nobody"])
    assert len(words) == 3
    assert ids(words.search("mug lamp book", most=9)) == []
    assert ids(words.search("plate", most=9)) == ["mug"]
    assert words.search("plate", most=9, shelves=[""]) == []
    assert ids(words.search("plate", most=9, shelves=["house", "none"])) == ["mug"]


def test_holes_are_closed_and_scores_are_as_if_they_had_never_been() -> None:
    words, fresh = filled(), filled()
    for turn in range(2 * SPARE):
        words.add([("again", f"case {turn} of the vase")], shelf="x")
        words.remove(["again"])
    assert len(words._ids) <= 2 * len(words) + SPARE + 1
    asked = "open the microwave on the desk"
    assert dict(words.search(asked, most=9)) == pytest.approx(dict(fresh.search(asked, most=9)))


def test_the_rarest_words_of_a_query_count_when_there_are_too_many_places() -> None:
    words = Words()
    words.add((f"n{n}", "egg pan" if n else "egg pan vase") for n in range(POSTINGS + 1))
    assert ids(words.search("the vase beside the egg in the pan", most=1)) == ["n0"]
    assert len(words.search("egg", most=5)) == 5


def test_shares_lie_between_nothing_and_all_of_the_words() -> None:
    words = filled()
    shares = words.shares("open the microwave", ["both", "fridge", "lamp", "nobody"])
    assert shares["both"] > 0.9 > shares["fridge"] > shares["lamp"] == shares["nobody"] == 0.0
    words.add([("all", "open microwave")])
    assert words.shares("open the microwave", ["all"]) == {"all": 1.0}
    assert words.shares("sofa", ["all"]) == {"all": 0.0}
    assert words.shares("", ["all"]) == {"all": 0.0}


def test_threads_may_write_and_search_at_once() -> None:
    words = filled()

    def write(number: int) -> None:
        for turn in range(200):
            words.add([(f"t{number}", f"mug {turn} of the desk")])
            words.search("mug desk", most=3)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(words) == len(TEXTS) + 4
    assert len(words.search("mug", most=9)) == 5
