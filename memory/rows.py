"""How changes become rows: checked, completed and written. Inside one transaction."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from envs.errors import InternalError, Refused, StoreError, UnknownName, clip, one_line
from envs.types import Frozen
from memory.clock import iso, new_id, seconds_of, steady
from memory.database import Connection
from memory.text import has_mark, normal, sameness
from memory.types import FORMAT, Change, Effect, Lesson, Run, Trajectory

F = TypeVar("F", bound=Frozen)
SEAL = '{"crc":"'
"""Begins a body that carries its checksum."""


def dump(data: Frozen) -> str:
    """JSON of `data`, sealed; text that is no valid Unicode (lone surrogates) goes by escapes."""
    try:
        return seal(data.model_dump_json())
    except PydanticSerializationError:
        return seal(json.dumps(data.model_dump()))


def seal(body: str) -> str:
    """A JSON object with its checksum (CRC-32) in front: a database reads flipped bits as text."""
    return f'{SEAL}{zlib.crc32(body.encode()):08x}",{body[1:]}'


def parse(kind: type[F], body: str) -> F:
    """The inverse of `dump`. Raises `StoreError` for a newer format or a damaged row."""
    body = _unsealed(kind, body)
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        pass
    try:
        raw = json.loads(body)
    except ValueError:
        raise _damaged(kind) from None
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
            f"a stored {kind.__name__.lower()} can't be read: {first_of(error)}",
            repair="update Journeyman with `pip install -U journeyman`, or restore a backup",
        ) from error


def _unsealed(kind: type[Frozen], body: str) -> str:
    """The JSON as it was; a row of an older version has no seal."""
    if not isinstance(body, str):
        raise _damaged(kind)
    if not body.startswith(SEAL):
        return body
    end = len(SEAL) + 8
    plain = f"{{{body[end + 2 :]}"
    if body[len(SEAL) : end] != f"{zlib.crc32(plain.encode('utf-8', 'replace')):08x}":
        raise _damaged(kind)
    return plain


def _damaged(kind: type[Frozen]) -> StoreError:
    return StoreError(
        f"a stored {kind.__name__.lower()} is damaged: it is not as it was written",
        repair="restore a backup of the ledger",
    )


def settle(db: Connection, change: Change, *, seconds: float, run: str = "") -> Change:
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
            "id": change.id or new_id("C", seconds=seconds, after=_newest(db)),
            "target": target,
            "before": before,
            "after": after,
            "time": iso(seconds),
        }
    )
    write(db, done, run=run)
    return done


def settle_or_reject(
    db: Connection, change: Change, *, clock: Callable[[], float], run: str
) -> Change:
    """Like `settle`; a change that doesn't fit is kept as rejected, with the reason."""
    try:
        return settle(db, change, seconds=clock(), run=run)
    except (Refused, UnknownName) as error:
        update = {"decision": "rejected", "reason": f"{change.reason}; rejected: {error}"}
        return settle(db, change.model_copy(update=update), seconds=clock(), run=run)


def _newest(db: Connection) -> str:
    """The id of the last change in the log; a new one sorts behind it, whatever the clock says."""
    row = db.execute("SELECT id FROM changes ORDER BY seq DESC LIMIT 1").fetchone()
    return row[0] if row else ""


def refusal(db: Connection, lesson: Lesson) -> str:
    """Why `lesson` can't be added, or an empty string: marked text, or the same again."""
    if has_mark(lesson.text) or has_mark(lesson.situation):
        return "its text carries the mark of recalled memory"
    if not normal(lesson.text):
        return "its text has no words"
    return same_again(db, lesson)


def same_again(db: Connection, lesson: Lesson) -> str:
    """Which other lesson has the words of `lesson` in its scope, as a reason; empty: none."""
    twin = db.execute(
        "SELECT id, status FROM lessons WHERE same = ? AND id <> ? LIMIT 1",
        (sameness(lesson.text, lesson.scope), lesson.id),
    ).fetchone()
    return f"lesson {twin[0]} ({twin[1]}) says the same in the same scope" if twin else ""


