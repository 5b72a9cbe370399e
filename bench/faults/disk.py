"""Writes until the disk is full, and goes on when there is space again."""

from __future__ import annotations

import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.faults.damage import opened
from bench.faults.killer import forkserver
from envs.errors import JourneymanError
from envs.types import Frozen
from memory.types import Lesson

ROOM = 2_000_000
"""Bytes that one file may have (a limit of the process), beyond what is there."""
TRIES = 3
"""How often it writes on while the disk is full."""
MOST = 3000
"""Lessons after which it gives up filling the disk."""


class Crowded(Frozen):
    """What a writer met on a full disk."""

    acknowledged: int
    """Lessons whose `add` returned."""
    errors: tuple[str, ...]
    """What it was told while the disk was full."""
    reopened: str
    """What opening the memory said while the disk was full; empty: it opened."""
    lost: tuple[str, ...]
    """Lessons acknowledged that are not there afterwards."""
    unfound: tuple[str, ...]
    """Lessons that a search does not find afterwards."""
    after: bool
    """Whether lessons could be written again as soon as there was space."""


def limited(home: Path) -> Crowded:
    """In a process whose files may not grow beyond a bound."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def squeeze() -> None:
        largest = max(path.stat().st_size for path in home.rglob("*") if path.is_file())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + ROOM, hard))

    return _write(home, squeeze, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))


def filled(home: Path) -> Crowded:
    """On a disk of its own, whose last byte another file takes."""
    ballast = home / "ballast"

    def squeeze() -> None:
        with ballast.open("wb", buffering=0) as stream:
            for size in (1 << 20, 1 << 12):
                try:
                    while stream.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass

    return _write(home, squeeze, ballast.unlink)


def apart(deed: Callable[[Path], Crowded], home: Path) -> Crowded:
    """`deed` in a process of its own."""
    context = forkserver()
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_sent, args=(deed, home, there))
    child.start()
    there.close()
    try:
        return here.recv()
    finally:
        child.join()


@contextmanager
def small_disk(size: str = "24m") -> Iterator[Path | None]:
    """A disk of that size in memory; None where this process may not make one."""
    with tempfile.TemporaryDirectory() as folder:
        make = ["mount", "-t", "tmpfs", "-o", f"size={size}", "journeyman", folder]
        try:
            made = subprocess.run(make, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            made = False
        try:
            yield Path(folder) if made else None
        finally:
            if made:
                subprocess.run(["umount", folder], check=True)


def _sent(deed: Callable[[Path], Crowded], home: Path, pipe: Any) -> None:
    pipe.send(deed(home))


def _write(home: Path, squeeze: Callable[[], None], release: Callable[[], None]) -> Crowded:
    memory = opened(home)
    done: list[str] = []
    errors: list[str] = []

    def add() -> bool:
        number = len(done) + len(errors)
        words = " ".join(f"{(number + 1) * 7919**part % 2**40:010x}" for part in range(1, 5))
        lesson = Lesson(id=f"lesson-{number}", kind="fact", text=words * 20, situation=words)
        try:
            done.append(memory.add(lesson, reason="learned").target)
        except JourneymanError as error:
            errors.append(str(error))
            return False
        return True

    for _ in range(20):
        add()
    squeeze()
    while len(errors) < TRIES and len(done) < MOST:
        add()
    memory.close()
    reopened = ""
    try:
        opened(home).close()
    except JourneymanError as error:
        reopened = str(error)
    release()
    memory = opened(home)
    after = sum(add() for _ in range(5)) == 5
    memory.sync()
    standing = memory.ledger.lessons(limit=-1)
    unfound = [
        one.id
        for one in standing
        if one.id not in {found.id for found, _ in memory.search(one.situation, most=3)}
    ]
    memory.close()
    return Crowded(
        acknowledged=len(done),
        errors=tuple(errors),
        reopened=reopened,
        lost=tuple(sorted(set(done) - {one.id for one in standing})),
        unfound=tuple(unfound),
        after=after,
    )
