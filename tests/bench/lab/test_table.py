"""The table: what is written is there, whole or not at all, and a damaged file is one line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.arms.types import Note
from bench.lab.table import COLUMNS, FILE, Table, kept, lines, packed, unpacked
from bench.lab.types import ArmSpec, Experiment, Row, Tasks
from envs.errors import StoreError, UnknownName, UserError
from memory.types import Trajectory


def row(cell: str = "c1", **more: Any) -> Row:
    known: dict[str, Any] = {
        "cell": cell, "arm": "a", "kind": "bare", "model": "m", "seed": 0, "phase": "measure",
        "learned": 0, "env": "toy", "split": "val", "task": cell, "task_key": "k | room",
        "task_type": "t", "room": "room", "passed": True, "first_passed": None, "attempts": 1,
        "steps": 3, "stop": "done", "failure": "", "error": "", "accepted": False,
        "confidence": 0.5, "verified_by": "environment", "notes": ("n1", "n2"), "wrote": ("L1",),
        "calls": 2, "prompt_tokens": 100, "completion_tokens": 10, "digest": "d", "cost": 0.25,
        "model_s": 1.5, "wall_s": 2.5, "session": "s", "ended": "now",
    }  # fmt: skip
    return Row(**{**known, **more})


def transcript(cell: str = "c1") -> bytes:
    run = Trajectory(id=cell, env="toy", task="t", task_key="k", split="val", goal="g")
    return kept(run, [Note(id="n1", text="look", runs=("c0",))])


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with closing(Table(tmp_path / "t")) as opened:
        yield opened


def test_a_row_comes_back_as_it_was(table: Table) -> None:
    one = row(passed=None, first_passed=True)
    assert table.add(one, transcript(), state=packed({"x": 1}), after=3, flags=["careful"])
    assert table.rows() == [one] == [table.row("c1")]
    assert table.state("a", 0, 3) == packed({"x": 1})
    assert table.flags() == [("c1", "careful")]
    found = table.transcript("c1")
    assert found is not None
    assert (found.id, table.notes("c1")[0].runs) == ("c1", ("c0",))
    assert (table.transcript("c2"), table.notes("c2")) == (None, ())


def test_a_cell_is_written_once_and_its_state_with_it(table: Table) -> None:
    assert table.add(row(), transcript(), state=packed(1), after=1)
    assert not table.add(row(steps=9), transcript(), state=packed(2), after=1, flags=["x"])
    assert (table.row("c1").steps, table.state("a", 0, 1), table.flags()) == (3, packed(1), [])


def test_what_fails_half_way_leaves_nothing(table: Table) -> None:
    with pytest.raises(StoreError, match="can't be used"):
        table.add(row(), transcript(), state={"no": "bytes"}, after=1)  # type: ignore[arg-type]
    assert (table.rows(), table.transcript("c1"), table.done()) == ([], None, set())
    assert table.add(row(), transcript())


def test_rows_stand_in_a_fixed_order_and_can_be_chosen(table: Table) -> None:
    for cell, arm, phase in (("c3", "b", "learn"), ("c1", "b", "measure"), ("c2", "a", "learn")):
        table.add(row(cell, arm=arm, phase=phase), transcript())
    assert [one.cell for one in table.rows()] == ["c2", "c3", "c1"]
    assert [one.cell for one in table.rows(arm="b", phase="learn")] == ["c3"]
    assert table.done() == {"c1", "c2", "c3"}
    with pytest.raises(UnknownName, match="no cell named 'c9'; choose from: c1, c2, c3"):
        table.row("c9")


def test_sums_are_those_of_the_rows(table: Table) -> None:
    rows = [
        row("c1", passed=None),
        row("c2", passed=False, cost=1.0),
        row("c3", arm="b"),
        row("c4", phase="learn"),
    ]
    for one in rows:
        table.add(one, transcript(one.cell))
    first, second = table.totals()
    assert (first.arm, first.set, first.n, first.won, first.cost) == ("a", "toy/val", 2, 0, 1.25)
    assert (second.n, second.won, second.steps) == (1, 1, 3)
    assert table.spent() == {"tokens": 440, "seconds": 10.0, "cost": 1.75}


def test_findings_about_the_whole_replace_those_of_the_last_call(table: Table) -> None:
    table.flag("", "old", "both")
    table.flag("c1", "of a cell")
    table.flag("", "both", "new")
    assert table.flags() == [("", "both"), ("", "new"), ("c1", "of a cell")]


def test_sessions_stand_in_order_and_the_experiment_with_them(table: Table) -> None:
    one = Experiment(
        name="e",
        title="t",
        measure=(Tasks(env="toy", split="val", n=1),),
        arms=(ArmSpec(name="a", kind="random"),),
    )
    assert table.experiment() is None
    for number in ("z", "a", "z"):
        table.begin(one, {"id": number, "began": "2026-01-01"})
    assert [session["id"] for session in table.sessions()] == ["z", "a"]
    assert table.experiment() == one


def test_examples_that_were_given_are_known_by_their_texts(table: Table) -> None:
    given = {"examples": {"toy/bring": [{"id": "demo:1", "task_key": "k", "text": "look here"}]}}
    table.keep("worked", 0, 0, packed(given))
    table.keep("other", 0, 0, packed({"examples": "mine"}))
    table.keep("late", 0, 2, packed(given | {"examples": {"x": [{"text": "no"}]}}))
    assert table.given() == {"look here"}


def test_reading_changes_nothing_and_needs_no_right_to_write(tmp_path: Path) -> None:
    with closing(Table(tmp_path / "t")) as table:
        table.add(row(), transcript())
    before = {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()}
    with closing(Table(tmp_path / "t", write=False)) as reader:
        assert len(reader.rows()) == 1
        with pytest.raises(StoreError, match="readonly"):
            reader.flag("", "x")
    assert before[FILE] == (tmp_path / "t" / FILE).read_bytes()


def test_a_reader_sees_what_a_writer_has_written_so_far(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    with closing(Table(folder)) as writer, closing(Table(folder, write=False)) as reader:
        writer.add(row(), transcript())
        assert reader.done() == {"c1"}


def spoiled(folder: Path, statement: str) -> Path:
    Table(folder).close()
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute(statement)
    return folder


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE meta SET value = '2' WHERE name = 'format'", "newer version; update Journeyman"),
        ("UPDATE meta SET value = 'x' WHERE name = 'format'", "no table of an experiment; make"),
        ("ALTER TABLE rows ADD COLUMN later TEXT", "another version, which kept other columns"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_a_table_of_another_version_is_refused(
    tmp_path: Path, statement: str, said: str, write: bool
) -> None:
    folder = spoiled(tmp_path / "t", statement)
    with pytest.raises(StoreError, match=said):
        Table(folder, write=write)


@pytest.mark.parametrize("write", [True, False])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, write: bool) -> None:
    (tmp_path / FILE).write_bytes(b"rows, rows, rows" * 100)
    with pytest.raises(StoreError, match=r"not a database; .* move a damaged file away"):
        Table(tmp_path, write=write)


def test_a_page_torn_out_is_told_when_it_is_read(tmp_path: Path) -> None:
    with closing(Table(tmp_path)) as table:
        for number in range(200):
            table.add(row(f"c{number}"), transcript())
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"malformed; .* move a damaged file away"):
        Table(tmp_path, write=False).rows()


def test_nothing_there_and_nothing_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no experiment in .*; run it: journeyman bench gone"):
        Table(tmp_path / "gone", write=False)
    assert not (tmp_path / "gone").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="the folder writable"):
        Table(tmp_path / "file")
    (tmp_path / FILE).touch()  # as its maker leaves it for a moment
    with pytest.raises(UserError, match="no experiment"):
        Table(tmp_path, write=False)


def test_packing_goes_by_content_and_lines_are_json() -> None:
    assert packed({"b": 1, "a": [2]}) == packed({"a": [2], "b": 1})
    assert unpacked(packed({"ä": None})) == {"ä": None}
    assert [Row.model_validate_json(line) for line in lines([row()])] == [row()]
    assert set(COLUMNS) == set(Row.model_fields)


def test_a_writer_that_is_killed_leaves_whole_cells(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; "
        "from test_table import *; t = Table(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    t.add(row(f'c{n:06}'), transcript(), state=packed(n), after=n)\n"
        "    print(n, flush=True)"
    )
    here = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "t"), here],
        stdout=subprocess.PIPE,
        cwd=Path(here).parents[2],
    ) as writing:
        assert writing.stdout is not None
        told = [int(writing.stdout.readline()) for _ in range(40)]
        writing.kill()
    with closing(Table(tmp_path / "t")) as table:
        rows = table.rows()
        assert len(rows) >= len(told)
        for number, one in enumerate(rows):
            assert table.transcript(one.cell) is not None
            assert table.state("a", 0, number) == packed(number)
        assert table.state("a", 0, len(rows)) is None
