"""Reads of the past, and differences between two moments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.asof import as_of, diff, lesson_at, words
from memory.clock import iso
from memory.ledger import Ledger
from memory.types import Change, Lesson

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(place: Path | str, clock: Clock) -> Iterator[Ledger]:
    opened = Ledger(place, clock=clock)
    yield opened
    opened.close()


def write(ledger: Ledger, op: Any, id: str, text: str = "", **fields: Any) -> Change:  # noqa: A002
    after = None
    if op != "remove":
        lesson = Lesson.model_validate({"id": id, "kind": "fact", "text": text or id, **fields})
        after = lesson.model_dump(mode="json", exclude={"effect"})
    made = Change(id="", kind="lesson", target=id, op=op, reason="why", after=after)
    return ledger.apply(made)[0]


def texts(lessons: list[Lesson]) -> list[str]:
    return [one.text for one in lessons]


def test_the_past_is_read_from_the_log(ledger: Ledger, clock: Clock) -> None:
    write(ledger, "add", "a", "one")
    clock.now += 10
    write(ledger, "edit", "a", "two")
    write(ledger, "add", "b", "other", status="active", scope={"env": "toy"})
    clock.now += 10
    gone = write(ledger, "remove", "a")
    assert texts(as_of(ledger, iso(NOW - 1))) == []
    assert texts(as_of(ledger, iso(NOW))) == ["one"]
    assert texts(as_of(ledger, iso(NOW + 15))) == ["other", "two"]
    assert texts(as_of(ledger, iso(NOW + 99))) == ["other"]
    assert texts(as_of(ledger, gone.id)) == ["other"]
    assert lesson_at(ledger, "a", iso(NOW + 10)).version == 2
    assert texts(as_of(ledger, iso(NOW + 15), status="active", env="toy")) == ["other"]
    assert texts(as_of(ledger, iso(NOW + 15), contains="TWO", kind="fact")) == ["two"]
    with pytest.raises(UnknownName, match=r"no lesson as of .* named 'b'; choose from: a"):
        lesson_at(ledger, "b", iso(NOW))


def test_what_was_undone_or_rejected_is_read_as_it_was(ledger: Ledger) -> None:
    added = write(ledger, "add", "a", "one")
    edit = write(ledger, "edit", "a", "two")
    undone = ledger.undo(edit.id, reason="no")
    refused = added.model_copy(update={"id": "", "decision": "rejected", "target": "c"})
    ledger.apply(refused)
    assert texts(as_of(ledger, edit.id)) == ["two"]
    assert texts(as_of(ledger, undone.id)) == ["one"]
    assert texts(as_of(ledger, "2100-01-01")) == ["one"]


def test_a_time_without_fractions_covers_its_second(ledger: Ledger, clock: Clock) -> None:
    clock.now += 0.5
    write(ledger, "add", "a", "one")
    assert texts(as_of(ledger, iso(NOW))) == []
    shown = iso(NOW)[:19]
    assert texts(as_of(ledger, shown)) == ["one"]
    assert texts(as_of(ledger, f"{shown}+00:00")) == ["one"]
    assert texts(as_of(ledger, f"{shown}Z")) == ["one"]


def test_a_clock_that_jumped_hides_nothing_of_what_was_made_by_now(
    ledger: Ledger, clock: Clock
) -> None:
    write(ledger, "add", "a")
    clock.now += 10**8
    write(ledger, "add", "b")
    clock.now -= 10**8 - 5
    write(ledger, "add", "c")
    assert texts(as_of(ledger, iso(clock.now))) == ["c", "b", "a"]
    assert texts(as_of(ledger, iso(clock.now - 1))) == ["a"]


def test_a_diff_tells_what_became_of_each_lesson(ledger: Ledger) -> None:
    for name in ("same", "edited", "retired", "removed", "back"):
        last = write(ledger, "add", name, f"look in the {name}")
    last = write(ledger, "status", "back", "look in the back", status="retired")
    write(ledger, "edit", "edited", "look in the fridge", scope={"env": "toy"})
    write(ledger, "status", "retired", "look in the retired", status="retired")
    write(ledger, "status", "back", "look in the back")
    write(ledger, "remove", "removed")
    end = write(ledger, "add", "new")
    found = diff(ledger, last.id, end.id)
    assert {item.id: item.what for item in found.items} == {
        "edited": "edited",
        "retired": "retired",
        "removed": "removed",
        "back": "restored",
        "new": "added",
    }
    fields = {field.name: field for field in found.items[0].fields}
    assert set(fields) == {"text", "version", "scope.env"}
    assert [(w.how, w.text) for w in fields["text"].words] == [
        ("same", "look in the "),
        ("gone", "edited"),
        ("new", "fridge"),
    ]
    assert (fields["scope.env"].before, fields["scope.env"].after) == ("", "toy")
    back = {item.id: item.what for item in diff(ledger, end.id, last.id).items}
    assert back == {
        "edited": "edited",
        "retired": "restored",
        "removed": "added",
        "back": "retired",
        "new": "removed",
    }
    assert diff(ledger, end.id, end.id).items == ()


def test_words_that_only_moved_apart_stay() -> None:
    assert [(w.how, w.text) for w in words("a b", "a  b c")] == [("same", "a  b "), ("new", "c")]
    assert words("", "x")[0].how == "new"


def test_what_is_no_moment_is_one_line(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="'yesterday' is neither an ISO time nor the id of a change"):
        as_of(ledger, "yesterday")
