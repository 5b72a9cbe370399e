"""Who plays: this process, processes of this machine, or Ray's workers on many machines."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import Protocol

import psutil

from bench.lab.worker import Order, Result, Worker

BACKENDS = ("processes", "ray")


class Pool(Protocol):
    """Takes orders; a future raises the `JourneymanError` that stopped its cell."""

    count: int
    """How many cells at once."""

    def submit(self, order: Order) -> Future[Result]:
        """Has a cell played."""
        ...

    def close(self) -> None:
        """Ends the workers, what they are at included; may be called twice."""
        ...


class Here:
    """One worker in this process: for tests, and to look at a single cell."""

    count = 1

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._seat = Seat(0)

    def submit(self, order: Order) -> Future[Result]:
        """See `Pool`."""
        return self._thread.submit(self._seat.play, order)

    def close(self) -> None:
        """See `Pool`."""
        self._thread.submit(self._seat.close).result()
        self._thread.shutdown()
        self._thread = ThreadPoolExecutor(1)


class Processes:
    """`count` worker processes. One that dies takes the pool along: the cells are played again.

    Workers end with this process, however it ends.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, order: Order) -> Future[Result]:
        """See `Pool`."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.count,
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(os.getpid(), threads_each(self.count)),
            )
        return self._pool.submit(_play, order)

    def close(self) -> None:
        """See `Pool`."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def threads_each(count: int) -> int:
    """Threads of a local model, so that all workers' models together have one a core."""
    return max(1, (psutil.cpu_count() or 1) // max(1, count))


class Seat:
    """A worker and the event loop that it belongs to."""

    def __init__(self, threads: int) -> None:
        self._runner = asyncio.Runner()
        self._worker = Worker(threads=threads)

    def play(self, order: Order) -> Result:
        """Plays a cell."""
        return self._runner.run(self._worker.play(order))

    def close(self) -> None:
        """Ends models and environments."""
        self._runner.run(self._worker.close())
        self._runner.close()


_seats: list[Seat] = []
"""The seat of this worker process; empty in any other."""


def _begin(parent: int, threads: int) -> None:
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    seat = Seat(threads)
    _seats.append(seat)
    Finalize(None, seat.close, exitpriority=1)  # its threads would keep the process from ending


def _play(order: Order) -> Result:
    return _seats[0].play(order)


def _watch(parent: int) -> None:
    """Ends this process with its parent, even one that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
