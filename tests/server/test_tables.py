"""Tables fit the terminal: ids stay whole, no column with text disappears."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from server.tables import columns_of, fits, grid, lines

NAMES = ("change", "time", "kind", "why", "nothing")
REASON = "promoted over base: " + "chat: 29 of 37 passed, 32 by the champion; " * 4
ROWS = [
    ("C01m8151zqr00npvrp5", "2026-11-22T08:13:12", "adapter", REASON, ""),
    ("C01m816z7yk008k5t8m", "2026-11-22T08:46:39", "adapter", "asked for [bold]here[/bold]", ""),
]


def drawn(width: int) -> str:
    """As it is printed on a terminal of this width."""
    columns = columns_of(NAMES, ROWS)
    if fits(columns, width=width):
        file = io.StringIO()
        Console(file=file, width=width, soft_wrap=True).print(grid("2 changes", columns))
        return file.getvalue()
    return "\n".join(lines(columns, width=width))


@pytest.mark.parametrize("width", [30, 60, 80, 100, 120, 200])
def test_ids_can_be_copied_and_every_word_is_there_at_any_width(width: int) -> None:
    text = drawn(width)
    for row in ROWS:
        for cell in row[:3]:
            assert cell in text
    words = " ".join(text.replace("│", " ").split())
    assert words.count("champion;") == 4
    assert "[bold]here[/bold]" in words


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(len(line) for line in drawn(width).splitlines()) <= width


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    assert "nothing" not in drawn(200)
    assert [one.name for one in columns_of(NAMES, [])] == list(NAMES)


def test_columns_that_look_alike_are_all_there() -> None:
    columns = columns_of(("n", "n", "why"), [("1", "1", REASON)])
    assert lines(columns, width=80)[:2] == ["n  n", "1  1"]
    columns = columns_of(("id", "why", "why"), [("1", REASON, REASON)])
    assert " ".join(lines(columns, width=80)).count("champion;") == 8


def test_short_cells_that_do_not_fit_have_lines_of_their_own() -> None:
    columns = columns_of(("id", "rows"), [("a" * 30, "b" * 30)])
    assert lines(columns, width=40) == ["a" * 30, f"  rows  {'b' * 30}"]


def test_short_rows_and_wide_letters() -> None:
    columns = columns_of(("id", "text"), [("一二三",), ("x", "y")])
    assert [one.width for one in columns] == [6, 4]
    assert lines(columns, width=80) == ["id      text", "一二三", "x       y"]
