"""A loop that was killed (`kill -9`) goes on where it was: same rounds, nothing twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.applied import proposed
from agent.curriculum import InOrder
from agent.evolve import Loop, evolve
from agent.evolving import Bounds
from agent.evolving_desk import Desk
from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.settings import load
from envs.toy import THINGS, Toy, ToyEpisode
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Change, Trajectory

BOUNDS = Bounds(tasks=3, judged=10, least=8, held=3)
WORLD = Toy()
TASKS = {task.tags[1]: task for task in WORLD.tasks("train")}
HOMES = {thing: WORLD.open(TASKS[thing]).demonstrate()[0].text for thing in THINGS}
MAP = "You know which drawer is whose."


def player(messages: Any, schema: Any) -> dict[str, Any]:
    said = " ".join(str(one["content"]) for one in messages)
    choices = schema["properties"]["action"]["enum"]
    thing = said.rpartition("Bring me the ")[2].partition(".")[0]
    wishes = [f"give {thing}", f"take {thing}", HOMES.get(thing, "")]
    return {"action": next(one for one in wishes if one in choices) if MAP in said else choices[0]}


class Deadly(Toy):
    """Kills the process when its n-th episode is opened."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def open(self, task: Task, *, seed: int | None = None) -> ToyEpisode:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().open(task, seed=seed)


class Says:
    """Proposes a better prompt, after a train run of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        await self._desk.play(self._desk.crew, self._desk.env.tasks("train")[20:22])
        ledger = self._desk.crew.memory.ledger
        return (proposed("prompt", "solver", MAP, env="toy", ledger=ledger, reason="tried"),)


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    options = load(home=str(folder), memory={"learn": False})
    async with home(options, memory=memory, models={"model": PolicyModel(player)}) as opened:
        yield opened


def loop(here: Home, world: Toy) -> Loop:
    return Loop(
        name="toy",
        env=world,
        crew=here.crew,
        proposers={"says": Says},
        curriculum=InOrder(world.tasks("train")),
        folder=here.settings.home / "learning" / "toy",
        bounds=BOUNDS,
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("episode", [8, 14], ids=["proposer", "gate"])
async def test_a_killed_loop_goes_on_and_plays_nothing_twice(tmp_path: Path, episode: int) -> None:
    kill_at(tmp_path, episode)
    async with place(tmp_path) as here:
        ended = await evolve(loop(here, WORLD), most=1)
        (first,) = ended.rounds
        (decided,) = first.decided
        assert decided.decision.promote
        assert first.held.won == 3
        assert len(here.ledger.changes(kind="prompt")) == 1
        played = here.ledger.trajectories(limit=-1)
        assert set(Counter((run.arm, run.task) for run in played).values()) == {1}
        assert [run.error for run in played if run.error] == []
        assert here.ledger.runs(status="running") == []


def kill_at(folder: Path, episode: int) -> None:
    """Has the loop go on in a process of its own, which is killed."""
    command = [sys.executable, __file__, str(folder), str(episode)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=200)
    assert done.returncode == -signal.SIGKILL


def victim(folder: str, episode: int) -> None:
    """What the process does that is killed."""

    async def go() -> None:
        async with place(Path(folder)) as here:
            await evolve(loop(here, Deadly(episode)), most=1)

    asyncio.run(go())


if __name__ == "__main__":
    victim(sys.argv[1], int(sys.argv[2]))
