"""Kills writers a thousand times, damages files thousands of times, and writes the page on it."""

from __future__ import annotations

import argparse
import gzip
import random
import shutil
import sys
import tempfile
from pathlib import Path

from bench.faults.killer import Home, Row
from bench.faults.liars import KINDS

ROUNDS = 20
"""Rounds on one memory."""


def kills(log: Path, *, times: int, seed: int, kind: str = "honest") -> list[Row]:
    """Plays the rounds that are not yet in `log`, which gets a line for each."""
    rows = read(log)
    with tempfile.TemporaryDirectory() as scratch:
        home = None
        for number in range(len(rows), times):
            if home is None or number % ROUNDS == 0:
                shutil.rmtree(scratch, ignore_errors=True)
                path = Path(scratch) / str(number)
                path.mkdir(parents=True)
                home = Home(path, number=number // ROUNDS, kind=kind)
            row = home.play(number, rng=random.Random(f"{seed}/{number}"))
            rows.append(row)
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"{row.model_dump_json()}\n")
            _show(rows, times)
    return rows


def read(log: Path) -> list[Row]:
    """The rounds in a log, packed or not."""
    if not log.exists():
        return []
    packed = log.suffix == ".gz"
    text = gzip.decompress(log.read_bytes()).decode() if packed else log.read_text("utf-8")
    return [Row.model_validate_json(line) for line in text.splitlines()]


def _show(rows: list[Row], times: int) -> None:
    faulty = sum(bool(row.faults) for row in rows)
    seconds = sum(row.seconds for row in rows)
    end = "\n" if len(rows) % 50 == 0 or len(rows) == times else "\r"
    line = f"{len(rows)} of {times} kills, {faulty} with faults, {seconds:.0f} s"
    print(line, end=end, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--liar", choices=list(KINDS), default="honest")
    parser.add_argument("--log", type=Path, default=Path("build/faults.jsonl"))
    asked = parser.parse_args()
    asked.log.parent.mkdir(parents=True, exist_ok=True)
    rows = kills(asked.log, times=asked.kills, seed=asked.seed, kind=asked.liar)
    for row in rows:
        for fault in row.faults:
            print(row.round, row.mode, row.aim, row.points, fault)


if __name__ == "__main__":
    main()
