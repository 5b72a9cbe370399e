"""What a stage left behind is read as it was written, and one process at a time is at them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.stages import alone, read_rows
from distill.rows import write_jsonl
from envs.errors import Refused, StoreError
from tests.distill import tiny


def test_rows_and_pairs_of_a_round_are_read_as_what_they_are(tmp_path: Path) -> None:
    written = [tiny.row("say", "left"), tiny.pair("say", "left", "lift", number=1)]
    write_jsonl(tmp_path / "rows.jsonl", written)
    assert read_rows(tmp_path / "rows.jsonl") == written


def test_another_file_is_told_with_what_repeats_the_stage(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"words": []}\n', "utf-8")
    with pytest.raises(StoreError, match="can't be read; remove its folder to repeat that stage"):
        read_rows(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_marks_that_end_lines_elsewhere_stand_inside_of_texts(tmp_path: Path, mark: str) -> None:
    written = [tiny.row("say", f"left{mark}right")]
    write_jsonl(tmp_path / "rows.jsonl", written)
    assert read_rows(tmp_path / "rows.jsonl") == written


def test_one_process_at_a_time_is_at_rounds_and_one_that_was_killed_leaves_them_free(
    tmp_path: Path,
) -> None:
    code = (
        "import pathlib, sys, time, agent.stages as stages\n"
        "with stages.alone(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    folder = tmp_path / "k"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Refused, match="in another process; wait"), alone(folder):
            raise AssertionError
        other.kill()
    with alone(folder):
        pass
    with alone(folder):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "learning").write_text("a file", "utf-8")
    folder = tmp_path / "learning" / "k"
    with pytest.raises(StoreError, match="; see that the disk has room"), alone(folder):
        raise AssertionError
