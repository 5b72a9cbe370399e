"""`journeyman bench` and `journeyman report` as people and programs call them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bench.lab.table import Table
from envs.errors import UserError
from server.cli import app

ROOT = Path(__file__).parents[2]
OWN = '''
from dataclasses import replace

from agent.chance import RandomChoice
from bench.arms.types import Arm


class Mine(Arm):
    """An arm of my own."""

    chance = True

    def crew(self, crew):
        return replace(crew, strategy=RandomChoice())
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """An experiment of one's own, as a file."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\ntitle = "Does chance win?"\n'
        'measure = [{ env = "toy", split = "val", n = 2 }]\n'
        'arms = [{ name = "random", kind = "random" }, { name = "expert", kind = "expert" }]\n'
        'compare = [["expert", "random"]]\nbaseline = "random"\n'
    )
    return path


@pytest.fixture
def say(tmp_path: Path) -> Any:
    """Calls the command in this process; errors come as they are."""

    def said(*words: str) -> Result:
        home = {"JOURNEYMAN_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
        return CliRunner().invoke(app, list(words), env=home, catch_exceptions=False)

    return said


def journeyman(*words: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *words],
        cwd=ROOT,
        env={**os.environ, "JOURNEYMAN_HOME": str(home), "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_plays_resumes_compares_and_writes_pages(say: Any, mine: Path, tmp_path: Path) -> None:
    first = say("bench", str(mine), "--workers", "0", "--cells", "3")
    assert "3 cells played, 1 left (cells)" in first.output
    second = say("bench", str(mine), "--workers", "0")
    assert "1 cells played, 0 left (all played)" in second.output
    assert "expert" in second.output
    assert "2/2" in second.output
    page = tmp_path / "home" / "reports" / "mine.html"
    assert "Does chance win?" in page.read_text("utf-8")
    assert (page.parent / "index.html").exists()
    again = say("report", "--json", "--folder", str(tmp_path / "out"))
    written = [Path(path) for path in json.loads(again.stdout)["written"]]
    assert {path.name for path in written} >= {"mine.html", "index.html"}
    assert all(path.exists() for path in written)


def test_programs_get_a_line_for_each_row_and_one_for_the_end(say: Any, mine: Path) -> None:
    done = say("bench", str(mine), "--workers", "0", "--json", "--arms", "random")
    *rows, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["arm"] for row in rows] == ["random", "random"]
    assert (end["played"], end["left"], end["why"]) == (2, 0, "all played")
    assert Path(end["folder"]).name == "mine"
    cell = rows[0]["cell"]
    again = say("bench", str(mine), "--cell", cell, "--json")
    told = json.loads(again.stdout)
    assert (again.exit_code, told["same"], told["now"]["digest"]) == (0, True, rows[0]["digest"])


def test_without_a_name_it_lists_what_there_is(say: Any) -> None:
    assert "floors" in say("bench").output
    assert {one["name"] for one in json.loads(say("bench", "--json").stdout)} >= {"floors", "small"}


def test_an_arm_of_ones_own_is_played(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "my_arms.py").write_text(OWN)
    mine.write_text(mine.read_text().replace('kind = "random"', 'kind = "my_arms:Mine"'))
    done = journeyman(
        "bench", str(mine), "--workers", "1", "--json", home=tmp_path / "home",
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert {row["kind"] for row in rows} == {"my_arms:Mine", "expert"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bench", "floor"), "no experiment (or FILE.toml) named 'floor'; choose from: floors"),
        (("bench", "gone.toml"), "gone.toml can't be read"),
        (("bench", "small", "--arms", "randm"), "no arm named 'randm'; choose from: random"),
        (("bench", "small", "--sets", "toy/val"), "no task set named 'toy/val'"),
        (("bench", "small", "--seeds", "one"), "seeds 'one'; numbers with commas between"),
        (("bench", "small", "--seeds", "1,1"), "has seed 1 twice"),
        (("bench", "small", "--cell", "c1"), "there is no experiment in"),
        (
            ("bench", "small", "--arms", "random", "--backend", "cluster"),
            "no backend named 'cluster'",
        ),
        (("bench", "small", "--arms", "random", "--workers", "-1"), "-1 workers; 0 plays in"),
        (("report",), "there are no experiments; run one: journeyman bench small"),
        (("report", "small"), "there is no experiment in"),
    ],
)
def test_a_mistake_is_one_line_with_its_repair(
    words: tuple[str, ...], said: str, tmp_path: Path, say: Any
) -> None:
    with pytest.raises(UserError) as error:
        say(*words)
    assert said in str(error.value)
    assert (error.value.exit_code, "\n" in str(error.value)) == (2, False)


def test_the_door_turns_a_mistake_into_exit_code_2(mine: Path, tmp_path: Path) -> None:
    mine.write_text(mine.read_text().replace("n = 2", "n = 0"))
    done = journeyman("bench", str(mine), home=tmp_path / "home")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "measure.0.n" in done.stderr
    assert "bench/lab/types.py" in done.stderr


def listening() -> None:
    """A test run in the background of a shell hands down that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_keeps_rows_ends_workers_and_says_how_to_go_on(mine: Path, tmp_path: Path) -> None:
    mine.write_text(mine.read_text().replace("n = 2", "n = 180"))
    with subprocess.Popen(
        [sys.executable, "-m", "server.cli", "bench", str(mine), "--json"],
        cwd=ROOT,
        env={**os.environ, "JOURNEYMAN_HOME": str(tmp_path / "home"), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        preexec_fn=listening,
    ) as playing:
        assert playing.stdout is not None
        rows = [json.loads(playing.stdout.readline()) for _ in range(3)]
        os.killpg(playing.pid, signal.SIGINT)  # as a terminal does: everybody hears it
        rest, errors = playing.communicate(timeout=60)
    assert playing.returncode == 130
    assert "interrupted; all rows are kept, and `journeyman bench" in errors
    assert "Traceback" not in errors
    told = {row["cell"] for row in rows} | {json.loads(row)["cell"] for row in rest.splitlines()}
    with pytest.raises(ProcessLookupError):
        until_gone(playing.pid)
    table = Table(tmp_path / "home" / "experiments" / "mine", write=False)
    assert told <= table.done()
    assert len(table.done()) < 360
    table.close()


def until_gone(group: int) -> None:
    """Raises `ProcessLookupError` once nobody of the group is left; gives up after 10 s."""
    for _ in range(100):
        os.killpg(group, 0)
        time.sleep(0.1)
