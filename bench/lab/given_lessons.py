"""Lessons that arms are given before an experiment: what the expert's runs on train tasks leave.

They come about as in `journeyman run ENV --expert`: the expert plays, the rule that needs no
model drafts, memory admits. What an arm is given is its ledger, kept in the table like all that
arms keep.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.graph import opened
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import MemorySettings, Settings
from agent.solver import Greedy
from agent.synthesis import ways_of
from agent.tutor import EXPERT, Nobody, taught
from agent.verifier import Shown
from bench.arms.controls import packed_ledger
from envs.types import Env
from memory.embed import Embedder, MiniLM
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

WAYS = 120
"""Train tasks that the expert solves, in each environment: the very ones that skills are written
from (`bench/lab/given_skills.py`)."""
TELL = 10
Told = Callable[[str], None]


def starting_lessons(
    envs: Mapping[str, Env],
    *,
    ways: int = WAYS,
    known: Mapping[str, Any] | None = None,
    embedder: Callable[[], Embedder] = MiniLM,
    told: Told = lambda _text: None,
) -> dict[str, Any]:
    """`{"ledger": ..., "runs": [run, ...], "taught": [environment, ...]}`, as `Taught` loads it.

    `known` is what an arm kept before the experiment grew: what is there stays as it is.
    """
    kept = dict(known or {})
    missing = [env for name, env in envs.items() if name not in kept.get("taught", ())]
    if not missing:
        return kept
    with TemporaryDirectory(prefix="journeyman-lessons-") as folder:
        path = Path(folder) / "ledger.db"
        if "ledger" in kept:
            path.write_bytes(base64.b64decode(kept["ledger"]))
        memory = Memory(Ledger(path), ListIndex(embedder()))
        try:
            asyncio.run(_shown(missing, memory, ways=ways, told=told))
            runs = memory.ledger.trajectories(limit=-1)
            return {
                "ledger": packed_ledger(memory.ledger),
                "runs": [run.id for run in runs],
                "taught": [*kept.get("taught", ()), *(env.name for env in missing)],
            }
        finally:
            memory.close()


async def _shown(envs: Sequence[Env], memory: Memory, *, ways: int, told: Told) -> None:
    settings = Settings(memory=MemorySettings(recall=False))
    async with opened(memory.ledger.path.with_name("steps.db")) as graph:
        crew = Crew(
            settings=settings,
            graph=graph,
            memory=memory,
            model=Nobody(EXPERT),
            strategy=Greedy(),
            verifier=Shown(),
            reflector=Plain(),
        )
        for env in envs:
            who, where = taught(crew, env)
            shown = ways_of(env, memory.ledger, whose="expert", most=ways, told=told)
            tasks = [way.task for way in shown]
            for number, task in enumerate(tasks, start=1):
                await run(who, where, Spec(task=task, seed=task.seed, arm=EXPERT, recall=False))
                if number % TELL == 0 or number == len(tasks):
                    there = len(memory.ledger.lessons(limit=-1))
                    told(f"{env.name}: the expert showed {number} of {len(tasks)}, {there} lessons")
