"""Runs that are wanted once: found in the ledger, taken up where a killed process was, or new.

Work in stages asks for its runs like this, and so goes on where it was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.applied import applied
from agent.crossing import off
from agent.runner import Crew, Spec, interrupted, resume
from agent.runner import run as play
from agent.worker import worker
from envs.types import Env
from memory.ledger import Ledger
from memory.types import Trajectory

Heard = Callable[[Trajectory], None]
"""Hears of each run that has been played; not of those that were there."""
Cell = tuple[str, str, int]
"""Arm, task and seed."""


async def once(
    crew: Crew,
    env: Env,
    specs: Sequence[Spec],
    *,
    at_once: int = 1,
    heard: Heard = lambda _run: None,
) -> list[Trajectory]:
    """The run of each spec, in their order, by this crew as it is set now.

    Runs of another model or of other settings don't count.
    """
    settings = await off(applied, crew.settings, crew.memory.ledger, env.name)
    crew = replace(crew, settings=settings)
    config, ledger = settings.hash(), crew.memory.ledger
    done = await off(_done, ledger, env, specs, (crew.model.name, config))
    going = await off(ledger.runs, status="running", limit=1000)
    begun: dict[Cell, str] = {}
    for run in interrupted(going, here=await off(worker, settings)):
        spec = Spec.model_validate(run.spec)
        if spec.config == config:
            begun[spec.arm, spec.task.id, spec.seed] = run.id
    gate = asyncio.Semaphore(max(1, at_once))

    async def one(spec: Spec) -> Trajectory:
        cell = (spec.arm, spec.task.id, spec.seed)
        if cell in done:
            return done[cell]
        async with gate:
            if cell in begun:
                run = await resume(crew, env, begun[cell])
            else:
                run = await play(crew, env, spec)
        heard(run)
        return run

    return list(await asyncio.gather(*(one(spec) for spec in specs)))


def _done(
    ledger: Ledger, env: Env, specs: Sequence[Spec], by: tuple[str, str]
) -> dict[Cell, Trajectory]:
    found: dict[Cell, Trajectory] = {}
    for arm in dict.fromkeys(spec.arm for spec in specs):
        for run in ledger.trajectories(env=env.name, arm=arm, limit=-1, newest_first=False):
            if (run.model, run.config) == by:
                found.setdefault((arm, run.task, run.seed), run)
    return found
