"""Whole calls of an experiment: killed, resumed, grown, refused, cheated."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from agent.settings import ModelSettings, Settings, load
from bench.lab.acting import Leak
from bench.lab.conduct import Done, Limits
from bench.lab.session import Call, again, conduct, folder_of
from bench.lab.table import FILE, Table, unpacked
from bench.lab.types import ArmSpec, Experiment, Row, Tasks, same
from bench.lab.view import write_pages
from envs.errors import InternalError, Missing, ModelError, UnknownName, UserError
from envs.toy import Toy

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
Small = Callable[..., Experiment]
Play = Callable[..., Done]
Rows = Callable[..., list[Row]]
Flags = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[..., list[Row]]:
    """Plays in another folder, in this process, and gives the rows of that table."""

    def played(experiment: Experiment, *, workers: int = 0, **call: Any) -> list[Row]:
        other = load(home=str(tmp_path / "elsewhere"))
        conduct(experiment, other, Call(workers=workers, **call))
        with closing(Table(folder_of(other, experiment.name), write=False)) as table:
            return table.rows()

    return played


def killed() -> Experiment:
    return import_module("conducting").EXPERIMENT


def table_of(home: Path, name: str) -> Table:
    return Table(home / "experiments" / name, write=False)


def count(home: Path) -> int:
    if not (home / "experiments" / "killed" / FILE).exists():
        return 0
    try:
        with closing(table_of(home, "killed")) as table:
            return len(table.done())
    except UserError:  # it is just being made
        return 0


@contextmanager
def conducting(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    home.mkdir(exist_ok=True)
    playing = subprocess.Popen(
        [sys.executable, str(HERE / "conducting.py"), str(home)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(home)},
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    try:
        yield playing
    finally:
        if playing.poll() is None:
            os.killpg(playing.pid, signal.SIGKILL)
        playing.communicate()


def until(true: Callable[[], bool], *, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_a_killed_run_resumes_without_losing_or_repeating_a_cell(tmp_path: Path) -> None:
    rng, home = random.Random(time.time_ns()), tmp_path / "killed"
    experiment, whole = killed(), 80
    for start, only_parent in ((rng.randint(3, 25), True), (rng.randint(35, 65), False)):
        with conducting(home) as playing:
            until(lambda start=start: count(home) >= start)
            workers = psutil.Process(playing.pid).children(recursive=True)
            assert len(workers) >= 2
            if only_parent:
                playing.kill()
            else:
                os.killpg(playing.pid, signal.SIGKILL)
            until(lambda workers=workers: gone(workers), seconds=20)
        assert start <= count(home) < whole
    conduct(experiment, load(home=str(home)), Call(workers=0))
    quiet = tmp_path / "quiet"
    conduct(experiment, load(home=str(quiet)), Call(workers=0))
    with (
        closing(table_of(home, "killed")) as one,
        closing(table_of(quiet, "killed")) as other,
    ):
        assert len(one.rows()) == len(other.rows()) == whole
        for disturbed, undisturbed in zip(one.rows(), other.rows(), strict=True):
            assert same(disturbed, undisturbed)
        for seed in (0, 1):
            for learned in range(1, 7):
                kept = one.state("learns", seed, learned)
                assert kept == other.state("learns", seed, learned) is not None
        assert any(row.notes for row in one.rows(arm="memory"))


def test_a_cell_played_alone_in_another_process_gives_the_same_row(
    small: Small, play: Play, rows: Rows, settings: Settings
) -> None:
    experiment = small("brought:Memory", learn=6, n=2, seeds=(0, 1))
    play(experiment)
    measured = [row for row in rows() if row.phase == "measure" and row.notes]
    known, now = again(experiment, measured[-1].cell, settings)
    assert known == measured[-1]
    assert same(known, now)
    with pytest.raises(UnknownName, match="no cell named 'c1'"):
        again(experiment, "c1", settings)


@pytest.mark.parametrize("kind", ["random", "brought:Learns", "brought:MixedMemory"])
def test_rows_do_not_depend_on_the_order_of_cells(
    small: Small, play: Play, rows: Rows, elsewhere: Rows, kind: str
) -> None:
    experiment = small(kind, "brought:Still", learn=4, n=3, checkpoints=(2, 4), seeds=(0, 1))
    play(experiment)
    elsewhere(experiment, arms=("Still",))
    elsewhere(experiment.model_copy(update={"seeds": (1,)}))
    elsewhere(experiment, limits=Limits(cells=2))
    found = elsewhere(experiment)
    assert len(found) == len(rows()) > 6
    assert all(same(one, other) for one, other in zip(rows(), found, strict=True))


def test_a_worker_process_that_dies_is_replaced_and_its_cell_played_again(
    small: Small, play: Play, rows: Rows, elsewhere: Rows, tmp_path: Path
) -> None:
    mark = tmp_path / "deaths"
    options = {"mark": str(mark), "times": 1}
    experiment = small(ArmSpec(name="dies", kind="brought:Dies", options=options), learn=3, n=2)
    done = play(experiment, workers=1)
    assert (mark.stat().st_size, done.played, done.left) == (1, 5, 0)
    undisturbed = elsewhere(experiment)  # it has died enough
    assert all(same(one, other) for one, other in zip(rows(), undisturbed, strict=True))


def test_growing_keeps_every_row(small: Small, play: Play, rows: Rows) -> None:
    play(small("random", n=2))
    before = rows()
    done = play(small("random", "brought:Still", n=4, seeds=(0, 1)))
    after = {row.cell: row for row in rows()}
    assert all(after[row.cell] == row for row in before)
    assert done.played == len(after) - len(before) == 2 * 4 + 4 - 2
    assert play(small("random", n=2)).played == 0


def test_an_experiment_that_shrank_keeps_what_it_had(
    small: Small, play: Play, settings: Settings
) -> None:
    play(small("random", "brought:Still", n=3, seeds=(0, 1)))
    assert play(small("brought:Still", n=1, seeds=(1,))).played == 0
    with closing(Table(folder_of(settings, "small"), write=False)) as table:
        kept = table.experiment()
    assert kept is not None
    assert ([arm.name for arm in kept.arms], kept.seeds) == (["random", "Still"], (0, 1))
    assert kept.measure[0].n == 3


def test_learning_arms_join_an_experiment_that_had_none(small: Small, play: Play) -> None:
    play(small("random", n=2))
    assert play(small("random", "brought:Learns", n=2, learn=3)).played == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"note_tokens": 99}, "another note_tokens"),
        ({"steps": 3}, "another steps"),
        ({"checkpoints": (1,)}, "another checkpoints"),
        ({"order": "types"}, "another order"),
        ({"learn": Tasks(env="toy", split="train", n=5)}, "another learn"),
        ({"arms": (ArmSpec(name="Learns", kind="brought:Blooms"),)}, "another arm 'Learns'"),
    ],
)
def test_rows_that_would_not_belong_together_are_refused(
    small: Small, play: Play, rows: Rows, change: dict[str, Any], said: str
) -> None:
    play(small("brought:Learns", learn=2, n=1), limits=Limits(cells=1))
    before = rows()
    with pytest.raises(UserError, match=f"{said}; move its folder away"):
        play(small("brought:Learns", learn=2, n=1).model_copy(update=change))
    assert rows() == before


def test_another_model_under_the_same_label_is_refused(
    small: Small, play: Play, tmp_path: Path
) -> None:
    arm = ArmSpec(name="random", kind="brought:Wanders", model="m")

    def with_model(name: str) -> Experiment:
        model = ModelSettings(base_url="http://127.0.0.1:9/v1", name=name, api_key="hidden-key")
        return small(arm, n=1, models={"m": model})

    play(with_model("one"))
    with pytest.raises(UserError, match="begun with another model 'm'"):
        play(with_model("two"))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("table.db*"))
    assert b'"m"' in stored
    assert b"hidden-key" not in stored


def test_a_model_that_cannot_be_reached_ends_the_call_and_is_nobodys_failure(
    small: Small, play: Play, rows: Rows
) -> None:
    gone = ModelSettings(base_url="http://127.0.0.1:9/v1", name="m", retries=0)
    bare = ArmSpec(name="bare", kind="bare", model="m")
    with pytest.raises(ModelError, match=r"no connection to .*; is the server at .* running"):
        play(small("random", bare, n=3, models={"m": gone}))
    assert {row.arm for row in rows()} <= {"random"}


def test_only_what_is_called_for_has_to_be_there(small: Small, play: Play) -> None:
    missing = ModelSettings(file="no-such-model.gguf")
    bare = ArmSpec(name="bare", kind="bare", model="m")
    sets = (
        Tasks(env="toy", split="val", n=2),
        Tasks(env="household:nowhere", split="val", n=2),
    )
    experiment = small("random", bare, models={"m": missing}, measure=sets)
    done = play(experiment, arms=("random",), sets=("toy/val",))
    assert (done.played, done.left) == (2, 0)
    with pytest.raises(Missing, match=r"no-such-model\.gguf"):
        play(experiment, sets=("toy/val",))
    with pytest.raises(UnknownName, match="no arm named 'rndom'; choose from: random"):
        play(experiment, arms=("rndom",))
    with pytest.raises(UnknownName, match="no task set named 'toy/test'"):
        play(experiment, sets=("toy/test",))


def test_what_is_refused_leaves_no_table(small: Small, play: Play, settings: Settings) -> None:
    with pytest.raises(UnknownName, match=r"no arm .* named 'rando'"):
        play(small("rando"))
    assert not (settings.home / "experiments").exists()


def test_two_do_not_play_one_experiment(small: Small, play: Play, settings: Settings) -> None:
    play(small("random", n=1))
    lock = FileLock(folder_of(settings, "small") / "playing.lock")
    with lock, pytest.raises(UserError, match="'small' is being played by another process; wait"):
        play(small("random", n=2))
    assert play(small("random", n=2)).played == 1


# planted leaks, from end to end


def test_every_planted_leak_is_caught_flagged_and_on_the_page(
    small: Small, play: Play, rows: Rows, flags: Flags, settings: Settings, tmp_path: Path
) -> None:
    game = tmp_path / "game.tw-pddl"
    game.write_text("the spoon is in the red drawer")
    val = Toy().tasks("val")[:2]
    with closing(Toy()) as toy:
        secret = "\n".join(toy.open(task).first.observation for task in val)
    planted: dict[str, tuple[str, dict[str, Any]]] = {
        "opens a game": ("brought:OpensGame", {"file": str(game)}),
        "opens it early": ("brought:OpensGameFirst", {"file": str(game)}),
        "asks the score": ("brought:AsksScore", {}),
        "note of nobody": ("brought:Forges", {"how": "run"}),
        "note of val": ("brought:Forges", {"how": "key", "key": val[0].key}),
        "text of val": ("brought:Forges", {"how": "text", "secret": secret}),
        "given text of val": ("brought:Forges", {"how": "fixed", "secret": secret}),
        "own task": ("brought:Forges", {"how": "own"}),
        "forged lesson": ("brought:ForgesLessons", {}),
    }
    arms = [ArmSpec(name=name, kind=k, options=o) for name, (k, o) in planted.items()]
    done = play(small(*arms, "brought:Learns", "brought:Memory", learn=3, n=2))
    assert done.why == "all played"
    leaks = {row.arm for row in rows() if row.failure == "leak"}
    assert leaks == {*list(planted)[:5], "forged lesson"}
    found = flags()
    flagged = {row.arm for row in rows() if row.cell in {cell for cell, _ in found}}
    assert flagged == leaks
    whole = [text for cell, text in found if not cell]
    for name in ("text of val", "given text of val"):
        assert any(text.startswith("contamination: ") and name in text for text in whole), name
    assert all(text.startswith(("contamination: ", "look: ")) for text in whole)
    assert not any("Learns" in text or "Memory" in text for text in whole)
    assert all(not row.notes for row in rows(arm="own task", phase="measure"))
    page = write_pages(folder_of(settings, "small"), tmp_path / "out").read_text("utf-8")
    assert "Doubts about these figures" in page
    for text in ("opens the game file", "asks for the score", "Lforged", "contamination: "):
        assert text in page


def test_an_arm_that_imports_a_game_is_refused_before_the_first_cell(
    small: Small, play: Play, settings: Settings
) -> None:
    with pytest.raises(Leak, match=r"'Peeks' may reach .* imports envs\.household\.Household"):
        play(small("random", "brought_key:Peeks"))
    assert not folder_of(settings, "small").exists()


def test_an_arm_that_says_it_knows_the_key_is_refused(small: Small, play: Play) -> None:
    with pytest.raises(Leak, match="only the environment's expert may"):
        play(small("brought:Knows"))


def test_learning_from_val_is_refused(small: Small, play: Play) -> None:
    learn = Tasks(env="toy", split="val", n=2)
    test = (Tasks(env="toy", split="test", n=2),)
    with pytest.raises(Leak, match=r"toy/val: .* is learned from, not `train`"):
        play(small("brought:Learns").model_copy(update={"learn": learn, "measure": test}))


def test_measuring_on_the_rooms_that_are_learned_from_is_refused(small: Small, play: Play) -> None:
    same_rooms = (Tasks(env="toy", split="train", n=2),)
    with pytest.raises(Leak, match="of `train`, from which arms learn"):
        play(small("brought:Learns", learn=2, measure=same_rooms))


# families, and machines


def test_types_one_after_the_other_give_transfer_and_forgetting(
    small: Small, play: Play, rows: Rows, settings: Settings, tmp_path: Path
) -> None:
    nook = (Tasks(env="household:nook", split="val", n=2),)
    experiment = small(
        "brought:Blooms", "random", measure=nook, order="types", seeds=(0, 1), baseline="random",
        steps=2,
    ).model_copy(update={"learn": Tasks(env="household:nook", split="train", n=4)})  # fmt: skip
    play(experiment)
    learning = rows(arm="Blooms", phase="learn")
    for seed in (0, 1):
        families = [row.task_type for row in learning if row.seed == seed]
        changes = sum(one != other for one, other in pairwise(families))
        assert changes == len(set(families)) - 1 > 0
    page = write_pages(folder_of(settings, "small"), tmp_path / "out").read_text("utf-8")
    assert "Transfer and forgetting" in page
    assert "random (without)" in page


def test_ray_plays_the_same_rows(small: Small, play: Play, rows: Rows, elsewhere: Rows) -> None:
    experiment = small("random", "expert", n=3)
    play(experiment)
    found = elsewhere(experiment, backend="ray", workers=1)
    assert len(found) == len(rows()) == 6
    assert all(same(one, other) for one, other in zip(rows(), found, strict=True))


def test_the_command_and_the_machine_are_on_record(
    small: Small, play: Play, settings: Settings
) -> None:
    play(small("random", "brought:Still", n=1), command="journeyman bench small")
    with closing(Table(folder_of(settings, "small"), write=False)) as table:
        (session,) = table.sessions()
        states = [table.state(arm, 0, 0) for arm in ("random", "Still")]
    assert session["command"] == "journeyman bench small"
    assert list(session["arms"]) == ["brought:Still"]
    assert session["cells"] == 2
    assert [state and unpacked(state) for state in states] == [None, None]


def test_a_fault_in_an_arm_stops_with_its_name(small: Small, play: Play, rows: Rows) -> None:
    with pytest.raises(InternalError, match="of arm 'Faulty' failed: KeyError"):
        play(small("random", "brought:Faulty", n=2))
    assert all(row.arm == "random" for row in rows())
