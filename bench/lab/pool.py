"""Who plays: this process, processes of this machine, or Ray's workers on many machines."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Protocol

from bench.lab.worker import Order, Result, Worker
from envs.errors import InternalError, boundary

BACKENDS = ("processes", "ray")
PATIENCE_S = 15.0
"""Seconds that idle workers get to close their models and environments."""


class WorkerDied(InternalError):
    """The worker that played a cell is gone, and with it the cell; another takes its place."""


class Pool(Protocol):
    """Takes orders, at most `count` at once."""

    count: int
    """How many cells at once."""

    def submit(self, order: Order) -> Future[Result]:
        """Has a cell played; the future raises `WorkerDied`, or the error that stopped the cell."""
        ...

    def close(self) -> None:
        """Ends the workers; may be called twice."""
        ...


class Here:
    """One worker in this process: for tests, and to look at a single cell."""

    count = 1

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._seat: Seat | None = None

    def submit(self, order: Order) -> Future[Result]:
        """See `Pool`."""
        return self._thread.submit(self._play, order)

    def close(self) -> None:
        """See `Pool`. The cell that is being played ends first."""
        self._thread.submit(self._leave).result()
        self._thread.shutdown()
        self._thread = ThreadPoolExecutor(1)

    def _play(self, order: Order) -> Result:
        if self._seat is None:
            self._seat = Seat()
        return self._seat.play(order)

    def _leave(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.close()


class Processes:
    """Worker processes, begun when they are needed. One that dies takes only its own cell along.

    They end with this process, however it ends; `close` ends them in the middle of a cell.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._all: set[_Process] = set()
        self._idle: list[_Process] = []

    def submit(self, order: Order) -> Future[Result]:
        """See `Pool`."""
        told: Future[Result] = Future()
        told.set_running_or_notify_cancel()
        process, playing = self._begun(order)
        playing.add_done_callback(lambda done: self._tell(done, process, told))
        return told

    def close(self) -> None:
        """See `Pool`."""
        with self._lock:
            everyone, self._all = self._all, set()
            idle, self._idle = self._idle, []
        leaving = [process.leave() for process in idle]
        wait(leaving, PATIENCE_S)
        for process in everyone:
            process.end()

    def _begun(self, order: Order) -> tuple[_Process, Future[Result]]:
        while True:
            process = self._take()
            try:
                return process, process.play(order)
            except BrokenProcessPool:  # it died while it had nothing to do
                self._drop(process)

    def _take(self) -> _Process:
        with self._lock:
            process = self._idle.pop() if self._idle else _Process()
            self._all.add(process)
            return process

    def _drop(self, process: _Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.abandon()

    def _tell(self, done: Future[Result], process: _Process, told: Future[Result]) -> None:
        error = done.exception()
        if isinstance(error, BrokenProcessPool):
            self._drop(process)
            error = WorkerDied("a worker process died", repair="free memory, or lower --workers")
        else:
            with self._lock:
                if process in self._all:
                    self._idle.append(process)
        if error is None:
            told.set_result(done.result())
        else:
            told.set_exception(error)


class _Process:
    """One worker process. It lives as long as our end of its line, and keeps its files in one
    folder, so that nothing is left of it when it is ended in the middle of a cell.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        self._theirs, self._line = context.Pipe(duplex=False)
        self._folder = Path(tempfile.mkdtemp(prefix="journeyman-worker-"))
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=context,
            initializer=_begin,
            initargs=(self._theirs, str(self._folder)),
        )

    def play(self, order: Order) -> Future[Result]:
        """Raises `BrokenProcessPool` when it is gone."""
        with _deaf():
            return self._pool.submit(_play, order)

    def leave(self) -> Future[None]:
        """Has it close its models and environments."""
        try:
            return self._pool.submit(_leave)
        except BrokenProcessPool:
            gone: Future[None] = Future()
            gone.set_result(None)
            return gone

    def end(self) -> None:
        """Ends it, whatever it is at."""
        self._line.close()
        self._pool.shutdown(wait=True)
        self.abandon()

    def abandon(self) -> None:
        """Cleans up after it when it is dead; called by its executor's own thread too."""
        for end in (self._line, self._theirs):
            end.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Seat:
    """A worker and the event loop that it belongs to."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._worker = Worker()

    def play(self, order: Order) -> Result:
        """Plays a cell. Raises `JourneymanError` and nothing else."""
        with boundary(f"cell {order.cell.id} of arm {order.arm.name!r}"):
            return self._runner.run(self._worker.play(order))

    def close(self) -> None:
        """Ends models and environments; it plays no more."""
        with boundary("closing a worker"):
            self._runner.run(self._worker.close())
        self._runner.close()


_seats: list[Seat] = []
"""The seat of this worker process; empty in any other."""


def _begin(line: Connection, folder: str) -> None:
    threading.Thread(target=_follow, args=(line, folder), daemon=True).start()
    tempfile.tempdir = folder
    _seats.append(Seat())
    Finalize(None, _leave, exitpriority=1)  # its threads would keep the process from ending


def _play(order: Order) -> Result:
    return _seats[0].play(order)


def _leave() -> None:
    while _seats:
        _seats.pop().close()


def _follow(line: Connection, folder: str) -> None:
    """Ends this process once nobody holds the other end of `line`, which says nothing else."""
    try:
        line.recv()
    except (EOFError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes begun in here hear no Ctrl-C: it is their parent's to handle, and waits for the
    end of this block. (Ignored instead of held back, one that came in here would be lost.)
    """
    resource_tracker.ensure_running()  # when it begins, it takes the mask away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
