"""The command line: one line and exit code 2 for a user's mistake, JSON on demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NO_MODEL = {"JOURNEYMAN_MODEL__BASE_URL": "http://127.0.0.1:9/v1", "JOURNEYMAN_MODEL__NAME": "m"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere"), "no environment named 'nowhere'; choose from"),
        (("run", "household:huge"), "no level of household named 'huge'"),
        (("run", "toy", "--task", "train/0/spon"), "no task named 'train/0/spon'"),
        (("run", "toy", "--split", "unseen"), "toy has no unseen tasks; splits with tasks: train"),
        (("run", "toy", "--split", "dev"), "no split named 'dev'"),
        (("run", "toy", "--expert", "--split", "val"), "no expert shows val tasks; leave out"),
        (("run",), "which environment?; for example"),
        (("memory", "show", "Lxyz"), "no lesson named 'Lxyz'"),
        (("memory", "undo", "c1"), "no change named 'c1'"),
        (("memory", "prune"), "prune what?; give a rule"),
        (("memory", "list", "--status", "old"), "no status named 'old'"),
        (("envs", "fetch", "--from", "nothing.tar.xz"), "no archive at nothing.tar.xz"),
        (("chat", " "), "the message is empty"),
    ],
)
def test_a_mistake_is_one_line_with_its_repair(
    arguments: tuple[str, ...], said: str, tmp_path: Path, journeyman: Any
) -> None:
    done = journeyman(*arguments, home=tmp_path, **NO_MODEL)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_without_games_alfworld_names_the_command_that_gets_them(
    tmp_path: Path, journeyman: Any
) -> None:
    done = journeyman("run", "alfworld", home=tmp_path, ALFWORLD_DATA=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "journeyman envs fetch alfworld" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_server_that_is_not_there_fails_each_run_in_one_line(
    tmp_path: Path, journeyman: Any
) -> None:
    variables = {**NO_MODEL, "JOURNEYMAN_MODEL__RETRIES": "0"}
    done = journeyman("run", "toy", "-n", "1", "--json", home=tmp_path, **variables)
    row = json.loads(done.stdout)
    assert row["success"] is None
    assert "127.0.0.1:9" in row["error"]
    kept = journeyman("doctor", "--json", home=tmp_path)
    assert any("0 lessons, 1 trajectories" in one["state"] for one in json.loads(kept.stdout))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, journeyman: Any) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    done = journeyman("memory", "list", home=file / "home")
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_settings_that_do_not_fit_are_named(tmp_path: Path, journeyman: Any) -> None:
    (tmp_path / "journeyman.toml").write_text('[server]\nport = "high"\n')
    done = journeyman("memory", "list", home=tmp_path)
    assert done.returncode == 2
    assert "server.port" in done.stderr


def test_lessons_are_added_read_back_pruned_with_a_preview_and_brought_back(
    tmp_path: Path, journeyman: Any
) -> None:
    def ask(*arguments: str) -> object:
        done = journeyman(*arguments, "--json", home=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    stored = ask("memory", "add", "Knives are kept in drawers.", "--when", "looking for a knife")
    assert isinstance(stored, dict)
    assert stored["text"] == "Knives are kept in drawers."
    preview = ask("memory", "prune", "--contains", "Knives")
    assert isinstance(preview, dict)
    assert (preview["applied"], len(preview["plan"]["items"])) == (False, 1)
    status = ask("memory", "show", stored["id"])
    assert isinstance(status, dict)
    assert status["lesson"]["status"] != "retired"
    done = ask("memory", "prune", "--contains", "Knives", "--apply")
    assert isinstance(done, dict)
    retired = ask("memory", "list", "--status", "retired")
    assert isinstance(retired, list)
    assert [lesson["id"] for lesson in retired] == [stored["id"]]
    ask("undo", done["changes"][0]["id"])
    assert ask("memory", "list", "--status", "retired") == []
    history = ask("history", stored["id"])
    assert isinstance(history, list)
    assert [change["op"] for change in history] == ["undo", "status", "add"]


def test_the_environments_pass_their_own_checker(tmp_path: Path, journeyman: Any) -> None:
    done = journeyman("envs", "check", "toy", home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "11 of 11 rules hold" in done.stdout
