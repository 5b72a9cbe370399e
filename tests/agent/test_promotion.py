"""Who answers: promotions and refusals in the ledger, going back, and the file derived from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.gate import Compared, Decision, Evidence, decide
from agent.models.resolve import PROMOTED
from agent.pairing import Played, paired
from agent.promotion import (
    BASE,
    GATE,
    best_before,
    check,
    current,
    derive,
    enlist,
    promote,
    rollback,
    students,
)
from distill.adapters import Adapter, Registry
from envs.errors import Refused, UnknownName
from memory.forget import apply_forget, plan_forget
from memory.forget_adapters import tainted
from memory.ledger import Ledger
from memory.types import Change, Exposure, Trajectory


def decision(*, good: bool = True, chat: int = 30) -> Decision:
    """A gate that a student passed, or did not."""
    played = [
        Played(task=f"t{k}", place=f"r{k}", runs=(f"a{k}", f"b{k}"), won=(not good, good))
        for k in range(30)
    ]
    sets = tuple(Compared(name=n, n=30, champion=28, challenger=chat) for n in ("chat", "safety"))
    found = Evidence(abilities=sets, target=paired("toy", played), families=())
    made = decide(found)
    assert made.promote == good
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two adapters and something that stands for the base."""
    registry = Registry(tmp_path / "adapters")
    for name, parents in (("s1", ()), ("s2", ("s1",))):
        made = Adapter(
            id=name, base="smollm2-135m", licence="Apache-2.0", rows="0" * 64, parents=parents
        )
        registry.add(made, weights=name.encode())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "smollm2-135m.gguf").write_bytes(b"GGUF")
    return tmp_path


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return Ledger(home / "ledger.db")


def pointer(home: Path) -> dict[str, object]:
    path = home / "models" / PROMOTED
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def let_in(ledger: Ledger, home: Path, name: str, *, over: str = BASE) -> str:
    registry = Registry(home / "adapters")
    return promote(ledger, registry.get(name), decision(), home=home, over=over).id


def test_a_promotion_is_a_change_and_the_file_follows(ledger: Ledger, home: Path) -> None:
    change = ledger.change(let_in(ledger, home, "s1"))
    assert (change.kind, change.target, change.op) == ("adapter", "s1", "add")
    assert (change.decision, change.actor) == ("applied", GATE)
    assert change.reason.startswith("promoted over base: chat: 30 of 30 passed")
    assert len(change.evidence) == 60
    student = current(ledger)
    assert student is not None
    assert (student.id, student.status, student.over) == ("s1", "active", BASE)
    assert (student.before["toy"], student.after["toy"]) == (0.0, 1.0)
    assert pointer(home) == {
        "file": str(home / "models" / "smollm2-135m.gguf"),
        "name": "smollm2-135m (student s1)",
        "adapter": "s1",
        "turn": 1,
    }


def test_a_refusal_is_journalled_with_the_why_and_has_no_effect(ledger: Ledger, home: Path) -> None:
    registry = Registry(home / "adapters")
    change = promote(ledger, registry.get("s1"), decision(good=False), home=home)
    assert change.decision == "rejected"
    assert change.reason.startswith("not promoted over base: target: toy: 0 of 30 solved")
    assert ledger.changes(kind="adapter", target="s1") == [change]
    assert (current(ledger), students(ledger), pointer(home)) == (None, {}, {})
    with pytest.raises(Refused, match="was rejected and had no effect"):
        ledger.undo(change.id, reason="try")


def test_going_back_goes_step_by_step_down_to_the_base(ledger: Ledger, home: Path) -> None:
    let_in(ledger, home, "s1")
    let_in(ledger, home, "s2", over="s1")
    assert pointer(home)["adapter"] == "s2"
    first = rollback(ledger, home=home)
    assert (first.was, first.now, pointer(home)["adapter"]) == ("s2", "s1", "s1")
    assert first.seconds < 5
    second = rollback(ledger, home=home)
    assert (second.was, second.now, pointer(home)) == ("s1", BASE, {})
    with pytest.raises(Refused, match="the bare base answers already"):
        rollback(ledger, home=home)


def test_a_student_may_come_back_and_goes_back_to_who_was_before(
    ledger: Ledger, home: Path
) -> None:
    for name, over in (("s1", BASE), ("s2", "s1"), ("s1", "s2")):
        let_in(ledger, home, name, over=over)
    assert rollback(ledger, home=home).now == "s2"
    assert rollback(ledger, home=home).now == "s1"
    assert rollback(ledger, home=home).now == BASE


def test_undo_of_a_promotion_and_of_that_undoing(ledger: Ledger, home: Path) -> None:
    made = let_in(ledger, home, "s1")
    back = ledger.undo(made, reason="no")
    assert derive(ledger, home=home).student == BASE
    again = ledger.undo(back.id, reason="yes after all")
    assert derive(ledger, home=home).student == "s1"
    assert again.op == "undo"
    assert rollback(ledger, home=home).now == BASE


def test_undoing_an_older_promotion_leaves_the_newer_one(ledger: Ledger, home: Path) -> None:
    old = let_in(ledger, home, "s1")
    let_in(ledger, home, "s2", over="s1")
    ledger.undo(old, reason="no")
    assert derive(ledger, home=home).student == "s2"
    assert rollback(ledger, home=home).now == BASE


