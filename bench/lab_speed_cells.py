"""The same episodes played in the ways that `bench.lab_speed` compares."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import asynccontextmanager, closing
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from agent.chance import RandomChoice
from agent.graph import opened
from agent.models.scripted import PolicyModel
from agent.models.types import Message
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import Settings
from agent.solver import Greedy, action_schema
from agent.verifier import Shown
from agent.worlds import open_env
from bench.lab.conduct import Conductor
from bench.lab.plan import Plan, planned
from bench.lab.table import Table
from bench.lab.types import ArmSpec, Cell, Experiment, Tasks
from bench.lab.worker import IN_MEMORY, Order, Result, Worker
from bench.lab_speed_arm import KIND
from bench.overhead import policy
from envs.errors import InternalError
from envs.types import Action, Env
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

TASKS = 30
"""Tasks of each environment; more episodes are more seeds of the same."""
SCRIPTED = "toy"
"""Where the script plays; elsewhere any admissible action is taken."""


class Spent(NamedTuple):
    """What an episode took, in seconds."""

    wall: float
    """From its beginning to its end."""
    cpu: float
    """Of this process, all its threads; on a busy machine the steadier figure."""


class NoPool:
    """Takes no orders: for a conductor that only writes them."""

    count = 1

    def submit(self, order: Order) -> Future[Result]:
        """Raises `InternalError`: nobody plays here."""
        raise InternalError(
            f"cell {order.cell.id} was given to a pool that plays nothing",
            repair="call `Conductor.order` alone, or take a pool of bench/lab/pool.py",
        )

    def close(self) -> None:
        """Nothing to do."""


def experiment(env: str, *, episodes: int) -> Experiment:
    """One arm without a real model, `episodes` cells or a few more."""
    kind = KIND if env == SCRIPTED else "random"
    return Experiment(
        name="speed",
        title="What does the laboratory cost?",
        measure=(Tasks(env=env, split="val", n=min(TASKS, episodes)),),
        arms=(ArmSpec(name="arm", kind=kind),),
        seeds=tuple(range(-(-episodes // TASKS))),
    )


def plan_of(asked: Experiment, settings: Settings) -> Plan:
    """Its cells."""
    name = asked.measure[0].env
    with closing(open_env(name, settings)) as env:
        return planned(asked, {name: env})


async def bare(env: Env, cell: Cell) -> int:
    """Steps of a loop over the environment that anybody would write; it leaves nothing."""
    rng, model = random.Random(_chance(cell)), PolicyModel(policy)
    messages: list[Message] = []
    episode = env.open(cell.task, seed=cell.task.seed)
    step, count = episode.first, 0
    try:
        while not (step.terminated or step.truncated):
            choices = step.admissible or ("look",)
            text = rng.choice(list(choices))
            if cell.task.env == SCRIPTED:
                messages.append({"role": "user", "content": step.observation})
                schema = action_schema(tuple(choices), think=False)
                reply = await model.reply(messages, schema=schema)
                text = (reply.data or {})["action"]
                messages.append({"role": "assistant", "content": reply.text})
            step, count = episode.step(Action(text=text)), count + 1
    finally:
        episode.close()
    return count


@asynccontextmanager
async def crew_at(ledger: Path, checkpoints: Path, settings: Settings) -> AsyncIterator[Crew]:
    """Who plays without the laboratory; `choosing` gives it its solver."""
    memory = Memory(Ledger(ledger), ListIndex(HashEmbedder()))
    try:
        async with opened(checkpoints) as graph:
            yield Crew(
                settings=settings,
                graph=graph,
                memory=memory,
                model=PolicyModel(policy),
                strategy=Greedy(),
                verifier=Shown(),
                reflector=Plain(),
            )
    finally:
        memory.close()


async def alone(crew: Crew, env: Env, cell: Cell, *, name: str) -> int:
    """Steps of a recorded run without the laboratory: what `journeyman run` does."""
    solving = crew
    if cell.task.env != SCRIPTED:
        solving = Crew(**{**vars(crew), "strategy": RandomChoice()})
    spec = Spec(
        task=cell.task, seed=cell.task.seed, recall=False, learn=False, chance=_chance(cell)
    )
    return len((await run(solving, env, spec, run_id=f"{name}-{cell.id}")).steps)


async def overhead(
    asked: Experiment, settings: Settings, *, folder: Path, episodes: int
) -> tuple[dict[str, list[Spent]], list[int]]:
    """What every episode took in each way, played in turn, and the steps of the episodes.

    Raises `InternalError` where the ways did not play the same number of steps.
    """
    env = open_env(asked.measure[0].env, settings)
    plan, table, worker = plan_of(asked, settings), Table(folder / "lab"), Worker()
    table.begin(asked, {"id": "speed", "began": ""})
    conductor = Conductor(plan, table, NoPool(), settings=settings, session="speed")
    times: dict[str, list[Spent]] = {}
    lengths: list[int] = []

    async def laboratory(cell: Cell) -> int:
        result = await worker.play(conductor.order(cell))
        table.add(result.row, result.transcript, state=result.state, flags=result.flags)
        return result.row.steps

    try:
        async with (
            crew_at(folder / "ledger.db", folder / "checkpoints.db", settings) as disk,
            crew_at(IN_MEMORY, IN_MEMORY, settings) as memory,
        ):
            ways = {
                "bare loop": lambda cell: bare(env, cell),
                "runner, in memory": lambda cell: alone(memory, env, cell, name="m"),
                "runner, on disk": lambda cell: alone(disk, env, cell, name="d"),
                "laboratory": laboratory,
            }
            await _warm(ways, plan.cells[-1])
            for number, cell in enumerate(plan.cells[:episodes]):
                found = {}
                for name in _turned(list(ways), number):
                    began, cpu = time.perf_counter(), time.process_time()
                    found[name] = await ways[name](cell)
                    spent = Spent(time.perf_counter() - began, time.process_time() - cpu)
                    times.setdefault(name, []).append(spent)
                if len(set(found.values())) != 1:
                    raise InternalError(
                        f"cell {cell.id} was not the same episode in all ways: {found}",
                        repair="compare its actions",
                    )
                lengths.append(found["laboratory"])
    finally:
        await worker.close()
        table.close()
        env.close()
    return times, lengths


def sequence(cells: Sequence[Cell], settings: Settings) -> list[float]:
    """Plays cells one after the other without the laboratory; when each ended (monotonic s)."""
    return asyncio.run(_sequence(cells, settings))


def split(cells: Sequence[Cell], settings: Settings, *, workers: int) -> list[float]:
    """The same with `concurrent.futures`, each process with its share; nothing is gathered."""
    shares = [list(cells[number::workers]) for number in range(workers)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(sequence, share, settings) for share in shares]
        return sorted(stamp for future in done for stamp in future.result())


async def _sequence(cells: Sequence[Cell], settings: Settings) -> list[float]:
    env = open_env(cells[0].task.env, settings)
    stamps: list[float] = []
    with TemporaryDirectory() as place:
        folder = Path(place)
        try:
            async with crew_at(folder / "ledger.db", folder / "checkpoints.db", settings) as crew:
                for cell in cells:
                    await alone(crew, env, cell, name="s")
                    stamps.append(time.monotonic())
        finally:
            env.close()
    return stamps


async def _warm(ways: Mapping[str, Any], cell: Cell) -> None:
    for way in ways.values():
        await way(cell)


def _turned(names: list[str], number: int) -> list[str]:
    first = number % len(names)
    return names[first:] + names[:first]


def _chance(cell: Cell) -> str:
    return f"{cell.seed}/{cell.id}"
