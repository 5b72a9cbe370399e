"""Kills writers a thousand times, damages files thousands of times, and writes the page on it."""

from __future__ import annotations

import argparse
import gzip
import random
import shutil
import sys
import tempfile
from pathlib import Path

from bench.faults import damage, disk
from bench.faults.killer import Home, Row
from bench.faults.liars import KINDS
from bench.faults.page import Broken, page

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
    """The rounds in a log, packed or not; a last line that was torn is played again."""
    if not log.exists():
        return []
    packed = log.suffix == ".gz"
    text = gzip.decompress(log.read_bytes()).decode() if packed else log.read_text("utf-8")
    lines = text.split("\n")[:-1]
    if not packed and not text.endswith("\n"):
        log.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return [Row.model_validate_json(line) for line in lines]


def damages(*, times: int, seed: int) -> Broken:
    """Breaks files of the ledger and of the index, so often each."""
    rng, rows = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        home, scratch = Path(folder) / "home", Path(folder) / "scratch"
        damage.fill(home)
        index = [p.relative_to(home) for p in sorted((home / "index").rglob("*")) if p.is_file()]
        for files in ([Path("ledger.db")], index):
            rows += damage.sweep(home, scratch, files=files, times=times, rng=rng)
    return rows


def disks() -> dict[str, disk.Crowded | None]:
    """What a writer met on a full disk, by how it was made full."""
    with tempfile.TemporaryDirectory() as folder, disk.small_disk() as small:
        return {
            "a file may not grow": disk.apart(disk.limited, Path(folder)),
            "no byte is left": disk.apart(disk.filled, small) if small else None,
        }


def _show(rows: list[Row], times: int) -> None:
    faulty = sum(bool(row.faults) for row in rows)
    seconds = sum(row.seconds for row in rows)
    end = "\n" if len(rows) % 50 == 0 or len(rows) == times else "\r"
    line = f"{len(rows)} of {times} kills, {faulty} with faults, {seconds:.0f} s"
    print(line, end=end, file=sys.stderr, flush=True)


def main() -> None:
    """Plays what is not yet in the log; writes the page where one is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--damages", type=int, default=500, help="of the ledger, and of the index")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--liar", choices=list(KINDS), default="honest")
    parser.add_argument("--log", type=Path, default=Path("build/faults.jsonl"))
    parser.add_argument("--page", type=Path, help="write it here, and the log packed beside it")
    asked = parser.parse_args()
    asked.log.parent.mkdir(parents=True, exist_ok=True)
    rows = kills(asked.log, times=asked.kills, seed=asked.seed, kind=asked.liar)
    for row in rows:
        for fault in row.faults:
            print(f"round {row.round} ({', '.join(row.points)}): {fault}")
    if asked.page is None:
        return
    packed = asked.page.with_name(f"{asked.page.stem}.jsonl.gz")
    packed.write_bytes(gzip.compress(asked.log.read_bytes(), mtime=0))
    broken = damages(times=asked.damages, seed=asked.seed)
    command = f"python -m bench.faults --kills {asked.kills} --page {asked.page}"
    asked.page.write_text(page(rows, broken, disks(), log=packed.name, command=command), "utf-8")


if __name__ == "__main__":
    main()
