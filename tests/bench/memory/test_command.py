from pathlib import Path

import pytest

from bench.memory.__main__ import main
from bench.memory.growth import Point
from bench.memory.page import Results, page, tables
from bench.memory.rows import times_of


def test_a_part_is_printed_kept_and_put_on_the_page(tmp_path: Path, capsys) -> None:
    call = [
        *("--parts", "recall", "--sizes", "40", "--no-model", "--out", str(tmp_path / "out")),
        *("--rivals", "chroma", "journeyman", "mem0", "--venv", str(tmp_path / "none")),
        *("--page", str(tmp_path / "page.md")),
    ]
    main(call)
    said = capsys.readouterr()
    assert "| 40 | journeyman |" in said.out
    assert "left out: mem0 is not installed" in said.out
    main(call)
    again = capsys.readouterr()
    assert "kept from" in again.err
    assert again.out == said.out
    text = (tmp_path / "page.md").read_text("utf-8")
    assert "| 40 | chroma |" in text
    assert "bench/memory/rivals.txt" in text


def test_an_unknown_contender_is_one_line(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--rivals", "nobody", "--out", str(tmp_path)])
    assert "no contender 'nobody'" in capsys.readouterr().err


def test_growth_says_how_steep_it_is() -> None:
    def point(episodes: int, entries: int) -> Point:
        return Point(
            arm="all kept", episodes=episodes, tasks=1, drafted=1, entries=entries, retired=0,
            duplicates=0, alike=0, recall=times_of([2.0]), write=times_of([3.0]), ledger=1, index=1,
        )  # fmt: skip

    text = tables(Results(growth=(point(100, 50), point(1000, 50))))
    assert "entries grow as episodes^0.00, recall time as episodes^0.00" in text
    linear = tables(Results(growth=(point(100, 50), point(1000, 500))))
    assert "entries grow as episodes^1.00" in linear


def test_a_page_without_parts_still_says_how_it_is_made() -> None:
    assert "python -m bench.memory" in page(Results())
