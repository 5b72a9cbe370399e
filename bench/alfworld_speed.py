"""ALFWorld's stock loader against ours: set-up time, steps per second, and the same output.

`python -m bench.alfworld_speed DATA` prints the times, `--equal` compares the output on 20 games
of each type over 50 random steps, `--record FILE` writes what the stock path says there, for tests.
DATA is the folder that holds `json_2.1.1`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

from envs.textgames import PINNED, TASK_TYPES, GameState, TextGame
from envs.workers import WorkerPool

STEPS = 50
GAMES = "json_2.1.1/train"


def games(data: Path, *, per_type: int) -> list[str]:
    """Paths under `data`, always the same, mixed over rooms, the six types in turn."""
    by_type: dict[str, list[str]] = {kind: [] for kind in TASK_TYPES}
    for path in (data / GAMES).glob("*/*/game.tw-pddl"):
        name = path.relative_to(data).as_posix()
        by_type[path.parts[-3].split("-")[0]].append(name)
    chosen = [
        sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:per_type]
        for names in by_type.values()
    ]
    return [name for turn in zip(*chosen, strict=True) for name in turn]


def walk(
    path: Path, *, fast: bool, steps: int = STEPS, cache: Path | None = None
) -> list[GameState]:
    """All states of a random walk; the same commands on both paths as long as both say the same.

    One in four games begins with the stored solution; one command in twenty is nonsense; half of
    the time something else than walking is preferred.
    """
    rng = random.Random("/".join(path.parts[-3:-1]))
    plan = json.loads(path.read_text("utf-8"))["walkthrough"] if rng.random() < 0.25 else []
    game = TextGame(path, fast=fast, cache=cache)
    states = [game.reset()]
    for number in range(steps):
        commands = states[-1].commands
        busy = [command for command in commands if not command.startswith("go to ")]
        command = rng.choice(busy if busy and rng.random() < 0.5 else commands)
        if rng.random() < 0.05:
            command = f"juggle {command}"
        states.append(game.step(plan[number] if number < len(plan) else command))
    game.close()
    return states


def digest(states: Sequence[GameState]) -> str:
    """Hash of feedback, commands and `won` of each state."""
    seen = [[state.feedback, state.commands, state.won] for state in states]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def first_difference(name: str, *, data: Path, steps: int = STEPS) -> str:
    """Where the two paths differ on a game; empty where they do not."""
    fast, stock = (walk(data / name, fast=fast, steps=steps) for fast in (True, False))
    for number, (ours, theirs) in enumerate(zip(fast, stock, strict=True)):
        if ours != theirs:
            return f"{name}, step {number}: {ours!r} is not {theirs!r}"
    return ""


def fast_digest(name: str, *, data: Path) -> str:
    """What the fast path said in a game, as a hash."""
    return digest(walk(data / name, fast=True))


def stock_digest(name: str, *, data: Path) -> str:
    """What the stock path says."""
    return digest(walk(data / name, fast=False))


def _processes(count: int) -> Pool:
    """Recycled, since the stock path keeps some memory of every game."""
    return multiprocessing.get_context("spawn").Pool(count, maxtasksperchild=16)


def equal(data: Path, *, per_type: int, processes: int) -> int:
    """Prints where the paths differ; returns the number of games on which they do."""
    names = games(data, per_type=per_type)
    with _processes(processes) as pool:
        found = pool.map(partial(first_difference, data=data), names, chunksize=1)
    different = [line for line in found if line]
    print("\n".join(different[:5]))
    print(f"{len(names) - len(different)} of {len(names)} games the same over {STEPS} steps")
    return len(different)


def record(data: Path, *, file: Path, per_type: int, processes: int) -> None:
    """Writes the digests of the stock path."""
    names = games(data, per_type=per_type)
    with _processes(processes) as pool:
        digests = pool.map(partial(stock_digest, data=data), names, chunksize=1)
    content = {"versions": PINNED, "steps": STEPS, "games": dict(zip(names, digests, strict=True))}
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _played(paths: Sequence[Path], *, fast: bool, cache: Path | None) -> tuple[float, float]:
    """Seconds to set one game up, and steps per second, in this process."""
    setup = steps = 0.0
    for path in paths:
        rng = random.Random(path.parts[-2])
        began = time.perf_counter()
        game = TextGame(path, fast=fast, cache=cache)
        state = game.reset()
        ready = time.perf_counter()
        for _ in range(STEPS):
            state = game.step(rng.choice(state.commands))
        setup += ready - began
        steps += time.perf_counter() - ready
        game.close()
    return setup / len(paths), STEPS * len(paths) / steps


def _amortised(paths: Sequence[Path], *, cache: Path) -> float:
    """Seconds to set one game up in a worker, start and recycling of the worker included."""
    began = time.perf_counter()
    pool = WorkerPool(1, cache=cache)
    for path in paths:
        pool.open(path).close()
    seconds = (time.perf_counter() - began) / len(paths)
    pool.close()
    return seconds


def measure(
    data: Path, *, per_type: int, episodes: int
) -> Iterator[tuple[str, float, float | None]]:
    """Rows of name, seconds to set one game up, steps per second."""
    paths = [data / name for name in games(data, per_type=per_type)]
    _played(paths[:1], fast=False, cache=None)  # Imports and first parses are nobody's.
    yield "stock", *_played(paths, fast=False, cache=None)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        yield "fast, first time", *_played(paths, fast=True, cache=cache)
        yield "fast, translation kept", *_played(paths, fast=True, cache=cache)
        many = [data / name for name in games(data, per_type=episodes // len(TASK_TYPES))]
        yield "worker pool, first time, amortised", _amortised(many, cache=cache), None
        yield "worker pool, translations kept, amortised", _amortised(many, cache=cache), None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--equal", action="store_true")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--per-type", type=int, default=0, help="games of each type")
    parser.add_argument("--episodes", type=int, default=120)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    if args.record:
        per_type = args.per_type or 20
        record(args.data, file=args.record, per_type=per_type, processes=args.processes)
    elif args.equal:
        per_type = args.per_type or 20
        raise SystemExit(equal(args.data, per_type=per_type, processes=args.processes) > 0)
    else:
        rows = list(measure(args.data, per_type=args.per_type or 2, episodes=args.episodes))
        _, stock_setup, stock_rate = rows[0]
        for name, setup, rate in rows:
            speed = f"{rate:7.1f} steps/s ({rate / (stock_rate or 1):.1f}x)" if rate else ""
            print(f"{name:42} set-up {setup:6.3f} s ({stock_setup / setup:5.1f}x) {speed}")


if __name__ == "__main__":
    main()
