"""Writers are killed; and an audit that could not tell would be worth nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.faults.killer import Home, Row

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")


def played(folder: Path, *, kills: int, kind: str = "honest") -> list[Row]:
    home = Home(folder, number=0, kind=kind)
    return [home.play(number, rng=random.Random(f"{kind}/{number}")) for number in range(kills)]


def test_nothing_acknowledged_is_lost_to_kill_9_and_nothing_is_half(tmp_path: Path) -> None:
    rows = played(tmp_path, kills=10)
    assert [fault for row in rows for fault in row.faults] == []
    assert rows[-1].checked == rows[-1].found == sum(row.acknowledged for row in rows)
    assert rows[-1].checked > 60
    assert sum(row.rebuilt > 0 or row.caught_up > 0 for row in rows) > 2


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("hasty", "lost: "), ("piecemeal", "half: "), ("leaky", "index: ")],
)
def test_a_broken_promise_is_found(kind: str, fault: str, tmp_path: Path) -> None:
    home = Home(tmp_path, number=0, kind=kind)
    rng = random.Random(5)
    for number in range(12):
        row = home.play(number, rng=rng)
        if any(one.startswith(fault) for one in row.faults):
            return
    pytest.fail(f"12 kills of a {kind} memory, and nothing was found")
