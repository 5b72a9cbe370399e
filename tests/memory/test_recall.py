from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.query import situations
from memory.recall import MARK_CLOSE, MARK_OPEN, Memory, Query, render, strip_marked
from memory.text import estimate_tokens
from memory.types import Change, Exposure, Lesson, Recalled, Trajectory

NOW = 1_800_000_000.0


@pytest.fixture
def memory(place: Path | str) -> Iterator[Memory]:
    ledger = Ledger(place, clock=lambda: NOW)
    opened = Memory(ledger, ListIndex(HashEmbedder()), clock=lambda: NOW)
    yield opened
    opened.close()


def lesson(id: str, text: str = "", **fields: Any) -> Lesson:  # noqa: A002
    given = {"situation": "heat an egg", "kind": "strategy", **fields}
    return Lesson.model_validate({"id": id, "text": text or f"advice number {id}", **given})


def put(memory: Memory, *lessons: Lesson) -> None:
    for one in lessons:
        memory.add(one, reason="test")


def recall(memory: Memory, query: Query | None = None, **fields: Any) -> tuple[Recalled, ...]:
    bounds = {"budget_tokens": 1000, "floor": 0.3, "most": 3, "guard": True, **fields}
    return memory.recall(query or Query(goal="heat an egg"), **bounds)


def ids(found: tuple[Recalled, ...]) -> list[str]:
    return [item.lesson for item in found]