def state_of(db: Connection, kind: str, target: str) -> dict[str, Any] | None:
    """What stands after the last applied change of `target`; None: it doesn't exist."""
    row = db.execute(
        "SELECT body FROM changes WHERE target = ? AND kind = ? AND decision = 'applied' "
        "ORDER BY seq DESC LIMIT 1",
        (target, kind),
    ).fetchone()
    return plain(kind, parse(Change, row[0]).after) if row else None


def plain(kind: str, state: dict[str, Any] | None) -> dict[str, Any] | None:
    """`state` with all fields of today, so that one of an older version compares as equal.

    Raises `Refused` where it is no lesson.
    """
    if kind != "lesson" or state is None:
        return state
    return lesson_of(state).model_dump(mode="json", exclude={"effect"})


def lesson_of(state: dict[str, Any]) -> Lesson:
    """The lesson that a change holds. Raises `Refused` where it is none."""
    try:
        return Lesson.model_validate(state)
    except ValidationError as error:
        raise Refused(
            f"lesson {state.get('id')!r} does not fit: {first_of(error)}", repair="mend that field"
        ) from error


def _fits(change: Change, *, target: str, before: dict[str, Any] | None) -> None:
    name = f"{change.kind} {target}"
    if change.op == "add" and before is not None:
        raise Refused(f"{name} exists already", repair="edit it, or leave the id empty")
    if change.op in ("edit", "status", "remove") and before is None:
        raise UnknownName(change.kind, target, ())
    if change.op == "purge":
        raise InternalError(f"{name} can't be purged by a change alone", repair="use `purge`")
    if (change.after is None) != (change.op == "remove") and change.op != "undo":
        raise InternalError(
            f"change of {name}: op {change.op!r} does not go with after = {change.after!r:.40}",
            repair="report this line",
        )
    if change.before is not None and plain(change.kind, change.before) != before:
        raise Refused(
            f"{name} was altered meanwhile", repair="read it again, then repeat the change"
        )


def _lesson(
    db: Connection, raw: dict[str, Any], *, change: Change, before: dict[str, Any] | None
) -> dict[str, Any]:
    """The stored form of a lesson; an edit gets a version that no earlier text had."""
    lesson = lesson_of(raw)
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
    elif change.op == "undo":
        why = same_again(db, lesson)
        if why:
            raise Refused(f"lesson {lesson.id} can't come back: {why}", repair="remove that first")
    elif before is not None:
        lesson = lesson.model_copy(update={"version": before["version"]})
    return lesson.model_dump(mode="json", exclude={"effect"})


def write(db: Connection, change: Change, *, run: str = "") -> None:
    """Appends a change that is complete, and brings its lesson's row in line."""
    db.execute(
        "INSERT INTO changes (id, kind, target, op, decision, run, time, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            change.id,
            change.kind,
            change.target,
            change.op,
            change.decision,
            run or change.batch,
            change.time,
            dump(change),
        ),
    )
    if change.kind == "lesson" and change.decision == "applied":
        _materialise(db, change)


def _materialise(db: Connection, change: Change) -> None:
    """Brings the lesson's row in line; a removed one keeps a bare row, so an index hears of it."""
    generation = next_generation(db)
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
        "newest = CASE WHEN excluded.newest > lessons.newest THEN excluded.newest "
        "ELSE lessons.newest END, generation = excluded.generation, "
        "body = excluded.body",
        (
            lesson.id,
            lesson.kind,
            lesson.status,
            lesson.scope.env,
            lesson.scope.task_type,
            f"{lesson.text}\n{lesson.situation}".casefold().replace("\0", " "),
            sameness(lesson.text, lesson.scope),
            lesson.version,
            change.time,
            generation,
            seal(json.dumps(change.after)),
        ),
    )


def next_generation(db: Connection) -> int:
    """Counts up, so that everybody who keeps a copy hears of it."""
    query = (
        "UPDATE meta SET value = CAST(value AS BIGINT) + 1 WHERE name = 'generation' "
        "RETURNING value"
    )
    return int(db.execute(query).fetchone()[0])


