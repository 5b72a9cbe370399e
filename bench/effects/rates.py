"""What comes up for a task: retrieval sets of real ALFWorld tasks, for the simulated worlds.

`python -m bench.effects.rates --data FOLDER` writes `rates.json`: lessons as the agent writes them
(their situation is the goal of a train game), other train games as tasks, and for each task the
lessons that recall would rank first, by the same embedding, floor and guard (`Task.key`).
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
from pydantic import Field

from agent.settings import MemorySettings
from envs.alfworld import Alfworld
from envs.types import Frozen, Task
from memory.embed import MiniLM

FILE = Path(__file__).with_name("rates.json")
"""Where the measured rates are kept."""
LESSONS, TASKS, DEEP = 64, 500, 16
"""How many lessons, tasks, and lessons for each task are kept."""


class Rates(Frozen):
    """Which lessons come up for which task, best first."""

    note: str
    """How it was measured."""
    floor: float = Field(ge=-1, le=1)
    """Least cosine similarity."""
    types: tuple[int, ...]
    """Type of each task, as a number."""
    keys: tuple[int, ...]
    """`Task.key` of each task, as a number; equal for the same goal and room."""
    lessons: int
    """How many lessons there are."""
    origins: tuple[int, ...]
    """Type of the task from which each lesson comes, as a number."""
    ranked: tuple[tuple[int, ...], ...]
    """For each task the lessons that come up, best first, at most `DEEP`."""


def measure(data: Path, *, cache: Path | None = None, seed: int = 0) -> Rates:
    """Ranks lessons of some train games for other train games. Raises `Missing` without games."""
    tasks = list(Alfworld(data, cache=cache).tasks("train"))
    random.Random(seed).shuffle(tasks)
    sources, played = tasks[:LESSONS], tasks[LESSONS : LESSONS + TASKS]
    embedder = MiniLM()
    close = embedder.embed([t.goal for t in played]) @ embedder.embed([t.goal for t in sources]).T
    floor = MemorySettings().floor
    ranked = [_ranked(row, task, sources, floor) for row, task in zip(close, played, strict=True)]
    kinds = sorted({task.tags[0] for task in tasks})
    keys = sorted({task.key for task in played})
    return Rates(
        note=f"ALFWorld train games: {LESSONS} goals as situations, {TASKS} other games as tasks,"
        f" MiniLM cosine at the goal, same-key pairs left out, seed {seed}",
        floor=floor,
        types=tuple(kinds.index(task.tags[0]) for task in played),
        keys=tuple(keys.index(task.key) for task in played),
        lessons=LESSONS,
        origins=tuple(kinds.index(task.tags[0]) for task in sources),
        ranked=tuple(ranked),
    )


def load() -> Rates:
    """The rates that are kept beside this file."""
    return Rates.model_validate_json(FILE.read_text("utf-8"))


def _ranked(row: np.ndarray, task: Task, sources: list[Task], floor: float) -> tuple[int, ...]:
    order = [int(place) for place in np.argsort(-row, kind="stable")]
    fits = [i for i in order if row[i] >= floor and sources[i].key != task.key]
    return tuple(fits[:DEEP])


def main() -> None:
    """Measures and writes `rates.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of json_2.1.1")
    parser.add_argument("--cache", type=Path, help="where the list of games is kept")
    given = parser.parse_args()
    found = measure(given.data, cache=given.cache)
    FILE.write_text(json.dumps(found.model_dump(), separators=(",", ":")) + "\n", "utf-8")
    sizes = [len(ranked) for ranked in found.ranked]
    print(f"{FILE}: {np.mean(sizes):.1f} lessons above the floor for a task (at most {DEEP})")


if __name__ == "__main__":
    main()
