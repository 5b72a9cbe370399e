"""Recall from a million lessons with synthetic vectors: times, resident memory, disk.

Nobody else takes part: a rival that compares one by one, or that writes one by one, would be
measured on patience. Filling is cut into pieces and goes on where it was stopped.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil

from bench.memory.rows import Times, keep, read, times_of
from envs.types import Frozen
from memory.admission import addition
from memory.index import Index
from memory.ledger import Ledger
from memory.query import Query
from memory.recall import Memory
from memory.types import Lesson, Scope

TOPICS = 4096
"""Centres around which the vectors lie, as texts lie around subjects."""
SPREAD = 0.8
"""Length of the noise around a centre, against a centre's 1."""
PIECE = 20_000
"""Lessons between two marks of the index; a run that was stopped goes on from the last."""
TOGETHER = 2000
"""Lessons in one transaction."""
NUMBER = re.compile(r"\bcase (\d+)")


class Synthetic:
    """A vector for each number: a centre and noise, made up on the spot and the same every time."""

    def __init__(self, *, dimensions: int = 384, topics: int = TOPICS) -> None:
        self.name = f"synthetic-{dimensions}-{topics}"
        self.dimensions = dimensions
        rng = np.random.default_rng(0)
        self._centres = rng.standard_normal((topics, dimensions), dtype=np.float32)
        self._centres /= np.linalg.norm(self._centres, axis=1, keepdims=True)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder`. The number after "case" decides; texts without one get their length."""
        rows = [self._row(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)

    def _row(self, text: str) -> np.ndarray:
        found = NUMBER.search(text)
        number = int(found[1]) if found else len(text)
        noise = np.random.default_rng(number + 1).standard_normal(self.dimensions, np.float32)
        row = self._centres[number % len(self._centres)]
        row = row + SPREAD * noise / np.linalg.norm(noise)
        return (row / np.linalg.norm(row)).astype(np.float32)


class Filled(Frozen):
    """How far a memory is filled, and what that took."""

    entries: int
    """Lessons in the ledger."""
    ledger: float = 0.0
    """Seconds spent writing them there."""
    index: float = 0.0
    """Seconds spent bringing the index up."""
    whole: bool = True
    """Whether the seconds are those of all entries."""


class Million(Frozen):
    """What was measured at one size."""

    entries: int
    """Lessons in ledger and index."""
    recall: Times
    """One recall, the goal known and the rest of the query new; the vectors cost nothing real."""
    found: float
    """Share of the ten truly closest lessons that the index returns, over some queries."""
    resident: int
    """Bytes of this process's memory after the recalls."""
    ledger: int
    """Bytes of the ledger's files."""
    index: int
    """Bytes of the index's files."""
    opening: float
    """Seconds from an opened process to the first answer, the table of lessons read."""
    filled: Filled
    """What filling took."""


def lesson(number: int) -> Lesson:
    """The lesson with this number."""
    return Lesson(
        id=f"L{number}",
        kind="strategy",
        situation=f"case {number}: a thing has to be found in place {number % 97}",
        text=f"Number {number}: look at place {number % 97} first, then at place {number % 89}.",
        scope=Scope(env="household" if number % 2 else ""),
    )


def fill(
    memory: Memory,
    folder: Path,
    *,
    entries: int,
    told: Callable[[str], None] = lambda _text: None,
) -> Filled:
    """Brings ledger and index to `entries` lessons, piece by piece, going on where it stopped."""
    have = sum(memory.ledger.count()["lessons"].values())
    kept = read(Filled, folder / "filled.json")
    filled = kept if kept and kept.entries == have else Filled(entries=have, whole=not have)
    for start in range(have, entries, PIECE):
        numbers = range(start, min(start + PIECE, entries))
        began = time.perf_counter()
        for part in range(start, numbers.stop, TOGETHER):
            some = range(part, min(part + TOGETHER, numbers.stop))
            memory.ledger.apply(
                *(addition(lesson(number), "bench", (), "bench") for number in some)
            )
        written = time.perf_counter()
        memory.sync()
        filled = Filled(
            entries=numbers.stop,
            ledger=filled.ledger + written - began,
            index=filled.index + time.perf_counter() - written,
            whole=filled.whole,
        )
        keep(filled, folder / "filled.json")
        told(
            f"{filled.entries} of {entries} lessons: ledger {filled.ledger:.0f} s, "
            f"index {filled.index:.0f} s"
        )
    memory.sync()
    return filled


def measure(
    folder: Path,
    *,
    entries: int,
    asked: int,
    exact: int = 50,
    told: Callable[[str], None] = lambda _text: None,
) -> Million:
    """Fills a memory in `folder` up to `entries` and asks it `asked` times."""
    embedder = Synthetic()
    folder.mkdir(parents=True, exist_ok=True)
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", embedder))
    filled = fill(memory, folder, entries=entries, told=told)
    memory.close()
    began = time.perf_counter()
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", embedder))
    rng = random.Random(0)
    ask = _asking(memory, entries)
    ask(rng)
    opening = time.perf_counter() - began
    told(f"opened in {opening:.1f} s")
    for _ in range(20):
        ask(rng)
    spans = [ask(rng) for _ in range(asked)]
    found = _found(memory, embedder, entries=entries, asked=exact, told=told)
    resident = psutil.Process().memory_info().rss
    memory.close()
    return Million(
        entries=entries,
        recall=times_of(spans),
        found=found,
        resident=resident,
        ledger=size(folder, "ledger.db*"),
        index=size(folder / "index", "**/*"),
        opening=opening,
        filled=filled,
    )


def size(folder: Path, pattern: str) -> int:
    """Bytes of the files that fit."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def _asking(memory: Memory, entries: int) -> Callable[[random.Random], float]:
    """Asks once with a new query near some lesson; milliseconds."""

    def ask(rng: random.Random) -> float:
        query = Query(
            goal=f"case {rng.randrange(entries) + entries}",
            observation=f"seen {rng.randrange(entries)}",
            recent=(f"go to {rng.randrange(entries)}",),
            env="household",
        )
        began = time.perf_counter()
        memory.recall(query, budget_tokens=256, floor=0.35, most=3, guard=True)
        return (time.perf_counter() - began) * 1e3

    return ask


def _found(
    memory: Memory,
    embedder: Synthetic,
    *,
    entries: int,
    asked: int,
    told: Callable[[str], None],
) -> float:
    """Of the ten closest by comparing with all, how many the index returns."""
    texts = [f"case {entries + 7919 * number}" for number in range(asked)]
    queries = embedder.embed(texts)
    best = np.full((asked, 10), -2.0, np.float32)
    who = np.full((asked, 10), -1)
    for start in range(0, entries, 20_000):
        numbers = np.arange(start, min(start + 20_000, entries))
        vectors = embedder.embed([f"case {number}" for number in numbers])
        near = np.concatenate([best, queries @ vectors.T], axis=1)
        names = np.concatenate([who, np.tile(numbers, (asked, 1))], axis=1)
        order = np.argsort(-near, axis=1)[:, :10]
        best = np.take_along_axis(near, order, axis=1)
        who = np.take_along_axis(names, order, axis=1)
    told("compared with all")
    same = 0
    for row, text in zip(who, texts, strict=True):
        found = {id_ for id_, _ in memory.index.search(text, most=24)[:10]}
        same += len(found & {f"L{number}" for number in row})
    return same / (10 * asked)
