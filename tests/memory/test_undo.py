"""Undo: what stands, what builds on it, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.ledger import Ledger
from memory.types import Change, Lesson


@pytest.fixture
def ledger(place: Path | str) -> Iterator[Ledger]:
    opened = Ledger(place)
    yield opened
    opened.close()


def add(ledger: Ledger, id: str, text: str = "", **fields: Any) -> Change:  # noqa: A002
    return write(ledger, "add", id, text, **fields)


def write(ledger: Ledger, op: Any, id: str, text: str = "", **fields: Any) -> Change:  # noqa: A002
    lesson = Lesson.model_validate({"id": id, "kind": "fact", "text": text or id, **fields})
    after = lesson.model_dump(mode="json", exclude={"effect"})
    batch = fields.pop("batch", "")
    made = Change(id="", kind="lesson", target=id, op=op, reason="why", after=after, batch=batch)
    return ledger.apply(made)[0]


def texts(ledger: Ledger) -> dict[str, str]:
    return {one.id: one.text for one in ledger.lessons(limit=-1)}


def test_later_changes_are_named_all_and_undone_in_order_with_cascade(ledger: Ledger) -> None:
    first = add(ledger, "a")
    second = write(ledger, "edit", "a", "two")
    third = write(ledger, "edit", "a", "three")
    with pytest.raises(Refused, match=f"build on {first.id}: {third.id}, {second.id}; undo them"):
        ledger.undo(first.id, reason="no")
    done = ledger.take_back(first.id, reason="no", cascade=True)
    assert [one.parents[0] for one in done] == [third.id, second.id, first.id]
    assert len({one.batch for one in done}) == 1
    assert texts(ledger) == {}
    ledger.take_back(done[0].batch, reason="yes after all")
    assert texts(ledger) == {"a": "three"}


def test_a_lesson_whose_place_was_taken_is_built_on(ledger: Ledger) -> None:
    first = add(ledger, "old")
    edit = write(ledger, "edit", "old", "old, better")
    heir = add(ledger, "heir", supersedes=("old",))
    grandchild = add(ledger, "grandchild", supersedes=("heir",))
    late = write(ledger, "edit", "grandchild", "grandchild, better", supersedes=("heir",))
    ledger.undo(edit.id, reason="the heir does not build on these words")
    named = f"{late.id}, {grandchild.id}, {heir.id}"
    with pytest.raises(Refused, match=f"build on {first.id}: {named}; undo them"):
        ledger.undo(first.id, reason="no")
    before = texts(ledger)
    done = ledger.take_back(first.id, reason="no", cascade=True)
    assert texts(ledger) == {}
    ledger.take_back(done[0].batch, reason="yes")
    assert texts(ledger) == before


def test_a_change_that_names_another_as_its_parent_builds_on_it(ledger: Ledger) -> None:
    first = add(ledger, "a")
    child = Change(
        id="",
        kind="setting",
        target="floor",
        op="add",
        reason="a showed it",
        after={"value": 0.3},
        parents=(first.id,),
    )
    (made,) = ledger.apply(child)
    with pytest.raises(Refused, match=made.id):
        ledger.undo(first.id, reason="no")
    kinds = [one.kind for one in ledger.take_back(first.id, reason="no", cascade=True)]
    assert kinds == ["setting", "lesson"]


def test_a_cascade_that_fails_half_way_changes_nothing(ledger: Ledger) -> None:
    first = add(ledger, "a", "one")
    write(ledger, "edit", "a", "two")
    write(ledger, "edit", "a", "three")
    add(ledger, "b", "two")
    count = ledger.count()["changes"]
    with pytest.raises(Refused, match=r"a can't come back: lesson b .candidate. says the same"):
        ledger.take_back(first.id, reason="no", cascade=True)
    assert ledger.count()["changes"] == count
    assert texts(ledger) == {"a": "three", "b": "two"}


def test_changes_of_a_batch_are_undone_together(ledger: Ledger) -> None:
    made = [
        Change(
            id="",
            kind="lesson",
            target=name,
            op="add",
            reason="r",
            batch="B1",
            after={"id": name, "kind": "fact", "text": name},
        )
        for name in ("a", "b", "c")
    ]
    ledger.apply(*made)
    ledger.undo(ledger.history("b")[0].id, reason="this one alone")
    done = ledger.take_back("B1", reason="the rest")
    assert [one.target for one in done] == ["c", "a"]
    assert texts(ledger) == {}
    with pytest.raises(Refused, match="B1 is undone already, by C"):
        ledger.take_back("B1", reason="again")
    with pytest.raises(UnknownName, match="no change named 'B2'"):
        ledger.take_back("B2", reason="no such")


def test_undoing_an_undo_needs_the_state_that_it_left(ledger: Ledger) -> None:
    add(ledger, "a")
    one = write(ledger, "edit", "a", "one")
    two = write(ledger, "edit", "a", "two")
    undone_two = ledger.undo(two.id, reason="r")
    undone_one = ledger.undo(one.id, reason="r")
    with pytest.raises(Refused, match=f"altered after {undone_two.id}, last by {undone_one.id}"):
        ledger.undo(undone_two.id, reason="r")
    ledger.undo(undone_one.id, reason="r")
    ledger.undo(undone_two.id, reason="r")
    assert texts(ledger) == {"a": "two"}
    with pytest.raises(Refused, match="is undone already"):
        ledger.undo(undone_two.id, reason="r")
    ledger.undo(two.id, reason="by its first name")
    assert texts(ledger) == {"a": "one"}
    with pytest.raises(Refused, match=f"{two.id} is undone already, by "):
        ledger.undo(two.id, reason="r")


def test_what_was_said_again_meanwhile_does_not_come_back_twice(ledger: Ledger) -> None:
    first = add(ledger, "a", "look in the fridge")
    undone = ledger.undo(first.id, reason="r")
    add(ledger, "b", "Look in the fridge!")
    with pytest.raises(Refused, match=r"a can't come back: lesson b"):
        ledger.undo(undone.id, reason="r")
