"""What the framework costs per step: the graph against a bare loop, same game, same script.

`python -m bench.overhead` plays the toy environment with a scripted model, memory off. The bare
loop calls model and environment and nothing else: no checkpoints, no record, no resumption.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.solver import action_schema
from envs.toy import Toy
from envs.types import Action, Limits, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

STEPS = 50
EPISODES = 20


def policy(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens drawers, so that an episode lasts to its limit."""
    choices = schema["properties"]["action"]["enum"] if schema else ["look"]
    return {"action": choices[len(messages) % 2]}


def tasks() -> list[Task]:
    """Toy tasks that last `STEPS` steps."""
    limits = Limits(steps=STEPS)
    return [t.model_copy(update={"limits": limits}) for t in Toy().tasks("train")[:EPISODES]]


async def bare(task: Task) -> float:
    """Seconds per step of a loop that anybody would write."""
    model, episode = PolicyModel(policy), Toy().open(task)
    messages: list[dict[str, Any]] = [{"role": "user", "content": episode.first.observation}]
    step, count, began = episode.first, 0, time.perf_counter()
    while not (step.terminated or step.truncated):
        schema = action_schema(step.admissible or (), think=False)
        reply = await model.reply(messages, schema=schema)
        step = episode.step(Action(text=(reply.data or {})["action"]))
        messages.append({"role": "assistant", "content": reply.text})
        messages.append({"role": "user", "content": step.observation})
        count += 1
    return (time.perf_counter() - began) / count


async def framed(crew: Crew, task: Task) -> float:
    """Seconds per step of a whole run: graph, checkpoints, record."""
    began = time.perf_counter()
    done = await run(crew, Toy(), Spec(task=task, recall=False, learn=False))
    return (time.perf_counter() - began) / len(done.steps)


async def main() -> None:
    """Prints both, in milliseconds, and what the framework adds."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        memory = Memory(Ledger(place / "ledger.db"), ListIndex(HashEmbedder()))
        model = PolicyModel(policy)
        async with home(load(home=folder), memory=memory, models={"model": model}) as opened:
            crew = await opened.crew()
            pairs = [(await bare(task), await framed(crew, task)) for task in tasks()]
    loops, runs = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    print(f"{EPISODES} episodes of {STEPS} steps, in turn; medians per step")
    print(f"bare loop                    {loops:6.2f} ms")
    print(f"graph, checkpoints, record   {runs:6.2f} ms")
    print(f"added by the framework       {runs - loops:6.2f} ms (to reach: under 5)")


if __name__ == "__main__":
    asyncio.run(main())
