"""`python -m bench.loop_costs [--tasks 20,80,320 --workers 1,2,4]`: what a round of the loop costs.

A round of `journeyman learn` with no proposers, in generated houses: tasks are chosen, played,
remembered (ledger, Chroma's index, lessons by rules) and judged. The player is a script that takes
one admissible action or another, so that only the framework is measured. Each cell has a process
and a home of its own. Tokens are those that a model would have been sent. Vectors are hashed, as
MiniLM's would cost the same anywhere: `python -m bench.memory` measures those.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from agent.crossing import off
from agent.curricula import DEFAULT, curriculum
from agent.evolve import Loop, evolve
from agent.evolving import Bounds, Evolution
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.models.types import Message, Reply, Sampling
from agent.settings import Settings, load
from envs.errors import EnvError, clip
from envs.types import Frozen, ToolSpec
from memory.embed import HashEmbedder
from memory.index import Index
from memory.ledger import Ledger
from memory.recall import Memory
from memory.text import estimate_tokens
from memory.types import Usage

LEVEL = "household:nook"
TASKS, WORKERS = (20, 80, 320), (1, 2, 4)
OFTEN = 0.5
"""Seconds between two looks at memory."""
OPEN, CLOSE = "<!-- costs -->", "<!-- /costs -->"
"""Between these the table stands in a page."""


class Cost(Frozen):
    """What a round cost."""

    tasks: int
    """Train tasks; one val task is played besides, and counts as one of the episodes."""
    workers: int
    """Runs at a time, and game processes."""
    seconds: float
    """Wall clock of the round."""
    cpu: float
    """CPU seconds of the round, all processes."""
    steps: int
    """Actions."""
    tokens: int
    """Tokens sent and received."""
    lessons: int
    """Lessons written."""
    memory: int
    """Most bytes that all its processes had for themselves at one time."""
    load: float
    """Load of the machine when it began: what others were doing."""

    @property
    def episodes(self) -> int:
        """Played in the round."""
        return self.tasks + 1


class Wanderer(PolicyModel):
    """Takes one of the offered actions, by what it was told; counts tokens, and keeps nothing."""

    def __init__(self) -> None:
        super().__init__(wander, name="script")

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """See `PolicyModel`."""
        made = await super().reply(messages, tools=tools, schema=schema, sampling=sampling)
        self.requests.clear()
        sent = sum(estimate_tokens(str(one.get("content", ""))) for one in messages)
        usage = Usage(calls=1, prompt_tokens=sent, completion_tokens=estimate_tokens(made.text))
        return made.model_copy(update={"usage": usage})


def wander(messages: Sequence[Message], schema: dict[str, Any] | None) -> dict[str, Any]:
    """The same for the same words, and as good as by chance."""
    if schema is None:
        return {}
    offered = schema["properties"]["action"]["enum"]
    told = f"{len(messages)} {messages[-1].get('content', '')}"
    return {"action": offered[zlib.crc32(told.encode()) % len(offered)]}


class Watch:
    """CPU time and memory of this process and all that it began; samples until it is stopped."""

    def __init__(self) -> None:
        self.peak = 0
        self._spent: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def cpu(self) -> float:
        """CPU seconds so far."""
        self._sample()
        return sum(self._spent.values())

    def stop(self) -> None:
        """Ends it."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(OFTEN):
            self._sample()

    def _sample(self) -> None:
        here, own = psutil.Process(), 0
        for one in (here, *here.children(recursive=True)):
            try:
                times = one.cpu_times()
                self._spent[one.pid] = times.user + times.system
                own += one.memory_full_info().uss
            except psutil.Error:
                continue  # it has ended meanwhile
        self.peak = max(self.peak, own)


