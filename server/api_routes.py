"""What the agent did: its changes and how to take them back, runs, trajectories, differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query

from agent.crossing import off
from envs.chat import clean
from memory.asof import Diff, diff
from memory.types import Change, Trajectory
from server.api_types import Changes, RunPage, Runs, Undo, Undone
from server.errors import OF_ERRORS
from server.memory_routes import Id, Limit, Mem, Offset, Place, origin_of, undone
from server.memory_routes import router as memory_router
from server.skill_routes import router as skill_router

T = TypeVar("T")
router = APIRouter(prefix="/api", responses=OF_ERRORS)
Moment = Annotated[
    str,
    Query(max_length=100, description="An ISO time (UTC), or the id of a change: right after it"),
]


@router.get("/changes", tags=["changes"])
async def list_changes(
    memory: Mem,
    target: Annotated[str | None, Query(max_length=200)] = None,
    kind: Annotated[str | None, Query(max_length=50)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Changes:
    """Every alteration of the agent, newest first, rejected ones included."""
    found = await off(
        memory.ledger.changes, target=target, kind=kind, limit=limit + 1, offset=offset
    )
    items, more = _page(found, limit)
    return Changes(items=items, more=more)


@router.get("/changes/diff", tags=["changes"])
async def show_diff(memory: Mem, a: Moment, b: Moment) -> Diff:
    """Which lessons were added, edited, retired and removed from one moment to another."""
    return await off(diff, memory.ledger, clean(a), clean(b))


@router.get("/changes/{change}", tags=["changes"])
async def show_change(change: Id, memory: Mem) -> Change:
    """One change: why, from what, before, after."""
    return await off(memory.ledger.change, change)


@router.post("/changes/{change}/undo", tags=["changes"])
async def undo_change(change: Id, memory: Mem, home: Place, body: Undo | None = None) -> Change:
    """Puts back what stood before a change; refused where later ones build on it."""
    return (await undone(memory, change, body, home=home))[-1]


@router.post("/changes/{change}/undo-all", tags=["changes"])
async def undo_all(change: Id, memory: Mem, home: Place, body: Undo | None = None) -> Undone:
    """The same for a change, a batch, or all that a run wrote; tells every change it made."""
    return Undone(changes=await undone(memory, change, body, home=home))


@router.get("/runs", tags=["runs"])
async def list_runs(
    memory: Mem,
    status: Annotated[str | None, Query(pattern="^(running|done|failed)$")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Runs:
    """Runs, newest first: those going on, ended, and broken."""
    found = await off(memory.ledger.runs, status=status, limit=limit + 1, offset=offset)
    items, more = _page(found, limit)
    return Runs(items=items, more=more)


@router.get("/runs/{run}", tags=["runs"])
async def show_run(run: Id, memory: Mem) -> RunPage:
    """A run, with all its steps when it has ended."""
    found = await off(memory.ledger.run, run)
    return RunPage(run=found, trajectory=await origin_of(memory, run))


@router.get("/trajectories/{trajectory}", tags=["runs"])
async def show_trajectory(trajectory: Id, memory: Mem) -> Trajectory:
    """A finished run, whole."""
    return await off(memory.ledger.trajectory, trajectory)


def _page(found: Sequence[T], limit: int) -> tuple[tuple[T, ...], bool]:
    return tuple(found[:limit]), len(found) > limit


router.include_router(memory_router)
router.include_router(skill_router)
