"""Which commands there are, and what is imported for each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import MORE, WHERE, app

COMMANDS = Path(__file__).parents[2] / "server" / "commands"


def test_each_module_of_commands_can_be_called() -> None:
    offers = {path.stem for path in COMMANDS.glob("*.py") if "def add_to(" in path.read_text()}
    assert offers == set(WHERE.values()) | {more for names in MORE.values() for more in names}


@pytest.mark.parametrize("name", list(WHERE))
def test_each_command_has_help(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Usage:" in shown.output


def test_the_help_lists_all_in_their_order() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    places = [shown.find(f"│ {name} ") for name in WHERE]
    assert min(places) > 0
    assert places == sorted(places)


def test_an_unknown_command_is_told() -> None:
    shown = CliRunner().invoke(app, ["memoryy"])
    assert shown.exit_code == 2
    assert "No such command 'memoryy'" in shown.output


@pytest.mark.parametrize("heavy", ["langgraph", "torch", "fastapi", "playwright"])
def test_looking_at_memory_waits_for_nothing_that_it_does_not_need(
    heavy: str, tmp_path: Path
) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from server.cli import app; "
        f"CliRunner().invoke(app, ['memory', 'list']); sys.exit({heavy!r} in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"JOURNEYMAN_HOME": str(tmp_path), "PYTHONPATH": str(COMMANDS.parents[1])},
        check=False,
    )
    assert ended.returncode == 0
