"""The benchmark of the laboratory runs, and its ways do the same work; no times are asserted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.settings import Settings, load
from bench.lab.conduct import Conductor
from bench.lab.sealed import forbidden_in
from bench.lab.session import Call, conduct, folder_of
from bench.lab.table import Table
from bench.lab.types import same
from bench.lab.worker import Worker
from bench.lab_speed import show_overhead
from bench.lab_speed_arm import KIND
from bench.lab_speed_cells import NoPool, experiment, plan_of, sequence
from bench.lab_speed_table import SUMS, WAYS, durable, fill, read, row_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(home=str(tmp_path / "home"))


def test_every_way_of_playing_takes_the_same_steps(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    medians = show_overhead("toy", settings, episodes=3)
    assert set(medians) == {"bare loop", "runner, in memory", "runner, on disk", "laboratory"}
    assert "3 episodes of 5.0 steps" in capsys.readouterr().out


def test_a_script_is_played_by_the_laboratory_as_without_it(settings: Settings) -> None:
    asked = experiment("toy", episodes=4)
    assert len(sequence(plan_of(asked, settings).cells, settings)) == 4
    assert conduct(asked, settings, Call(workers=0)).played == 4
    table = Table(folder_of(settings, asked.name), write=False)
    rows = table.rows()
    table.close()
    assert {row.steps for row in rows} == {5}
    assert {row.kind for row in rows} == {KIND}
    assert not any(row.error for row in rows)


def test_the_scripted_arm_passes_the_look_at_its_source() -> None:
    source = Path(__file__).parents[2] / "bench" / "lab_speed_arm.py"
    assert forbidden_in(source.read_text("utf-8"), name="lab_speed_arm") == []


def test_all_ways_of_reading_find_the_same(tmp_path: Path) -> None:
    sizes = fill(tmp_path, rows=200)
    won = sum(row_of(number).won for number in range(200))
    assert {name: way(tmp_path) for name, way in WAYS.items()} == dict.fromkeys(WAYS, won)
    assert all(sizes.values())


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert len(durable(tmp_path, rows=30)) == 30
    table = Table(tmp_path, write=False)
    rows = {row.cell: row for row in table.rows()}
    table.close()
    assert rows == {row.cell: row for row in map(row_of, range(30))}


def test_a_way_of_reading_has_a_process_of_its_own(tmp_path: Path) -> None:
    fill(tmp_path, rows=50)
    found = read(tmp_path, next(iter(SUMS)))
    assert found.won == sum(row_of(number).won for number in range(50))
    assert found.peak_mib >= 0


@pytest.mark.parametrize("later", [0.005, 0.01, 0.02])
async def test_a_cell_that_was_cut_off_is_played_anew_by_the_same_worker(
    settings: Settings, tmp_path: Path, later: float
) -> None:
    asked = experiment("toy", episodes=1)
    plan, table = plan_of(asked, settings), Table(tmp_path)
    order = Conductor(plan, table, NoPool(), settings=settings, session="s").order(plan.cells[0])
    fresh, used = Worker(), Worker()
    playing = asyncio.create_task(used.play(order))
    await asyncio.sleep(later)
    playing.cancel()
    await asyncio.wait([playing])
    rows = [(await worker.play(order)).row for worker in (fresh, used, used)]
    for worker in (fresh, used):
        await worker.close()
    table.close()
    assert same(rows[0], rows[1])
    assert same(rows[1], rows[2])
