"""What is looked at before a lesson is stored: does memory say that already, or the contrary?

Embeddings alone can't tell. With MiniLM "the mug is in drawer 3" and "... drawer 4" have a cosine
of 0.95, "open the drawer before leaving" and "close the drawer ..." 0.93, "always open the fridge
first" and "never ..." 0.94, but "look in the fridge first" and "first look inside the fridge" 0.89.
So closeness only nominates; numbers, negations and words that were exchanged decide. In doubt two
lessons stay two: a duplicate costs room, a wrong merger costs a lesson.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from envs.types import Frozen
from memory import rows
from memory.clock import new_id
from memory.embed import Embedder
from memory.ledger import Ledger
from memory.text import normal
from memory.types import Change, Lesson, Source

NEAR = 0.9
"""Least cosine of near-duplicates: of the situations (by the index), and of the texts."""
OPPOSED = 0.75
"""Least cosine of the texts of a contradiction; their words have to be the same besides."""
NEIGHBOURS = 32
"""How many of the closest lessons are looked at."""
SOURCES = 32
"""Most places kept for one lesson; what is learned once more after that adds nothing."""

_NOT = frozenset({"not", "no", "never", "none", "nor", "neither", "without", "cannot"})
_ORDER = frozenset({"before", "after", "then", "until", "till"})
"""Words by which the order of two clauses carries meaning."""
_EMPTY = frozenset(
    """
    a an the this that these those it its they them he she his her you your i my we our one ones
    is are was were be been being am do does did done has have had having can could may might will
    would shall should must of at by with for as and or but if then than
    so when while where there here before after once until till always usually often mostly
    commonly normally generally sometimes typically just also too very really which who what how
    again please
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_PLACES = {"inside": "in", "into": "in", "within": "in", "onto": "on", "upon": "on"}
ROTATED = 60
"""Most words among which clauses are looked for that changed places."""


class Kin(Frozen):
    """What memory says about the same."""

    twin: Lesson | None = None
    """The lesson that says it already, in other words."""
    against: tuple[Lesson, ...] = ()
    """Lessons that seem to say the contrary."""


def kin(lesson: Lesson, neighbours: Sequence[Lesson], embedder: Embedder) -> Kin:
    """Judges the lessons whose situation is near, closest first; those of other scopes don't count.

    A twin has the same trust too: words of a web page never hide behind the agent's own.
    """
    near = [
        one
        for one in neighbours
        if one.scope == lesson.scope
        and one.id not in (lesson.id, *lesson.supersedes)
        and _same_matter(lesson.text, one.text)
    ]
    if not near:
        return Kin()
    vectors = embedder.embed([lesson.text, *(one.text for one in near)])
    twin: Lesson | None = None
    against: list[Lesson] = []
    for one, similarity in zip(near, vectors[1:] @ vectors[0], strict=True):
        if denies(lesson.text) != denies(one.text):
            if similarity >= OPPOSED:
                against.append(one)
        elif twin is None and similarity >= NEAR and _may_merge(lesson, one):
            twin = one
    return Kin(twin=twin, against=tuple(against))


def merged(old: Lesson, new: Lesson) -> Lesson | None:
    """`old`, with the place where `new` was learned; None where that adds nothing."""
    sources = old.sources or (old.source,)
    fresh = new.source.model_copy(update={"said": "" if new.text == old.text else new.text})
    known = {(one.trajectory, one.origin, one.said) for one in sources}
    if len(sources) >= SOURCES or (fresh.trajectory, fresh.origin, fresh.said) in known:
        return None
    return learned_from(old, (*sources, fresh))


def learned_from(lesson: Lesson, sources: Sequence[Source]) -> Lesson:
    """`lesson` with these sources, the first being that of its words."""
    keys = dict.fromkeys(key for source in sources for key in source.task_keys)
    first = sources[0].model_copy(update={"task_keys": tuple(keys), "said": ""})
    several = tuple(sources) if len(sources) > 1 else ()
    return lesson.model_copy(update={"source": first, "sources": several})


def completed(ledger: Ledger, lesson: Lesson, evidence: Sequence[str], *, seconds: float) -> Lesson:
    """`lesson` with an id, and its lineage completed from what it goes back to.

    Raises `UnknownName` where it replaces or contradicts a lesson that is not there.
    """
    keys = list(lesson.source.task_keys)
    for id_ in dict.fromkeys((lesson.source.trajectory, *evidence)):
        keys += _keys_of(ledger, id_)
    for id_ in lesson.supersedes:
        keys += ledger.lesson(id_).source.task_keys
    for id_ in lesson.contradicts:
        ledger.lesson(id_)
    source = lesson.source.model_copy(update={"task_keys": tuple(dict.fromkeys(keys))})
    id_ = lesson.id or new_id("L", seconds=seconds)
    return lesson.model_copy(update={"id": id_, "source": source})


