"""Deleting for good: no byte of a lesson or skill stays in ledger, indexes, checkpoints, exports.

What is left is a `purge` change for each: that there was one, when it went, by whom and why. Raw
runs hold the steps that a lesson was learned from; they go only when that is asked for. In all of
them the recalled text of what was purged is blanked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from envs.errors import Refused
from envs.types import Frozen
from memory import rows, schema
from memory.admission import learned_from
from memory.clock import iso, new_id
from memory.database import Connection
from memory.forget import ForgetPlan, apply_forget, left, plan_forget, sources_of
from memory.forget_skills import skill_lives
from memory.purge_files import clean_exports, clean_folders, still_holding
from memory.purge_own import OwnTraces, clean_rounds
from memory.purge_runs import blank_recalled, delete_runs, exists, repeating
from memory.purge_skills import LEAST, SkillTraces
from memory.recall import Memory
from memory.text import normal
from memory.types import Change, Lesson, Source
from memory.vectors import VectorIndex

REWRITES = 3
"""How often an index is written anew until nothing of what was deleted is in its files."""
Scrub = Callable[[Lesson], tuple[Source, ...]]


class Purged(Frozen):
    """What was deleted for good, and what was found that still holds some of it."""

    lessons: tuple[str, ...] = ()
    """Lessons of which nothing is left but a `purge` change."""
    skills: tuple[str, ...] = ()
    """Skills of which nothing is left but that."""
    detached: tuple[str, ...] = ()
    """Lessons that stay, and in whose history a source was blanked."""
    runs: tuple[str, ...] = ()
    """Runs that were deleted."""
    checkpoints: tuple[str, ...] = ()
    """Interrupted runs that had seen it and can't be resumed any more."""
    exports: tuple[str, ...] = ()
    """Exported files from which lines were taken, and folders of exported skills, deleted."""
    runs_left: tuple[str, ...] = ()
    """Runs that still hold what was learned from them."""
    files_left: tuple[str, ...] = ()
    """Files of the home folder that still hold a text of a lesson, or the code of a skill."""
    server: str = ""
    """Server of the ledger, whose log, replicas and backups hold it until they are replaced."""
    open_elsewhere: int = 0
    """Other processes that still have files open from before: end them, then purge again."""
    own: tuple[str, ...] = ()
    """Prompts, settings and tasks of its own of which nothing is left."""

    def counts(self) -> str:
        """How many of each were deleted, in words."""
        some = (("skills", self.skills), ("prompts, settings and own tasks", self.own))
        more = [f"{len(ids)} {what}" for what, ids in some if ids]
        return ", ".join([f"{len(self.lessons)} lessons", *more, f"{len(self.runs)} runs"])


def purge_source(
    memory: Memory,
    source: str,
    *,
    home: Path | None,
    actor: str = "user",
    runs: bool = False,
    indexes: Sequence[VectorIndex] = (),
) -> Purged:
    """Forgets a source (see `plan_forget`) and deletes what goes back to it. No way back.

    `runs`: with the runs that it was learned from; of skills those of one that is the source.
    `indexes`: those of skills, emptied where some go. Raises `Refused` while a run is going on that
    has seen something of it, and `UnknownName` for a source that nobody knows.
    """
    plan = plan_forget(memory.ledger, source)
    named = _named(memory, plan)
    going = SkillTraces(plan.skills, ledger=memory.ledger)
    lessons = [item.lesson for item in plan.items]
    own = OwnTraces(
        [one.model_copy(update={"what": "gone"}) for one in plan.own], ledger=memory.ledger
    )
    words = [*going.words, *own.words]
    _quiet(memory, lessons, home, also=named if runs else (), words=words)
    if any(one.what != "gone" for one in (*plan.items, *plan.skills, *plan.adapters, *plan.own)):
        apply_forget(memory.ledger, plan, actor=actor)
        plan = plan_forget(memory.ledger, source)
    gone = [item for item in plan.skills if item.what == "gone"]
    standing = {id_ for item in plan.items if _stands(memory, id_ := item.lesson.id)}
    reason = f"purged with all that goes back to a {plan.kind}"
    own = OwnTraces(plan.own, ledger=memory.ledger)
    played = own.delete(memory.ledger, actor=actor, reason=reason)
    done = _purge(
        memory,
        [item.lesson.id for item in plan.items if item.lesson.id not in standing],
        scrub={id_: lambda lesson: left(lesson, plan.kind, source) for id_ in standing},
        home=home,
        actor=actor,
        reason=reason,
        runs={*named, *played} if runs else None,
        skills=SkillTraces(gone, ledger=memory.ledger, runs=named, indexes=indexes),
        words=own.words,
    )
    holding = {run for run in played if run not in done.runs} | set(done.runs_left)
    return done.model_copy(update={"own": own.targets, "runs_left": tuple(sorted(holding))})