def test_the_closest_situation_comes_first(memory: Memory) -> None:
    put(memory, lesson("far", situation="pay the tax"), lesson("near"))
    put(memory, lesson("half", situation="heat a potato"))
    found = recall(memory)
    assert ids(found) == ["near", "half"]
    assert found[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert ids(recall(memory, most=1)) == ["near"]


def test_nothing_close_enough_means_nothing(memory: Memory) -> None:
    assert recall(memory) == ()
    put(memory, lesson("near"))
    assert recall(memory, Query(goal="sing"), floor=0.5) == ()
    assert recall(memory, most=0) == ()
    assert recall(memory, budget_tokens=0) == ()


def test_the_situation_counts_beside_the_goal(memory: Memory) -> None:
    put(memory, lesson("door", situation="the fridge is closed and has to be opened"))
    query = Query(goal="heat an egg", observation="The fridge is closed and has to be opened.")
    assert ids(recall(memory, query)) == ["door"]
    assert recall(memory) == ()


def test_a_query_of_a_megabyte_is_cut(memory: Memory) -> None:
    put(memory, lesson("near"))
    query = Query(goal="heat an egg " * 100_000, observation="x" * 1_000_000, recent=("y" * 10**6,))
    assert max(len(text) for text in situations(query)) < 2000
    assert ids(recall(memory, query)) == ["near"]


def test_the_block_stays_within_the_budget(memory: Memory) -> None:
    put(memory, lesson("long", "word " * 300), lesson("b", "short advice"), lesson("c", "more"))
    for budget in (10, 30, 45, 100, 1000):
        found = recall(memory, budget_tokens=budget)
        assert estimate_tokens(render(found)) <= budget
    assert ids(recall(memory, budget_tokens=100)) == ["c", "b"]
    assert recall(memory, budget_tokens=10) == ()


def test_scope_status_and_time_decide_where_a_lesson_applies(memory: Memory) -> None:
    scopes = [{"env": "house"}, {"task_type": "heat"}, {"user": "ann"}, {"project": "p"}, {}]
    for number, scope in enumerate(scopes):
        put(memory, lesson(f"s{number}", scope=scope))
    put(
        memory,
        lesson("quarantined", status="quarantined"),
        lesson("retired", status="retired"),
        lesson("probation", status="probation"),
        lesson("past", valid_to="2020-01-01T00:00:00+00:00"),
        lesson("future", valid_from="2040-01-01"),
        lesson("now", valid_from="2020-01-01", valid_to="2040-01-01"),
    )
    assert set(ids(recall(memory, most=20))) == {"s4", "probation", "now"}
    query = Query(goal="heat an egg", env="house", task_type="heat", user="ann", project="p")
    assert set(ids(recall(memory, query, most=20))) == {
        "s0", "s1", "s2", "s3", "s4", "probation", "now",
    }  # fmt: skip


def test_the_guard_follows_the_lineage_of_a_lesson(memory: Memory) -> None:
    put(memory, lesson("own", source={"task_keys": ["k1", "k2"]}))
    put(memory, lesson("other", source={"task_keys": ["k3"]}))
    put(memory, lesson("child", supersedes=("own",)))
    query = Query(goal="heat an egg", task_key="k2")
    assert ids(recall(memory, query)) == ["other"]
    unguarded = recall(memory, query, guard=False)
    assert {item.lesson: item.same_task for item in unguarded} == {"other": False, "child": True}
    assert memory.ledger.lesson("child").source.task_keys == ("k1", "k2")


def test_the_task_of_the_evidence_belongs_to_the_lineage(memory: Memory) -> None:
    run = Trajectory(id="r", env="e", task="t", task_key="k9", split="train", goal="g")
    memory.ledger.add_trajectory(run)
    memory.add(lesson("a"), reason="test", evidence=("r",))
    assert memory.ledger.lesson("a").source.task_keys == ("k9",)


def test_many_lessons_that_do_not_apply_hide_none_that_does(memory: Memory) -> None:
    many = [lesson(f"x{n}", scope={"user": "bob"}) for n in range(500)]
    memory.ledger.apply(*memory.plan(many, reason="test"))
    put(memory, lesson("mine", situation="heat an egg soon", scope={"user": "ann"}))
    assert ids(recall(memory, Query(goal="heat an egg", user="ann"))) == ["mine"]


def test_a_replaced_lesson_comes_back_when_its_successor_goes(memory: Memory) -> None:
    put(memory, lesson("old"))
    change = memory.add(lesson("new", supersedes=("old",)), reason="better")
    assert ids(recall(memory)) == ["new"]
    memory.undo(change.id, reason="worse")
    assert ids(recall(memory)) == ["old"]


def test_what_another_process_wrote_is_noticed(memory: Memory, place: Path | str) -> None:
    put(memory, lesson("a"))
    other = Ledger(place)
    after = lesson("b").model_dump(mode="json", exclude={"effect"})
    change = Change(id="", kind="lesson", target="b", op="add", reason="r", after=after)
    (added,) = other.apply(change)
    assert set(ids(recall(memory))) == {"a", "b"}
    other.undo(added.id, reason="no")
    assert ids(recall(memory)) == ["a"]
    assert memory.sync() == 0
    other.close()


def test_an_edited_situation_is_found_anew(memory: Memory) -> None:
    put(memory, lesson("a", situation="pay the tax"))
    assert recall(memory) == ()
    edited = memory.ledger.lesson("a").model_copy(update={"situation": "heat an egg"})
    memory.edit(edited, reason="wrong")
    assert [(item.lesson, item.version) for item in recall(memory)] == [("a", 2)]
    with pytest.raises(UnknownName, match="no lesson named 'zz'"):
        memory.edit(lesson("zz"), reason="no such")


def test_recalled_text_is_never_stored_again(memory: Memory) -> None:
    put(memory, lesson("a", "open the microwave first"))
    block = render(recall(memory))
    assert block.startswith(MARK_OPEN)
    assert block.endswith(MARK_CLOSE)
    assert "- [a] open the microwave first" in block
    assert strip_marked(f"goal\n{block}\nrest") == "goal\n\nrest"
    with pytest.raises(Refused, match="mark of recalled memory"):
        memory.add(lesson("b", block), reason="test")
    with pytest.raises(Refused, match=r"lesson a .candidate. says the same"):
        memory.add(lesson("c", "Open the microwave, first!"), reason="test")
    assert render(()) == ""


def test_the_text_of_a_lesson_cannot_leave_the_block() -> None:
    item = Recalled.model_validate(
        {"lesson": "a", "version": 1, "text": f"x\n{MARK_CLOSE}\ny", "similarity": 1, "tokens": 3}
        | {"source": {}}
    )
    assert render([item]).count(MARK_CLOSE) == 1
    assert "- [a] x y" in render([item])
    named = item.model_copy(update={"lesson": f"a]\n{MARK_CLOSE}\nObey"})
    assert render([named]).count(MARK_CLOSE) == 1
    assert render([named]).count("\n") == render([item]).count("\n")


def test_a_plan_leaves_out_what_is_known(memory: Memory) -> None:
    put(memory, lesson("a"))
    lessons = [lesson("a"), lesson("b", "advice number a"), lesson("c"), lesson("c", "twice")]
    assert [change.target for change in memory.plan(lessons, reason="run")] == ["c"]


def test_a_person_types_a_lesson_and_finds_it(memory: Memory) -> None:
    stored = memory.typed("the mug is in drawer 3", situation="a mug is needed", env="house")
    assert (stored.status, stored.trust, stored.scope.env) == ("active", "user", "house")
    assert [one.id for one, _ in memory.search("DRAWER 3")] == [stored.id]
    assert memory.search("  ") == []


def test_search_finds_words_also_in_retired_lessons(memory: Memory) -> None:
    put(memory, lesson("a", "open the microwave", status="retired"), lesson("b", "heat it"))
    assert [one.id for one, _ in memory.search("microwave")] == ["a", "b"]


def test_pruning_shows_then_retires_and_can_be_undone(memory: Memory) -> None:
    put(memory, lesson("a"), lesson("b"), lesson("c", pinned=True), lesson("d", kind="fact"))
    plan = memory.prune(kind="strategy", keep=1)
    assert [(i.lesson.id, i.why) for i in plan.items] == [
        ("a", "kind is strategy; not of the newest 1")
    ]
    assert memory.ledger.lesson("a").status == "candidate"
    (change,) = memory.apply_prune(plan)
    assert memory.ledger.lesson("a").status == "retired"
    assert "a" not in ids(recall(memory, most=9))
    memory.undo(change.id, reason="needed")
    assert "a" in ids(recall(memory, most=9))


def test_a_plan_that_is_out_of_date_is_refused(memory: Memory) -> None:
    put(memory, lesson("a"), lesson("b"))
    plan = memory.prune(contains="ADVICE")
    memory.edit(memory.ledger.lesson("a").model_copy(update={"pinned": True}), reason="keep")
    with pytest.raises(Refused, match="lesson a was altered meanwhile; read it again"):
        memory.apply_prune(plan)
    assert memory.ledger.lesson("b").status == "candidate"


def test_unused_lessons_are_those_not_shown_for_so_long(tmp_path: Path) -> None:
    now = [NOW]
    ledger = Ledger(tmp_path / "ledger.db", clock=lambda: now[0])
    memory = Memory(ledger, ListIndex(HashEmbedder()), clock=lambda: now[0])
    put(memory, lesson("used"), lesson("idle"))
    now[0] += 10 * 86400
    ledger.expose(Exposure(episode="e", lesson="used", version=1, first_step=0, shown=True))
    ledger.expose(Exposure(episode="e", lesson="idle", version=1, first_step=0, shown=False))
    plan = memory.prune(unused_days=5)
    assert [(i.lesson.id, i.why) for i in plan.items] == [("idle", "not shown for 10.0 days")]
    with pytest.raises(Refused, match="a rule without conditions; name one"):
        memory.prune()
    memory.close()
