"""What is left after a kill: is everything there that was acknowledged, and is all of it whole?

The ledger is read by SQL of this file's own, not through `Ledger`, so that a fault of the one does
not hide in the other.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from envs.types import Frozen
from memory import rows
from memory.index import VectorIndex
from memory.query import shelf_of
from memory.recall import Memory, searched
from memory.text import sameness
from memory.types import SHOWABLE, Change, Exposure, Lesson, Run, Trajectory

Acknowledged = list[str]
"""What was acknowledged: `change ID DIGEST TARGET`, `trajectory ID DIGEST`, `run ID STATE`,
`exposure EPISODE LESSON` or `purge LESSON`."""
GUARDS = {"trajectories_stay", "trajectories_last", "changes_stay", "changes_last"}
"""Triggers that keep the log append-only; a purge lifts them for as long as it takes."""
NEAREST = 5
"""Among how many a lesson has to be found by its own words."""


def acknowledged(journals: Iterable[Path]) -> tuple[list[Acknowledged], list[str]]:
    """What the writers said had returned, and their errors. A torn last line was not said."""
    acks: list[Acknowledged] = []
    errors: list[str] = []
    for path in journals:
        for line in path.read_text("utf-8").split("\n")[:-1]:
            if line.startswith("!"):
                errors.append(f"{path.stem}: {line[2:]}")
            elif not line.startswith(">"):
                acks += json.loads(line)
    return acks, errors


class Found:
    """The ledger's file, read whole in one transaction."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("BEGIN")
            self.sound = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            self.guards = {row[0] for row in db.execute(query)}
            self.generation = _value(db, "SELECT value FROM meta WHERE name = 'generation'")
            query = "SELECT target, run, body FROM changes ORDER BY seq"
            self.changes = [
                (target, run, rows.parse(Change, body), body)
                for target, run, body in db.execute(query)
            ]
            query = "SELECT id, kind, status, env, task_type, words, same, generation, body "
            self.lessons = {row[0]: row[1:] for row in db.execute(query + "FROM lessons")}
            self.trajectories = dict(db.execute("SELECT id, body FROM trajectories").fetchall())
            query = "SELECT id, status, body FROM runs"
            self.runs = {id_: (status, body) for id_, status, body in db.execute(query)}
            query = "SELECT episode, lesson, shown, body FROM exposures"
            self.exposures = {(e, one): (shown, b) for e, one, shown, b in db.execute(query)}
        self.purged = {c.target for _, _, c, _ in self.changes if c.op == "purge"}


def lost(found: Found, acks: Iterable[Acknowledged]) -> list[str]:
    """What was acknowledged and is not there, or not as it was."""
    changes = {change.id: body for _, _, change, body in found.changes}
    left = Counter(target for target, _, _, _ in found.changes)
    missing: list[str] = []
    for kind, *what in acks:
        if kind == "change":
            body = changes.get(what[0])
            there = what[2] in found.purged if body is None else _digest(body) == what[1]
        elif kind == "trajectory":
            body = found.trajectories.get(what[0])
            there = body is not None and _digest(body) == what[1]
        elif kind == "run":
            there = what[0] in found.runs and (
                what[1] == "begun" or found.runs[what[0]][0] == "done"
            )
        elif kind == "exposure":
            there = tuple(what) in found.exposures or what[1] in found.purged
        elif kind == "purge":
            there = what[0] in found.purged and left[what[0]] == 1
        else:
            raise ValueError(kind)
        if not there:
            missing.append(" ".join((kind, *what)))
    return missing


def half(found: Found) -> list[str]:
    """What is there in part: changes, lessons, runs and batches that don't fit each other."""
    guards = [f"guard {name} is missing" for name in GUARDS - found.guards]
    return [*guards, *_lessons(found), *_batches(found), *_rest(found)]


