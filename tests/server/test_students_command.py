"""`journeyman models students|promote|rollback`, and history, undo and forget of what they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.abilities import SETS
from agent.gate import Compared, Decision, Evidence, decide
from agent.models.resolve import PROMOTED
from agent.pairing import Played, paired
from agent.promotion import enlist, promote
from agent.settings import Settings
from distill.adapters import Adapter, Registry
from envs.errors import UserError
from memory.ledger import Ledger
from memory.types import Trajectory
from server.cli import app
from server.commands.students import model_settings, solved_before


def journeyman(*arguments: str, home: Path) -> Result:
    return CliRunner().invoke(app, arguments, env={"JOURNEYMAN_HOME": str(home), "COLUMNS": "250"})


def said(*arguments: str, home: Path) -> str:
    done = journeyman(*arguments, home=home)
    assert done.exception is None, done.exception
    return done.stdout


def asked(*arguments: str, home: Path) -> Any:
    return json.loads(said(*arguments, "--json", home=home))


def refused(*arguments: str, home: Path) -> str:
    error = journeyman(*arguments, home=home).exception
    assert isinstance(error, UserError), error
    assert "\n" not in str(error)
    return str(error)


def passed() -> Decision:
    played = [
        Played(task=f"t{k}", place=f"r{k}", runs=(f"a{k}", f"b{k}"), won=(False, True))
        for k in range(30)
    ]
    sets = tuple(Compared(name=name, n=30, champion=28, challenger=29) for name in SETS)
    return decide(Evidence(abilities=sets, target=paired("toy", played), families=()))


def packed(numbers: int) -> bytes:
    """A file of weights with a head that claims so many numbers."""
    shape = {"dtype": "F16", "shape": [numbers], "data_offsets": [0, 0]}
    head = json.dumps({"w.lora_A": shape}).encode()
    return len(head).to_bytes(8, "little") + head


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two students, the second promoted over the base; and something that stands for that."""
    registry = Registry(tmp_path / "adapters")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "smollm2-135m.gguf").write_bytes(b"GGUF")
    ledger = Ledger(tmp_path / "ledger.db")
    run = Trajectory(id="r1", env="toy", task="t", task_key="k", split="train", goal="g")
    ledger.add_trajectory(run)
    for name, numbers in (("large", 10**9), ("s1", 100)):
        made = Adapter(id=name, base="smollm2-135m", licence="Apache-2.0", rows="ab" * 32)
        kept = registry.add(made, weights=packed(numbers))
        enlist(ledger, kept, runs=["r1"] if name == "s1" else [])
    promote(ledger, registry.get("s1"), passed(), home=tmp_path)
    ledger.close()
    return tmp_path


def answering(home: Path) -> str:
    path = home / "models" / PROMOTED
    return json.loads(path.read_text("utf-8"))["adapter"] if path.exists() else "base"


def test_students_are_listed_with_who_let_them_in(home: Path) -> None:
    told = asked("models", "students", home=home)
    large, one = (next(s for s in told["students"] if s["id"] == id_) for id_ in ("large", "s1"))
    assert told["answering"] == "s1"
    assert (one["status"], one["answering"], one["runs"]) == ("active", True, 1)
    assert (one["base"], one["licence"]) == ("smollm2-135m", "Apache-2.0")
    assert one["promoted_by"] == "rule:gate"
    assert (one["before"]["toy"], one["after"]["toy"]) == (0.0, 1.0)
    assert (large["status"], large["promoted_by"]) == ("candidate", "")
    table = said("models", "students", home=home)
    assert "s1 *" in table
    assert "toy 100%" in table


def test_rollback_says_who_answers_and_how_long_it_took_and_can_be_undone(home: Path) -> None:
    text = said("models", "rollback", home=home)
    assert text.startswith("base answers again in the place of s1 (")
    assert " ms)" in text
    assert answering(home) == "base"
    change = text.strip().rpartition(" ")[2]
    said("undo", change, home=home)
    assert answering(home) == "s1"
    told = asked("models", "rollback", "--reason", "worse at night", home=home)
    assert (told["was"], told["now"]) == ("s1", "base")
    assert 0 < told["seconds"] < 5
    assert told["changes"][0]["reason"] == "worse at night"
    assert "the bare base answers already" in refused("models", "rollback", home=home)