async def played(folder: Path, *, tasks: int, workers: int, level: str = LEVEL) -> Cost:
    """One round in an empty home."""
    settings: Settings = load(home=folder, memory={"drafts": "plain"})
    embedder = HashEmbedder()
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", embedder))
    watch, marks = Watch(), list[tuple[float, float]]()
    busy = psutil.getloadavg()[0]

    def seen(_so_far: Evolution) -> None:
        marks.append((time.monotonic(), watch.cpu()))

    async with home(settings, memory=memory, models={"model": Wanderer()}) as place:
        env = await place.env(level, workers=workers)
        loop = Loop(
            name="costs",
            env=env,
            crew=place.crew,
            proposers={},
            curriculum=await off(curriculum, DEFAULT, env.tasks("train")),
            folder=folder / "learning",
            bounds=Bounds(tasks=tasks, held=1),
            at_once=workers,
        )
        await evolve(loop, most=1, seen=seen)
        runs = place.ledger.trajectories(limit=-1, newest_first=False)[1:]
    watch.stop()
    return Cost(
        tasks=len(runs) - 1,
        workers=workers,
        seconds=marks[1][0] - marks[0][0],
        cpu=marks[1][1] - marks[0][1],
        steps=sum(len(run.steps) for run in runs),
        tokens=sum(run.usage.prompt_tokens + run.usage.completion_tokens for run in runs),
        lessons=sum(len(run.lessons) for run in runs),
        memory=watch.peak,
        load=busy,
    )


def apart(*, tasks: int, workers: int) -> Cost:
    """The same in a process of its own. Raises `EnvError` where that fails."""
    command = [sys.executable, "-m", "bench.loop_costs", "--cell", f"{tasks},{workers}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = clip(done.stderr[-300:], most=300)
        raise EnvError(f"{tasks} tasks with {workers} workers: {said}", repair="run it alone")
    return Cost.model_validate_json(done.stdout.splitlines()[-1])


def table(costs: Sequence[Cost]) -> str:
    """The costs as Markdown."""
    head = (
        "tasks", "workers", "s a task", "CPU s a task", "steps a task", "tokens a task",
        "ms a step", "memory MB", "load before",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for one in costs:
        cells = (
            str(one.tasks), str(one.workers), f"{one.seconds / one.episodes:.2f}",
            f"{one.cpu / one.episodes:.2f}", f"{one.steps / one.episodes:.1f}",
            f"{one.tokens / one.episodes:,.0f}", f"{one.seconds / max(1, one.steps) * 1e3:.0f}",
            f"{one.memory / 1e6:.0f}", f"{one.load:.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def section(costs: Sequence[Cost]) -> str:
    """What a page tells of them, with the marks around it."""
    return f"""{OPEN}
## What a round costs

`python -m bench.loop_costs` plays one round of `journeyman learn {LEVEL}` for each row, in an empty
home and a process of its own, with a script for a player: no model, vectors by hashing, lessons by
rules. Tokens are what a model would have been sent. Seconds are wall clock; where the machine was
busy (its load before the row is the last column), CPU seconds tell more.

{table(costs)}
{CLOSE}
"""


def put(text: str, costs: str) -> str:
    """A page with this section, in the place of the old one or at its end."""
    if OPEN not in text:
        return f"{text.rstrip()}\n\n{costs}"
    before, _, rest = text.partition(OPEN)
    return f"{before}{costs.rstrip()}{rest.partition(CLOSE)[2]}"


def taken(text: str) -> str:
    """The section of a page; empty where it has none."""
    found = text.partition(OPEN)[2].partition(CLOSE)[0]
    return f"{OPEN}{found}{CLOSE}\n" if found else ""


def main() -> None:
    """Plays all cells that are asked for, and puts the table into a page, if there is one."""
    asked = argparse.ArgumentParser(prog="python -m bench.loop_costs", description=__doc__)
    asked.add_argument("--tasks", default=",".join(map(str, TASKS)))
    asked.add_argument("--workers", default=",".join(map(str, WORKERS)))
    asked.add_argument("--page", type=Path, default=None, help="Markdown that gets the table")
    asked.add_argument("--cell", default="", help="play this one here: TASKS,WORKERS")
    given = asked.parse_args()
    if given.cell:
        tasks, workers = map(int, given.cell.split(","))
        with tempfile.TemporaryDirectory() as folder:
            cost = asyncio.run(played(Path(folder), tasks=tasks, workers=workers))
        print(json.dumps(cost.model_dump()))
        return
    found: list[Cost] = []
    for tasks in map(int, given.tasks.split(",")):
        for workers in map(int, given.workers.split(",")):
            found.append(apart(tasks=tasks, workers=workers))
            print(table(found[-1:]).splitlines()[-1], flush=True)
            if given.page is not None:
                text = given.page.read_text("utf-8") if given.page.is_file() else ""
                given.page.write_text(put(text, section(found)), "utf-8")


if __name__ == "__main__":
    main()
