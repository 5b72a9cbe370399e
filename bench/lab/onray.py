"""Ray's workers: this machine, or the cluster at an address. The only file that imports `ray`."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from bench.lab.pool import (
    BACKENDS,
    PATIENCE_S,
    Here,
    Pool,
    Processes,
    Seat,
    WorkerDied,
)
from bench.lab.worker import Order, Result
from envs.errors import (
    InternalError,
    JourneymanError,
    Missing,
    UnknownName,
    UserError,
    one_line,
)


class OnRay:
    """`count` actors, a core each. Every machine needs this version, its models and its games."""

    def __init__(self, count: int, *, address: str = "") -> None:
        if find_spec("ray") is None:
            raise Missing("Ray is not installed", repair="pip install 'journeyman[scale]'")
        import ray

        self.count = count
        self._ray: Any = ray
        options: dict[str, Any] = {"log_to_driver": False}
        where = {"address": address} if address else {"num_cpus": count, "include_dashboard": False}
        ray.init(**where, **options)
        self._actor: Any = ray.remote(num_cpus=1)(Seat)
        self._lock = threading.Lock()
        self._free = [self._seat() for _ in range(count)]
        self._threads = ThreadPoolExecutor(count)

    def submit(self, order: Order) -> Future[Result]:
        """See `Pool`."""
        return self._threads.submit(self._one, order)

    def close(self) -> None:
        """See `Pool`. Cells that are being played are ended."""
        if self._ray.is_initialized():
            with self._lock:
                closing = [seat.close.remote() for seat in self._free]
                self._free = []
            if closing:
                self._ray.wait(closing, num_returns=len(closing), timeout=PATIENCE_S)
            self._ray.shutdown()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _one(self, order: Order) -> Result:
        with self._lock:
            seat = self._free.pop()
        try:
            return self._ray.get(seat.play.remote(order))
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, JourneymanError):
                raise error.cause from error
            raise InternalError(
                f"Ray could not play a cell: {one_line(str(error.cause))}",
                repair="every machine needs this version of Journeyman, and what it uses",
            ) from error
        except self._ray.exceptions.RayError as error:
            seat = self._seat()
            raise WorkerDied("a worker of Ray died", repair="see Ray's own log") from error
        finally:
            with self._lock:
                self._free.append(seat)

    def _seat(self) -> Any:
        return self._actor.remote()


def pool_of(backend: str, count: int, address: str = "") -> Pool:
    """The pool that a setting names; no workers means this process."""
    if count < 0:
        raise UserError(f"{count} workers", repair="0 plays in this process, 2 in two more")
    if backend == "ray":
        return OnRay(max(1, count), address=address)
    if backend != "processes":
        raise UnknownName("backend", backend, BACKENDS)
    return Processes(count) if count else Here()
