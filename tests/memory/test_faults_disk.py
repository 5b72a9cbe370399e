from __future__ import annotations

from pathlib import Path

import pytest

from bench.faults.disk import Crowded, apart, filled, limited, small_disk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")


def check(found: Crowded) -> None:
    assert found.acknowledged >= 25
    assert len(found.errors) == 3
    for line in (*found.errors, found.reopened):
        assert "\n" not in line
        assert "space" in line or not line
    assert (found.lost, found.unfound, found.after) == ((), (), True)


def test_a_file_that_may_not_grow_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    check(apart(limited, tmp_path))


def test_a_full_disk_is_one_line_and_nothing_is_lost() -> None:
    with small_disk() as disk:
        if disk is None:
            pytest.skip("needs the right to make a disk in memory: run it as root")
        check(apart(filled, disk))
