"""Forgetting a source reaches prompts, settings and own tasks; a purge leaves no byte of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused
from memory.embed import HashEmbedder
from memory.forget import apply_forget, plan_forget
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.purge import purge_source
from memory.recall import Memory
from memory.types import Change, Exposure, Run, Trajectory

WORD = "xylophonically"
PROMPT = f"Open drawers {WORD}, one after the other, and say nothing at all.\nThen give it."


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def memory(home: Path) -> Iterator[Memory]:
    opened = Memory(Ledger(home / "ledger.db"), ListIndex(HashEmbedder()))
    yield opened
    opened.close()


def ran(memory: Memory, id: str, **fields: Any) -> None:  # noqa: A002
    run = {"id": id, "env": "toy", "task": "t", "task_key": "k", "split": "train", "goal": "g"}
    memory.ledger.add_trajectory(Trajectory.model_validate({**run, **fields}))


def put(memory: Memory, kind: str, name: str, value: Any, *runs: str, **fields: Any) -> Change:
    given = {"id": "", "kind": kind, "target": f"toy/{name}", "op": "add", "reason": "r"}
    given |= {"after": {"name": name, "value": value}, "evidence": runs, **fields}
    return memory.ledger.apply(Change.model_validate(given))[0]


def made_up(memory: Memory, id: str, *runs: str, **state: Any) -> Change:  # noqa: A002
    after = {"id": id, "env": "toy", "words": f"Wash it {WORD}.", "runs": runs, **state}
    return put(memory, "task", id, 0, *runs, target=id, after=after)


def stands(memory: Memory, kind: str, target: str) -> Any:
    last = memory.ledger.changes(target=target, kind=kind, limit=1)[0]
    return last.after and last.after.get("value", last.after.get("words"))


def told(memory: Memory, source: str) -> list[tuple[str, str, str]]:
    return [(one.target, one.what, one.why) for one in plan_forget(memory.ledger, source).own]


def holding(home: Path) -> list[str]:
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return [path.name for path in files if WORD.encode() in path.read_bytes()]


def test_what_was_learned_from_a_run_goes_and_comes_back_with_an_undo(memory: Memory) -> None:
    ran(memory, "r1")
    put(memory, "prompt", "solver", PROMPT, "r0", "r1")
    put(memory, "setting", "memory.most", 5, "r1")
    put(memory, "setting", "memory.floor", 0.5, "r9")
    made_up(memory, "T1", "r1")
    why = "was learned from run r1"
    plan = plan_forget(memory.ledger, "r1")
    assert plan.some
    assert [str(one) for one in plan.own] == [
        f"prompt solver {why}: goes",
        f"setting memory.most {why}: goes",
        f"task Wash it {WORD}. {why}: goes",
    ]
    changes = apply_forget(memory.ledger, plan)
    assert {one.reason for one in changes if one.kind != "setting"} == {f"forgotten: it {why}"}
    assert stands(memory, "prompt", "toy/solver") is None
    assert stands(memory, "setting", "toy/memory.floor") == 0.5
    assert {what for _, what, _ in told(memory, "r1")} == {"gone"}
    assert apply_forget(memory.ledger, plan_forget(memory.ledger, "r1")) == ()
    memory.ledger.take_back(changes[0].batch, reason="it was right")
    assert stands(memory, "prompt", "toy/solver") == PROMPT
    assert stands(memory, "task", "T1") is not None


def test_what_stood_before_stands_again_and_what_was_built_on_it_goes_too(memory: Memory) -> None:
    ran(memory, "r1")
    first = put(memory, "prompt", "solver", "Look.", "r0")
    for text, run in (("Look twice.", "r1"), ("Look thrice.", "r2")):
        put(memory, "prompt", "solver", text, run, op="edit")
    assert told(memory, "r1") == [("toy/solver", "back", "was learned from run r1")]
    assert told(memory, "r2") == [("toy/solver", "back", "was learned from run r2")]
    apply_forget(memory.ledger, plan_forget(memory.ledger, "r2"))
    assert stands(memory, "prompt", "toy/solver") == "Look twice."
    apply_forget(memory.ledger, plan_forget(memory.ledger, "r1"))
    assert stands(memory, "prompt", "toy/solver") == "Look."
    assert first.after == {"name": "solver", "value": "Look."}


def test_runs_of_a_gate_let_in_and_teach_nothing(memory: Memory) -> None:
    ran(memory, "v1", split="val")
    put(memory, "setting", "memory.most", 5, "r1", "v1")
    assert told(memory, "v1") == []
    assert [what for _, what, _ in told(memory, "r1")] == ["remove"]


def test_tasks_lessons_and_skills_reach_through_their_runs(memory: Memory) -> None:
    ran(memory, "r1", task_key="k1")
    memory.ledger.begin_run(
        Run(id="r2", env="toy", task="t", goal="g", status="running", began="", updated="")
    )
    lesson = {"id": "L1", "kind": "fact", "text": "Spoons are red.", "situation": "spoons"}
    lesson |= {"source": {"trajectory": "r0"}, "scope": {"env": "toy"}}
    put(memory, "lesson", "L1", 0, target="L1", after=lesson)
    memory.ledger.expose(Exposure(episode="r2", lesson="L1", version=1, first_step=0, shown=True))
    put(memory, "setting", "memory.most", 5, "r1")
    put(memory, "setting", "memory.floor", 0.5, "r2")
    assert [target for target, _, _ in told(memory, "k1")] == ["toy/memory.most"]
    assert [target for target, _, _ in told(memory, "L1")] == ["toy/memory.floor"]
    origin = {"author": "own", "runs": ["r7"], "task_keys": []}
    skill = {"id": "S-open-1", "name": "open", "env": "toy", "origin": origin, "code": "x"}
    put(memory, "skill", "open", 0, target="S-open-1", after=skill)
    made_up(memory, "T1", "r7", several={"parts": []})
    (one,) = plan_forget(memory.ledger, "S-open-1").own
    assert one.why == "was made up of what skills can do that go"


def test_a_plan_that_is_out_of_date_is_refused(memory: Memory) -> None:
    ran(memory, "r1")
    put(memory, "prompt", "solver", "Look.", "r1")
    plan = plan_forget(memory.ledger, "r1")
    put(memory, "prompt", "solver", "Sing.", "r5", op="edit")
    with pytest.raises(Refused, match="toy/solver was altered meanwhile"):
        apply_forget(memory.ledger, plan)


def left_by_rounds(home: Path) -> None:
    """Stages of a round, with the text whole, cut short, and in what a search kept."""
    place = home / "learning" / "toy" / "round-1"
    (place / "prompts" / "gepa").mkdir(parents=True)
    about = f"learned the prompt solver: “{' '.join(PROMPT.split())[:60]}...”"
    whole = {"changes": [{"after": {"name": "solver", "value": PROMPT}}], "by": "prompts"}
    (place / "prompts.proposed.json").write_text(json.dumps(whole), "utf-8")
    (place / "round.json").write_text(json.dumps({"number": 1, "about": [about]}), "utf-8")
    (place / "prompts" / "gepa" / "state.bin").write_bytes(b"\0" + PROMPT.encode())


def test_a_purge_leaves_no_byte_and_what_stood_before(memory: Memory, home: Path) -> None:
    told_them = ({"role": "system", "content": f"{PROMPT}\n\nAnd more."},)
    ran(memory, "r1")
    ran(memory, "r3", messages=told_them)
    ran(memory, "r4", task="T1", goal=f"Wash it {WORD}.", env="own:toy")
    put(memory, "prompt", "solver", "Look about you.", "r0")
    put(memory, "prompt", "solver", PROMPT, "r1", op="edit")
    put(memory, "prompt", "solver_think", f"{PROMPT} Twice.", "r1", decision="rejected")
    made_up(memory, "T1", "r1")
    left_by_rounds(home)
    assert len(holding(home)) >= 4
    done = purge_source(memory, "r1", home=home, runs=True)
    assert set(done.own) == {"toy/solver", "toy/solver_think", "T1"}
    assert done.counts() == "0 lessons, 3 prompts, settings and own tasks, 2 runs"
    assert len(done.exports) == 3
    assert holding(home) == []
    assert done.files_left == ()
    assert stands(memory, "prompt", "toy/solver") == "Look about you."
    assert memory.ledger.trajectory("r3").messages[0]["content"] == "(purged)\n\nAnd more."
    stages = home / "learning" / "toy" / "round-1"
    assert json.loads((stages / "round.json").read_text("utf-8"))["number"] == 1
    (tombstone,) = memory.ledger.changes(target="T1", kind="task", limit=-1)
    assert (tombstone.op, tombstone.after) == ("purge", None)


def test_runs_at_tasks_that_are_gone_are_named_where_they_stay(memory: Memory, home: Path) -> None:
    ran(memory, "r1")
    ran(memory, "r4", task="T1", env="own:toy")
    made_up(memory, "T1", "r1")
    assert purge_source(memory, "r1", home=home).runs_left == ("r4",)
