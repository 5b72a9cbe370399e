"""What a stage left behind is read as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.stages import read_rows
from distill.rows import write_jsonl
from envs.errors import StoreError
from tests.distill import tiny


def test_rows_and_pairs_of_a_round_are_read_as_what_they_are(tmp_path: Path) -> None:
    written = [tiny.row("say", "left"), tiny.pair("say", "left", "lift", number=1)]
    write_jsonl(tmp_path / "rows.jsonl", written)
    assert read_rows(tmp_path / "rows.jsonl") == written


def test_another_file_is_told_with_what_repeats_the_stage(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"words": []}\n', "utf-8")
    with pytest.raises(StoreError, match="can't be read; remove its folder to repeat that stage"):
        read_rows(tmp_path / "rows.jsonl")
