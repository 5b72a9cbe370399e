from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.query import shelf_of, shelves_of, situations
from memory.ranking import DENSE, MOST_EFFECT, POOL, Candidate, Diverse, Ranking, drawn, swayed
from memory.recall import Memory, Query
from memory.types import Lesson, Recalled, Source

WORDS = Ranking(diversity=0, sway=0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    opened = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    yield opened
    opened.close()


def lesson(id: str, text: str = "", **fields: Any) -> Lesson:  # noqa: A002
    given = {"situation": "heat an egg", "kind": "strategy", **fields}
    return Lesson.model_validate({"id": id, "text": text or f"advice number {id}", **given})


def put(memory: Memory, *lessons: Lesson) -> None:
    for one in lessons:
        memory.add(one, reason="test")


def recall(memory: Memory, query: Query | None = None, **fields: Any) -> list[str]:
    bounds = {"budget_tokens": 1000, "floor": 0.2, "most": 3, "guard": True, **fields}
    return [one.lesson for one in memory.recall(query or Query(goal="heat an egg"), **bounds)]


def candidate(id: str, score: float, text: str = "") -> Candidate:  # noqa: A002
    item = Recalled(
        lesson=id, version=1, text=text or id, similarity=score, tokens=1, source=Source()
    )
    return Candidate(item=item, score=score)


def test_words_of_the_goal_bring_forward_what_meaning_alone_leaves_behind(memory: Memory) -> None:
    many = [lesson(f"m{n}", f"heat it {n} times", situation="heat an egg now") for n in range(40)]
    put(memory, lesson("rare", "heat the egg of the ostrich", situation="heat things well"))
    memory.ledger.apply(*memory.plan(many, reason="test"))
    query = Query(goal="heat an ostrich egg")
    assert "rare" not in recall(memory, query, ranking=DENSE)
    assert recall(memory, query, ranking=WORDS)[0] == "rare"


def test_below_the_floor_no_words_help(memory: Memory) -> None:
    put(memory, lesson("far", "the ostrich lays an egg", situation="on taxes and their collection"))
    query = Query(goal="heat an ostrich egg")
    assert recall(memory, query, floor=0.5) == []
    assert recall(memory, query, floor=-1.0) == ["far"]


def test_every_switch_off_is_the_order_of_meaning(memory: Memory) -> None:
    put(memory, *(lesson(f"l{n}", situation=f"heat an egg {'x ' * n}") for n in range(5)))
    memory.worth = lambda ids: dict.fromkeys(ids, (-1.0, 0.0)) | {"l4": (1.0, 0.0)}
    query = Query(goal="heat an egg", run="r")
    assert recall(memory, query, ranking=DENSE, most=5) == ["l0", "l1", "l2", "l3", "l4"]


def test_what_says_the_same_makes_room_for_what_does_not(memory: Memory) -> None:
    same = "look into the fridge for an egg before you go to the stove"
    put(memory, lesson("a", f"{same} {2}"), lesson("b", f"{same} {1}"))
    put(memory, lesson("c", "eggs burst when a microwave is used", situation="heat an egg too"))
    assert set(recall(memory, most=2, ranking=DENSE)) == {"a", "b"}
    assert "c" in recall(memory, most=2, ranking=Ranking(words=0, sway=0, diversity=0.5))


def test_diversity_orders_the_best_and_leaves_the_rest_by_score() -> None:
    found = [candidate(f"{n:02d}", 1 - n / 100, f"text number {n}") for n in range(POOL + 5)]
    ordered = Diverse().order(found, weight=0.3)
    assert sorted(one.item.lesson for one in ordered) == [one.item.lesson for one in found]
    assert ordered[0] == found[0]
    assert ordered[POOL:] == found[POOL:]
    assert Diverse().order([], weight=0.3) == []


def test_an_effect_is_drawn_once_for_a_run_and_lesson() -> None:
    assert drawn("r", "L1", (0.0, 0.1)) == drawn("r", "L1", (0.0, 0.1))
    values = [drawn(f"r{n}", "L1", (0.03, 0.05)) for n in range(2000)]
    mean = sum(values) / len(values)
    assert mean == pytest.approx(0.03, abs=0.005)
    assert (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5 == pytest.approx(
        0.05, abs=0.005
    )
    assert drawn("", "L1", (0.03, 0.1)) == 0.03
    assert {abs(drawn("r", f"L{n}", (9.0, 1.0))) for n in range(9)} == {MOST_EFFECT}


def test_worth_moves_a_score_by_no_more_than_is_said() -> None:
    found = [candidate(f"l{n}", 0.5) for n in range(200)]

    def worth(ids: Sequence[str]) -> Mapping[str, tuple[float, float]]:
        return {id_: (0.0, 5.0) for id_ in ids if id_ != "l0"}

    moved = swayed(found, run="r", worth=worth, sway=0.25)
    shifts = [one.score - 0.5 for one in moved]
    assert max(map(abs, shifts)) == pytest.approx(0.25 * MOST_EFFECT)
    assert len(set(shifts)) > 3
    assert swayed(found, run="r", worth=worth, sway=0) == found


def test_what_helps_comes_before_what_harms_among_the_equally_close(memory: Memory) -> None:
    put(memory, lesson("harms", "stir it"), lesson("helps", "use the microwave"), lesson("new"))
    memory.worth = lambda _ids: {"helps": (0.15, 0.01), "harms": (-0.15, 0.01)}
    for number in range(5):
        found = recall(memory, Query(goal="heat an egg", run=f"r{number}"))
        assert found.index("helps") < found.index("harms")


def test_a_run_gets_the_same_answer_again_and_others_explore(memory: Memory) -> None:
    put(memory, *(lesson(f"l{n}") for n in range(6)))
    asked = [Query(goal="heat an egg", run=f"r{n}") for n in range(20)]
    first = [recall(memory, query, most=1) for query in asked]
    assert [recall(memory, query, most=1) for query in asked] == first
    assert len({ids[0] for ids in first}) > 2


def test_words_of_pages_are_shown_only_where_asked_for(memory: Memory) -> None:
    put(memory, lesson("page", trust="web"), lesson("own", "another piece of advice"))
    assert recall(memory) == ["own"]
    asked = Ranking(trust=("self", "user", "tool", "web"))
    assert set(recall(memory, ranking=asked)) == {"own", "page"}
    assert recall(memory, ranking=Ranking(trust=("user",))) == []


def test_what_is_carried_belongs_to_the_situation(memory: Memory) -> None:
    put(memory, lesson("held", situation="You are carrying: egg 1."))
    plain = Query(goal="heat something")
    assert situations(plain) == ("heat something",)
    carrying = plain.model_copy(update={"inventory": "egg 1"})
    assert situations(carrying)[1] == "heat something\nYou are carrying: egg 1."
    assert recall(memory, plain, floor=0.4) == []
    assert recall(memory, carrying, floor=0.4) == ["held"]


def test_shelves_keep_apart_what_is_not_for_all() -> None:
    scopes = [{}, {"env": "house"}, {"user": "ann"}, {"env": "house", "user": "ann"}]
    shelves = [shelf_of(lesson("l", scope=scope)) for scope in scopes]
    assert len(set(shelves)) == 4
    asked = Query(goal="g", env="house", user="ann")
    assert set(shelves_of(asked, ("self",))) == set(shelves)
    assert shelves_of(Query(goal="g"), ("self",)) == ("",)
    web = shelf_of(lesson("l", trust="web"))
    assert web not in shelves_of(asked, ("self",))
    assert web in shelves_of(asked, ("self", "web"))
    assert shelf_of(lesson("l", scope={"user": "ä\ud800"})).startswith("|user ")


def test_a_lesson_that_moves_leaves_nothing_on_its_old_shelf(memory: Memory) -> None:
    put(memory, lesson("a"))
    memory.edit(lesson("a", scope={"env": "house"}), reason="only there")
    assert recall(memory) == []
    assert recall(memory, Query(goal="heat an egg", env="house")) == ["a"]
    assert [id_ for id_, _ in memory.index.search("heat an egg", most=9)] == ["a"]
    memory.undo(memory.ledger.history("a")[-1].id, reason="everywhere after all")
    assert recall(memory) == ["a"]
    assert [id_ for id_, _ in memory.index.search("heat an egg", most=9)] == ["a"]


def test_an_index_that_was_left_behind_finds_lessons_on_their_new_shelves(tmp_path: Path) -> None:
    index = ListIndex(HashEmbedder())
    first = Memory(Ledger(tmp_path / "ledger.db"), index)
    put(first, lesson("a"), lesson("b", "other"))
    other = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    other.edit(lesson("a", scope={"env": "house"}), reason="only there")
    other.close()
    again = Memory(Ledger(tmp_path / "ledger.db"), index)
    assert recall(again) == ["b"]
    assert sorted(id_ for id_, _ in index.search("heat an egg", most=9)) == ["a", "b"]
    again.close()
    first.close()
