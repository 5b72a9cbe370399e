"""A clock that jumps back or ahead: order holds, the past stays, nothing is pruned by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import clock as clocks
from memory.asof import as_of
from memory.clock import iso, new_id, seconds_of, steady
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.prune import DAY
from memory.query import Query
from memory.recall import Memory
from memory.types import Exposure, Lesson

NOW = 1_800_000_000.0
MOMENTS = st.integers(0, 40).map(lambda second: iso(NOW + second))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def opened(folder: Path, clock: Clock) -> Memory:
    ledger = Ledger(folder / "ledger.db", clock=clock)
    return Memory(ledger, ListIndex(HashEmbedder()), clock=clock)


def texts(lessons: list[Lesson]) -> set[str]:
    return {one.text for one in lessons}


@given(times=st.lists(MOMENTS, max_size=30))
def test_steady_times_never_go_back_and_keep_as_many_as_they_can(times: list[str]) -> None:
    found = steady(times)
    assert found == sorted(found)
    assert len(found) == len(times)
    kept = sum(one == two for one, two in zip(found, times, strict=True))
    longest = [1] * len(times)
    for place, text in enumerate(times):
        before = [longest[p] for p in range(place) if times[p] <= text]
        longest[place] = 1 + max(before, default=0)
    assert kept >= max(longest, default=0)
    assert steady(found) == found


def test_a_few_wrong_times_are_put_right() -> None:
    assert steady(["1", "2", "9", "3", "4"]) == ["1", "2", "3", "3", "4"]
    assert steady(["5", "6", "1", "7"]) == ["5", "6", "7", "7"]
    assert steady(["5", "6", "7", "1"]) == ["5", "6", "7", "7"]


def test_ids_sort_behind_the_last_one_also_in_a_process_that_knows_an_earlier_time() -> None:
    later = new_id("C", seconds=NOW)
    earlier = clocks.WIDTH * "0"
    assert new_id("C", seconds=1000, after=later) > later
    assert new_id("C", seconds=NOW + 10, after=f"C{earlier}") > later
    for odd in ("", "C-1", "no id at all", "C" + "z" * clocks.WIDTH):
        assert new_id("C", seconds=NOW, after=odd) < new_id("C", seconds=NOW + 1e6)


def test_changes_sort_and_history_holds_where_the_clock_jumps_back(tmp_path: Path) -> None:
    clock = Clock()
    memory = opened(tmp_path, clock)
    lesson = memory.typed("the mug is on the desk")
    clock.now = 1000.0  # 1970: the battery of the clock is empty
    memory.close()
    memory = opened(tmp_path, clock)
    memory.edit(lesson.model_copy(update={"text": "the mug is on the shelf"}), reason="moved")
    clock.now = NOW + 100
    last = memory.edit(lesson.model_copy(update={"text": "the mug is in the sink"}), reason="again")
    history = memory.ledger.history(lesson.id)
    assert [one.id for one in history] == sorted(one.id for one in history)
    assert [one.after and one.after["text"][11:] for one in history] == [
        "on the desk",
        "on the shelf",
        "in the sink",
    ]
    memory.undo(last.id, reason="no")
    assert memory.ledger.lesson(lesson.id).text == "the mug is on the shelf"
    memory.close()


@pytest.mark.parametrize("jump", [-NOW + 1000.0, -3600.0, 50 * 365 * DAY])
def test_the_past_reads_the_same_after_a_clock_went_wrong_for_a_while(
    jump: float, tmp_path: Path
) -> None:
    clock = Clock()
    memory = opened(tmp_path, clock)
    for number in range(3):
        memory.typed(f"thing {number} is blue")
    before, moment = texts(memory.ledger.lessons(limit=-1)), iso(clock.now)
    right = clock.now
    clock.now += jump
    memory.typed("thing 7 is red")
    clock.now = right + 60
    memory.typed("thing 8 is green")
    assert texts(as_of(memory.ledger, moment)) == before
    assert texts(as_of(memory.ledger, iso(clock.now))) == before | {
        "thing 7 is red",
        "thing 8 is green",
    }
    assert as_of(memory.ledger, iso(NOW - DAY)) == []
    memory.close()


def test_pruning_by_disuse_takes_no_lesson_for_old_that_was_added_by_a_wrong_clock(
    tmp_path: Path,
) -> None:
    clock = Clock()
    memory = opened(tmp_path, clock)
    memory.typed("thing 1 is blue")
    memory.typed("thing 2 is blue")
    clock.now = 1000.0
    new = memory.typed("thing 7 is red")
    memory.ledger.expose(Exposure(episode="r", lesson=new.id, version=1, first_step=0, shown=True))
    assert memory.prune(unused_days=30).items == (), "a clock that is behind prunes nothing"
    clock.now = NOW + DAY
    memory.typed("thing 8 is green")
    assert memory.prune(unused_days=30).items == ()
    clock.now = NOW + 40 * DAY
    assert len(memory.prune(unused_days=30).items) == 4
    memory.close()


def test_validity_goes_by_the_clock_as_it_is(tmp_path: Path) -> None:
    clock = Clock()
    memory = opened(tmp_path, clock)
    lesson = Lesson(
        id="L",
        kind="fact",
        text="the door is open",
        valid_from=iso(NOW - 100),
        valid_to=iso(NOW + 100),
    )
    memory.add(lesson, reason="r")

    def shown() -> bool:
        query = Query(goal="is the door open?")
        return bool(memory.recall(query, budget_tokens=200, floor=0.1, most=3, guard=False))

    assert shown()
    clock.now = NOW - 200
    assert not shown()
    clock.now = NOW + 200
    assert not shown()
    clock.now = NOW
    assert shown()
    memory.close()


def test_a_time_before_1970_can_be_written_and_read(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = -5000.0
    memory = opened(tmp_path, clock)
    lesson = memory.typed("thing 1 is blue")
    assert seconds_of(memory.ledger.history(lesson.id)[0].time) < 0
    memory.close()
