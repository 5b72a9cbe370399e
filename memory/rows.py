"""How changes become rows: checked, completed, written, and taken back. Inside one transaction."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from envs.errors import InternalError, Refused, StoreError, UnknownName, clip, one_line
from envs.types import Frozen
from memory.clock import iso, new_id, seconds_of
from memory.text import has_mark, normal, sameness
from memory.types import FORMAT, Change, Lesson

F = TypeVar("F", bound=Frozen)


def dump(data: Frozen) -> str:
    """JSON of `data`; text that is no valid Unicode (lone surrogates) is kept by escapes."""
    try:
        return data.model_dump_json()
    except PydanticSerializationError:
        return json.dumps(data.model_dump())


def parse(kind: type[F], body: str) -> F:
    """The inverse of `dump`. Raises `StoreError` for a newer format or a damaged row."""
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        pass
    raw = json.loads(body)
    if isinstance(raw, dict) and raw.get("format", FORMAT) > FORMAT:
        raise StoreError(
            f"{kind.__name__.lower()} {raw.get('id')!r} has format {raw['format']}, "
            f"this version reads up to {FORMAT}",
            repair="update Journeyman with `pip install -U journeyman`",
        )
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise StoreError(
            f"a stored {kind.__name__.lower()} can't be read: {_first(error)}",
            repair="update Journeyman with `pip install -U journeyman`, or restore a backup",
        ) from error


def settle(db: sqlite3.Connection, change: Change, *, seconds: float, run: str = "") -> Change:
    """Completes, checks and writes one change. Raises `Refused` or `UnknownName`.

    An id that is stored already gives back the stored change: writing twice is writing once.
    """
    if change.id:
        stored = db.execute("SELECT body FROM changes WHERE id = ?", (change.id,)).fetchone()
        if stored:
            return parse(Change, stored[0])
    after = change.after
    target = change.target or str((after or {}).get("id", ""))
    if not target:
        target = new_id("L" if change.kind == "lesson" else change.kind[0].upper(), seconds=seconds)
    before = state_of(db, change.kind, target)
    if change.decision == "applied":
        _fits(change, target=target, before=before)
        if change.kind == "lesson" and after is not None:
            after = _lesson(db, {**after, "id": target}, change=change, before=before)
    done = change.model_copy(
        update={
            "id": change.id or new_id("C", seconds=seconds),
            "target": target,
            "before": before,
            "after": after,
            "time": iso(seconds),
        }
    )
    _write(db, done, run=run)
    return done


def refusal(db: sqlite3.Connection, lesson: Lesson) -> str:
    """Why `lesson` can't be added, or an empty string: marked text, or the same again."""
    if has_mark(lesson.text) or has_mark(lesson.situation):
        return "its text carries the mark of recalled memory"
    if not normal(lesson.text):
        return "its text has no words"
    twin = db.execute(
        "SELECT id, status FROM lessons WHERE same = ? AND id <> ? LIMIT 1",
        (sameness(lesson.text, lesson.scope), lesson.id),
    ).fetchone()
    return f"lesson {twin[0]} ({twin[1]}) says the same in the same scope" if twin else ""


def state_of(db: sqlite3.Connection, kind: str, target: str) -> dict[str, Any] | None:
    """What stands after the last applied change of `target`; None: it doesn't exist."""
    row = db.execute(
        "SELECT body FROM changes WHERE target = ? AND kind = ? AND decision = 'applied' "
        "ORDER BY seq DESC LIMIT 1",
        (target, kind),
    ).fetchone()
    return parse(Change, row[0]).after if row else None


def inverse(db: sqlite3.Connection, change: Change, *, reason: str, actor: str) -> Change:
    """The change that takes `change` back, not yet written. Raises `Refused`."""
    if change.decision == "rejected":
        raise Refused(
            f"change {change.id} was rejected and had no effect", repair="there is nothing to undo"
        )
    now = state_of(db, change.kind, change.target)
    if now != change.after:
        later = db.execute(
            "SELECT id FROM changes WHERE target = ? AND kind = ? AND decision = 'applied' "
            "ORDER BY seq DESC LIMIT 1",
            (change.target, change.kind),
        ).fetchone()[0]
        if now == change.before:
            raise Refused(
                f"change {change.id} is undone already, by {later}",
                repair=f"undo {later} to bring it back",
            )
        raise Refused(
            f"{change.kind} {change.target} was altered after {change.id}, last by {later}",
            repair=f"undo {later} first",
        )
    return Change(
        id="",
        kind=change.kind,
        target=change.target,
        op="undo",
        reason=reason,
        before=now,
        after=change.before,
        parents=(change.id,),
        actor=actor,
    )


