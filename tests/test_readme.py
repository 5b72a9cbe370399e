"""The README's claims: its tree is the files, its commands run."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from server.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
ROOMS = ("agent", "memory", "skills", "envs", "distill", "server", "bench")


def summary(path: Path) -> str:
    """First sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", first)[0].rstrip(".")


def tree() -> str:
    """The annotated listing: one line a file."""
    lines = ["```"]
    for room in ROOMS:
        lines.append(f"{room}/".ljust(30) + summary(ROOT / room / "__init__.py"))
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.name != "__init__.py":
                name = path.relative_to(ROOT / room).as_posix()
                lines.append(f"  {name}".ljust(30) + summary(path))
    return "\n".join([*lines, "```"])


def commands() -> list[str]:
    block = README.partition("## What you can do")[2].partition("```sh")[2].partition("```")[0]
    return [line.partition("#")[0].strip() for line in block.strip().splitlines()]


def test_the_tree_is_the_files() -> None:
    told = README.partition("<!-- tree -->")[2].partition("<!-- /tree -->")[0].strip()
    assert told == tree(), "run `PYTHONPATH=. python tests/test_readme.py` to write it anew"


OFFLINE = ("doctor", "memory list", "memory prune", "history", "distill", "bench", "strategies")


@pytest.mark.parametrize("start", OFFLINE)
def test_commands_that_need_no_network_run(start: str, tmp_path: Path, journeyman: Any) -> None:
    line = next(line for line in commands() if line.startswith(f"journeyman {start}"))
    done = journeyman(*line.split()[1:], home=tmp_path / "home", folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_command_of_the_readme_exists() -> None:
    for line in commands():
        words = [word for word in line.split()[1:] if re.fullmatch(r"[a-z]+", word)]
        group = words[: 2 if words[0] in ("memory", "skills", "envs", "models", "eval") else 1]
        done = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "200"})
        assert done.exit_code == 0, line
        flags = re.findall(r"--[a-z-]+", line)
        assert [flag for flag in flags if flag not in done.stdout] == [], line


if __name__ == "__main__":
    head, _, rest = README.partition("<!-- tree -->")
    tail = rest.partition("<!-- /tree -->")[2]
    new = f"{head}<!-- tree -->\n{tree()}\n<!-- /tree -->{tail}"
    (ROOT / "README.md").write_text(new, "utf-8")