def merger(
    ledger: Ledger, old: Lesson, richer: Lesson, reason: str, evidence: Sequence[str], actor: str
) -> Change:
    """The change that gives `old` one more source; it carries the evidence of all."""
    earlier = [
        id_
        for change in ledger.history(old.id)
        if change.decision == "applied"
        for id_ in change.evidence
    ]
    why = f"learned again: {reason}"
    return edition(richer, old, why, tuple(dict.fromkeys((*earlier, *evidence))), actor)


def disputes(ledger: Ledger, lesson: Lesson) -> list[Lesson]:
    """Lessons that it contradicts, or that contradict it, as they stand."""
    query = "SELECT body FROM lessons WHERE body IS NOT NULL AND id <> ? AND instr(body, ?) > 0"
    naming = [rows.parse(Lesson, row[0]) for row in ledger.ask(query, lesson.id, lesson.id)]
    found = {one.id: one for one in naming if lesson.id in one.contradicts}
    query = "SELECT body FROM lessons WHERE body IS NOT NULL AND id = ?"
    named = [row[0] for id_ in lesson.contradicts for row in ledger.ask(query, id_)]
    found |= {one.id: one for one in (rows.parse(Lesson, body) for body in named)}
    return list(found.values())


def addition(lesson: Lesson, reason: str, evidence: Sequence[str], actor: str) -> Change:
    """The change that adds `lesson`."""
    return Change(
        id="",
        kind="lesson",
        target=lesson.id,
        op="add",
        reason=reason,
        after=lesson.model_dump(mode="json", exclude={"effect"}),
        evidence=tuple(evidence),
        actor=actor,
    )


def edition(
    lesson: Lesson, before: Lesson | None, reason: str, evidence: Sequence[str], actor: str
) -> Change:
    """The change that makes `lesson` of `before`; None: of whatever stands there."""
    return Change(
        id="",
        kind="lesson",
        target=lesson.id,
        op="edit",
        reason=reason,
        before=before.model_dump(mode="json", exclude={"effect"}) if before else None,
        after=lesson.model_dump(mode="json", exclude={"effect"}),
        evidence=tuple(evidence),
        actor=actor,
    )


def _keys_of(ledger: Ledger, trajectory: str) -> tuple[str, ...]:
    """That of a run; none where there is no such run, as before it is stored."""
    if not trajectory:
        return ()
    found = ledger.ask("SELECT task_key FROM trajectories WHERE id = ?", trajectory)
    return tuple(row[0] for row in found)


def _may_merge(new: Lesson, old: Lesson) -> bool:
    deliberate = new.supersedes or old.id in new.contradicts or new.id in old.contradicts
    same_time = (new.valid_from, new.valid_to) == (old.valid_from, old.valid_to)
    return (
        not deliberate and new.trust == old.trust and same_time and _same_matter(new.text, old.text)
    )


def _same_matter(one: str, two: str) -> bool:
    """Whether both say it of the same: numbers alike, no word exchanged, clauses at most swapped.

    "Ada calls Bob" and "Bob calls Ada" differ; so do two clauses swapped around a "before".
    """
    if _numbers(one) != _numbers(two):
        return False
    short, long = sorted((carrying(one), carrying(two)), key=len)
    if not short or set(short) - set(long):
        return False
    fixed = len(short) > ROTATED or bool(_ORDER & set(_plain(f"{one} {two}")))
    turns = 1 if fixed else len(short)
    return any(_within(short[n:] + short[:n], long) for n in range(turns))


def _within(short: list[str], long: list[str]) -> bool:
    """Whether all of `short` stands in `long`, in this order."""
    rest = iter(long)
    return all(word in rest for word in short)


def carrying(text: str) -> list[str]:
    """Stems of the words that carry the meaning, in order."""
    return [_stem(word) for word in _plain(text) if word not in _EMPTY and not _negative(word)]


def _stem(word: str) -> str:
    """Endings off, so that inflected forms meet; need not be a word."""
    word = _PLACES.get(word, word)
    short = re.sub(r"(?<=...)(ing|ed|es|s|e)$", "", word)
    return short[:-1] if len(short) > 3 and short[-1] == short[-2] else short


def _numbers(text: str) -> list[str]:
    return sorted(word for word in _plain(text) if any(c.isdigit() for c in word))


def denies(text: str) -> bool:
    """Whether `text` says what is not so, or not to be done."""
    return sum(map(_negative, _plain(text))) % 2 > 0


def _negative(word: str) -> bool:
    """`not` and the like, `don't` written in any way."""
    return word in _NOT or (word.endswith("nt") and word[:-2] in _EMPTY)


def _plain(text: str) -> list[str]:
    return normal(text.replace("'", "").replace("’", "")).split()
