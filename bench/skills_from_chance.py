"""From luck to skill: a player without a mind, and the programs that its lucky wins become.

`python -m bench.skills_from_chance [LEVEL] [N]`: a player that picks any admissible action plays N
train houses of a level, the runs that it happened to win become skills (no model, no expert), these
are tried on other train houses, and then both play val houses. Nothing is kept.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.chance import RandomChoice
from agent.crossing import off
from agent.home import Home, home
from agent.models.scripted import ScriptedModel
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.synthesis import Induction, learned, ways_of
from envs.types import Env, Task
from memory.intervals import wilson
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Ground

MEASURED = 60
"""Val houses that both play."""


async def main(level: str, episodes: int) -> None:
    """Prints what became of the wins, and how both fare."""
    with TemporaryDirectory() as folder:
        settings = load(
            home=Path(folder),
            memory={"learn": False, "recall": False},
            skills={"choose": "first"},
        )
        async with home(settings, models={"model": ScriptedModel([], name="no model")}) as place:
            await _played(place, f"household:{level}", episodes)


async def _played(place: Home, name: str, episodes: int) -> None:
    env = await place.env(name)
    crew = replace(await place.crew(), strategy=RandomChoice())
    began = time.perf_counter()
    won, _ = await _won(crew, env, env.tasks("train")[:episodes], skills=False)
    print(f"by chance, train: {_rate(won, episodes)}, {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    shelf = Library(place.ledger, effects=place.memory.effects)
    ways = await off(ways_of, env, place.ledger, whose="own", most=episodes)
    with Sandbox() as sandbox:
        done = await learned(
            Ground(env, sandbox, shelf), Induction(), ways, told=lambda line: print(f"  {line}")
        )
    active = sum(one.admitted for one in done.outcomes)
    print(f"{active} skills admitted from {done.ways} wins, {time.perf_counter() - began:.0f} s")
    tasks = env.tasks("val")[:MEASURED]
    for told, skills in (("by chance", False), ("with skills", True)):
        won, steps = await _won(crew, env, tasks, skills=skills)
        print(f"{told}, val: {_rate(won, len(tasks))}, {steps / len(tasks):.1f} steps")


async def _won(crew: Crew, env: Env, tasks: Sequence[Task], *, skills: bool) -> tuple[int, int]:
    won = steps = 0
    for task in tasks:
        spec = Spec(task=task, seed=task.seed, chance=task.id, recall=False, skills=skills)
        done = await run(crew, env, spec)
        won += bool(done.score and done.score.passed)
        steps += len(done.steps)
    return won, steps


def _rate(won: int, total: int) -> str:
    low, high = wilson(won, total)
    return f"{won} of {total} won ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    asyncio.run(
        main(
            sys.argv[1] if len(sys.argv) > 1 else "nook",
            int(sys.argv[2]) if len(sys.argv) > 2 else 150,
        )
    )
