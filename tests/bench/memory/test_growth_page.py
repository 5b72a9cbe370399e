"""How memory grows: the page, its verdicts and its picture, from points."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.growth import draw, exponent, page, verdicts
from bench.memory.growth import Point, grow, lived
from bench.memory.rows import Times, times_of
from memory.embed import HashEmbedder
from memory.life import Bounds

SOME: Times = times_of([1.0, 2.0, 3.0])


def point(episodes: int, *, entries: int, ledger: int) -> Point:
    return Point(
        arm="life", episodes=episodes, tasks=9, drafted=2 * episodes, entries=entries, retired=3,
        duplicates=0, alike=0, recall=SOME, write=SOME, ledger=ledger, index=4_000_000,
        recalled=(101.5, 240),
    )  # fmt: skip


POINTS = [
    point(100, entries=90, ledger=1_000_000),
    point(1000, entries=500, ledger=10_000_000),
    point(10_000, entries=500, ledger=100_000_000),
]


def test_the_power_of_growth_is_read_from_a_thousand_episodes_on() -> None:
    assert exponent(POINTS, lambda one: one.ledger) == pytest.approx(1)
    assert exponent(POINTS, lambda one: one.entries) == pytest.approx(0)
    assert exponent(POINTS[:2], lambda one: one.ledger) is None
    assert verdicts(POINTS) == [
        "lessons that may be shown: is flat (episodes^0.00)",
        "recalled tokens in a prompt: is flat (episodes^0.00)",
        "index: is flat (episodes^0.00)",
        "ledger: grows (episodes^1.00)",
    ]


def test_the_page_has_the_table_how_far_it_got_and_what_rounds_cost(tmp_path: Path) -> None:
    text = page(POINTS, picture="pictures/growth.png", costs="what a round costs")
    assert "![Growth](pictures/growth.png)" in text
    assert "It has played 10,000 of 10,000" in text
    assert "| 10,000 | 9 | 20,000 | 500 | 3 | 0 | 102 (240) | 2.0 | 4.0 | 100.0 | 10.0 |" in text
    assert text.endswith("what a round costs\n")
    draw(POINTS, tmp_path / "pictures" / "growth.png")
    assert (tmp_path / "pictures" / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_vectors_in_memory_leave_the_same_lessons_and_the_index_is_weighed(
    tmp_path: Path, script
) -> None:
    def play(folder: str, *, listed: bool) -> Point:
        return grow(
            "life",
            script,
            tmp_path / folder,
            embedder=HashEmbedder(),
            episodes=12,
            rule=lived(Bounds()),
            listed=listed,
        )[-1]

    one, two = play("listed", listed=True), play("disk", listed=False)
    assert (one.entries, one.retired, one.recalled) == (two.entries, two.retired, two.recalled)
    assert one.index > 0
    assert one.recalled[1] <= 256
