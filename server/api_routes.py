"""What the agent remembers and what it did: list, read, search, add, prune, undo.

Everything that alters something is one `Change` and can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query

from agent.crossing import off
from envs.chat import clean
from envs.errors import Refused, UnknownName, UserError
from memory.recall import Memory
from memory.types import (
    Change,
    Lesson,
    LessonKind,
    Scope,
    Status,
    Trajectory,
)
from server.api_types import (
    Changes,
    Fits,
    Found,
    LessonPage,
    Lessons,
    NewLesson,
    Prune,
    Pruned,
    RunPage,
    Runs,
    Stored,
    Undo,
)
from server.errors import OF_ERRORS
from server.openai_routes import Going

NEAREST = 1000
"""Most lessons that a search looks at."""
TOLD = 200
"""Latest exposures told with a lesson."""

T = TypeVar("T")
router = APIRouter(prefix="/api", responses=OF_ERRORS)


def memory_of(going: Going) -> Memory:
    """The memory of this server's home."""
    return going.home.memory


Mem = Annotated[Memory, Depends(memory_of)]
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of the answer")]
Offset = Annotated[int, Query(ge=0, le=10**9, description="Items to skip")]
Id = Annotated[str, Path(max_length=200)]


@router.get("/memory", tags=["memory"])
async def list_lessons(
    memory: Mem,
    status: Status | None = None,
    kind: LessonKind | None = None,
    env: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[str | None, Query(max_length=4000, description="Search by meaning")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Lessons:
    """Lessons, newest first; with `q` those closest in meaning first."""
    fits = Fits(status=status, kind=kind, env=env or None)
    if q and q.strip():
        near = await off(memory.search, clean(q), most=NEAREST)
        found = [
            Found(**dict(lesson), similarity=similarity)
            for lesson, similarity in near
            if status in (None, lesson.status)
            and kind in (None, lesson.kind)
            and fits.env in (None, lesson.scope.env)
        ]
        return Lessons(total=len(found), items=tuple(found[offset : offset + limit]))
    page = await off(_fitting, memory, fits, limit=limit, offset=offset)
    total = await off(_total, memory, fits)
    return Lessons(total=total, items=tuple(Found(**dict(lesson)) for lesson in page))


@router.post("/memory", tags=["memory"], status_code=201)
async def add_lesson(body: NewLesson, memory: Mem) -> Stored:
    """Stores a lesson of a person's own; it may be recalled at once."""
    text = clean(body.text).strip()
    if not text:
        raise UserError("the text is empty", repair="say what is to be remembered")
    lesson = Lesson(
        id="",
        kind=body.kind,
        text=text,
        situation=clean(body.situation),
        scope=Scope(**{name: clean(value) for name, value in body.scope}),
        trust="user",
        status="active",
        pinned=body.pinned,
    )
    change = await off(memory.add, lesson, reason=clean(body.reason), actor="user")
    return await _stored(memory, change)


@router.post("/memory/prune", tags=["memory"])
async def prune(body: Prune, memory: Mem) -> Pruned:
    """Shows what a rule would retire, and why; with `apply` it is done."""
    plan = await off(
        memory.prune,
        status=body.status,
        kind=body.kind,
        env=body.env,
        contains=body.contains,
        unused_days=body.unused_days,
        keep=body.keep,
    )
    changes: tuple[Change, ...] = ()
    if body.apply and plan.items:
        changes = await off(memory.apply_prune, plan, actor="user")
    return Pruned(applied=body.apply, items=plan.items, changes=changes)


@router.get("/memory/{lesson}", tags=["memory"])
async def show_lesson(lesson: Id, memory: Mem) -> LessonPage:
    """A lesson with the steps it comes from, its history, and where it came up."""
    ledger = memory.ledger
    found = await off(ledger.lesson, lesson)
    origin = await _origin(memory, found.source.trajectory)
    exposures = await off(ledger.exposures, lesson=lesson)
    source = found.source
    steps = () if origin is None else origin.steps
    return LessonPage(
        lesson=found,
        goal=origin.goal if origin else "",
        steps=tuple(s for s in steps if source.first_step <= s.index <= source.last_step),
        history=tuple(await off(ledger.history, lesson)),
        exposures=tuple(exposures[-TOLD:]),
        exposures_total=len(exposures),
    )


@router.delete("/memory/{lesson}", tags=["memory"])
async def retire_lesson(
    lesson: Id,
    memory: Mem,
    reason: Annotated[str, Query(min_length=1, max_length=500)] = "retired over the API",
) -> Stored:
    """Retires a lesson: it is not recalled any more, and can be brought back by undoing this."""
    found = await off(memory.ledger.lesson, lesson)
    if found.status == "retired":
        raise Refused(f"lesson {lesson} is retired already", repair="nothing is left to do")
    before = found.model_dump(mode="json", exclude={"effect"})
    change = Change(
        id="",
        kind="lesson",
        target=lesson,
        op="status",
        reason=clean(reason),
        before=before,
        after={**before, "status": "retired"},
        actor="user",
    )
    (done,) = await off(memory.ledger.apply, change)
    await off(memory.sync)
    return await _stored(memory, done)


@router.post("/memory/{lesson}/undo", tags=["memory"])
async def undo_latest(lesson: Id, memory: Mem, body: Undo | None = None) -> Change:
    """Takes back the latest change of a lesson; once more does it again."""
    history = await off(memory.ledger.history, lesson)
    latest = next((c for c in reversed(history) if c.decision == "applied"), None)
    if latest is None:
        raise Refused(f"no change of lesson {lesson} was ever applied", repair="leave it")
    return await _undone(memory, latest.id, body)


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


@router.get("/changes/{change}", tags=["changes"])
async def show_change(change: Id, memory: Mem) -> Change:
    """One change: why, from what, before, after."""
    return await off(memory.ledger.change, change)


@router.post("/changes/{change}/undo", tags=["changes"])
async def undo_change(change: Id, memory: Mem, body: Undo | None = None) -> Change:
    """Puts back what stood before a change; refused where its target was altered since."""
    return await _undone(memory, change, body)


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
    return RunPage(run=found, trajectory=await _origin(memory, run))


@router.get("/trajectories/{trajectory}", tags=["runs"])
async def show_trajectory(trajectory: Id, memory: Mem) -> Trajectory:
    """A finished run, whole."""
    return await off(memory.ledger.trajectory, trajectory)


async def _undone(memory: Memory, change: str, body: Undo | None) -> Change:
    reason = clean((body or Undo()).reason)
    return await off(memory.undo, change, reason=reason, actor="user")


async def _stored(memory: Memory, change: Change) -> Stored:
    return Stored(lesson=await off(memory.ledger.lesson, change.target), change=change)


async def _origin(memory: Memory, trajectory: str) -> Trajectory | None:
    if not trajectory:
        return None
    try:
        return await off(memory.ledger.trajectory, trajectory)
    except UnknownName:
        return None


def _fitting(memory: Memory, fits: Fits, *, limit: int, offset: int) -> list[Lesson]:
    return memory.ledger.lessons(
        status=fits.status, kind=fits.kind, env=fits.env, limit=limit, offset=offset
    )


def _total(memory: Memory, fits: Fits) -> int:
    if fits.kind is None and fits.env is None:
        counts: dict[str, int] = memory.ledger.count()["lessons"]
        return counts.get(fits.status, 0) if fits.status else sum(counts.values())
    return len(_fitting(memory, fits, limit=-1, offset=0))


def _page(found: Sequence[T], limit: int) -> tuple[tuple[T, ...], bool]:
    return tuple(found[:limit]), len(found) > limit
