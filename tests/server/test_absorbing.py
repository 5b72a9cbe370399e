"""`journeyman memory absorb`: what it says where there is no student, and whom it tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.settings import load
from server.commands.absorbing import chosen_for


def test_it_says_whom_it_could_test(tmp_path: Path, journeyman: Any) -> None:
    done = journeyman("memory", "absorb", "toy", "--student", "s9", home=tmp_path)
    assert done.returncode == 2
    assert "s9" in done.stderr
    assert done.stderr.count("\n") <= 2
    told = journeyman("memory", "absorb", "--help", home=tmp_path)
    assert "--student" in told.stdout


def test_a_student_is_put_in_the_place_of_what_is_set(tmp_path: Path) -> None:
    settings = load(home=str(tmp_path), model={"base_url": "http://127.0.0.1:1/v1"})
    chosen = chosen_for(settings, "s1").model
    assert (chosen.adapter, chosen.base_url, chosen.file) == ("s1", "", "")
    assert chosen_for(settings, "") == settings