def purge_lessons(
    memory: Memory,
    ids: Sequence[str],
    *,
    home: Path | None,
    reason: str = "purged",
    actor: str = "user",
    runs: bool = False,
) -> Purged:
    """Deletes these lessons for good, whether they stand or not. No way back.

    Raises as `purge_source` does; lessons that took their place stay.
    """
    for id_ in ids:
        memory.ledger.history(id_)
    _quiet(memory, [lesson for id_ in ids for lesson in _forms(memory, id_)], home)
    taken = set() if runs else None
    none = SkillTraces(ledger=memory.ledger)
    return _purge(
        memory, ids, scrub={}, home=home, actor=actor, reason=reason, runs=taken, skills=none
    )


def _purge(
    memory: Memory,
    ids: Sequence[str],
    *,
    scrub: dict[str, Scrub],
    home: Path | None,
    actor: str,
    reason: str,
    runs: set[str] | None,
    skills: SkillTraces,
    words: Sequence[str] = (),
) -> Purged:
    forms = [lesson for id_ in ids for lesson in _forms(memory, id_)]
    dropped = _dropped(memory, scrub)
    origins = {one.trajectory for form in forms for one in sources_of(form)}
    origins = (origins | {one.trajectory for one in dropped} | skills.runs) - {""}
    texts = _texts(forms, dropped)
    with memory.ledger.purging() as db:
        now = memory.ledger.now()
        fields = {"op": "purge", "reason": reason, "actor": actor, "time": iso(now)}
        for kind, targets in (("lesson", ids), ("skill", skills.ids)):
            for target in targets:
                one = {"id": new_id("C", seconds=now), "kind": kind, "target": target}
                _delete(db, Change.model_validate({**one, **fields}))
        _delete_rejected(db, {normal(form.text) for form in forms})
        for id_, rest in scrub.items():
            _blank_sources(db, id_, rest)
        blank_recalled(db, [*ids, *skills.ids])
        again = origins | repeating(db, {form.text for form in forms})
        gone = delete_runs(db, runs | again, texts) if runs is not None else ()
        blank_recalled(db, gone)
        holding = tuple(sorted(run for run in again - set(gone) if exists(db, run)))
    held = 0 if memory.ledger.compact() else 1
    if ids or scrub or gone:
        memory.rebuild()
        _swept(memory, home, texts)
    held += memory.index.sweep()
    if memory.episodes:
        held += memory.episodes.sweep()
    for index in skills.indexes:
        index.clear()
        index.mark(origin=memory.ledger.origin, generation=0)
        held += index.sweep()
    checkpoints: list[str] = []
    if home is not None:
        seen = [*texts, *gone, *skills.words, *words]
        checkpoints = schema.threads_with(home / "checkpoints.db", seen)
        held += not schema.drop_threads(home / "checkpoints.db", checkpoints)
    return Purged(
        lessons=tuple(ids),
        skills=skills.ids,
        detached=tuple(scrub),
        runs=gone,
        checkpoints=tuple(checkpoints),
        exports=_cleaned(home, ids, skills.codes, words) if home is not None else (),
        runs_left=holding,
        files_left=still_holding(home, [*texts, *skills.codes, *words]) if home is not None else (),
        server=memory.ledger.name if memory.ledger.served else "",
        open_elsewhere=held,
    )


def _cleaned(
    home: Path, ids: Sequence[str], codes: Sequence[str], words: Sequence[str]
) -> tuple[str, ...]:
    """Takes what was deleted out of the files of a home; which files those were."""
    found = (*clean_exports(home, set(ids)), *clean_folders(home, codes))
    return (*found, *clean_rounds(home, words))


# what there is


def _stands(memory: Memory, lesson_id: str) -> bool:
    query = "SELECT 1 FROM lessons WHERE id = ? AND body IS NOT NULL"
    return bool(memory.ledger.ask(query, lesson_id))


def _forms(memory: Memory, lesson_id: str) -> list[Lesson]:
    """A lesson as it stood at any time, proposals that were rejected included."""
    changes = memory.ledger.history(lesson_id)
    states = (state for c in changes for state in (c.before, c.after) if state)
    return [rows.lesson_of(state) for state in states]


def _dropped(memory: Memory, scrub: dict[str, Scrub]) -> list[Source]:
    return [
        place
        for id_, rest in scrub.items()
        for form in _forms(memory, id_)
        for place in sources_of(form)
        if place not in rest(form)
    ]


