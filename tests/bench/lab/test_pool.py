"""Who plays: worker processes begin, die and end, and errors reach those who asked."""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.models.errors import Unreachable
from agent.settings import Settings
from bench.lab.acting import Leak
from bench.lab.conduct import common
from bench.lab.onray import pool_of
from bench.lab.pool import Here, Processes, WorkerDied
from bench.lab.table import packed
from bench.lab.types import ArmSpec, Cell
from bench.lab.worker import Order
from envs.errors import InternalError, JourneymanError, UnknownName, UserError
from envs.toy import Toy

Asks = Callable[..., Order]


@pytest.fixture
def order(settings: Settings) -> Asks:
    def made(kind: str = "random", *, task: int = 0, **options: object) -> Order:
        chosen = Toy().tasks("val")[task]
        cell = Cell(experiment="e", arm="a", seed=0, phase="measure", learned=0, task=chosen)
        return Order(
            cell=cell,
            arm=ArmSpec(name="a", kind=kind, options=options),
            model=None,
            settings=common(settings),
            note_tokens=256,
            steps=None,
            state=packed({}),
            played={},
            session="s",
        )

    return made


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[Path]]:
    """Folders of workers that are there now; only this test makes any in its place for files."""
    place = tmp_path / "temp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return lambda: set(place.glob("journeyman-worker-*"))


def workers() -> list[psutil.Process]:
    """Worker processes of this one."""
    return [
        child
        for child in psutil.Process().children()
        if "spawn_main" in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE
    ]


def test_workers_die_are_replaced_and_end(
    order: Asks, folders: Callable[[], set[Path]], tmp_path: Path
) -> None:
    pool = Processes(1)
    assert workers() == []
    mark = str(tmp_path / "mark")
    with closing(pool):
        deadly = order("brought:Dies", mark=mark, times=1, phase="measure")
        with pytest.raises(WorkerDied, match="a worker process died; free memory"):
            pool.submit(deadly).result(60)
        assert pool.submit(order()).result(60).row.steps > 0
        assert len(folders()) == 1
        (idle,) = workers()
        idle.kill()
        idle.wait(10)
        assert pool.submit(order(task=1)).result(60).row.steps > 0
        assert len(workers()) == 1
        pool.close()
        assert workers() == []
    assert folders() == set()


def test_closing_does_not_wait_for_a_cell(
    order: Asks, folders: Callable[[], set[Path]], tmp_path: Path
) -> None:
    pool = Processes(1)
    began = tmp_path / "began"
    endless = pool.submit(order("brought:Sleeps", mark=str(began)))
    while not began.exists():
        assert not endless.done()
    pool.close()
    assert workers() == []
    assert folders() == set()
    with pytest.raises(WorkerDied):
        endless.result(10)


def test_ctrl_c_is_held_back_while_a_worker_begins_and_is_not_lost(
    order: Asks, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(ProcessPoolExecutor):
        def submit(self, *given: Any, **more: Any) -> Any:
            begun = super().submit(*given, **more)
            os.kill(os.getpid(), signal.SIGINT)
            return begun

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        pool = Processes(1)
        with closing(pool):
            assert pool.submit(order()).result(60).row.steps > 0
            (worker,) = workers()
            worker.send_signal(signal.SIGINT)  # as a terminal does
            assert pool.submit(order(task=1)).result(60).row.steps > 0
            assert workers() == [worker]
            pool.close()
            monkeypatch.setattr("bench.lab.pool.ProcessPoolExecutor", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                pool.submit(order())
        assert workers() == []
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "error",
    [
        UnknownName("arm", "rando", ["random"]),
        Leak("it reaches", repair="take it out"),
        Unreachable("nobody", repair="start it"),
        WorkerDied("gone", repair="again"),
        InternalError("ours"),
    ],
)
def test_errors_travel_between_processes_whole(error: JourneymanError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.message, again.repair) == (str(error), error.message, error.repair)


def test_an_error_reaches_whoever_asked_and_the_worker_plays_on(order: Asks) -> None:
    with closing(Here()) as pool:
        with pytest.raises(UnknownName, match=r"no arm .* named 'rando'"):
            pool.submit(order("rando")).result(30)
        with pytest.raises(InternalError, match=r"cell c\w+ of arm 'a' failed: KeyError"):
            pool.submit(order("brought:Faulty")).result(30)
        assert pool.submit(order()).result(30).row.steps > 0


def test_pools_go_by_name() -> None:
    assert isinstance(pool_of("processes", 0), Here)
    assert pool_of("processes", 3).count == 3
    with pytest.raises(UnknownName, match="no backend named 'cluster'; choose from: processes"):
        pool_of("cluster", 1)
    with pytest.raises(UserError, match="-1 workers; 0 plays in this process"):
        pool_of("processes", -1)
