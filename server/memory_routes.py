"""Lessons over REST: list, search, read, add, edit, prune, forget, undo, export; past states too.

Everything that alters something is one `Change`, or a batch of them, and can be taken back. What is
deleted for good (`--purge`) is left to the command line of the machine that holds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path as Folder
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from agent.crossing import off
from agent.promotion import derive
from envs.chat import clean
from envs.errors import Refused, UnknownName, UserError
from memory.admission import disputes
from memory.asof import as_of as read_as_of
from memory.asof import lesson_at
from memory.forget import apply_forget, plan_forget
from memory.portable import lines
from memory.recall import Memory
from memory.telling import in_words
from memory.types import Change, Lesson, LessonKind, Scope, Status, Trajectory
from server.api_types import (
    Fits,
    Forget,
    Forgotten,
    Found,
    LessonPage,
    Lessons,
    NewLesson,
    NewWords,
    Prune,
    Pruned,
    Stored,
    Undo,
)
from server.auth import failure
from server.errors import Answer
from server.openai_routes import Going

NEAREST = 1000
"""Most lessons that a search looks at."""
TOLD = 200
"""Latest exposures told with a lesson."""

router = APIRouter(prefix="/memory", tags=["memory"])


def memory_of(going: Going) -> Memory:
    """The memory of this server's home."""
    return going.home.memory


def folder_of(going: Going) -> Folder:
    """The folder of this server's home."""
    return going.home.settings.home


Mem = Annotated[Memory, Depends(memory_of)]
Place = Annotated[Folder, Depends(folder_of)]
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of the answer")]
Offset = Annotated[int, Query(ge=0, le=10**9, description="Items to skip")]
Id = Annotated[str, Path(max_length=200)]
AsOf = Annotated[
    str | None,
    Query(max_length=100, description="As it stood: an ISO time, or the id of a change"),
]
IfMatch = Annotated[str | None, Header(max_length=500, description="The `ETag` that was read")]


