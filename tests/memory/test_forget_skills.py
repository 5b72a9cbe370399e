"""Forgetting a source reaches skills, and all that calls them; a purge leaves no byte of them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.embed import HashEmbedder
from memory.forget import ForgetPlan, apply_forget, plan_forget
from memory.forget_skills import skill_lives
from memory.index import Index, ListIndex
from memory.ledger import Ledger
from memory.purge import purge_source
from memory.recall import Memory
from memory.types import Change, Exposure, Recalled, Run, Trajectory

WORD = "xylophonically"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def memory(home: Path) -> Iterator[Memory]:
    opened = Memory(Ledger(home / "ledger.db"), ListIndex(HashEmbedder()))
    yield opened
    opened.close()


def code(name: str, *more: str) -> str:
    lines = "".join(f"    act('{line}')\n" for line in more)
    return f"def {name}(thing: str) -> bool:\n{lines}    return True\n"


def state(name: str, *, version: int = 1, uses: tuple[str, ...] = (), **more: Any) -> Any:
    origin = {"author": "own", "by": "induction", "runs": [], "task_keys": [], "address": ""}
    given = {"id": f"S-{name}-0001", "name": name, "version": version, "env": "household"}
    given |= {"code": code(name, *more.pop("lines", ())), "uses": list(uses), "status": "active"}
    fields = {field: more.pop(field) for field in ("trust", "status") if field in more}
    return {**given, "trust": "self", **fields, "origin": {**origin, **more}}


def put(memory: Memory, after: Any, op: str = "add", **fields: Any) -> Change:
    given = {"id": "", "kind": "skill", "target": after["id"], "reason": "r", "op": op}
    return memory.ledger.apply(Change.model_validate({**given, "after": after, **fields}))[0]


def ran(memory: Memory, id: str, key: str, **fields: Any) -> None:  # noqa: A002
    run = {"id": id, "env": "e", "task": "t", "task_key": key, "split": "train", "goal": "g"}
    memory.ledger.add_trajectory(Trajectory.model_validate({**run, **fields}))


def told(plan: ForgetPlan) -> dict[str, str]:
    return {item.name: item.why for item in plan.skills}


def standing(memory: Memory) -> set[str]:
    return {life.name for life in skill_lives(memory.ledger).values() if life.stands}


def lived(memory: Memory) -> None:
    """A skill, one that calls it, one that calls that, and one apart."""
    ran(memory, "r1", "k1")
    ran(memory, "r2", "k2")
    put(memory, state("reach", runs=["r1", "r2"], task_keys=["k1", "k2"]))
    put(memory, state("clean", uses=("S-reach-0001",), runs=["r2"], task_keys=["k2"]))
    put(memory, state("wash", uses=("S-clean-0001",), runs=["r2"], task_keys=["k2"]))
    put(memory, state("look", runs=["r2"], task_keys=["k2"]))


def holding(home: Path) -> list[str]:
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return [path.name for path in files if WORD.encode() in path.read_bytes()]


def interrupted(home: Path, **runs: str) -> None:
    """Leaves checkpoints of runs, each with what it had seen."""
    db = sqlite3.connect(home / "checkpoints.db")
    db.execute("CREATE TABLE checkpoints (thread_id, checkpoint BLOB, metadata BLOB)")
    for run, seen in runs.items():
        db.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (run, seen.encode(), b"{}"))
    db.commit()
    db.close()


def test_a_run_is_forgotten_with_its_skills_and_their_callers(memory: Memory) -> None:
    lived(memory)
    plan = plan_forget(memory.ledger, "r1")
    assert told(plan) == {
        "reach": "was written from run r1",
        "clean": "calls reach (S-reach-0001)",
        "wash": "calls clean (S-clean-0001)",
    }
    assert [item.rest for item in plan.skills] == [1, 1, 1]
    assert standing(memory) == {"reach", "clean", "wash", "look"}
    changes = apply_forget(memory.ledger, plan)
    assert standing(memory) == {"look"}
    assert changes[-1].reason == "forgotten: it was written from run r1"
    assert len({change.batch for change in changes}) == 1
    again = plan_forget(memory.ledger, "r1")
    assert {item.what for item in again.skills} == {"gone"}
    assert apply_forget(memory.ledger, again) == ()
    alone = next(c.id for c in changes if c.target == "S-wash-0001")
    with pytest.raises(Refused, match="S-wash-0001 can't come back: it calls skill S-clean-0001"):
        memory.take_back(alone, reason="this one was good")
    memory.take_back(changes[0].batch, reason="it was right after all")
    assert standing(memory) == {"reach", "clean", "wash", "look"}


def test_tasks_people_pages_folders_and_skills_are_sources(memory: Memory, tmp_path: Path) -> None:
    lived(memory)
    put(memory, state("shown", author="expert", runs=["trial_7"], task_keys=["k3"]))
    put(memory, state("typed", author="user", by="ann"))
    put(memory, state("asked", author="user", by="mcp:desk", trust="user"))
    given: dict[str, Any] = {"author": "import", "by": "induction", "trust": "web"}
    put(memory, state("lent", **given, address=str(tmp_path / "shared" / "lent")))
    put(memory, state("page", **given, address="https://shop.example/skills/page"))
    ledger = memory.ledger
    assert set(told(plan_forget(ledger, "k1"))) == {"reach", "clean", "wash"}
    assert told(plan_forget(ledger, "k3")) == {"shown": "was written from task k3"}
    assert told(plan_forget(ledger, "trial_7")) == {"shown": "was written from task trial_7"}
    assert told(plan_forget(ledger, "user:ann")) == {"typed": "was written by user ann"}
    assert set(told(plan_forget(ledger, "user:mcp:desk"))) == {"asked"}
    assert told(plan_forget(ledger, "user:induction")) == {}
    for place in (tmp_path / "shared", tmp_path / "x" / ".." / "shared" / "lent"):
        plan = plan_forget(ledger, str(place))
        assert (plan.kind, set(told(plan))) == ("folder", {"lent"})
    assert set(told(plan_forget(ledger, "web:shop.example"))) == {"page"}
    assert set(told(plan_forget(ledger, "https://shop.example/skills"))) == {"page"}
    for name in ("clean", "S-clean-0001"):
        assert set(told(plan_forget(ledger, name))) == {"clean", "wash"}
    with pytest.raises(UnknownName, match="choose from: clean"):
        plan_forget(ledger, "cleen")


def test_an_older_version_counts_too(memory: Memory) -> None:
    ran(memory, "r1", "k1")
    put(memory, state("look", runs=["r1"], task_keys=["k1"]))
    put(memory, state("look", version=2, runs=["r2"], task_keys=["k1", "k2"]), "edit")
    plan = plan_forget(memory.ledger, "r1")
    assert told(plan) == {"look": "its version 1 was written from run r1"}


def test_a_skill_that_was_altered_since_the_plan_stays_with_all_of_it(memory: Memory) -> None:
    lived(memory)
    plan = plan_forget(memory.ledger, "r1")
    put(memory, {**plan.skills[0].state, "status": "quarantined"}, "status")
    with pytest.raises(Refused, match="skill S-reach-0001 was altered meanwhile"):
        apply_forget(memory.ledger, plan)
    assert len(standing(memory)) == 4


def test_a_name_that_was_taken_meanwhile_keeps_a_skill_from_coming_back(memory: Memory) -> None:
    put(memory, state("look", author="user", by="ann"))
    (gone,) = apply_forget(memory.ledger, plan_forget(memory.ledger, "user:ann"))
    put(memory, {**state("look"), "id": "S-other", "env": "household:nook"})
    with pytest.raises(Refused, match=r"skill look exists already: S-other \(active\)"):
        memory.take_back(gone.id, reason="needed")
    put(memory, {**state("look"), "id": "S-other", "status": "retired"}, "status")
    memory.take_back(gone.id, reason="needed")
    assert skill_lives(memory.ledger)["S-look-0001"].stands


def exported(home: Path, name: str, text: str) -> Path:
    folder = home / "shared" / name
    for place, words in (
        ("SKILL.md", f"# {name}\n"),
        (f"scripts/{name}.py", text),
        ("assets/skills.json", "{}"),
    ):
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(words)
    return folder


def left_everywhere(memory: Memory, home: Path) -> None:
    """A skill whose two versions left their word in all places, and one that calls it."""
    ran(memory, "r1", "k1")
    first = state("look", runs=["r1", "r2"], lines=(f"open {WORD}",))
    second = state("look", version=2, runs=["r2"], lines=(f"shut {WORD}",), status="candidate")
    put(memory, first, evidence=("r1", "r2"))
    put(memory, {**second, "about": f"does it {WORD}"}, "edit")
    put(memory, state("twice", uses=("S-look-0001",), runs=["r2"], lines=(f"twice {WORD}",)))
    put(memory, state("apart", runs=["r2"]))
    came = Recalled.model_validate(
        {"lesson": "S-look-0001", "version": 2, "text": f"does it {WORD}", "similarity": 1}
        | {"tokens": 0, "source": {}}
    )
    steps = ({"index": 0, "action": "look", "observation": "o", "recalled": (came,)},)
    ran(memory, "r2", "k2", steps=steps)
    memory.ledger.expose(
        Exposure(episode="r2", lesson="S-look-0001", version=1, first_step=0, shown=True)
    )
    seen = f'{{"skill": "S-look-0001", "about": "does it {WORD}"}}'
    interrupted(home, r4=seen, r5="nothing of it")
    exported(home, "look", first["code"].replace("\n", "\r\n"))
    exported(home, "apart", state("apart")["code"])
    (home / "shared" / "look" / "notes.txt").write_text("mine")


def test_no_byte_of_a_purged_skill_is_left(memory: Memory, home: Path) -> None:
    left_everywhere(memory, home)
    index = Index(home / "skills", HashEmbedder(), name="skills")
    index.add([("S-look-0001", f"look {WORD}")], shelf="household")
    names = {name.removesuffix("-wal") for name in holding(home)}
    assert {"ledger.db", "look.py", "checkpoints.db"} <= names
    done = purge_source(memory, "r1", home=home, indexes=[index])
    assert index.search("look", most=3) == []
    index.close()
    assert holding(home) == []
    assert (done.skills, done.lessons, done.runs) == (("S-look-0001", "S-twice-0001"), (), ())
    assert (done.checkpoints, done.exports) == (("r4",), ("shared/look",))
    assert (done.runs_left, done.files_left, done.open_elsewhere) == (("r1",), (), 0)
    assert [path.name for path in (home / "shared" / "look").iterdir()] == ["notes.txt"]
    assert (home / "shared" / "apart" / "SKILL.md").exists()
    assert standing(memory) == {"apart"}
    (tombstone,) = memory.ledger.changes(target="S-look-0001", kind="skill")
    assert (tombstone.op, tombstone.before, tombstone.after) == ("purge", None, None)
    assert memory.ledger.trajectory("r2").steps[0].recalled[0].text == ""
    assert memory.ledger.exposures(lesson="S-look-0001") == []
    memory.close()
    assert holding(home) == []


def test_runs_that_a_purged_skill_was_written_from_go_when_asked(
    memory: Memory, home: Path
) -> None:
    left_everywhere(memory, home)
    assert purge_source(memory, "r1", home=home, runs=True).runs == ("r1",)
    put(memory, state("again", runs=["r2"]))
    assert purge_source(memory, "again", home=home, runs=True).runs == ("r2",)


def test_what_was_forgotten_before_can_be_purged_later(memory: Memory, home: Path) -> None:
    left_everywhere(memory, home)
    apply_forget(memory.ledger, plan_forget(memory.ledger, "look"))
    assert "ledger.db" in {name.removesuffix("-wal") for name in holding(home)}
    purge_source(memory, "look", home=home)
    assert holding(home) == []


def test_a_run_that_goes_on_and_was_offered_it_comes_first(memory: Memory, home: Path) -> None:
    left_everywhere(memory, home)
    run = Run(id="r4", env="e", task="t", goal="g", status="running", pid=os.getpid())
    memory.ledger.begin_run(run)
    with pytest.raises(Refused, match="run r4 is going on and has seen it"):
        purge_source(memory, "look", home=home)
    assert "look" in standing(memory)
