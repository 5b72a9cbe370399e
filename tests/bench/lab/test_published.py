"""Published tables are taken up on another machine and played on."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.settings import Settings, load
from bench.lab.conduct import Done, Limits
from bench.lab.published import REST, ROWS, take_up
from bench.lab.session import Call, conduct, folder_of
from bench.lab.table import Table
from bench.lab.types import ArmSpec, Experiment, Row
from bench.lab.view import write_pages
from envs.errors import UserError

Small = Callable[..., Experiment]
Play = Callable[..., Done]


@pytest.fixture
def other(tmp_path: Path) -> Settings:
    """Another machine."""
    return load(home=str(tmp_path / "other"))


def published(settings: Settings, place: Path) -> Path:
    write_pages(folder_of(settings, "small"), place)
    return place / f"small{ROWS}"


def rows_of(settings: Settings) -> list[Row]:
    with closing(Table(folder_of(settings, "small"), write=False)) as table:
        return table.rows()


def test_another_machine_plays_only_what_is_left_and_learned_arms_go_on(
    small: Small, play: Play, settings: Settings, other: Settings, tmp_path: Path
) -> None:
    experiment = small("random", "brought:Learns", learn=2, n=2)
    play(experiment, limits=Limits(cells=5))
    file = published(settings, tmp_path / "out")
    assert take_up(file, experiment, folder_of(other, "small")) == 5
    assert rows_of(other) == rows_of(settings)
    assert take_up(file, experiment, folder_of(other, "small")) == 0
    done = conduct(experiment, other, Call(workers=0))
    assert (done.played, done.left) == (1, 0)
    with closing(Table(folder_of(other, "small"), write=False)) as table:
        assert {one["id"] for one in table.sessions()} == {row.session for row in table.rows()}


def test_rows_alone_are_taken_for_what_was_asked_and_say_where_they_are_from(
    small: Small, play: Play, settings: Settings, other: Settings, tmp_path: Path
) -> None:
    experiment = small("random", "expert", n=3)
    play(experiment, limits=Limits(cells=4))
    file = published(settings, tmp_path / "out")
    (tmp_path / "out" / f"small{REST}").unlink()
    assert take_up(file, experiment, folder_of(other, "small")) == 4
    with closing(Table(folder_of(other, "small"), write=False)) as table:
        (session,) = table.sessions()
        assert session["command"].startswith(f"rows of small{ROWS}, SHA-256 ")
        assert session["id"] == rows_of(settings)[0].session
    assert conduct(experiment, other, Call(workers=0)).played == 2
    assert "6 cells" in write_pages(folder_of(other, "small"), tmp_path / "again").read_text(
        "utf-8"
    ).replace("\xa0", " ")


def test_rows_that_are_there_stay_as_they_are(
    small: Small, play: Play, settings: Settings, tmp_path: Path
) -> None:
    experiment = small("random", n=2)
    play(experiment)
    file = published(settings, tmp_path / "out")
    mine = rows_of(settings)
    text = gzip.decompress(file.read_bytes()).decode().replace('"steps":', '"steps":9')
    file.write_bytes(gzip.compress(text.encode()))
    assert take_up(file, experiment, folder_of(settings, "small")) == 0
    assert rows_of(settings) == mine


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (None, "No such file"),
        (b"", "it holds no rows"),
        (b"no gzip", "Not a gzipped file"),
        (gzip.compress(b"{}\n"), "it is not of this version"),
        (gzip.compress(b"\xff\n"), "utf-8"),
        (gzip.compress(b"{}\n" * 50)[:-9], "ended before"),
    ],
    ids=("none", "empty", "no gzip", "another shape", "no text", "cut off"),
)
def test_what_can_t_be_read_is_told_and_nothing_is_written(
    small: Small, other: Settings, tmp_path: Path, body: bytes | None, why: str
) -> None:
    file = tmp_path / f"small{ROWS}"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(UserError, match=why) as raised:
        take_up(file, small("random"), folder_of(other, "small"))
    assert "NAME.rows.jsonl.gz" in (raised.value.repair or "")
    assert not folder_of(other, "small").exists()


def test_a_damaged_half_rows_of_another_experiment_and_of_other_kinds_are_refused(
    small: Small, play: Play, settings: Settings, other: Settings, tmp_path: Path
) -> None:
    experiment = small("random", n=2)
    play(experiment)
    file = published(settings, tmp_path / "out")
    with pytest.raises(UserError, match="not of 'big'"):
        take_up(file, experiment.model_copy(update={"name": "big"}), folder_of(other, "big"))
    renamed = small(ArmSpec(name="random", kind="expert"), n=2)
    with pytest.raises(UserError, match="another kind now"):
        take_up(file, renamed, folder_of(other, "small"))
    (tmp_path / "out" / f"small{REST}").write_bytes(gzip.compress(b"[]"))
    with pytest.raises(UserError, match=r"small\.table\.json\.gz can't be taken up"):
        take_up(file, experiment, folder_of(other, "small"))
    assert not folder_of(other, "small").exists()
