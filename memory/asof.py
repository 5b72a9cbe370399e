"""Memory as it stood, and what changed between two moments; from the log of changes alone.

A moment is an ISO time or the id of a change (right after it). A time means: everything up to the
last change that was made by then; where the clock went wrong for a while, the fewest changes are
held to have a wrong time, and count with those that came next. A time written without a fraction
of a second covers that whole second.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from envs.errors import Refused, UnknownName
from envs.types import Frozen
from memory import rows
from memory.clock import iso, seconds_of, steady
from memory.ledger import Ledger
from memory.types import Change, Lesson, LessonKind, Status

WORDED = ("text", "situation")
"""Fields that are compared word by word."""
LONG = 60
"""Letters from which two texts of other kinds are compared word by word, too."""


class Words(Frozen):
    """A stretch of words that stayed, went or came."""

    how: Literal["same", "gone", "new"]
    """What became of it."""
    text: str
    """The words, with the blanks between them."""


class FieldDiff(Frozen):
    """A field that differs."""

    name: str
    """The field of the lesson."""
    before: Any
    """Its value then."""
    after: Any
    """Its value later."""
    words: tuple[Words, ...] = ()
    """For text and situation: word by word."""


class LessonDiff(Frozen):
    """A lesson that differs between two moments."""

    id: str
    """The lesson."""
    what: Literal["added", "edited", "retired", "restored", "removed"]
    """`restored`: it was retired and is not any more."""
    lesson: Lesson
    """As it stood later; a removed one as it stood before."""
    fields: tuple[FieldDiff, ...] = ()
    """What differs; empty for lessons that were added or removed."""


class StudentDiff(Frozen):
    """A student (an adapter) that differs between two moments."""

    id: str
    """The adapter."""
    what: Literal["added", "edited", "removed"]
    """What became of it."""
    fields: tuple[FieldDiff, ...] = ()
    """What differs; empty for those that were added or removed."""


class OtherDiff(Frozen):
    """A skill, prompt or setting that differs between two moments."""

    kind: str
    """What it is."""
    id: str
    """By which changes know it."""
    name: str = ""
    """What people call it; empty: its id."""
    what: Literal["added", "edited", "removed"]
    """What became of it."""
    fields: tuple[FieldDiff, ...] = ()
    """What differs; empty for those that were added or removed."""


class Diff(Frozen):
    """What changed from one moment to another."""

    a: str
    """The first moment, as it was given."""
    b: str
    """The second."""
    items: tuple[LessonDiff, ...] = ()
    """Lessons that differ, in the order in which they were first added."""
    students: tuple[StudentDiff, ...] = ()
    """Students that differ, by id."""
    others: tuple[OtherDiff, ...] = ()
    """Skills, prompts and settings that differ, by kind and id."""


class Standing(Frozen):
    """Something other than a lesson, as it stood."""

    kind: str
    """`skill`, `prompt`, `setting` or `adapter`."""
    id: str
    """By which changes know it."""
    name: str
    """What people call it."""
    status: str = ""
    """Stage of its life, where it has one."""
    state: dict[str, Any]
    """All of it."""


def as_of(
    ledger: Ledger,
    moment: str,
    *,
    status: Status | None = None,
    kind: LessonKind | None = None,
    env: str | None = None,
    contains: str | None = None,
) -> list[Lesson]:
    """Lessons as they stood, newest first, without effects. Raises `Refused` for no moment."""
    needle = (contains or "").casefold()
    return [
        lesson
        for lesson in reversed(_standing(ledger, place_of(ledger, moment)).values())
        if status in (None, lesson.status)
        and kind in (None, lesson.kind)
        and env in (None, lesson.scope.env)
        and needle in f"{lesson.text}\n{lesson.situation}".casefold()
    ]


def lesson_at(ledger: Ledger, lesson_id: str, moment: str) -> Lesson:
    """A lesson as it stood. Raises `UnknownName`, which names what there was then."""
    standing = _standing(ledger, place_of(ledger, moment))
    if lesson_id not in standing:
        raise UnknownName(f"lesson as of {moment}", lesson_id, standing)
    return standing[lesson_id]


def diff(ledger: Ledger, a: str, b: str) -> Diff:
    """What was added, edited, retired and removed from moment `a` to `b`: lessons and students.

    Where `b` is the earlier one, it tells the way back. Raises `Refused` for no moment.
    """
    old, new = (_standing(ledger, place_of(ledger, moment)) for moment in (a, b))
    ids = list(new) + [id_ for id_ in old if id_ not in new]
    order = {row[0]: row[1] for row in ledger.ask(_ORDER)}
    pairs = ((old.get(id_), new.get(id_)) for id_ in sorted(ids, key=lambda id_: order[id_]))
    items = tuple(found for one, two in pairs if (found := compare(one, two)))
    others = _others(ledger, a, b)
    return Diff(a=a, b=b, items=items, students=_students(ledger, a, b), others=others)


def others_as_of(ledger: Ledger, moment: str) -> list[Standing]:
    """Skills, prompts, settings and students as they stood, by kind and name.

    Raises `Refused` for no moment.
    """
    found = [
        Standing(
            kind=kind,
            id=id_,
            name=str(state.get("name") or id_),
            status=str(state.get("status", "")),
            state=state,
        )
        for (kind, id_), state in states(ledger, place_of(ledger, moment)).items()
        if kind != "lesson"
    ]
    return sorted(found, key=lambda one: (one.kind, one.name, one.id))


def states(ledger: Ledger, until: int) -> dict[tuple[str, str], dict[str, Any]]:
    """What stood after the change at this place of the log, by kind and id; of every kind."""
    query = (
        "SELECT body FROM changes WHERE seq IN (SELECT max(seq) FROM changes "
        "WHERE decision = 'applied' AND seq <= ? GROUP BY kind, target) ORDER BY seq"
    )
    last = [_change(body) for (body,) in ledger.ask(query, until)]
    return {(one.kind, one.target): one.after for one in last if one.after is not None}


def _others(ledger: Ledger, a: str, b: str) -> tuple[OtherDiff, ...]:
    old, new = (states(ledger, place_of(ledger, moment)) for moment in (a, b))
    found: list[OtherDiff] = []
    for kind, id_ in sorted({**old, **new}):
        one, two = old.get((kind, id_)), new.get((kind, id_))
        if kind in ("lesson", "adapter") or one == two:
            continue
        name, fields, what = str((two or one or {}).get("name", "")), (), "edited"
        if one is None or two is None:
            what = "added" if one is None else "removed"
        else:
            fields = tuple(_changed(dict(_dotted(one, "")), dict(_dotted(two, ""))))
        found.append(OtherDiff(kind=kind, id=id_, name=name, what=what, fields=fields))
    return tuple(found)


def _changed(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[FieldDiff]:
    """Fields that differ; texts of more than a line word by word."""
    found: list[FieldDiff] = []
    for name in {**one, **two}:
        old, new = one.get(name), two.get(name)
        if old != new:
            long = isinstance(old, str) and isinstance(new, str) and len(f"{old}{new}") > LONG
            said = words(str(old), str(new)) if long else ()
            found.append(FieldDiff(name=name, before=old, after=new, words=said))
    return found


def _students(ledger: Ledger, a: str, b: str) -> tuple[StudentDiff, ...]:
    old, new = (_states(ledger, place_of(ledger, moment), kind="adapter") for moment in (a, b))
    found: list[StudentDiff] = []
    for id_ in sorted({**old, **new}):
        one, two = old.get(id_), new.get(id_)
        if one is None or two is None:
            found.append(StudentDiff(id=id_, what="added" if one is None else "removed"))
        elif one != two:
            names = [name for name in {**one, **two} if one.get(name) != two.get(name)]
            fields = [FieldDiff(name=n, before=one.get(n), after=two.get(n)) for n in names]
            found.append(StudentDiff(id=id_, what="edited", fields=tuple(fields)))
    return tuple(found)


def compare(old: Lesson | None, new: Lesson | None) -> LessonDiff | None:
    """How a lesson differs; None: not at all."""
    if old is None or new is None:
        one = new or old
        what: Any = "added" if old is None else "removed"
        return LessonDiff(id=one.id, what=what, lesson=one) if one else None
    fields = _fields(old, new)
    if not fields:
        return None
    retired = (old.status == "retired", new.status == "retired")
    what = {(False, True): "retired", (True, False): "restored"}.get(retired, "edited")
    return LessonDiff(id=new.id, what=what, lesson=new, fields=fields)


def _fields(old: Lesson, new: Lesson) -> tuple[FieldDiff, ...]:
    one, two = (_flat(lesson) for lesson in (old, new))
    return tuple(
        FieldDiff(
            name=name,
            before=one.get(name),
            after=two.get(name),
            words=words(one[name], two[name]) if name in WORDED else (),
        )
        for name in {**one, **two}
        if one.get(name) != two.get(name)
    )


def words(old: str, new: str) -> tuple[Words, ...]:
    """Two texts word by word.

    >>> [(part.how, part.text) for part in words("look in the fridge", "look in the microwave")]
    [('same', 'look in the '), ('gone', 'fridge'), ('new', 'microwave')]
    """
    one, two = (re.findall(r"\S+\s*", text) for text in (old, new))
    found: list[Words] = []
    bare = [[word.strip() for word in part] for part in (one, two)]
    for how, a, b, c, d in SequenceMatcher(None, *bare, autojunk=False).get_opcodes():
        if how == "equal":
            found.append(Words(how="same", text="".join(two[c:d])))
            continue
        if a < b:
            found.append(Words(how="gone", text="".join(one[a:b])))
        if c < d:
            found.append(Words(how="new", text="".join(two[c:d])))
    return tuple(found)


def _flat(lesson: Lesson) -> dict[str, Any]:
    """Fields by name, those of scope and source with a dot."""
    plain = lesson.model_dump(mode="json", exclude={"effect", "id"})
    return dict(_dotted(plain, ""))


def _dotted(data: Mapping[str, Any], prefix: str) -> Sequence[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            found += _dotted(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value))
    return found


_ORDER = (
    "SELECT target, min(seq) AS first FROM changes WHERE kind = 'lesson' "
    "AND decision = 'applied' GROUP BY target ORDER BY first"
)


def place_of(ledger: Ledger, moment: str) -> int:
    """Place in the log of the last change made by then; 0: none was. Raises `Refused`."""
    row = ledger.ask("SELECT seq FROM changes WHERE id = ?", moment)
    if row:
        return int(row[0][0])
    try:
        seconds = seconds_of(moment)
    except Refused:
        raise Refused(
            f"{moment!r} is neither an ISO time nor the id of a change",
            repair="write it like 2026-01-31T12:00:00 (UTC), or see `journeyman history` for ids",
        ) from None
    whole = re.search(r"\d:\d\d:\d\d(?![.,\d])", moment)
    by = iso(seconds + 0.999 if whole else seconds)
    log = ledger.ask("SELECT seq, time FROM changes ORDER BY seq")
    place = bisect_right(steady([time for _, time in log]), by)
    return int(log[place - 1][0]) if place else 0


def _standing(ledger: Ledger, until: int) -> dict[str, Lesson]:
    """Lessons that stood after the change at this place, in the order of their first adding."""
    last = _states(ledger, until, kind="lesson")
    order = [row[0] for row in ledger.ask(_ORDER) if row[0] in last]
    return {id_: rows.lesson_of(last[id_]) for id_ in order}


def _states(ledger: Ledger, until: int, *, kind: str) -> dict[str, dict[str, Any]]:
    """What stood of this kind after the change at this place, by id."""
    query = (
        "SELECT body FROM changes WHERE seq IN (SELECT max(seq) FROM changes "
        "WHERE kind = ? AND decision = 'applied' AND seq <= ? GROUP BY target)"
    )
    last = [_change(body) for (body,) in ledger.ask(query, kind, until)]
    return {one.target: one.after for one in last if one.after is not None}


def _change(body: str) -> Change:
    return rows.parse(Change, body)