def test_a_student_that_is_too_large_is_refused_with_exit_code_1_and_journalled(
    home: Path,
) -> None:
    asking = ("models", "promote", "large", "--env", "toy", "--family", "toy")
    dry = journeyman(*asking, "--dry-run", home=home)
    assert dry.exit_code == 1
    assert "refused capacity: 1,000,000,000 parameters" in dry.stdout
    assert "nothing was changed (--dry-run)" in dry.stdout
    assert len(asked("history", "large", home=home)) == 1
    done = journeyman(*asking, home=home)
    assert done.exit_code == 1
    assert "large is not promoted, as change" in done.stdout
    change = asked("history", "large", home=home)[0]
    assert (change["decision"], change["kind"]) == ("rejected", "adapter")
    assert change["reason"].startswith("not promoted over s1: capacity: 1,000,000,000")
    assert "(rejected)" in said("history", "large", home=home)
    assert answering(home) == "s1"


def test_what_cannot_be_promoted_is_said_at_once(home: Path) -> None:
    assert "s1 answers already" in refused("models", "promote", "s1", "--env", "toy", home=home)
    assert "no adapter named 'x'" in refused("models", "promote", "x", home=home)
    asking = ("models", "promote", "large", "--env", "toy", "--champion", "base")
    assert "was compared with base, and s1 answers now" in refused(*asking, home=home)


def test_undo_and_diff_know_promotions(home: Path) -> None:
    change = asked("history", "s1", home=home)[0]["id"]
    undone = asked("undo", change, home=home)
    assert undone["op"] == "undo"
    assert answering(home) == "base"
    told = said("diff", change, undone["id"], home=home)
    assert "s1 edited" in told
    assert "status: active → candidate" in told


def test_forgetting_a_run_takes_the_student_trained_on_it_out(home: Path) -> None:
    asking = ("memory", "forget", "--source", "r1")
    shown = said(*asking, home=home)
    assert "student s1 was trained on run r1: quarantine" in shown
    assert answering(home) == "s1"
    said(*asking, "--apply", home=home)
    assert answering(home) == "base"
    told = asked("models", "students", home=home)
    assert {one["id"]: one["status"] for one in told["students"]}["s1"] == "quarantined"


async def test_undo_over_rest_alters_who_answers(home: Path, opens: Any) -> None:
    change = asked("history", "s1", home=home)[0]["id"]
    async with opens() as door:
        undone = await door.client.post(f"/api/changes/{change}/undo")
        assert undone.status_code == 200
        assert answering(home) == "base"
        back = await door.client.post(f"/api/changes/{undone.json()['id']}/undo")
        assert back.status_code == 200
        assert answering(home) == "s1"
        asking = {"source": "r1", "apply": True}
        forgot = await door.client.post("/api/memory/forget", json=asking)
        assert forgot.json()["plan"]["adapters"][0]["id"] == "s1"
        assert answering(home) == "base"


def test_base_and_student_are_opened_from_this_machine(home: Path) -> None:
    settings = Settings.model_validate({"home": home, "model": {"base_url": "http://x/v1"}})
    base, one = (model_settings(settings, who) for who in ("base", "s1"))
    assert (base.base_url, base.adapter, Path(base.file).stem) == ("", "", "smollm2-135m")
    assert base.name.endswith("(embedded)")
    assert (one.base_url, one.adapter, one.file) == ("", "s1", "")


def test_families_are_what_was_solved_here_before(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    for number, (env, solved) in enumerate((("toy", True), ("attic", True), ("hall", False))):
        score = {"value": float(solved), "passed": solved}
        run = {"id": f"r{number}", "env": env, "task": "t", "task_key": "k", "goal": "g"}
        ledger.add_trajectory(Trajectory.model_validate({**run, "split": "train", "score": score}))
    assert solved_before(ledger, but="toy") == ["attic"]
