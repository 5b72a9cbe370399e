"""The page of Markdown holds the answer, the table and how to go on."""

from __future__ import annotations

from typing import Any

from bench.report.markdown import told


def test_every_arm_has_its_line_and_its_figures(invented: Any) -> None:
    page = told(invented.experiment, invented.rows, invented.sessions)
    lines = [line for line in page.splitlines() if line.startswith("| ")][2:]
    measured = [row for row in invented.rows if row.phase == "measure"]
    assert len(lines) == len({(row.arm, row.set) for row in measured})
    one = measured[0]
    mine = [row for row in measured if (row.arm, row.set) == (one.arm, one.set)]
    won = sum(row.won for row in mine)
    assert any(
        line.startswith(f"| {one.arm}") and f"| {one.set} | {won} of {len(mine)} |" in line
        for line in lines
    )


def test_a_table_that_is_not_all_played_says_so(invented: Any) -> None:
    page = told(invented.experiment, invented.rows, invented.sessions, cells=99_999)
    assert f"{len(invented.rows)} of 99999 cells" in page


def test_a_table_without_rows_is_a_page_too(invented: Any) -> None:
    assert "Nothing is measured yet" in told(invented.experiment, [], [])