def _fits(change: Change, *, target: str, before: dict[str, Any] | None) -> None:
    name = f"{change.kind} {target}"
    if change.op == "add" and before is not None:
        raise Refused(f"{name} exists already", repair="edit it, or leave the id empty")
    if change.op in ("edit", "status", "remove") and before is None:
        raise UnknownName(change.kind, target, ())
    if (change.after is None) != (change.op == "remove") and change.op != "undo":
        raise InternalError(
            f"change of {name}: op {change.op!r} does not go with after = {change.after!r:.40}",
            repair="report this line",
        )
    if change.before is not None and change.before != before:
        raise Refused(
            f"{name} was altered meanwhile", repair="read it again, then repeat the change"
        )


def _lesson(
    db: sqlite3.Connection, raw: dict[str, Any], *, change: Change, before: dict[str, Any] | None
) -> dict[str, Any]:
    """The stored form of a lesson; an edit gets a version that no earlier text had."""
    try:
        lesson = Lesson.model_validate(raw)
    except ValidationError as error:
        raise Refused(
            f"lesson {raw.get('id')!r} does not fit: {_first(error)}", repair="mend that field"
        ) from error
    for field in ("valid_from", "valid_to"):
        if getattr(lesson, field):
            seconds_of(getattr(lesson, field), field=field)
    if change.op in ("add", "edit"):
        why = refusal(db, lesson)
        if why:
            raise Refused(
                f"lesson {clip(lesson.text, most=60)!r} is refused: {why}",
                repair="edit the one that exists, or say something new",
            )
        row = db.execute("SELECT newest FROM lessons WHERE id = ?", (lesson.id,)).fetchone()
        if row:
            lesson = lesson.model_copy(update={"version": row[0] + 1})
    elif change.op == "status" and before is not None:
        lesson = lesson.model_copy(update={"version": before["version"]})
    return lesson.model_dump(mode="json", exclude={"effect"})


def _write(db: sqlite3.Connection, change: Change, *, run: str) -> None:
    db.execute(
        "INSERT INTO changes (id, kind, target, op, decision, run, time, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            change.id,
            change.kind,
            change.target,
            change.op,
            change.decision,
            run,
            change.time,
            dump(change),
        ),
    )
    if change.kind == "lesson" and change.decision == "applied":
        _materialise(db, change)


def _materialise(db: sqlite3.Connection, change: Change) -> None:
    """Brings the lesson's row in line; a removed one keeps a bare row, so an index hears of it."""
    generation = db.execute(
        "UPDATE meta SET value = value + 1 WHERE name = 'generation' RETURNING value"
    ).fetchone()[0]
    if change.after is None:
        db.execute(
            "UPDATE lessons SET kind = NULL, status = NULL, env = NULL, task_type = NULL, "
            "words = NULL, same = NULL, body = NULL, generation = ? WHERE id = ?",
            (generation, change.target),
        )
        return
    lesson = Lesson.model_validate(change.after)
    db.execute(
        "INSERT INTO lessons (id, kind, status, env, task_type, words, same, newest, added, "
        "generation, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET kind = excluded.kind, status = excluded.status, env = excluded.env, "
        "task_type = excluded.task_type, words = excluded.words, same = excluded.same, "
        "newest = max(newest, excluded.newest), generation = excluded.generation, "
        "body = excluded.body",
        (
            lesson.id,
            lesson.kind,
            lesson.status,
            lesson.scope.env,
            lesson.scope.task_type,
            f"{lesson.text}\n{lesson.situation}".casefold(),
            sameness(lesson.text, lesson.scope),
            lesson.version,
            change.time,
            generation,
            json.dumps(change.after),
        ),
    )


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return one_line(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
