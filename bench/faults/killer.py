"""Ends writers at random moments, then looks at what they left and whether it can be gone on with.

A round is one such moment: one of the writers is killed and the others go on, or all are killed at
once. Half of the moments are aimed: the killer waits until a writer is about to do a certain thing.
"""

from __future__ import annotations

import logging
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.faults import audit
from bench.faults.liars import opened
from bench.faults.writers import WEIGHTS, Plan, write
from envs.types import Frozen
from memory.embed import HashEmbedder
from memory.index import SLOTS, Index
from memory.recall import Memory

WRITERS = 3
"""Processes that write at once; the last has its index in memory."""
RUNNING = 0.25
"""Longest time in s from the moment one has opened to the kill, where it is not aimed."""
WITHIN = 0.012
"""Longest time in s from what was aimed at to the kill."""
PATIENCE = 30.0
"""After so many s, writers that were told to end are stuck."""
AIMS = ("open", "sync", "close", *WEIGHTS)


class Row(Frozen):
    """What one round found: a line of the log."""

    round: int
    """Counted from 0."""
    home: int
    """Number of the memory; a fresh one after so many rounds."""
    mode: str
    """`one` or `all`."""
    aim: str
    """What the killer waited for; empty: nothing."""
    points: tuple[str, ...]
    """What those that were killed were doing, and for how many ms."""
    acknowledged: int
    """Writes that had returned in this round: changes, runs, trajectories, exposures, purges."""
    checked: int
    """Acknowledged writes looked for: of this round and of earlier ones in this memory."""
    found: int
    """Of those checked, how many are there as they were."""
    lessons: int
    """Lessons that stand."""
    faults: tuple[str, ...] = ()
    """What was lost, half, not found, found though gone, stuck, or failed. Should be empty."""
    rebuilt: int = 0
    """Indexes that were not as they had been left, and were built anew from the ledger."""
    caught_up: int = 0
    """Lessons that were missing in indexes which were in order."""
    seconds: float
    """How long the round took, audit included."""


class Home:
    """One memory over several rounds."""

    def __init__(self, path: Path, *, number: int, kind: str = "honest") -> None:
        self.path = path
        self.number = number
        self.kind = kind
        self._checked = 0
        self._context = forkserver()

    def play(self, number: int, *, rng: random.Random) -> Row:
        """One round."""
        began = time.monotonic()
        mode = rng.choice(("one", "all"))
        aim = rng.choice(AIMS) if rng.random() < 0.5 else ""
        stop = self.path / "stop"
        stop.unlink(missing_ok=True)
        plans = [self._plan(number, writer, rng, aim) for writer in range(WRITERS)]
        writers = [self._context.Process(target=write, args=(plan,)) for plan in plans]
        for writer in writers:
            writer.start()
        self._wait(plans, aim, rng)
        victims = rng.sample(range(WRITERS), 1) if mode == "one" else list(range(WRITERS))
        moment = time.time()
        for victim in victims:
            writers[victim].kill()
        points = tuple(_point(plans[victim].journal, moment) for victim in victims)
        if mode == "one":
            time.sleep(rng.uniform(0, 0.08))
        stop.touch()
        stuck = [plan.name for plan, one in zip(plans, writers, strict=True) if not _ended(one)]
        return self._look(number, stuck, began, mode=mode, aim=aim, points=points)

    def _plan(self, number: int, writer: int, rng: random.Random, aim: str) -> Plan:
        first = {"sync": "catch up"}.get(aim, aim if aim in WEIGHTS else "")
        return Plan(
            home=str(self.path),
            name=f"{number}{'abc'[writer]}",
            seed=rng.randrange(1 << 30),
            kind=self.kind,
            chroma=writer < WRITERS - 1,
            first=first,
        )

    def _wait(self, plans: list[Plan], aim: str, rng: random.Random) -> None:
        """Until the moment of the kill."""
        if aim == "close":
            time.sleep(rng.uniform(0.1, RUNNING))
            (self.path / "stop").touch()
        target, until = rng.choice(plans).journal, time.monotonic() + PATIENCE
        while not target.exists() and time.monotonic() < until:
            time.sleep(0.001)  # it imports what was not preloaded
        until = min(until, time.monotonic() + 1.0)
        while time.monotonic() < until:
            lines = target.read_text("utf-8") if target.exists() else ""
            # an answer stands there once it has opened; what comes after that is what it does
            if f"> {aim}" in lines if aim else "]" in lines:
                break
            time.sleep(0.001)
        time.sleep(rng.uniform(0, WITHIN if aim else RUNNING))

    def _look(
        self,
        number: int,
        stuck: list[str],
        began: float,
        *,
        mode: str,
        aim: str,
        points: tuple[str, ...],
    ) -> Row:
        acks, errors = audit.acknowledged(sorted((self.path / "journal").glob("*.jsonl")))
        faults = [*errors, *(f"writer {name} is stuck" for name in stuck)]
        rebuilt = caught_up = lessons = 0
        missing: list[str] = []
        ledger, index = opened(self.kind, self.path, chroma=True)
        found = audit.Found(self.path / "ledger.db")
        missing = audit.lost(found, acks)
        faults += [f"lost: {one}" for one in missing]
        faults += [f"half: {one}" for one in audit.half(found)]
        faults += [] if found.sound else ["the file is damaged"]
        slots = list((self.path / "index").glob("slot-*.lock"))[:SLOTS]
        memories = [Memory(ledger, index)]
        memories += [Memory(ledger, Index(self.path / "index", HashEmbedder())) for _ in slots[1:]]
        for memory in memories:
            with counting() as warned:
                done = memory.sync()
            rebuilt, caught_up = rebuilt + len(warned), caught_up + (0 if warned else done)
            faults += [f"index: {one}" for one in audit.stale(memory)]
            lessons = sum(row[-1] is not None for row in found.lessons.values())
        for memory in memories:
            memory.index.close()
        ledger.close()
        fresh, self._checked = len(acks) - self._checked, len(acks)
        return Row(
            round=number,
            home=self.number,
            mode=mode,
            aim=aim,
            points=points,
            acknowledged=fresh,
            checked=len(acks),
            found=len(acks) - len(missing),
            lessons=lessons,
            faults=tuple(faults),
            rebuilt=rebuilt,
            caught_up=caught_up,
            seconds=round(time.monotonic() - began, 3),
        )


def forkserver() -> Any:
    """Starts processes in which the vendors are imported; the first to ask says which."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.faults.writers", "chromadb.api.rust"])
    return context


@contextmanager
def counting() -> Iterator[list[str]]:
    """Gathers what memory warns of, and keeps it off the screen."""
    said: list[str] = []

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("memory"), Gather(logging.WARNING)
    logger.addHandler(handler)
    spread, logger.propagate = logger.propagate, False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = spread


def _point(journal: Path, moment: float) -> str:
    """What a writer was doing, for how many ms (by the file's time)."""
    try:
        since = (moment - journal.stat().st_mtime) * 1e3
        lines = journal.read_text("utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return "start"
    began = [line for line in lines if line.startswith(">")]
    if not began:
        return "start"
    return f"{began[-1][2:]} +{max(0.0, since):.1f}"


def _ended(process: Any) -> bool:
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        return False
    return True
