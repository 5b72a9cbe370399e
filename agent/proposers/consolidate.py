"""Consolidation: a proposer over the runs of train tasks; planned, gated, then written at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agent.crossing import off
from agent.models.types import Model
from agent.proposers.registry import NO_MODEL, proposer_of
from agent.proposers.types import Desk, Reader
from agent.settings import Settings
from envs.types import Frozen
from memory.clock import new_id
from memory.recall import Memory
from memory.types import REPLAY, Change, Trajectory, Usage

RUNS = 200
"""Runs that a consolidation looks at, unless told otherwise: the latest."""
CALLS = 16
"""Most requests to the model, unless told otherwise."""


class Plan(Frozen):
    """What a proposer would change. Nothing is written."""

    proposer: str
    """Its name."""
    runs: int
    """How many runs it looked at."""
    changes: tuple[Change, ...] = ()
    """In the order in which they would be written; a gate may have rejected some."""
    usage: Usage = Usage()
    """What was asked of the model."""


Gate = Callable[[Plan], Awaitable[Plan]]
"""Decides on a plan: gives it back, changes that lose with `decision="rejected"` and why.

A rejected change is written too, and has no effect.
"""


async def plan(
    name: str,
    memory: Memory,
    settings: Settings,
    *,
    model: Callable[[], Awaitable[Model]],
    env: str = "",
    limit: int = RUNS,
    calls: int = CALLS,
    progress: Callable[[str], None] = lambda _line: None,
) -> Plan:
    """Asks the proposer of that name about the latest train runs. Raises `UnknownName`,
    `ModelError`.
    """
    kind = proposer_of(name)
    runs = await off(train_runs, memory, env=env, limit=limit)
    silent = name in NO_MODEL or not runs
    desk = Desk(
        settings=settings,
        model=None if silent else await model(),
        memory=Reader(memory),
        calls=calls,
        progress=progress,
    )
    found = await kind(desk).propose(runs)
    return Plan(proposer=name, runs=len(runs), changes=found, usage=desk.usage)


async def passed(plan: Plan) -> Plan:
    """The gate that lets everything through."""
    return plan


async def apply(plan: Plan, memory: Memory, *, gate: Gate = passed) -> tuple[Change, ...]:
    """Writes what the gate lets through, in one batch that can be undone by its id.

    All or nothing. Raises `Refused` where a lesson was altered after the plan was made.
    """
    judged = await gate(plan)
    batch = new_id("B", seconds=memory.ledger.now())
    changes = [one.model_copy(update={"batch": batch}) for one in judged.changes]
    return await off(memory.write, *changes) if changes else ()


def train_runs(memory: Memory, *, env: str = "", limit: int = RUNS) -> Sequence[Trajectory]:
    """The latest finished runs on train tasks, oldest first; replays don't count."""
    found = memory.ledger.trajectories(env=env or None, split="train", limit=limit)
    return [run for run in reversed(found) if not run.error and run.arm != REPLAY]
