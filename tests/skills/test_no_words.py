"""Nothing that writes or calls skills knows a word of an environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from envs.houses import LEVELS
from envs.toy import COLOURS, THINGS

ROOT = Path(__file__).parents[2]
FILES = [
    *(f"skills/{name}.py" for name in ("grammar", "ways", "search", "induction", "writing")),
    *(f"skills/{name}.py" for name in ("calling", "finding", "trials", "admitting", "playing")),
    "agent/skilled.py",
    "agent/synthesis.py",
    "agent/solver.py",
]


def words() -> set[str]:
    """Types of tasks, things and places of all environments here."""
    kinds = {kind for level in LEVELS.values() for kind in level.kinds}
    rooms = (ROOT / "envs" / "rooms.py").read_text("utf-8")
    named = {word.lower() for word in re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", rooms)}
    assert {"sinkbasin", "desklamp", "stoveburner"} <= named
    more = {"microwave", "fridge", "cabinet", "mug"}
    return (kinds | named | {*COLOURS, *THINGS} | more) - {"key"}  # tables have keys too


@pytest.mark.parametrize("file", FILES)
def test_no_task_type_thing_or_place_is_named(file: str) -> None:
    code = (ROOT / file).read_text("utf-8")
    told = re.sub(r'"""[\s\S]*?"""|#.*|>>> .*', " ", code)  # examples for readers do not count
    assert not sorted(word for word in words() if re.search(rf"\b{word}\b", told))
