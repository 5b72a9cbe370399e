"""What the laboratory costs: per episode, per second with several workers, and a large table.

    python -m bench.lab_speed [--part overhead|rate|table] [--episodes N --rows N --rounds N]

Everything is set beside what one would take instead, in the same run and in turn, as medians. The
toy environment is played by a script, small generated houses by any admissible action. The workers
that are begun here import pandas and statistics too, which those of `journeyman bench` do not, so
their first episode comes later than there.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from agent.settings import Settings, load
from bench.lab.session import Call, conduct, folder_of
from bench.lab.types import Experiment
from bench.lab_speed_cells import TASKS, experiment, overhead, plan_of, sequence, split
from bench.lab_speed_table import OBJECTS, SUMS, Read, durable, fill, reads
from envs.types import Frozen

ENVS = ("toy", "household:nook")
WORKERS = (1, 2, 4)
PARTS = ("overhead", "rate", "table")
SEQUENCE = "sequential loop, nothing gathered"


class Pace(Frozen):
    """How fast a way of playing is."""

    per_s: float
    """Episodes a second over the later half, when all workers have long begun."""
    first_s: float
    """Seconds until the first episode was done: start of processes, imports, environment."""
    whole_s: float
    """Seconds of everything, start and end included."""


def show_overhead(env: str, settings: Settings, *, episodes: int) -> dict[str, float]:
    """Prints and gives back medians in seconds per episode, by way of playing."""
    with tempfile.TemporaryDirectory() as place:
        asked = experiment(env, episodes=episodes + 1)
        played = overhead(asked, settings, folder=Path(place), episodes=episodes)
        times, lengths = asyncio.run(played)
    medians = {name: statistics.median(one.wall for one in some) for name, some in times.items()}
    steps = statistics.mean(lengths)
    print(f"\n{env}: {len(lengths)} episodes of {steps:.1f} steps on average, all ways in turn")
    print(f"  {'':<20}{'ms/episode':>12}{'of it CPU':>12}{'to bare loop':>15}{'to runner':>12}")
    for name, median in medians.items():
        cpu = statistics.median(one.cpu for one in times[name])
        to_bare, to_disk = median / medians["bare loop"], median / medians["runner, on disk"]
        print(
            f"  {name:<20}{median * 1e3:>12.2f}{cpu * 1e3:>12.2f}{to_bare:>14.2f}x{to_disk:>11.2f}x"
        )
    pairs = list(zip(times["laboratory"], times["runner, in memory"], strict=True))
    wall = statistics.median(lab.wall - run.wall for lab, run in pairs)
    cpu = statistics.median(lab.cpu - run.cpu for lab, run in pairs)
    print(
        f"  the laboratory adds {wall * 1e3:.2f} ms to the same run in memory, CPU {cpu * 1e3:.2f}"
    )
    return medians


def show_rate(env: str, settings: Settings, *, episodes: int, rounds: int) -> dict[str, Pace]:
    """Prints and gives back the pace of each way of playing, medians of `rounds`."""
    asked = experiment(env, episodes=episodes)
    plan = plan_of(asked, settings)
    sequence(plan.cells[:TASKS], settings)  # the games are written once, for all ways
    ways: dict[str, Callable[[], list[float]]] = {
        SEQUENCE: lambda: sequence(plan.cells, settings),
        "concurrent.futures, 2 processes": lambda: split(plan.cells, settings, workers=2),
        "laboratory, in this process": lambda: _conducted(asked, settings, workers=0),
        **{f"laboratory, {n} workers": _with(asked, settings, workers=n) for n in WORKERS},
    }
    found: dict[str, list[Pace]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.monotonic()
            stamps = way()
            found.setdefault(name, []).append(_pace(stamps, began=began))
    paces = {name: _median(some) for name, some in found.items()}
    print(f"\n{env}: {len(plan.cells)} episodes, {rounds} rounds")
    print(f"  {'':<34}{'episodes/s':>12}{'to the loop':>13}{'first after':>13}{'all in':>10}")
    for name, pace in paces.items():
        ratio = pace.per_s / paces[SEQUENCE].per_s
        print(
            f"  {name:<34}{pace.per_s:>12.1f}{ratio:>12.2f}x"
            f"{pace.first_s:>11.1f} s{pace.whole_s:>8.1f} s"
        )
    return paces


def show_table(*, rows: int, rounds: int) -> dict[str, Read]:
    """Prints and gives back how rows are read, medians of `rounds`."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sizes = fill(folder, rows=rows)
        added = statistics.median(durable(folder / "adding", rows=100))
        found: dict[str, list[Read]] = {}
        for name, one in reads(folder, rounds=rounds):
            found.setdefault(name, []).append(one)
    medians = {
        name: Read(
            seconds=statistics.median(one.seconds for one in some),
            peak_mib=statistics.median(one.peak_mib for one in some),
            won=some[0].won,
        )
        for name, some in found.items()
    }
    print(f"\n{rows:,} rows, {rounds} rounds; each way in a fresh process, same sums")
    print(f"  {'':<42}{'seconds':>9}{'to ours':>9}{'memory':>12}")
    for group in (SUMS, OBJECTS):
        ours = medians[next(iter(group))].seconds
        for name in group:
            one = medians[name]
            ratio = one.seconds / ours
            print(f"  {name:<42}{one.seconds:>9.2f}{ratio:>8.1f}x{one.peak_mib:>8.0f} MiB")
    told = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in sizes.items())
    print(f"  on disk: {told}; a row is durable after {added * 1e3:.1f} ms (median)")
    return medians


def _with(asked: Experiment, settings: Settings, *, workers: int) -> Callable[[], list[float]]:
    return lambda: _conducted(asked, settings, workers=workers)


def _conducted(asked: Experiment, settings: Settings, *, workers: int) -> list[float]:
    shutil.rmtree(folder_of(settings, asked.name), ignore_errors=True)
    stamps: list[float] = []

    def watch(row: object, done: int, total: int) -> None:  # noqa: ARG001
        if row is not None:
            stamps.append(time.monotonic())

    conduct(asked, settings, Call(workers=workers), watch=watch)
    return stamps


def _pace(stamps: list[float], *, began: float) -> Pace:
    half = len(stamps) // 2
    return Pace(
        per_s=(len(stamps) - 1 - half) / (stamps[-1] - stamps[half]),
        first_s=stamps[0] - began,
        whole_s=time.monotonic() - began,
    )


def _median(some: list[Pace]) -> Pace:
    parts = {
        name: statistics.median(getattr(one, name) for one in some) for name in Pace.model_fields
    }
    return Pace(**parts)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    load_before = psutil.getloadavg()[0]
    print(f"{psutil.cpu_count()} cores, load {load_before:.1f} before it began")
    parts = asked.part or PARTS
    with tempfile.TemporaryDirectory() as place:
        settings = load(home=place)
        if "overhead" in parts:
            for env in ENVS:
                show_overhead(env, settings, episodes=asked.episodes)
        if "rate" in parts:
            for env in ENVS:
                show_rate(env, settings, episodes=asked.episodes, rounds=asked.rounds)
    if "table" in parts:
        show_table(rows=asked.rows, rounds=asked.rounds)


if __name__ == "__main__":
    main()
