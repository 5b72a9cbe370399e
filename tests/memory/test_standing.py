"""What stands of a kind without a table of its own, over a file and over a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.errors import StoreError
from envs.types import Frozen
from memory.ledger import Ledger
from memory.standing import Standing
from memory.types import Change


class Prompt(Frozen):
    text: str


def change(target: str, text: str | None, op: str = "add", **more: str) -> Change:
    after = None if text is None else {"text": text}
    given = {"id": "", "kind": "prompt", "target": target, "op": op, "reason": "r", "after": after}
    return Change.model_validate({**given, **more})


def test_it_follows_what_others_write(place: Path | str) -> None:
    ledger, other = Ledger(place), Ledger(place)
    standing = Standing(ledger, kind="prompt", type=Prompt)
    assert standing.all() == {}
    other.apply(change("a", "one"), change("b", "two"))
    assert [one.text for one in standing.all().values()] == ["one", "two"]
    edited, *_ = other.apply(
        change("a", "more", "edit"),
        change("b", None, "remove"),
        change("c", "no", decision="rejected"),
        change("d", "other kind", kind="setting"),
    )
    assert {id_: one.text for id_, one in standing.all().items()} == {"a": "more"}
    other.undo(edited.id, reason="r")
    assert {id_: one.text for id_, one in standing.all().items()} == {"a": "one"}
    ledger.close()
    other.close()


def test_what_was_not_kept_is_not_seen(place: Path | str) -> None:
    ledger = Ledger(place)
    standing = Standing(ledger, kind="prompt", type=Prompt)
    ledger.apply(change("a", "one"))
    with pytest.raises(RuntimeError, match="no"), ledger.writing():
        assert len(standing.all()) == 1
        raise RuntimeError("no")
    assert len(standing.all()) == 1
    ledger.close()


def test_a_state_of_another_shape_says_so(place: Path | str) -> None:
    ledger = Ledger(place)
    ledger.apply(change("a", "one").model_copy(update={"after": {"words": "one"}}))
    with pytest.raises(StoreError, match="prompt a can't be read: text: Field required"):
        Standing(ledger, kind="prompt", type=Prompt).all()
    ledger.close()
