"""The commands that look back, take back, forget, and carry lessons from home to home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envs.errors import UserError
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Lesson, Trajectory
from server.cli import app
from skills.library import Library
from skills.types import Origin, Skill

WORD = "xylophonically"


def here(*arguments: str, home: Path) -> Result:
    """In this process: nothing here needs the index, so each command is quick."""
    return CliRunner().invoke(app, arguments, env={"JOURNEYMAN_HOME": str(home), "COLUMNS": "250"})


def said(*arguments: str, home: Path) -> str:
    done = here(*arguments, home=home)
    assert done.exception is None, done.exception
    return done.stdout


def refused(*arguments: str, home: Path) -> str:
    """The line of a command that is refused."""
    error = here(*arguments, home=home).exception
    assert isinstance(error, UserError), error
    return str(error)


def asked(*arguments: str, home: Path) -> Any:
    return json.loads(said(*arguments, "--json", home=home))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three lessons, one edited, one made from another."""
    folder = tmp_path / "home"
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    for name, more in (("a", {}), ("b", {"supersedes": ("a",)}), ("c", {"contradicts": ("b",)})):
        memory.ledger.add_trajectory(
            Trajectory(id=f"r-{name}", env="e", task="t", task_key=name, split="train", goal="g")
        )
        given = {"id": name, "kind": "fact", "text": f"{name} is kept in the left drawer", **more}
        lesson = Lesson.model_validate({**given, "source": {"trajectory": f"r-{name}"}})
        memory.add(lesson, reason="r", evidence=(f"r-{name}",))
    text = f"c is kept in the right drawer, {WORD}"
    memory.edit(memory.ledger.lesson("c").model_copy(update={"text": text}), reason="moved")
    memory.close()
    return folder


def test_the_past_is_shown_and_compared(home: Path) -> None:
    moment = asked("history", "b", home=home)[0]["id"]
    then = asked("as-of", moment, home=home)
    assert ([one["id"] for one in then["lessons"]], then["others"]) == (["b", "a"], [])
    assert [one["id"] for one in asked("memory", "list", "--as-of", moment, home=home)] == [
        "b",
        "a",
    ]
    first = asked("history", "c", home=home)[-1]["id"]
    shown = said("memory", "show", "c", "--as-of", first, home=home)
    assert "c is kept in the left drawer" in shown
    told = said("diff", moment, "2100-01-01", home=home)
    assert "1 added" in told
    words = said("diff", first, "2100-01-01", home=home)
    assert f"c is kept in the [-left drawer-]{{+right drawer, {WORD}+}}" in words
    missing = refused("memory", "show", "c", "--as-of", moment, home=home)
    assert "choose from: a, b" in missing


def test_an_undo_is_refused_or_takes_all_along(home: Path) -> None:
    changes = [one["id"] for one in asked("history", "c", home=home)]
    assert changes[0] in refused("undo", changes[-1], home=home)
    done = asked("undo", changes[-1], "--cascade", home=home)
    assert [one["parents"][0] for one in done] == changes
    again = said("undo", done[0]["batch"], home=home)
    assert "undo: journeyman undo B" in again
    assert "right drawer" in said("memory", "show", "c", home=home)


def test_a_contradiction_is_marked(home: Path) -> None:
    assert "≠ contradicts b (candidate)" in said("memory", "show", "c", home=home)
    assert "≠ is contradicted by c" in said("memory", "show", "b", home=home)


def test_a_source_is_forgotten_after_a_preview_and_purged(home: Path, journeyman: Any) -> None:
    preview = said("memory", "forget", "--source", "r-a", home=home)
    assert "was learned in run r-a" in preview
    assert "was made from lesson a" in preview
    assert "nothing was changed; add --apply" in preview
    done = asked("memory", "forget", "--source", "r-a", "--apply", home=home)
    assert [one["target"] for one in done["changes"]] == ["a", "b"]
    said("undo", done["changes"][0]["batch"], home=home)
    assert len(asked("memory", "list", home=home)) == 3
    purge = ("memory", "forget", "--source", "c", "--apply", "--purge", "--json")
    done = journeyman(*purge, home=home)
    assert done.returncode == 0, done.stderr
    purged = json.loads(done.stdout)
    assert purged["purged"]["lessons"] == ["c"]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in files if WORD.encode() in path.read_bytes()] == []
    assert asked("history", "c", home=home)[0]["op"] == "purge"


def test_lessons_are_carried_to_another_home(home: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "x.jsonl", tmp_path / "other"
    assert "3 lessons written" in said("memory", "export", str(file), home=home)
    done = said("memory", "import", str(file), home=other)
    assert "3 added, 0 edited" in done
    again = tmp_path / "y.jsonl"
    said("memory", "export", str(again), home=other)
    assert again.read_bytes() == file.read_bytes()
    file.write_bytes(file.read_bytes().replace(WORD.encode(), b"gladly"))
    differs = refused("memory", "import", str(file), home=other)
    assert "c (differs); nothing was written" in differs
    assert "1 edited" in said("memory", "import", str(file), "--prefer", "theirs", home=other)
    wrong = refused("memory", "import", str(file), "--prefer", "none", home=other)
    assert "no side named 'none'" in wrong


def test_skills_go_with_the_run_they_were_written_from(home: Path) -> None:
    ledger = Ledger(home / "ledger.db")
    library = Library(ledger)
    text = f'def look(thing: str) -> bool:\n    """Looks."""\n    act("{WORD}")\n    return True\n'
    origin = Origin(runs=("r-a", "r-c"), task_keys=("a", "c"))
    given = {"id": "", "env": "toy", "origin": origin.model_dump()}
    low = library.add(Skill.model_validate({**given, "name": "look", "code": text}), reason="r")
    calls = "def twice(thing: str) -> bool:\n    return look(thing) and look(thing)\n"
    high = {**given, "name": "twice", "code": calls, "uses": (low.id,), "origin": Origin()}
    library.add(Skill.model_validate(high), reason="r")
    preview = said("memory", "forget", "--source", "r-a", home=home)
    assert "2 skills go back to run r-a" in preview
    assert f"calls look ({low.id})" in preview
    assert "written anew from the rest with `journeyman skills learn toy`" in preview
    assert "nothing was changed; add --apply" in preview
    done = asked("memory", "forget", "--source", "r-a", "--apply", home=home)
    assert [(one["kind"], one["op"]) for one in done["changes"]] == [
        ("lesson", "remove"),
        ("lesson", "remove"),
        ("skill", "remove"),
        ("skill", "remove"),
    ]
    assert library.all() == []
    said("undo", done["changes"][0]["batch"], home=home)
    assert {one.name for one in library.all()} == {"look", "twice"}
    purged = asked("memory", "forget", "--source", "look", "--apply", "--purge", home=home)
    assert len(purged["purged"]["skills"]) == 2
    assert library.all() == []
    ledger.close()