def _texts(forms: Iterable[Lesson], dropped: Iterable[Source]) -> list[str]:
    """Words by which copies are known: texts and quotes."""
    places = [*dropped, *(place for form in forms for place in sources_of(form))]
    found = {form.text for form in forms}
    found |= {text for place in places for text in (place.quote, place.said)}
    return sorted(text for text in found if len(text) >= LEAST)


def _swept(memory: Memory, home: Path | None, texts: Sequence[str]) -> None:
    """Chroma writes memory that it never filled into its files, with what stood there before.

    Then they are written anew, and in the end left empty: whoever asks next fills them.
    """
    for _ in range(REWRITES):
        if home is None or not any("chroma-" in name for name in still_holding(home, texts)):
            return
        memory.rebuild()
    memory.index.clear()


def _named(memory: Memory, plan: ForgetPlan) -> set[str]:
    """Runs that a source names by itself; those that a skill was written from."""
    if plan.kind == "run":
        return {plan.source}
    if plan.kind == "skill":
        mine = [one for one in plan.skills if plan.source in (one.id, one.name)]
        lives = skill_lives(memory.ledger) if mine else {}
        return {run for one in mine for run in lives[one.id].runs}
    if plan.kind == "task":
        query = "SELECT id FROM trajectories WHERE task_key = ?"
        return {row[0] for row in memory.ledger.ask(query, plan.source)}
    return set()


def _quiet(
    memory: Memory,
    lessons: Sequence[Lesson],
    home: Path | None,
    *,
    also: Iterable[str] = (),
    words: Iterable[str] = (),
) -> None:
    """Raises `Refused` while a run is going on that would write a lesson down once more.

    `also`: runs that would go as well; `words`: others by which it would be known.
    """
    if home is None:
        return
    wanted = [*_texts(lessons, ()), *also, *words]
    seen = set(schema.threads_with(home / "checkpoints.db", wanted)) - set(also)
    for run in memory.ledger.runs(status="running", limit=-1):
        if run.id in seen and psutil.pid_exists(run.pid):
            raise Refused(
                f"run {run.id} is going on and has seen it", repair="let it end, then purge"
            )


# the ledger


def _delete(db: Connection, tombstone: Change) -> None:
    """What is left is written first: in a row behind all others, where readers look for news."""
    rows.write(db, tombstone)
    query = "DELETE FROM changes WHERE kind = ? AND target = ? AND op <> 'purge'"
    db.execute(query, (tombstone.kind, tombstone.target))
    db.execute("DELETE FROM exposures WHERE lesson = ?", (tombstone.target,))


def _delete_rejected(db: Connection, texts: set[str]) -> None:
    """Proposals of the same words under other ids, which were kept without effect."""
    query = "SELECT id, body FROM changes WHERE kind = 'lesson' AND decision = 'rejected'"
    for id_, body in db.execute(query).fetchall():
        state = rows.parse(Change, body).after or {}
        if normal(str(state.get("text", ""))) in texts:
            db.execute("DELETE FROM changes WHERE id = ?", (id_,))


def _blank_sources(db: Connection, lesson_id: str, rest: Scrub) -> None:
    """Takes places where a lesson was learned out of all its history."""
    query = "SELECT id, body FROM changes WHERE kind = 'lesson' AND target = ? ORDER BY seq"
    state: dict[str, Any] | None = None
    for id_, body in db.execute(query, (lesson_id,)).fetchall():
        change = rows.parse(Change, body)
        gone = {
            place.trajectory
            for form in _states(change)
            for place in sources_of(form)
            if place not in rest(form)
        }
        before, after = (_without(one, rest) for one in (change.before, change.after))
        evidence = tuple(run for run in change.evidence if run not in gone)
        update = {"before": before, "after": after, "evidence": evidence}
        state = after if change.decision == "applied" else state
        whole = rows.dump(change.model_copy(update=update))
        db.execute("UPDATE changes SET body = ? WHERE id = ?", (whole, id_))
    if state is not None:
        db.execute(
            "UPDATE lessons SET body = ?, generation = ? WHERE id = ?",
            (json.dumps(state), rows.next_generation(db), lesson_id),
        )


def _states(change: Change) -> list[Lesson]:
    return [rows.lesson_of(state) for state in (change.before, change.after) if state]


def _without(state: dict[str, Any] | None, rest: Scrub) -> dict[str, Any] | None:
    if state is None:
        return None
    lesson = rows.lesson_of(state)
    places = rest(lesson)
    kept = learned_from(lesson, places) if places else lesson
    return kept.model_dump(mode="json", exclude={"effect"})
