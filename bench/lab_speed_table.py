"""A table of many rows, opened and summed: ours, and the files that people keep instead."""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from bench.lab.table import ADD, COLUMNS, FILE, Table, lines
from bench.lab.types import Row
from envs.types import Frozen

ARMS, SEEDS, SETS = 8, 5, ("alfworld", "household:real")
SUMMED = ("steps", "calls", "prompt_tokens", "completion_tokens", "model_s", "wall_s", "cost")
CSV, JSONL, PARTS = "rows.csv", "rows.jsonl", ("won", *SUMMED)


class Read(Frozen):
    """One way of reading."""

    seconds: float
    """From the closed file to the sums."""
    peak_mib: float
    """What the process took at most, less what it had before."""
    won: int
    """Tasks solved in the whole table, so that all ways are held to the same answer."""


def row_of(number: int) -> Row:
    """A row as an experiment makes it, by its number."""
    rng = random.Random(number)
    won = rng.random() < 0.3
    task = number // (ARMS * SEEDS)
    return Row(
        cell=f"c{number:012x}",
        arm=f"arm {number % ARMS}",
        kind="react",
        model="1.5B",
        seed=number // ARMS % SEEDS,
        phase="measure",
        learned=0,
        env=SETS[task % len(SETS)],
        split="val",
        task=f"pick_clean_then_place_in_recep-Mug-None-Shelf-{task % 30}/trial_{task:08d}",
        task_key=f"put a clean mug in shelf | kitchen {task % 30}",
        task_type="pick_clean_then_place_in_recep",
        room=f"kitchen {task % 30}",
        passed=won,
        first_passed=won,
        attempts=1,
        steps=rng.randint(5, 50),
        stop="done" if won else "limit",
        failure="" if won else "looping",
        error="",
        accepted=won,
        confidence=1.0,
        verified_by="environment",
        notes=("demo:1",),
        note_tokens=420,
        calls=rng.randint(5, 50),
        prompt_tokens=rng.randint(5_000, 90_000),
        completion_tokens=rng.randint(100, 5_000),
        digest=f"{rng.getrandbits(64):016x}",
        cached_tokens=rng.randint(5_000, 60_000),
        model_s=rng.uniform(1, 90),
        wall_s=rng.uniform(1, 99),
        session="0123456789abcdef",
        ended="2026-01-01T00:00:00.000+00:00",
    )


def fill(folder: Path, *, rows: int) -> dict[str, int]:
    """Writes `rows` rows as our table, as CSV and as JSON lines; bytes of each file."""
    made = [row_of(number) for number in range(rows)]
    Table(folder).close()
    db = sqlite3.connect(folder / FILE)
    with db:
        db.executemany(ADD, (_values(row) for row in made))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with (folder / JSONL).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines(made))
    pd.DataFrame([row.model_dump() for row in made]).to_csv(folder / CSV, index=False)
    return {name: (folder / name).stat().st_size for name in (FILE, CSV, JSONL)}


def _values(row: Row) -> list[object]:
    found = row.model_dump()
    return [json.dumps(v) if isinstance(v := found[n], tuple) else v for n in COLUMNS]


def durable(folder: Path, *, rows: int) -> list[float]:
    """Seconds of each row that is added with its transcript, on the disk when it returns."""
    table = Table(folder)
    times: list[float] = []
    for number in range(rows):
        row = row_of(number)
        began = time.perf_counter()
        table.add(row, b"x" * 2_000)
        times.append(time.perf_counter() - began)
    table.close()
    return times


def our_sums(folder: Path) -> int:
    """Our table, summed by arm and set in the file."""
    table = Table(folder, write=False)
    try:
        return sum(total.won for total in table.totals())
    finally:
        table.close()


def our_rows(folder: Path) -> int:
    """Our table, every row as an object, as the report reads it."""
    table = Table(folder, write=False)
    try:
        return sum(row.won for row in table.rows())
    finally:
        table.close()


def csv_frame(folder: Path) -> int:
    """Pandas over CSV."""
    return _summed(pd.read_csv(folder / CSV))


def jsonl_frame(folder: Path) -> int:
    """Pandas over JSON lines."""
    return _summed(pd.read_json(folder / JSONL, lines=True))


def jsonl_rows(folder: Path) -> int:
    """Every line of JSON as a checked row."""
    with (folder / JSONL).open(encoding="utf-8") as file:
        found = [Row.model_validate_json(line) for line in file]
    return sum(row.won for row in found)


def _summed(frame: Any) -> int:
    frame["won"] = frame["passed"].astype(int)
    sums = frame.groupby(["arm", "env", "split"])[list(PARTS)].sum()
    return int(sums["won"].sum())


SUMS: dict[str, Callable[[Path], int]] = {
    "ours: opened and summed by arm and set": our_sums,
    "pandas: CSV, grouped and summed": csv_frame,
    "pandas: JSON lines, grouped and summed": jsonl_frame,
}
OBJECTS: dict[str, Callable[[Path], int]] = {
    "ours: opened, every row as an object": our_rows,
    "JSON lines, every row as an object": jsonl_rows,
}
WAYS = {**SUMS, **OBJECTS}


def read(folder: Path, name: str) -> Read:
    """Reads in a fresh process, so that one way does not profit from another's memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_read, folder, name).result()


def reads(folder: Path, *, rounds: int) -> Iterator[tuple[str, Read]]:
    """All ways in turn, `rounds` times."""
    for _ in range(rounds):
        for name in WAYS:
            yield name, read(folder, name)


def _read(folder: Path, name: str) -> Read:
    before, began = _most(), time.perf_counter()
    won = WAYS[name](folder)
    seconds = time.perf_counter() - began
    return Read(seconds=seconds, peak_mib=(_most() - before) / 2**20, won=won)


def _most() -> float:
    """Bytes that this process held at most. Linux's own count, since `ru_maxrss` outlives exec."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return float(peak.split()[1]) * 1024