def test_the_file_is_made_again_when_it_is_gone_stale_or_damaged(
    ledger: Ledger, home: Path
) -> None:
    let_in(ledger, home, "s1")
    path = home / "models" / PROMOTED
    whole = path.read_text("utf-8")
    assert not derive(ledger, home=home).wrote
    for harm in (path.unlink, lambda: path.write_text("{"), lambda: path.write_text("[1]")):
        harm()
        assert derive(ledger, home=home).wrote
        assert path.read_text("utf-8") == whole
    assert sorted(p.name for p in path.parent.iterdir()) == [PROMOTED, "smollm2-135m.gguf"]


def test_a_file_that_people_wrote_stays_while_there_is_no_student(
    ledger: Ledger, home: Path
) -> None:
    path = home / "models" / PROMOTED
    path.write_text('{"file": "own.gguf"}', "utf-8")
    assert derive(ledger, home=home).student == BASE
    assert pointer(home) == {"file": "own.gguf"}


def test_what_cannot_be_is_refused_before_anything_is_played(ledger: Ledger, home: Path) -> None:
    let_in(ledger, home, "s1")
    with pytest.raises(Refused, match="s1 answers already; there is nothing to promote"):
        check(ledger, "s1", over="s1")
    with pytest.raises(Refused, match="s2 was compared with base, and s1 answers now; compare it"):
        let_in(ledger, home, "s2")
    with pytest.raises(UnknownName, match="no adapter named 's3'; choose from: s1, s2"):
        let_in(ledger, home, "s3")


def test_the_bar_is_the_best_that_was_ever_let_in(ledger: Ledger, home: Path) -> None:
    assert best_before(ledger) == {}
    let_in(ledger, home, "s1")
    registry = Registry(home / "adapters")
    promote(ledger, registry.get("s2"), decision(chat=27), home=home, over="s1")
    assert best_before(ledger) == {"chat": 1.0, "safety": 1.0}


def test_a_trained_adapter_is_noted_with_its_runs(ledger: Ledger, home: Path) -> None:
    adapter = Registry(home / "adapters").get("s1")
    change = enlist(ledger, adapter, runs=["r2", "r1", "r1"])
    assert change.reason == "trained for smollm2-135m, from 2 runs"
    assert (students(ledger)["s1"].status, current(ledger)) == ("candidate", None)
    with pytest.raises(Refused, match="adapter s1 exists already"):
        enlist(ledger, adapter)
    assert ledger.change(let_in(ledger, home, "s1")).op == "status"
    assert students(ledger)["s1"].runs == ("r1", "r2")


def run(id_: str, *, key: str = "k") -> Trajectory:
    return Trajectory(id=id_, env="toy", task="t", task_key=key, split="train", goal="g")


@pytest.mark.parametrize("source", ["r1", "k1", "LESSON"])
def test_forgetting_a_source_takes_its_students_out_and_undo_brings_them_back(
    ledger: Ledger, home: Path, source: str
) -> None:
    ledger.add_trajectory(run("r1", key="k1"))
    ledger.add_trajectory(run("r9", key="k9"))
    if source == "LESSON":
        _lesson(ledger)
        exposure = Exposure(episode="r1", lesson="LESSON", version=1, first_step=0, shown=True)
        ledger.expose(exposure)
    registry = Registry(home / "adapters")
    enlist(ledger, registry.get("s1"), runs=["r1", "r2"])
    enlist(ledger, registry.get("s2"), runs=["r9"])
    let_in(ledger, home, "s1")
    plan = plan_forget(ledger, source)
    assert [(one.id, one.what, one.why) for one in plan.adapters] == [
        ("s1", "quarantine", "was trained on run r1"),
        ("s2", "quarantine", "was trained on from s1"),
    ]
    batch = apply_forget(ledger, plan)[-1].batch
    assert derive(ledger, home=home).student == BASE
    assert {one.status for one in students(ledger).values()} == {"quarantined"}
    with pytest.raises(Refused, match="s1 is quarantined; see why, and undo that"):
        let_in(ledger, home, "s1")
    assert {one.what for one in plan_forget(ledger, source).adapters} == {"gone"}
    ledger.take_back(batch, reason="it was right")
    assert derive(ledger, home=home).student == "s1"


def test_a_source_that_no_student_goes_back_to_leaves_them(ledger: Ledger, home: Path) -> None:
    ledger.add_trajectory(run("r1"))
    enlist(ledger, Registry(home / "adapters").get("s1"), runs=["r2"])
    assert plan_forget(ledger, "r1").adapters == ()


def test_taint_goes_down_to_all_that_was_trained_on_from_it() -> None:
    states = {
        "c": {"parents": ["b"]},
        "a": {"runs": ["r1", "r2"]},
        "b": {"parents": ["a"]},
        "d": {"runs": ["r3"]},
    }
    assert tainted(states, {"r1", "r2"}) == {
        "a": "was trained on run r1 and 1 more",
        "b": "was trained on from a",
        "c": "was trained on from b",
    }
    assert tainted(states, ()) == {}


def _lesson(ledger: Ledger) -> None:
    body = {"id": "LESSON", "kind": "fact", "text": "spoons are in the white drawer"}
    ledger.apply(Change(id="", kind="lesson", target="LESSON", op="add", reason="new", after=body))
