"""The journal: changes and rounds in words, and what became of each change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.evolving import Decided, Evolved, Proposal
from agent.gate import Decision
from agent.journal import planned, said
from agent.journal_rounds import Told, fates_of, rounds
from agent.roundlog import Gathered, Held, Round
from agent.stages import keep
from distill.monitor import Tuning
from envs.errors import StoreError
from memory.ledger import Ledger
from memory.types import Change, Usage


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.db")
    yield made
    made.close()


def change(kind: Any, target: str, after: dict[str, Any] | None, **fields: Any) -> Change:
    given = {"id": "", "kind": kind, "target": target, "op": "add", "reason": "tried", **fields}
    return Change.model_validate({**given, "after": after})


def lesson(id_: str, text: str, **fields: Any) -> Change:
    return change("lesson", id_, {"id": id_, "kind": "fact", "text": text}, **fields)


def setting(value: Any, **fields: Any) -> Change:
    return change("setting", "toy/memory.most", {"name": "memory.most", "value": value}, **fields)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lesson("a", "Open  the\nred drawer."), "learned the lesson “Open the red drawer.”"),
        (lesson("a", "Open it.", decision="rejected"), "refused the lesson “Open it.”"),
        (setting(5), "set memory.most to 5"),
        (setting(5, op="edit", before={"name": "memory.most", "value": 3}),
         "set memory.most from 3 to 5"),
        (change("skill", "S1", {"name": "fetch", "status": "candidate"}), "wrote the skill fetch"),
        (change("skill", "S1", {"name": "fetch", "status": "active"}, op="status",
                before={"name": "fetch", "status": "candidate"}),
         "moved the skill fetch from candidate to active"),
        (change("prompt", "toy/solver", {"name": "solver", "value": "Look."}, op="edit"),
         "reworded the prompt solver: “Look.”"),
        (change("prompt", "toy/solver", None, op="remove", before={"name": "solver"}),
         "removed the prompt solver"),
        (change("task", "T1", {"id": "T1", "words": "Wash the\nspoon."}),
         "made up the task “Wash the spoon.”"),
        (change("skill", "S1", {"name": "fetch", "status": "active", "version": 2}, op="edit"),
         "rewrote the skill fetch (version 2)"),
        (change("skill", "S1", {"name": "fetch", "status": "active"}, op="status"),
         "took the skill fetch into use"),
        (change("setting", "episode r1", {"recalled": False}), "recalls episode r1 no more"),
        (change("adapter", "toy-1", {"id": "toy-1"}), "trained the student toy-1"),
        (change("skill", "S1", None, op="undo", before={"name": "fetch"}),
         "took back a change of the skill fetch, which is gone again"),
    ],
)  # fmt: skip
def test_changes_are_told_in_words(made: Change, words: str) -> None:
    assert said(made) == words


def test_what_is_only_proposed_is_told_as_such() -> None:
    assert planned(lesson("a", "Open it.", decision="rejected")) == "learn the lesson “Open it.”"
    skill = change("skill", "S1", {"name": "fetch", "status": "active"}, op="status")
    assert planned(skill) == "take the skill fetch into use"
    assert planned(setting(5)) == "set memory.most to 5"


def test_fates_follow_undoings_and_their_undoings(ledger: Ledger) -> None:
    first, refused = ledger.apply(lesson("a", "One."), lesson("b", "Two.", decision="rejected"))
    gone = ledger.undo(first.id, reason="no")
    back = ledger.undo(gone.id, reason="yes")
    again = ledger.undo(back.id, reason="no")
    changes = list(reversed(ledger.changes(limit=-1)))
    fates = fates_of(changes)
    assert fates[refused.id] == "refused"
    assert (fates[first.id], fates[again.id]) == ("undone", "kept")
    assert (fates_of(changes[:-1])[first.id], fates[gone.id]) == ("kept", "undone")
    assert fates_of(changes[:-2])[first.id] == "undone"


def decided(made: Change, *, promote: bool, why: str, batch: str) -> Decided:
    decision = Decision(promote=promote, failed=() if promote else ("target",), reasons=(why,))
    return Decided(by="tuner", about=("x",), decision=decision, batch=batch, changes=(made.id,))


def learned(home: Path, ledger: Ledger) -> list[Change]:
    """Two rounds: one whose setting was kept and undone later, one whose prompt was refused."""
    ledger.apply(lesson("La", "Spoons are in the red drawer."))
    kept = ledger.apply(setting(5, batch="B1"))[0]
    prompt = {"name": "solver", "value": "Sing."}
    refused = ledger.apply(change("prompt", "toy/solver", prompt, batch="B2", decision="rejected"))[
        0
    ]
    folder = home / "learning" / "toy"
    keep(folder / "start.json", Held(student="", won=10, total=30))
    for number, made, won in ((1, kept, 25), (2, refused, 24)):
        found = Evolved(
            number=number,
            why="never solved",
            won=12,
            played=20,
            lessons=("La", "Lgone") if number == 1 else (),
            proposals=(Proposal(by="tuner", changes=(made,)), Proposal(by="gepa", note="stuck")),
            decided=(
                decided(
                    made,
                    promote=number == 1,
                    why=f"target: {number} of 9",
                    batch=made.batch,
                ),
            ),
            held=Held(student="", won=won, total=30),
            episodes=20 * number,
            usage=Usage(prompt_tokens=1000 * number),
        )
        keep(folder / f"round-{number}" / "round.json", found)
        (folder / f"round-{number}" / "tasks.json").write_text("{}", "utf-8")
    return [kept, refused]


def lines(told: Told, tag: str) -> list[str]:
    return [line.text for line in told.lines if line.tag == tag]


def test_rounds_tell_what_was_learned_refused_and_gained(tmp_path: Path, ledger: Ledger) -> None:
    kept, _ = learned(tmp_path, ledger)
    begin, first, second = rounds(tmp_path, ledger)
    assert begin.number == 0
    assert lines(begin, "held-out") == [
        "before anything was learned: 10 of 30 (19% to 51%) held-out tasks solved"
    ]
    assert lines(first, "played") == ["20 train tasks (never solved), 12 of them solved"]
    assert (
        "“Spoons are in the red drawer.” (candidate now), Lgone (gone since)"
        in (lines(first, "learned")[0])
    )
    assert lines(first, "kept") == ["set memory.most to 5, proposed by tuner, as target: 1 of 9"]
    assert [line.undo for line in first.lines if line.tag == "kept"] == ["B1"]
    assert lines(first, "nothing") == ["gepa proposed nothing new: stuck"]
    assert "25 of 30" in lines(first, "held-out")[0]
    assert "+50 points" in lines(first, "held-out")[0]
    assert "better" in lines(first, "held-out")[0]
    assert lines(second, "refused") == [
        "refused the prompt solver: “Sing.”, proposed by tuner, because target: 2 of 9"
    ]
    assert (
        "no difference that can be told; since the beginning +47" in (lines(second, "held-out")[0])
    )
    assert lines(second, "cost") == ["40 train episodes and 2,000 tokens since the first round"]
    assert (first.kept, first.refused, second.kept, second.refused) == (1, 0, 0, 1)
    undo = ledger.undo(kept.id, reason="no")
    _, first, _ = rounds(tmp_path, ledger)
    assert f"taken back since by {undo.id}" in lines(first, "undone")[0]
    assert lines(first, "kept") == []


def test_rounds_of_students_are_told_too(tmp_path: Path, ledger: Ledger) -> None:
    folder = tmp_path / "learning" / "toy"
    keep(folder / "start.json", Held(student="", won=3, total=30))
    one = Round(
        number=1,
        student="",
        gathered=Gathered(tuning=Tuning(), rows=40, fresh=30),
        adapter="toy-1",
        held=Held(student="toy-1", won=2, total=30),
        outcome="turned",
        why="held-out: 2/30",
    )
    keep(folder / "round-1" / "round.json", one)
    keep(
        folder / "round-2" / "round.json",
        one.model_copy(
            update={"number": 2, "adapter": "", "outcome": "nothing", "why": "few rows"}
        ),
    )
    _, first, second = rounds(tmp_path, ledger)
    assert lines(first, "refused") == [
        "the student toy-1, trained on 40 rows, because held-out: 2/30"
    ]
    assert lines(second, "nothing") == ["no student was trained: few rows"]


def test_without_rounds_there_is_nothing_to_tell_and_damage_is_said(
    tmp_path: Path, ledger: Ledger
) -> None:
    assert rounds(tmp_path, ledger) == []
    (tmp_path / "learning" / "toy").mkdir(parents=True)
    assert rounds(tmp_path, ledger) == []
    (tmp_path / "learning" / "toy" / "start.json").write_text("{", "utf-8")
    with pytest.raises(StoreError, match="can't be read"):
        rounds(tmp_path, ledger)
