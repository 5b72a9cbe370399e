"""Ray's workers: this machine, or the cluster at an address. The only file that imports `ray`."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from bench.lab.pool import BACKENDS, Here, Pool, Processes, Seat, threads_each
from bench.lab.worker import Order, Result
from envs.errors import JourneymanError, Missing, UnknownName, UserError


class OnRay:
    """`count` actors, a core each. Every machine needs this version and its models."""

    def __init__(self, count: int, *, address: str = "") -> None:
        if find_spec("ray") is None:
            raise Missing("Ray is not installed", repair="pip install 'journeyman[scale]'")
        import ray

        self.count = count
        self._ray: Any = ray
        options: dict[str, Any] = {"log_to_driver": False}
        where = {"address": address} if address else {"num_cpus": count, "include_dashboard": False}
        ray.init(**where, **options)
        remote: Any = ray.remote(num_cpus=1)(Seat)
        self._seats: list[Any] = [remote.remote(threads_each(count)) for _ in range(count)]
        self._free = list(self._seats)
        self._threads = ThreadPoolExecutor(count)
        self._lock = threading.Lock()

    def submit(self, order: Order) -> Future[Result]:
        """See `Pool`."""
        return self._threads.submit(self._one, order)

    def close(self) -> None:
        """See `Pool`."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        seats, self._seats = self._seats, []
        if seats:
            self._ray.get([seat.close.remote() for seat in seats])
            self._ray.shutdown()

    def _one(self, order: Order) -> Result:
        with self._lock:
            seat = self._free.pop()
        try:
            return self._ray.get(seat.play.remote(order))
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, JourneymanError):
                raise error.cause from error
            raise
        finally:
            with self._lock:
                self._free.append(seat)


def pool_of(backend: str, count: int, *, address: str = "") -> Pool:
    """The pool that a setting names; no workers means this process."""
    if count < 0:
        raise UserError(f"{count} workers", repair="0 plays in this process, 2 in two more")
    if backend == "ray":
        return OnRay(max(1, count), address=address)
    if backend != "processes":
        raise UnknownName("backend", backend, BACKENDS)
    return Processes(count) if count else Here()
