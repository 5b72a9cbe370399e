"""One process at a time. The only file that imports `filelock`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from envs.errors import Refused, StoreError


@contextmanager
def locked(path: Path, *, busy: str, repair: str) -> Iterator[None]:
    """Holds the lock file at `path`, which goes with this process, however that ends.

    Raises `Refused` with `busy` and `repair` where another one holds it, and `StoreError` where
    nothing can be written.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(busy, repair=repair) from None
    except OSError as error:
        raise StoreError(
            f"{path.parent} can't be written ({error.strerror})",
            repair="see that the disk has room and that you may write there",
        ) from error
    try:
        yield
    finally:
        lock.release()
