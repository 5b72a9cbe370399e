"""How long a lesson takes to be durable, and whether what was acknowledged survives `kill -9`.

`python -m bench.write` times writes; `--kills N` kills a writing process N times and looks at
what it left.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from memory.embed import HashEmbedder, MiniLM
from memory.index import Index
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Change, Lesson, Run, Trajectory

AT_ONCE = 2
"""Lessons in the transaction of a run."""


def lesson(name: str) -> Lesson:
    """A lesson of usual length with words of its own."""
    return Lesson(
        id=name,
        kind="strategy",
        text=f"Look into the cabinet {name} first, then open drawer {name[::-1]} and go on.",
        situation=f"something has to be found in room {name}",
    )


def added(name: str) -> Change:
    """The change that adds `lesson(name)`."""
    after = lesson(name).model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=name, op="add", reason="bench", after=after)


def time_writes(folder: Path, *, writes: int, embedder: HashEmbedder | MiniLM) -> dict[str, float]:
    """p50 and p99 in ms of a durable lesson in the ledger, and of one with the index brought up."""
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", embedder))
    memory.sync()
    embedder.embed(["warm"])
    durable, whole = [], []
    for number in range(writes):
        began = time.perf_counter()
        memory.ledger.apply(added(f"a{number}"))
        durable.append((time.perf_counter() - began) * 1e3)
    memory.sync()
    for number in range(writes):
        began = time.perf_counter()
        memory.add(lesson(f"b{number}"), reason="bench")
        whole.append((time.perf_counter() - began) * 1e3)
    memory.close()
    named = {"ledger": durable, "ledger and index": whole}
    return {
        f"{name}, {label}": value
        for name, times in named.items()
        for label, value in (
            ("p50 ms", statistics.median(times)),
            ("p99 ms", statistics.quantiles(times, n=100)[98]),
        )
    }


def write_until_killed(path: str, child: int, pipe: Connection) -> None:
    """Writes runs and single lessons for ever; sends each name when the ledger has returned."""
    ledger = Ledger(path)
    number = 0
    while True:
        name = f"k{child}-{number}"
        ledger.begin_run(Run(id=name, env="toy", task="t", goal="g", status="running"))
        trajectory = Trajectory(
            id=name,
            env="toy",
            task="t",
            task_key="k",
            split="train",
            goal="g",
            first_observation="o",
        )
        ledger.add_trajectory(
            trajectory, changes=[added(f"{name}-{part}") for part in range(AT_ONCE)]
        )
        ledger.apply(added(f"{name}-alone"))
        pipe.send(name)
        number += 1


def kill(path: Path | str, *, times: int, rng: random.Random) -> dict[str, int]:
    """Kills a writer `times` times; counts what was acknowledged, lost and left half."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["memory.recall"])
    names: list[str] = []
    for child in range(times):
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=write_until_killed, args=(str(path), child, there), daemon=True
        )
        process.start()
        there.close()
        here.poll(30 if child else 60)
        until = time.monotonic() + rng.uniform(0, 0.08)
        while time.monotonic() < until:
            if here.poll(max(0.0, until - time.monotonic())):
                names.append(here.recv())
        process.kill()
        process.join()
        try:
            while here.poll():
                names.append(here.recv())
        except EOFError:
            pass
        here.close()
    return {"kills": times, "acknowledged": len(names), **_look(path, names)}


def write_some(folder: str, name: str, lessons: int) -> None:
    """Writes `lessons` lessons through ledger and index, as one of several processes would."""
    place = Path(folder)
    memory = Memory(Ledger(place / "ledger.db"), Index(place / "index", HashEmbedder()))
    for number in range(lessons):
        memory.add(lesson(f"{name}-{number}"), reason="bench")
    memory.close()


def write_together(folder: Path, *, names: Sequence[str], lessons: int) -> list[int | None]:
    """Exit codes of processes that write to one folder at the same time."""
    context = multiprocessing.get_context("spawn")
    children = [
        context.Process(target=write_some, args=(str(folder), name, lessons)) for name in names
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def _look(path: Path | str, names: list[str]) -> dict[str, int]:
    ledger = Ledger(path)
    stored = {one.id for one in ledger.lessons(limit=-1)}
    runs = {one.id: ledger.run(one.id).status for one in ledger.trajectories(limit=-1)}
    parts = [f"-{part}" for part in range(AT_ONCE)]
    wanted = {name + part for name in names for part in (*parts, "-alone")}
    half = [name for name in runs if not all(name + part in stored for part in parts)]
    orphans = [one for one in stored if one.rpartition("-")[0] not in runs]
    changes = ledger.count()["changes"]
    ledger.close()
    sound = True
    if isinstance(path, Path):
        db = sqlite3.connect(path)
        sound = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        db.close()
    return {
        "lost": len(wanted - stored) + len(set(names) - set(runs)),
        "half": len(half) + len(orphans) + abs(changes - len(stored)),
        "unfinished": sum(status != "done" for status in runs.values()),
        "damaged": int(not sound),
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-model", action="store_true", help="hashed vectors in place of MiniLM")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.kills:
            path = Path(folder) / "ledger.db"
            for name, count in kill(path, times=asked.kills, rng=random.Random(asked.seed)).items():
                print(f"{name}: {count}")
            return
        embedder = HashEmbedder() if asked.no_model else MiniLM()
        for name, value in time_writes(
            Path(folder), writes=asked.writes, embedder=embedder
        ).items():
            print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