def _lessons(found: Found) -> Iterator[str]:
    """The table of lessons is the fold of the changes."""
    folded: dict[str, dict[str, Any]] = {}
    for target, _, change, _ in found.changes:
        if change.kind != "lesson" or change.decision != "applied":
            continue
        before = rows.plain("lesson", change.before)
        if change.op != "purge" and before != folded.get(target):
            yield f"change {change.id} does not begin where the one before it ended"
        folded.pop(target, None)
        if change.after is not None:
            folded[target] = change.after
    standing = {id_: row for id_, row in found.lessons.items() if row[-1] is not None}
    for id_ in folded.keys() ^ standing.keys():
        yield f"lesson {id_} stands in the changes or in the table, not in both"
    for id_ in folded.keys() & standing.keys():
        lesson = Lesson.model_validate(folded[id_])
        derived = (
            lesson.kind,
            lesson.status,
            lesson.scope.env,
            lesson.scope.task_type,
            f"{lesson.text}\n{lesson.situation}".casefold(),
            sameness(lesson.text, lesson.scope),
        )
        if standing[id_][:6] != derived or rows.parse(Lesson, standing[id_][-1]) != lesson:
            yield f"lesson {id_} is not what its changes say"
    for id_ in found.lessons.keys() - standing.keys():
        if any(value is not None for value in found.lessons[id_][:6]):
            yield f"lesson {id_} is gone in part"
    counts = Counter(row[6] for row in found.lessons.values())
    if counts and (max(counts) > found.generation or max(counts.values()) > 1):
        yield f"generation {found.generation} is not the count of the lessons' changes"


def _batches(found: Found) -> Iterator[str]:
    """All or none of what was written at once."""
    sizes = Counter(change.batch for _, _, change, _ in found.changes if change.batch)
    for _, _, change, _ in found.changes:
        if change.reason.startswith("batch of "):
            size = int(change.reason.removeprefix("batch of "))
            if sizes[change.batch] != size and change.target not in found.purged:
                yield f"of batch {change.batch} {sizes[change.batch]} of {size} are there"
    of_runs: dict[str, set[str]] = {}
    for target, run, _, _ in found.changes:
        of_runs.setdefault(run, set()).add(target)
    for id_, body in found.trajectories.items():
        missing = set(rows.parse(Trajectory, body).lessons) - of_runs.get(id_, set())
        if missing - found.purged:
            yield f"run {id_} lacks its lessons {sorted(missing)}"


def _rest(found: Found) -> Iterator[str]:
    """Runs, their status and what they were shown."""
    for id_ in found.trajectories:
        if found.runs.get(id_, ("",))[0] not in ("done", "failed"):
            yield f"run {id_} has a trajectory and has not ended"
    for id_, (status, body) in found.runs.items():
        run = rows.parse(Run, body)
        if (run.id, run.status) != (id_, status):
            yield f"run {id_} is not what its row says"
        if status == "done" and id_ not in found.trajectories:
            yield f"run {id_} is done and has no trajectory"
    for (episode, lesson), (shown, body) in found.exposures.items():
        one = rows.parse(Exposure, body)
        if (one.episode, one.lesson, int(one.shown)) != (episode, lesson, shown):
            yield f"exposure {episode} {lesson} is not what its row says"
        if episode not in found.runs:
            yield f"exposure {episode} {lesson} has no run"


def stale(memory: Memory) -> list[str]:
    """After `memory.sync()`: lessons that are not in the index, and retired ones that are.

    Once in a while an approximate graph has an entry that no search reaches (see
    `memory.index.GRAPH`); it is there all the same, so it is asked for by its id as well.
    """
    lessons = {one.id: one for one in memory.ledger.lessons(limit=-1)}
    wanted = {id_ for id_, one in lessons.items() if one.status in SHOWABLE}
    indexed = _everything(memory.index, len(lessons))
    wrong = [f"lesson {id_} is found and gone" for id_ in sorted(indexed - wanted)]
    for id_ in sorted(wanted - indexed):  # approximate search may miss some of very many
        near = memory.index.search(searched(lessons[id_]), most=NEAREST)
        there = memory.index.vectors([id_], shelf=shelf_of(lessons[id_]))
        if id_ not in {one for one, _ in near} and id_ not in there:
            wrong.append(f"lesson {id_} is not found")
    return wrong


def _everything(index: VectorIndex, size: int) -> set[str]:
    return {id_ for id_, _ in index.search("anything", most=size + 50)}


def digest(data: Frozen) -> str:
    """By which a stored row is known to be the one that was acknowledged."""
    return _digest(rows.dump(data))


def _digest(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _value(db: sqlite3.Connection, query: str) -> Any:
    return db.execute(query).fetchone()[0]
