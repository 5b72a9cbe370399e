"""What people are shown of tables."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.settings import Settings
from bench.lab.conduct import Done, Limits
from bench.lab.session import folder_of
from bench.lab.table import FILE, Table
from bench.lab.types import Claim, Experiment, Row
from bench.lab.view import COLUMNS, claimed, foretold, played, summary, write_index, write_pages
from envs.errors import StoreError, UserError

Small = Callable[..., Experiment]
Play = Callable[..., Done]


def test_a_page_and_its_rows_are_written_and_the_index_names_it(
    small: Small, play: Play, rows: Callable[..., list[Row]], settings: Settings, tmp_path: Path
) -> None:
    play(small("random", "brought:Learns", learn=2, n=2), limits=Limits(cells=5))
    out = tmp_path / "out"
    page = write_pages(folder_of(settings, "small"), out)
    text = page.read_text("utf-8")
    assert page == out / "small.html"
    assert "5 of 6 cells played so far." in text.replace("\xa0", " ")
    assert "No leak found by:" in text
    packed = (out / "small.rows.jsonl.gz").read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    assert [Row.model_validate_json(line) for line in lines] == rows()
    write_pages(folder_of(settings, "small"), out)
    assert (out / "small.rows.jsonl.gz").read_bytes() == packed
    index = write_index(settings.home / "experiments", out)
    assert 'href="small.html"' in index.read_text("utf-8")


def test_the_table_for_the_terminal_has_a_line_for_each_arm(
    small: Small, play: Play, settings: Settings
) -> None:
    play(small("random", "expert", n=2))
    columns, lines = summary(folder_of(settings, "small"))
    assert columns == COLUMNS
    assert [line[:2] for line in lines] == [("expert", "toy/val"), ("random", "toy/val")]
    assert lines[0][2] == "2/2"
    assert all(len(line) == len(columns) for line in lines)


def test_claims_are_told_with_what_they_wait_for(
    small: Small, play: Play, settings: Settings, tmp_path: Path
) -> None:
    claim = Claim(says="the expert wins more", arm="expert", against="random")
    play(small("random", "expert", n=3, claims=(claim,)), limits=Limits(cells=4))
    folder = folder_of(settings, "small")
    first, waiting = (line.replace("\xa0", " ") for line in claimed(folder))
    assert first == "0 of 1 claim holds; not all played yet: “the expert wins more”."
    assert "Waits for 1 cell of “expert” and 1 cell of “random”." in waiting
    play(small("random", "expert", n=3, claims=(claim,)))
    (line,) = claimed(folder)
    assert "can't tell: “the expert wins more”." in line
    write_pages(folder, tmp_path)
    page = (tmp_path / "small.md").read_text("utf-8")
    assert page.splitlines()[2] == f"**{line}**"
    index = write_index(settings.home / "experiments", tmp_path)
    assert "can&#39;t tell: “the expert wins more”." in index.read_text("utf-8")


def test_a_claim_of_a_table_that_was_begun_without_it_is_no_test(
    small: Small, play: Play, settings: Settings
) -> None:
    play(small("random", "expert", n=2))
    claim = Claim(says="the expert wins more", arm="expert", against="random")
    play(small("random", "expert", n=2, claims=(claim,)))
    (line,) = claimed(folder_of(settings, "small"))
    assert line.endswith("stated after cells of them were played: number 1.")


def test_what_claims_can_tell_is_said_before_they_are_played(small: Small) -> None:
    ahead = Claim(says="the expert wins more", arm="expert", against="random")
    level = Claim(
        says="chance is as good", arm="random", against="expert", expects="no worse", margin=10
    )
    columns, (first, second) = foretold(small("random", "expert", n=60, claims=(ahead, level)))
    assert columns == ("", "claim", "expects", "pairs", "10% differ", "20% differ", "40% differ")
    assert first[:4] == ("1", "the expert wins more", "better", "60")
    assert first[5] == "17 points"
    assert second[5] == "margin 18, not 10"


def test_what_never_began_is_left_out_and_told_when_it_is_named(
    small: Small, play: Play, settings: Settings, tmp_path: Path
) -> None:
    play(small("random", n=1))
    root = settings.home / "experiments"
    (root / "notes").mkdir()
    Table(root / "unbegun").close()
    (root / "made").mkdir()
    (root / "made" / FILE).touch()
    assert played(root) == ["small"]
    write_index(root, tmp_path)
    with pytest.raises(UserError, match="'unbegun' was ended before it began; run it"):
        write_pages(root / "unbegun", tmp_path)
    with pytest.raises(UserError, match="no experiment in"):
        write_pages(root / "gone", tmp_path)
    assert played(tmp_path / "nowhere") == []


def test_a_place_that_cannot_be_written_is_told(
    small: Small, play: Play, settings: Settings, tmp_path: Path
) -> None:
    play(small("random", n=1))
    (tmp_path / "file").write_text("in the way")
    for write in (
        lambda: write_pages(folder_of(settings, "small"), tmp_path / "file"),
        lambda: write_index(settings.home / "experiments", tmp_path / "file"),
    ):
        with pytest.raises(StoreError, match=r"can't be written .*; name another: --folder"):
            write()


def test_pages_are_read_from_a_table_that_is_being_played(
    small: Small, play: Play, settings: Settings, tmp_path: Path
) -> None:
    play(small("random", n=1))
    with closing(Table(folder_of(settings, "small"))):
        assert write_pages(folder_of(settings, "small"), tmp_path).exists()
