"""Lessons out to a file and in again: JSON lines in a fixed order, the first says what they are.

The same memory always gives the same bytes, and a file read into an empty home and written again
comes out as it was. Runs, exposures and the history of changes stay at home; each lesson keeps the
ids of the runs that are its evidence. What comes in becomes changes by the actor `import:FILE`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from envs.errors import Refused, StoreError, UserError, clip, one_line
from envs.types import Frozen
from memory import rows
from memory.clock import new_id, seconds_of
from memory.ledger import Ledger
from memory.text import has_mark, normal, sameness
from memory.types import SHOWABLE, Change, Lesson

FORMAT = 1
"""Version of the file; a newer one is refused."""
NAME = "memory"
ID = re.compile(r"[A-Za-z0-9][\w.:@~-]{0,99}", re.ASCII)
"""What can name a lesson: ids stand in prompts and on screens as they are."""
VERSIONS = 2**31
Prefer = Literal["mine", "theirs"]


class Line(Frozen):
    """One lesson in a file."""

    lesson: Lesson
    """The lesson, without effect."""
    evidence: tuple[str, ...] = ()
    """Runs that it rests on."""


class Conflict(Frozen):
    """A lesson that the file has otherwise than memory."""

    id: str
    """The lesson."""
    why: str
    """`differs`, or `removed here`, or `purged here`."""


class Imported(Frozen):
    """What became of the lessons of a file."""

    added: tuple[str, ...] = ()
    """New here."""
    edited: tuple[str, ...] = ()
    """Were otherwise here, and are now as in the file."""
    same: tuple[str, ...] = ()
    """Were here already, just so."""
    kept: tuple[Conflict, ...] = ()
    """Differ, and stayed as they are here."""
    known: tuple[str, ...] = ()
    """Say what another lesson says, here or further up in the file, and were left out."""
    changes: tuple[Change, ...] = ()
    """What was done; undone by the id of their batch."""


def lines(ledger: Ledger) -> Iterator[str]:
    """The file, line by line, without line ends: a header, then lessons by id."""
    lessons = sorted(ledger.lessons(limit=-1), key=lambda lesson: lesson.id)
    evidence = _evidence(ledger)
    yield _json({"format": FORMAT, "journeyman": NAME, "lessons": len(lessons)})
    for lesson in lessons:
        plain = lesson.model_dump(mode="json", exclude={"effect"})
        yield _json({"lesson": plain, "evidence": evidence.get(lesson.id, [])})


def export(ledger: Ledger, path: Path) -> int:
    """Writes all lessons that were not removed; how many. Raises `StoreError`.

    The file is there whole or not at all.
    """
    whole = list(lines(ledger))
    _replace(path, whole)
    return len(whole) - 1


def load(
    ledger: Ledger, path: Path, *, prefer: Prefer | None = None, foreign: bool = False
) -> Imported:
    """Takes in the lessons of a file, all or nothing; an index follows.

    With `foreign` the file is not believed about itself: what it calls words of the user or of the
    agent are a tool's, what is in use there is a candidate here, and nothing is pinned. Lessons are
    matched by id. Where one is otherwise here, `prefer` decides; without it the file
    is `Refused`, and so is one of a newer format. Raises `UserError` that lists every damaged line.
    """
    found = [_distrusted(line) for line in read(path)] if foreign else read(path)
    standing = {one.id: one for one in ledger.lessons(limit=-1)}
    conflicts = _conflicts(ledger, found, standing)
    if conflicts and prefer is None:
        told = ", ".join(f"{one.id} ({one.why})" for one in conflicts)
        raise Refused(
            f"{len(conflicts)} of {len(found)} lessons are otherwise here: {told}",
            repair="nothing was written; choose with --prefer mine or --prefer theirs",
        )
    differing = {one.id for one in conflicts}
    batch, actor = new_id("B", seconds=ledger.now()), f"import:{path.name}"
    changes: list[Change] = []
    known: list[str] = []
    said: set[str] = set()
    for line in found:
        lesson = line.lesson
        if lesson.id in differing:
            if prefer == "theirs":
                changes.append(_change(line, new=lesson.id not in standing, actor=actor, to=batch))
        elif lesson.id not in standing:
            words = sameness(lesson.text, lesson.scope)
            if words in said or ledger.twin(lesson):
                known.append(lesson.id)
            else:
                said.add(words)
                changes.append(_change(line, new=True, actor=actor, to=batch))
    done = ledger.apply(*changes)
    touched = {change.target for change in changes}
    return Imported(
        added=tuple(change.target for change in done if change.op == "add"),
        edited=tuple(change.target for change in done if change.op == "edit"),
        same=tuple(
            line.lesson.id
            for line in found
            if line.lesson.id not in touched | differing | set(known)
        ),
        kept=tuple(one for one in conflicts if one.id not in touched),
        known=tuple(known),
        changes=done,
    )


def read(path: Path) -> list[Line]:
    """The lessons of a file. Raises `UserError` for what is not whole, and `Refused`."""
    try:
        raw = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(
            f"{path} can't be read ({error.strerror})", repair="name a file of `memory export`"
        ) from error
    header = _header(raw[0])
    if header is None:
        raise UserError(
            f"{path} is no export of a memory: its first line does not say so",
            repair="name a file of `memory export`",
        )
    if header.get("format") not in range(1, FORMAT + 1):
        raise Refused(
            f"{path} has format {header.get('format')!r}, this version reads up to {FORMAT}",
            repair="update Journeyman with `pip install -U journeyman`",
        )
    found: list[Line] = []
    damaged: list[str] = []
    seen: set[str] = set()
    for number, body in enumerate(raw[1:], start=2):
        if not body.strip():
            continue
        try:
            line = _line(body, seen)
        except ValueError as error:
            damaged.append(f"line {number}: {one_line(str(error))}")
        else:
            found.append(line)
            seen.add(line.lesson.id)
    count = len(found) + len(damaged)
    if count != header.get("lessons"):
        damaged.append(f"{count} lessons, and the header says {header.get('lessons')!r}")
    if damaged:
        raise UserError(
            f"{path} is damaged: {'; '.join(damaged)}",
            repair="nothing was written; mend the file, or export it again",
        )
    return found


def strike(path: Path, ids: set[str]) -> bool:
    """Takes lessons out of an exported file; False: it is none, or holds none of them."""
    try:
        whole = path.read_bytes().split(b"\n")
    except OSError:
        return False
    header = _header(whole[0])
    if header is None:
        return False
    kept = [body for body in whole[1:] if body.strip() and _id_of(body) not in ids]
    if len(kept) == sum(bool(body.strip()) for body in whole[1:]):
        return False
    first = _json({**header, "lessons": len(kept)})
    _replace(path, [first, *(body.decode("utf-8", "replace") for body in kept)])
    return True


def _line(body: bytes, seen: set[str]) -> Line:
    """Raises `ValueError` with what is wrong, in a few words."""
    try:
        line = Line.model_validate(json.loads(body))
    except ValidationError as error:
        raise ValueError(rows.first_of(error)) from error
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg})") from error
    except RecursionError as error:
        raise ValueError("not JSON (nested too deeply)") from error
    lesson = line.lesson
    if not lesson.id:
        raise ValueError("a lesson without id")
    if not ID.fullmatch(lesson.id):
        raise ValueError(f"{clip(lesson.id, most=40)!r} can't be the id of a lesson")
    if not 1 <= lesson.version < VERSIONS:
        raise ValueError(f"version {clip(str(lesson.version), most=20)} is none")
    if lesson.id in seen:
        raise ValueError(f"lesson {lesson.id} once more")
    if has_mark(lesson.text) or has_mark(lesson.situation):
        raise ValueError("its text carries the mark of recalled memory")
    if not normal(lesson.text):
        raise ValueError("its text has no words")
    for field in ("valid_from", "valid_to"):
        if getattr(lesson, field):
            try:
                seconds_of(getattr(lesson, field), field=field)
            except Refused as error:
                raise ValueError(error.message) from error
    return line


def _header(body: bytes) -> dict[str, Any] | None:
    try:
        header = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) and header.get("journeyman") == NAME else None


def _id_of(body: bytes) -> str:
    try:
        return str(json.loads(body)["lesson"]["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _conflicts(ledger: Ledger, found: list[Line], standing: dict[str, Lesson]) -> list[Conflict]:
    gone = dict(
        ledger.ask(
            "SELECT target, op FROM changes WHERE seq IN (SELECT max(seq) FROM changes "
            "WHERE kind = 'lesson' AND decision = 'applied' GROUP BY target)"
        )
    )
    conflicts: list[Conflict] = []
    for line in found:
        id_ = line.lesson.id
        if id_ in standing:
            if _plain(standing[id_]) != _plain(line.lesson):
                conflicts.append(Conflict(id=id_, why="differs"))
        elif id_ in gone:
            why = "purged here" if gone[id_] == "purge" else "removed here"
            conflicts.append(Conflict(id=id_, why=why))
    return conflicts


def _change(line: Line, *, new: bool, actor: str, to: str) -> Change:
    return Change(
        id="",
        kind="lesson",
        target=line.lesson.id,
        op="add" if new else "edit",
        reason="imported",
        after=_plain(line.lesson),
        evidence=line.evidence,
        actor=actor,
        batch=to,
    )


def _distrusted(line: Line) -> Line:
    """A stranger's lesson: no more than a tool said it, and it has shown nothing here."""
    lesson = line.lesson
    update: dict[str, Any] = {"pinned": False}
    if lesson.trust in ("self", "user"):
        update["trust"] = "tool"
    if lesson.status in SHOWABLE:
        update["status"] = "candidate"
    return line.model_copy(update={"lesson": lesson.model_copy(update=update)})


def _evidence(ledger: Ledger) -> dict[str, list[str]]:
    """Runs that each lesson rests on, in the order in which they came up."""
    found: dict[str, dict[str, None]] = {}
    query = (
        "SELECT body FROM changes WHERE kind = 'lesson' AND decision = 'applied' "
        "AND op IN ('add', 'edit') ORDER BY seq"
    )
    for (body,) in ledger.ask(query):
        change = rows.parse(Change, body)
        found.setdefault(change.target, {}).update(dict.fromkeys(change.evidence))
    return {id_: list(runs) for id_, runs in found.items()}


def _plain(lesson: Lesson) -> dict[str, Any]:
    return lesson.model_dump(mode="json", exclude={"effect"})


def _json(data: dict[str, Any]) -> str:
    """One line; text that is no valid Unicode is kept by escapes."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, sort_keys=True)
    return text


def _replace(path: Path, whole: list[str]) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fresh.write_bytes("".join(f"{line}\n" for line in whole).encode("utf-8"))
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StoreError(
            f"{path} can't be written ({error.strerror})", repair="name a file in another folder"
        ) from error
