"""`journeyman strategies`: everything that it names exists, and what is set is what it says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from agent.settings import Settings, load
from agent.strategies import choices
from server.cli import app


def listed(home: Path, **variables: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(
        app, ["strategies", "--json"], env={"JOURNEYMAN_HOME": str(home), **variables}
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_setting_that_is_named_exists_and_chooses(tmp_path: Path) -> None:
    for choice in choices(load(home=str(tmp_path))):
        if choice.chosen is None:
            continue
        written = tomllib.loads(choice.setting)
        after = choices(Settings.model_validate({"home": tmp_path, **written}))
        found = next(c for c in after if (c.part, c.name) == (choice.part, choice.name))
        assert found.chosen is True, choice.setting
        assert set(written) <= set(Settings.model_fields)


def test_names_are_unique_within_their_part(tmp_path: Path) -> None:
    names = [(choice["part"], choice["name"]) for choice in listed(tmp_path)]
    assert len(set(names)) == len(names)


def test_arms_and_evaluations_are_listed_with_their_papers(tmp_path: Path) -> None:
    found = listed(tmp_path)
    assert {"bare", "react", "reflexion"} <= {c["name"] for c in found if c["part"] == "arm"}
    evals = {c["name"]: c for c in found if c["part"] == "eval"}
    assert set(evals) == {
        "critic",
        "blindspot",
        "overthinking",
        "process",
        "secondlook",
        "reflection",
    }
    assert all("arXiv" in choice["paper"] for choice in evals.values())
    assert all(c["does"] for c in found)


def test_what_is_set_is_marked(tmp_path: Path) -> None:
    def chosen(**variables: str) -> bool | None:
        found = listed(tmp_path, **variables)
        return next(c["chosen"] for c in found if c["name"] == "selfcheck")

    assert chosen() is False
    assert chosen(JOURNEYMAN_SELFCHECK="true") is True


def test_every_evaluation_is_a_command(tmp_path: Path) -> None:
    for choice in listed(tmp_path):
        if choice["part"] == "eval":
            words = choice["setting"].split()[1:]
            done = CliRunner().invoke(app, [*words, "--help"])
            assert done.exit_code == 0, done.output


def test_for_people_it_is_a_table(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["strategies"], env={"JOURNEYMAN_HOME": str(tmp_path), "COLUMNS": "200"}
    )
    assert "selfcheck = true" in done.output
