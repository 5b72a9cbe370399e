"""`journeyman learn --rows`: rows that were written here are sifted again before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.settings import load
from distill.rows import Row, write_jsonl
from envs.errors import Refused, UserError
from envs.toy import Toy
from memory.ledger import Ledger
from memory.types import Change, Lesson
from server.distilling import demonstrations
from tests.distill import tiny

HELD = Toy().tasks("val")[0]


def row(name: str, **about: Any) -> Row:
    made = tiny.row("say", name)
    fields = {"trajectory": name, "source": "", "env": "toy", "content": "", "task_key": name}
    return made.model_copy(
        update={"metadata": made.metadata.model_copy(update={**fields, **about})}
    )


def test_what_was_doubted_since_is_left_out_and_counted(tmp_path: Path) -> None:
    ledger, told = Ledger(tmp_path / "ledger.db"), list[str]()
    lesson = Lesson(id="L1", kind="fact", text="Left.", status="quarantined")
    change = Change(
        id="", kind="lesson", target="L1", op="add", reason="x", after=lesson.model_dump()
    )
    ledger.apply(change)
    good = row("good")
    write_jsonl(
        tmp_path / "rows.jsonl",
        [
            good,
            row("shown", recalled=("L1",)),
            row("held", task_key=HELD.key),
            row("theirs", source="theirs.jsonl"),
            row("page", source="page.jsonl", licence="mit", trust="web"),
        ],
    )
    settings = load(home=str(tmp_path))
    kept = demonstrations(ledger, settings, tmp_path / "rows.jsonl", told=told.append)
    assert kept == [good]
    (line,) = told
    for why in ("1 held out, by its key", "1 no licence", "1 quarantined lesson", "1 from a web"):
        assert why in line


def test_other_files_are_told_with_the_command_that_reads_them(tmp_path: Path) -> None:
    ledger, settings = Ledger(tmp_path / "ledger.db"), load(home=str(tmp_path))

    def read(path: Path) -> None:
        demonstrations(ledger, settings, path, told=lambda _line: None)

    theirs = tmp_path / "theirs.jsonl"
    with pytest.raises(UserError, match="is no file; write rows with `journeyman distill"):
        read(theirs)
    theirs.write_text('{"messages": [{"role": "user", "content": "Hi."}]}\n', "utf-8")
    with pytest.raises(UserError, match=r"`journeyman distill --from .*theirs.jsonl --licence"):
        read(theirs)
    write_jsonl(theirs, [row("held", task_key=HELD.key)])
    with pytest.raises(Refused, match=r"no row of .* may be trained on \(1 held out, by its key\)"):
        read(theirs)