def first_of(error: ValidationError) -> str:
    """What is wrong, in a line: the first field that doesn't fit."""
    first = error.errors()[0]
    return one_line(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")


def last_used(db: Connection) -> dict[str, str]:
    """For every lesson the ISO time at which it was last shown, or else added (see `steady`)."""
    log = db.execute("SELECT target, time FROM changes ORDER BY seq").fetchall()
    added: dict[str, str] = {}
    for (target, _), moment in zip(log, steady([one[1] for one in log]), strict=True):
        added.setdefault(target, moment)
    query = (
        "SELECT lessons.id, added, max(exposures.time) FROM lessons LEFT JOIN exposures "
        "ON exposures.lesson = lessons.id AND shown = 1 WHERE lessons.body IS NOT NULL "
        "GROUP BY lessons.id, added"
    )
    found = db.execute(query).fetchall()
    return {id_: max(added.get(id_, first), shown or "") for id_, first, shown in found}


def put_run(db: Connection, run: Run) -> None:
    """Writes a run as it stands."""
    db.execute(
        "INSERT INTO runs (id, env, task, status, began, updated, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET status = excluded.status, "
        "updated = excluded.updated, body = excluded.body",
        (run.id, run.env, run.task, run.status, run.began, run.updated, dump(run)),
    )


def finish_run(db: Connection, trajectory: Trajectory, *, seconds: float) -> None:
    """Writes how the run of a trajectory ended."""
    row = db.execute("SELECT body FROM runs WHERE id = ?", (trajectory.id,)).fetchone()
    run = parse(Run, row[0]) if row else None
    fresh = Run(
        id=trajectory.id,
        env=trajectory.env,
        task=trajectory.task,
        goal=trajectory.goal,
        status="failed" if trajectory.error else "done",
        error=trajectory.error,
        began=run.began if run else trajectory.began,
        updated=iso(seconds),
        pid=run.pid if run else 0,
        spec=run.spec if run else {},
    )
    put_run(db, fresh)


def outcomes(
    db: Connection, *, after: int, env: str | None
) -> list[tuple[int, str, str, str, str, str, bool]]:
    """See `Ledger.outcomes`."""
    tests, values = where({"seq > ?": after, "env": env, "split": "train"})
    query = (
        "SELECT seq, id, env, task_type, task_key, split, outcome FROM trajectories "  # noqa: S608
        f"JOIN outcomes ON outcomes.episode = id {tests} AND outcome IS NOT NULL ORDER BY seq"
    )
    return [(*row[:6], bool(row[6])) for row in db.execute(query, values).fetchall()]


def effects(db: Connection, lesson_id: str | None) -> dict[str, Effect]:
    """What is counted of one lesson or of all, over episodes of other tasks than their own."""
    tests, values = where({"lesson": lesson_id})
    query = (
        "SELECT lesson, shown, count(*), sum(outcome) FROM exposures JOIN outcomes "  # noqa: S608
        f"ON outcomes.episode = exposures.episode {tests} "
        "AND outcome IS NOT NULL AND same_task = 0 GROUP BY lesson, shown"
    )
    arms: dict[str, dict[int, tuple[int, int]]] = {}
    for lesson, shown, episodes, won in db.execute(query, values).fetchall():
        arms.setdefault(lesson, {})[shown] = (episodes, won)
    return {lesson: effect_of(found) for lesson, found in arms.items()}


def effect_of(arms: Mapping[int, tuple[int, int]]) -> Effect:
    """Episodes and successes of both arms (1: shown, 0: withheld), counted; nothing is claimed."""
    (shown, won_shown), (withheld, won_withheld) = arms.get(1, (0, 0)), arms.get(0, (0, 0))
    return Effect(
        shown=shown,
        withheld=withheld,
        won_shown=won_shown,
        won_withheld=won_withheld,
    )


def where(fields: Mapping[str, object]) -> tuple[str, list[object]]:
    """`WHERE` over the fields given; a name is a column, or a condition with its own `?`."""
    given = {name: value for name, value in fields.items() if value is not None}
    tests = [name if "?" in name else f"{name} = ?" for name in given]
    return f"WHERE {' AND '.join(['true', *tests])}", list(given.values())