@router.get("")
async def list_lessons(
    memory: Mem,
    status: Status | None = None,
    kind: LessonKind | None = None,
    env: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[str | None, Query(max_length=4000, description="Search by meaning")] = None,
    as_of: AsOf = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Lessons:
    """Lessons, newest first; with `q` those closest in meaning first; with `as_of` as they were.

    Meaning is not searched in the past: with both, `q` means the very words.
    """
    fits = Fits(status=status, kind=kind, env=env or None)
    words = clean(q).strip() if q else ""
    if as_of:
        past = await off(
            read_as_of, memory.ledger, clean(as_of), contains=words or None, **dict(fits)
        )
        return _lessons([Found(**dict(one)) for one in past], limit, offset)
    if words:
        near = await off(memory.search, words, most=NEAREST)
        found = [
            Found(**dict(lesson), similarity=similarity)
            for lesson, similarity in near
            if status in (None, lesson.status)
            and kind in (None, lesson.kind)
            and fits.env in (None, lesson.scope.env)
        ]
        return _lessons(found, limit, offset)
    page = await off(memory.ledger.lessons, **dict(fits), limit=limit, offset=offset)
    total = await off(_total, memory, fits)
    return Lessons(total=total, items=tuple(Found(**dict(lesson)) for lesson in page))


@router.post("", status_code=201)
async def add_lesson(body: NewLesson, memory: Mem) -> Stored:
    """Stores a lesson of a person's own, reads it back; it may be recalled at once.

    What memory says already in other words gets the new source: then `change.op` is `edit`.
    """
    lesson = Lesson(
        id="",
        kind=body.kind,
        text=_worded(body.text),
        situation=clean(body.situation),
        scope=Scope(**{name: clean(value) for name, value in body.scope}),
        trust="user",
        status="active",
        pinned=body.pinned,
        contradicts=tuple(clean(one) for one in body.contradicts),
    )
    change = await off(memory.add, lesson, reason=clean(body.reason), actor="user")
    return await _stored(memory, change)


@router.post("/prune")
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


@router.post("/forget")
async def forget(body: Forget, memory: Mem, home: Place) -> Forgotten:
    """Shows all that goes back to a source, and why; with `apply` it is retracted.

    A source is a run, a lesson, a skill, the key of a task, `user:NAME`, `web:HOST`, `web:URL`, or
    a folder that skills were imported from. Skills go with those that call them, and students that
    were trained on it answer no more.
    """
    plan = await off(plan_forget, memory.ledger, clean(body.source))
    changes: tuple[Change, ...] = ()
    if body.apply:
        changes = await off(apply_forget, memory.ledger, plan, actor="user")
        await off(memory.sync)
        await off(derive, memory.ledger, home=home)
    return Forgotten(applied=body.apply, plan=plan, changes=changes)


@router.get("/export", response_class=StreamingResponse)
async def export(memory: Mem) -> StreamingResponse:
    """All lessons as JSON lines in a fixed order, to be read by `journeyman memory import`."""
    whole = await off(list, lines(memory.ledger))
    return StreamingResponse(
        (f"{line}\n" for line in whole),
        media_type="application/x-ndjson",
        headers={"content-disposition": 'attachment; filename="memory.jsonl"'},
    )


@router.get("/{lesson}")
async def show_lesson(
    lesson: Id, memory: Mem, response: Response, as_of: AsOf = None
) -> LessonPage:
    """A lesson with the steps it comes from, its history, and where it came up.

    Its `ETag` is what an edit has to send back. With `as_of` the lesson is shown as it stood, and
    what is told besides is of today.
    """
    ledger = memory.ledger
    if as_of:
        found = await off(lesson_at, ledger, lesson, clean(as_of))
    else:
        found = await off(ledger.lesson, lesson)
        response.headers["etag"] = etag(found)
    origin = await origin_of(memory, found.source.trajectory)
    exposures = await off(ledger.exposures, lesson=lesson)
    source = found.source
    steps = () if origin is None else origin.steps
    effect = await off(memory.effects.of, lesson)
    return LessonPage(
        lesson=found if as_of else found.model_copy(update={"effect": effect}),
        effect_in_words=in_words(effect),
        goal=origin.goal if origin else "",
        steps=tuple(s for s in steps if source.first_step <= s.index <= source.last_step),
        history=tuple(await off(ledger.history, lesson)),
        exposures=tuple(exposures[-TOLD:]),
        exposures_total=len(exposures),
        disputes=tuple(await off(disputes, memory.ledger, found)),
    )


@router.patch(
    "/{lesson}",
    response_model=Stored,
    responses={
        412: {"model": Answer, "description": "It was altered since it was read"},
        428: {"model": Answer, "description": "`If-Match` is missing"},
    },
)
async def edit_lesson(
    lesson: Id, body: NewWords, memory: Mem, response: Response, if_match: IfMatch = None
) -> Stored | JSONResponse:
    """Alters the fields that are given, as a new version; `If-Match` names the form that was read.

    412 where the lesson was altered since; `If-Match: *` alters it however it stands.
    """
    found = await off(memory.ledger.lesson, lesson)
    if if_match is None:
        line = f"If-Match is missing; read /api/memory/{lesson} and send its ETag, or send *"
        return failure(428, line, code="precondition_required")
    tags = {tag.strip() for tag in if_match.split(",")}
    if not tags & {"*", etag(found)}:
        return _altered(lesson)
    given = body.model_dump(exclude_unset=True, exclude={"reason"}, exclude_none=True)
    if "text" in given:
        given["text"] = _worded(given["text"])
    for name in ("situation", "valid_from", "valid_to"):
        if name in given:
            given[name] = clean(given[name])
    edited = Lesson.model_validate({**found.model_dump(), **given})
    if edited == found:
        raise UserError("nothing would change", repair="give a field another value")
    before = None if "*" in tags else found
    try:
        change = await off(
            memory.edit, edited, reason=clean(body.reason), actor="user", before=before
        )
    except Refused:
        if before is not None and etag(await off(memory.ledger.lesson, lesson)) != etag(found):
            return _altered(lesson)
        raise
    stored = await _stored(memory, change)
    response.headers["etag"] = etag(stored.lesson)
    return stored


@router.delete("/{lesson}")
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
    (done,) = await off(memory.write, change)
    return await _stored(memory, done)


@router.post("/{lesson}/undo")
async def undo_latest(lesson: Id, memory: Mem, home: Place, body: Undo | None = None) -> Change:
    """Takes back the latest change of a lesson; once more does it again."""
    history = await off(memory.ledger.history, lesson)
    latest = next((c for c in reversed(history) if c.decision == "applied"), None)
    if latest is None:
        raise Refused(f"no change of lesson {lesson} was ever applied", repair="leave it")
    return (await undone(memory, latest.id, body, home=home))[-1]


async def undone(
    memory: Memory, change: str, body: Undo | None, *, home: Folder
) -> tuple[Change, ...]:
    """Takes back a change, a batch or what a run wrote, with what builds on it where asked.

    Which student answers follows.
    """
    asked = body or Undo()
    done = await off(
        memory.take_back, change, reason=clean(asked.reason), actor="user", cascade=asked.cascade
    )
    await off(derive, memory.ledger, home=home)
    return done


async def origin_of(memory: Memory, trajectory: str) -> Trajectory | None:
    """The run of that id; None where there is none any more."""
    if not trajectory:
        return None
    try:
        return await off(memory.ledger.trajectory, trajectory)
    except UnknownName:
        return None


def etag(lesson: Lesson) -> str:
    """Names a lesson in the form in which it stands; its effect does not count."""
    plain = json.dumps(lesson.model_dump(mode="json", exclude={"effect"}), sort_keys=True)
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f'"{lesson.version}-{digest}"'


def _altered(lesson: str) -> JSONResponse:
    line = f"lesson {lesson} was altered since it was read; read it again, then repeat the edit"
    return failure(412, line, code="precondition_failed")


def _worded(text: str) -> str:
    found = clean(text).strip()
    if not found:
        raise UserError("the text is empty", repair="say what is to be remembered")
    return found


async def _stored(memory: Memory, change: Change) -> Stored:
    return Stored(lesson=await off(memory.ledger.lesson, change.target), change=change)


def _lessons(found: Sequence[Found], limit: int, offset: int) -> Lessons:
    return Lessons(total=len(found), items=tuple(found[offset : offset + limit]))


def _total(memory: Memory, fits: Fits) -> int:
    if fits.kind is None and fits.env is None:
        counts: dict[str, int] = memory.ledger.count()["lessons"]
        return counts.get(fits.status, 0) if fits.status else sum(counts.values())
    return len(memory.ledger.lessons(**dict(fits), limit=-1))
