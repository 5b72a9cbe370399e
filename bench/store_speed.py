"""How fast memory is in files and on servers: one run, side by side, so that ratios mean something.

`python -m bench.store_speed [--lessons 1000 --writes 200 --recalls 200]`

Each store is filled with as many lessons; then 1 and 4 processes write at once (a lesson, durable
in the ledger, and the index brought up) and after that recall, all with hashed vectors, so that
what is measured is the store and no model. The servers run on the same machine, with PostgreSQL's
own settings for durability.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import servers
from bench.write import added, lesson
from memory.embed import HashEmbedder
from memory.index import Index
from memory.ledger import Ledger
from memory.recall import Memory, Query
from memory.served import ServedIndex

WRITERS = (1, 4)
Place = tuple[str, str]
"""Of the ledger and of the index: a path, or an address."""
Times = dict[str, list[float]]
"""Milliseconds of each kind of call."""
AT_ONCE = 250
"""Lessons in a transaction, to fill a ledger."""


@contextmanager
def stores() -> Iterator[dict[str, Place]]:
    """Places by name, empty, with their servers running."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        server = running.enter_context(servers.postgres(settings=("listen_addresses=",)))
        chroma = running.enter_context(servers.chroma())

        def file(name: str) -> str:
            return str(folder / name / "ledger.db")

        def table() -> str:
            return running.enter_context(servers.schema(server))

        yield {
            "SQLite, embedded Chroma": (file("a"), str(folder / "a" / "index")),
            "SQLite, Chroma server": (file("b"), chroma),
            "PostgreSQL, embedded Chroma": (table(), str(folder / "c" / "index")),
            "PostgreSQL, Chroma server": (table(), chroma),
        }


def opened(place: Place) -> Memory:
    """The memory that is kept there."""
    ledger, embedder = Ledger(place[0]), HashEmbedder()
    if place[1].startswith("http"):
        return Memory(ledger, ServedIndex(place[1], embedder, ledger=ledger))
    return Memory(ledger, Index(Path(place[1]), embedder))


def fill(place: Place, *, lessons: int) -> float:
    """Seconds to put so many lessons into ledger and index."""
    memory = opened(place)
    began = time.perf_counter()
    for begin in range(0, lessons, AT_ONCE):
        names = range(begin, min(lessons, begin + AT_ONCE))
        memory.ledger.apply(*(added(f"f{number}") for number in names))
    memory.sync()
    took = time.perf_counter() - began
    memory.close()
    return took


def work(place: Place, name: str, calls: tuple[int, int], gate: Any, answers: Any) -> None:
    """One process: so many writes and recalls, when all are ready; sends the milliseconds."""
    memory = opened(place)
    memory.sync()
    writes, recalls = calls
    times: Times = {"durable": [], "with the index": [], "recall": []}
    gate.wait()
    for number in range(writes):
        whole = added(f"{name}-{number}")
        began = time.perf_counter()
        memory.ledger.apply(whole)
        times["durable"].append((time.perf_counter() - began) * 1e3)
        memory.sync()
        times["with the index"].append((time.perf_counter() - began) * 1e3)
    gate.wait()
    memory.sync()
    gate.wait()
    for number in range(recalls):
        query = Query(goal=lesson(f"f{number}").situation, observation=f"room {number}")
        began = time.perf_counter()
        memory.recall(query, budget_tokens=256, floor=0.35, most=3, guard=True)
        times["recall"].append((time.perf_counter() - began) * 1e3)
    memory.close()
    answers.put(times)


def together(place: Place, *, writers: int, calls: tuple[int, int]) -> Times:
    """What `writers` processes took, at the same time."""
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(writers), context.Queue()
    children = [
        context.Process(target=work, args=(place, f"w{writers}-{at}", calls, gate, answers))
        for at in range(writers)
    ]
    for child in children:
        child.start()
    found = [answers.get(timeout=600) for _ in children]
    for child in children:
        child.join()
    return {kind: [one for times in found for one in times[kind]] for kind in found[0]}


def row(name: str, cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join([name, *cells])} |"


def main() -> None:
    """Prints a table; milliseconds as p50 / p99."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lessons", type=int, default=1000)
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--recalls", type=int, default=200)
    parser.add_argument("--only", default="", help="stores with these words in their names")
    asked = parser.parse_args()
    kinds = ("durable", "with the index", "recall")
    heads = [f"{kind}, {n} process{'es' * (n > 1)}" for n in WRITERS for kind in kinds]
    print(row("store", [f"fill {asked.lessons:,}, s", *heads]))
    print(row("---", ["---:"] * (len(heads) + 1)))
    with stores() as places:
        for name, place in places.items():
            if asked.only not in name:
                continue
            cells = [f"{fill(place, lessons=asked.lessons):.1f}"]
            for writers in WRITERS:
                calls = (asked.writes // writers, asked.recalls // writers)
                times = together(place, writers=writers, calls=calls)
                for kind in kinds:
                    cuts = statistics.quantiles(times[kind], n=100)
                    cells.append(f"{statistics.median(times[kind]):.1f} / {cuts[98]:.1f}")
            print(row(name, cells), flush=True)


if __name__ == "__main__":
    main()
