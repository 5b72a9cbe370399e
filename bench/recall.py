"""Recall before an action against bare Chroma with the same vectors, in one run.

`python -m bench.recall --lessons 10000`. Each query is new, so its embedding is part of the time.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import chromadb
import numpy as np
from chromadb.config import Settings

from memory.embed import Embedder, HashEmbedder, MiniLM
from memory.index import Index, ListIndex
from memory.ledger import Ledger
from memory.query import situations
from memory.recall import Memory, Query, searched
from memory.types import Change, Lesson, Scope

THINGS = ("mug", "apple", "egg", "knife", "pan", "plate", "book", "pen", "towel", "lamp", "vase")
PLACES = ("fridge", "sink", "microwave", "drawer", "cabinet", "shelf", "desk", "sofa", "counter")
DEEDS = ("clean", "heat", "cool", "find", "slice", "open", "examine", "put", "take", "use")
MOST, BUDGET, EPISODE = 3, 256, 20


class Remembering:
    """Keeps the vector of every text, so that both stores are filled with the same ones."""

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner
        self.name, self.dimensions = inner.name, inner.dimensions
        self.known: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder`."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.inner.embed(new), strict=True))
        return np.stack([self.known[text] for text in texts])


def lessons(count: int, rng: random.Random) -> list[Lesson]:
    """Lessons of a household, each in words of its own."""
    made = []
    for number in range(count):
        deed, thing, place = rng.choice(DEEDS), rng.choice(THINGS), rng.choice(PLACES)
        made.append(
            Lesson(
                id=f"L{number}",
                kind="strategy",
                situation=f"{deed} a {thing} near {place} {rng.randint(1, 20)}, case {number}",
                text=f"To {deed} the {thing} go to {place} {rng.randint(1, 20)} first ({number}).",
                scope=Scope(env=rng.choice(("household", "alfworld", ""))),
            )
        )
    return made


def queries(count: int, rng: random.Random) -> list[Query]:
    """Situations as the household shows them: a new one each time, a new goal every 20."""
    made, goal = [], ""
    for number in range(count):
        if number % EPISODE == 0:
            goal = f"{rng.choice(DEEDS)} {rng.choice(THINGS)} {number}, put it in the fridge"
        seen = f"{rng.choice(THINGS)} {number}, and a {rng.choice(THINGS)} {rng.randint(1, 9)}"
        made.append(
            Query(
                goal=goal,
                observation=f"You arrive at {rng.choice(PLACES)} {number}. You see a {seen}.",
                recent=(f"go to {rng.choice(PLACES)} {number}",),
                env="household",
            )
        )
    return made


def timed(
    ways: dict[str, Callable[[Query], object]], counts: int, rng: random.Random
) -> dict[str, list[float]]:
    """Times in ms of each way, taken in turns so that a busy machine slows all alike."""
    asked = {name: queries(counts, rng) for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(counts):
        for name, doing in ways.items():
            began = time.perf_counter()
            doing(asked[name][number])
            times[name].append((time.perf_counter() - began) * 1e3)
    return times


def measure(folder: Path, *, count: int, asked: int, inner: Embedder, seed: int) -> None:
    """Fills both stores and prints a row for each way of asking."""
    rng = random.Random(seed)
    stored = lessons(count, rng)
    filling = Remembering(inner)
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", filling))
    began = time.perf_counter()
    memory.ledger.apply(*(_added(lesson) for lesson in stored))
    print(f"ledger: {count} lessons in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    memory.sync()
    print(f"index: {count} lessons in {time.perf_counter() - began:.1f} s, embedding included")
    memory.index.embedder = inner

    bare = bare_chroma(folder / "bare", stored, filling)

    def ask_bare(query: Query) -> object:
        vector = inner.embed([situations(query)[-1]])
        return bare.query(query_embeddings=vector, n_results=MOST, include=["distances"])

    def ask(query: Query) -> object:
        return memory.recall(query, budget_tokens=BUDGET, floor=0.35, most=MOST, guard=True)

    for warm in queries(20, rng):
        ask(warm)
        ask_bare(warm)
    ways: dict[str, Callable[[Query], object]] = {
        "embedding alone": lambda query: inner.embed([situations(query)[-1]]),
        "bare Chroma": ask_bare,
        "recall": ask,
    }
    middle = {}
    for name, times in timed(ways, asked, rng).items():
        middle[name] = statistics.median(times)
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"{name}: p50 {middle[name]:.2f} ms, p99 {p99:.2f} ms, least {min(times):.2f} ms")
    print(f"recall / bare Chroma, p50: {middle['recall'] / middle['bare Chroma']:.2f}")
    exact = ListIndex(filling)
    exact.add([(lesson.id, searched(lesson)) for lesson in stored])
    share = found(memory, exact, queries(100, rng))
    print(f"of the 10 closest by exact search the index finds {100 * share:.1f} %")
    memory.close()


def bare_chroma(folder: Path, stored: Sequence[Lesson], embedder: Embedder) -> chromadb.Collection:
    """A collection with the same vectors and settings, and nothing around it."""
    client = chromadb.PersistentClient(
        path=str(folder), settings=Settings(anonymized_telemetry=False)
    )
    bare = client.create_collection(
        "bare", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    for begin in range(0, len(stored), 500):
        part = stored[begin : begin + 500]
        vectors = embedder.embed([searched(lesson) for lesson in part])
        bare.upsert(ids=[lesson.id for lesson in part], embeddings=vectors)
    return bare


def found(memory: Memory, exact: ListIndex, asked: Sequence[Query]) -> float:
    """Share of the ten truly closest that the index returns."""
    same = total = 0
    for query in asked:
        text = situations(query)[-1]
        near = {id_ for id_, _ in exact.search(text, most=10)}
        same += len(near & {id_ for id_, _ in memory.index.search(text, most=24)[:10]})
        total += len(near)
    return same / total


def _added(lesson: Lesson) -> Change:
    after = lesson.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=lesson.id, op="add", reason="bench", after=after)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lessons", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-model", action="store_true", help="hashed vectors in place of MiniLM")
    asked = parser.parse_args()
    inner = HashEmbedder() if asked.no_model else MiniLM()
    with tempfile.TemporaryDirectory() as folder:
        measure(
            Path(folder), count=asked.lessons, asked=asked.queries, inner=inner, seed=asked.seed
        )


if __name__ == "__main__":
    main()
