"""The ledger: all that is durable, in a SQLite file or on a server. The rest is derived from it.

Trajectories and changes are only ever added. Lessons stand beside them as they are now, written
in the same transaction as the change that altered them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from envs.errors import Refused, UnknownName
from envs.types import Split
from memory import rows, undo
from memory.clock import iso
from memory.database import Connection, Database
from memory.postgres import Postgres, is_server
from memory.schema import File
from memory.types import Change, Effect, Exposure, Lesson, LessonKind, Run, Status, Trajectory

ALL = (1 << 62) - 1
"""As a limit: none."""


class Ledger:
    """The file at `place`, or the PostgreSQL server of that address; for threads and processes.

    Every method raises `StoreError` where it can't be read or written. A call that has returned
    is on the disk.
    """

    def __init__(self, place: Path | str, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._store: Database = Postgres(str(place)) if is_server(place) else File(Path(place))
        self.origin = str(self._one("SELECT value FROM meta WHERE name = 'origin'")[0])
        """Random name of this ledger, by which an index knows whose it is."""

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self._store.name

    @property
    def path(self) -> Path:
        """The file. Raises `Refused` for one on a server."""
        if not isinstance(self._store, File):
            raise Refused(f"ledger {self.name} is no file", repair="use one of a home folder")
        return self._store.path

    @property
    def served(self) -> bool:
        """Whether it is on a server."""
        return not isinstance(self._store, File)

    def close(self) -> None:
        """Closes it; may be called twice."""
        self._store.close()

    def now(self) -> float:
        """Seconds since 1970, by the clock of this ledger."""
        return self._clock()

    @property
    def generation(self) -> int:
        """Counts up with every change of a lesson, whichever process made it."""
        return int(self._one("SELECT value FROM meta WHERE name = 'generation'")[0])

    # runs and trajectories

    def begin_run(self, run: Run) -> None:
        """Notes that a run is going on; one that is resumed keeps the time it began."""
        now = iso(self._clock())
        with self.writing() as db:
            old = db.execute("SELECT began FROM runs WHERE id = ?", (run.id,)).fetchone()
            began = old[0] if old else run.began or now
            rows.put_run(db, run.model_copy(update={"began": began, "updated": now}))

    def end_run(self, run_id: str, *, status: Any, error: str = "") -> None:
        """Notes how a run ended (`done` or `failed`). Raises `UnknownName`."""
        with self.writing() as db:
            update = {"status": status, "error": error, "updated": iso(self._clock())}
            rows.put_run(db, Run.model_validate({**self.run(run_id).model_dump(), **update}))

    def run(self, run_id: str) -> Run:
        """One run. Raises `UnknownName`."""
        return rows.parse(Run, self._body("run", "runs", run_id))

    def runs(self, *, status: str | None = None, limit: int = 100, offset: int = 0) -> list[Run]:
        """Runs, newest first."""
        found = self._page("runs", {"status": status}, limit=limit, offset=offset)
        return [rows.parse(Run, body) for body in found]

    def add_trajectory(
        self, trajectory: Trajectory, *, changes: Sequence[Change] = ()
    ) -> tuple[Change, ...]:
        """Stores a finished run, its changes and its status in one transaction.

        Once it is stored, calling it again with the same id changes nothing and gives back the
        changes stored first. A change that doesn't fit (the same lesson again, an id that is
        taken) is kept as rejected with the reason, so that the run is never lost for it.
        """
        with self.writing() as db:
            query = "SELECT body FROM changes WHERE run = ? ORDER BY seq"
            stored = "SELECT body FROM trajectories WHERE id = ?"
            if first := db.execute(stored, (trajectory.id,)).fetchone():
                rows.finish_run(db, rows.parse(Trajectory, first[0]), seconds=self._clock())
                found = db.execute(query, (trajectory.id,)).fetchall()
                return tuple(rows.parse(Change, row[0]) for row in found)
            db.execute(
                "INSERT INTO trajectories (id, env, task_key, task_type, split, arm, thread, "
                "passed, failed, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    trajectory.id,
                    trajectory.env,
                    trajectory.task_key,
                    trajectory.task_type,
                    trajectory.split,
                    trajectory.arm,
                    trajectory.thread,
                    None if trajectory.score is None else int(trajectory.score.passed),
                    int(bool(trajectory.error)),
                    rows.dump(trajectory),
                ),
            )
            rows.finish_run(db, trajectory, seconds=self._clock())
            return tuple(
                rows.settle_or_reject(db, change, clock=self._clock, run=trajectory.id)
                for change in changes
            )

    def trajectory(self, id: str) -> Trajectory:  # noqa: A002
        """One finished run. Raises `UnknownName`."""
        return rows.parse(Trajectory, self._body("trajectory", "trajectories", id))

    def trajectories(
        self,
        *,
        env: str | None = None,
        task_key: str | None = None,
        split: Split | None = None,
        arm: str | None = None,
        thread: str | None = None,
        limit: int = 100,
        offset: int = 0,
        newest_first: bool = True,
    ) -> list[Trajectory]:
        """Finished runs that fit all that is given, in the order they were stored."""
        fields = {"env": env, "task_key": task_key, "split": split, "arm": arm, "thread": thread}
        order = "DESC" if newest_first else "ASC"
        found = self._page("trajectories", fields, limit=limit, offset=offset, order=order)
        return [rows.parse(Trajectory, body) for body in found]

    def outcomes(
        self, *, after: int = 0, env: str | None = None
    ) -> list[tuple[int, str, str, str, str, str, bool]]:
        """How train tasks ended: (seq, run, environment, type, key, split, won), as they came.

        Those stored after `seq` number `after` that have an outcome; a crash was not won.
        """
        with self.reading() as db:
            return rows.outcomes(db, after=after, env=env)

    # changes and lessons

    def apply(self, *changes: Change) -> tuple[Change, ...]:
        """Writes changes, all or none; gives them back with id, time and `before` filled in.

        Raises `Refused` for what can't be (the same lesson again, `before` given and no longer
        so, marked text) and `UnknownName` where there is nothing to change.
        """
        with self.writing() as db:
            return tuple(rows.settle(db, change, seconds=self._clock()) for change in changes)

    def change(self, id: str) -> Change:  # noqa: A002
        """One change. Raises `UnknownName`."""
        return rows.parse(Change, self._body("change", "changes", id))

    def changes(
        self,
        *,
        target: str | None = None,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Change]:
        """Changes, newest first, rejected ones included."""
        fields = {"target": target, "kind": kind}
        found = self._page("changes", fields, limit=limit, offset=offset)
        return [rows.parse(Change, body) for body in found]

    def history(self, lesson_id: str) -> list[Change]:
        """All changes of a lesson, oldest first. Raises `UnknownName`."""
        query = "SELECT body FROM changes WHERE target = ? AND kind = 'lesson' ORDER BY seq"
        found = self.ask(query, lesson_id)
        if not found:
            raise self._unknown("lesson", "lessons", lesson_id)
        return [rows.parse(Change, row[0]) for row in found]

    def undo(self, change_id: str, *, reason: str, actor: str = "user") -> Change:
        """Puts back what stood before a change, as a change of its own; can be undone likewise.

        Raises `Refused` where later changes build on it (the message names them).
        """
        return self.take_back(change_id, reason=reason, actor=actor)[-1]

    def take_back(
        self, name: str, *, reason: str, actor: str = "user", cascade: bool = False
    ) -> tuple[Change, ...]:
        """Undoes a change, a batch or what a run wrote, all or nothing; `cascade`: and all above.

        Gives back the changes that do so, in the order in which they were made: newest undone
        first. Raises `Refused` as `undo` does, and `UnknownName`.
        """
        with self.writing() as db:
            done = undo.take_back(
                db, name, reason=reason, actor=actor, cascade=cascade, clock=self._clock
            )
            if not done:
                raise self._unknown("change", "changes", name)
            return done

    def lesson(self, id: str) -> Lesson:  # noqa: A002
        """A lesson as it stands, with its effect. Raises `UnknownName`, also for a removed one."""
        lesson = rows.parse(Lesson, self._body("lesson", "lessons", id))
        return lesson.model_copy(update={"effect": self.effect(id)})

    def lessons(
        self,
        *,
        status: Status | None = None,
        kind: LessonKind | None = None,
        env: str | None = None,
        task_type: str | None = None,
        contains: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Lesson]:
        """Lessons that fit all that is given, with their effects, newest first.

        `contains` looks for the words as they stand in text or situation, in either case.
        A negative `limit` means no limit.
        """
        fields = {"status": status, "kind": kind, "env": env, "task_type": task_type}
        if contains:
            fields["instr(words, ?) > 0"] = contains.casefold()
        with self.reading() as db:
            found = self._page("lessons", fields, limit=limit, offset=offset)
            lessons = [rows.parse(Lesson, body) for body in found]
            one = lessons[0].id if len(lessons) == 1 else None
            effects = rows.effects(db, one) if lessons else {}
        return [
            lesson.model_copy(update={"effect": effects[lesson.id]})
            if lesson.id in effects
            else lesson
            for lesson in lessons
        ]

    def changed_since(self, generation: int) -> tuple[int, list[tuple[str, Lesson | None]]]:
        """The generation now, and lessons altered after `generation`; None: removed. No effects."""
        now = self.generation
        query = (
            "SELECT id, body FROM lessons WHERE generation > ? AND generation <= ? "
            "ORDER BY generation"
        )
        found = self.ask(query, generation, now)
        return now, [(id_, rows.parse(Lesson, body) if body else None) for id_, body in found]

    def twin(self, lesson: Lesson) -> str:
        """Why `lesson` would be refused if it were added, or an empty string."""
        with self.reading() as db:
            taken = rows.state_of(db, "lesson", lesson.id) if lesson.id else None
            if taken is not None:
                return f"lesson {lesson.id} ({taken['status']}) exists already"
            return rows.refusal(db, lesson)

    def count(self) -> dict[str, Any]:
        """How much it holds: lessons by status, trajectories, changes, exposures, runs."""
        query = "SELECT status, count(*) FROM lessons WHERE body IS NOT NULL GROUP BY status"
        with self.reading():
            counts: dict[str, Any] = {"lessons": dict(self.ask(query))}
            for table in ("trajectories", "changes", "exposures", "runs"):
                counts[table] = self._one("SELECT count(*) FROM " + table)[0]  # noqa: S608
        return counts

    # exposures

    def expose(self, *exposures: Exposure) -> None:
        """Notes that lessons came up in an episode; the first time in an episode counts.

        In the order of the tosses. Whoever wants to know what counted asks `exposures`.
        """
        now = iso(self._clock())
        with self.writing() as db:
            db.executemany(
                "INSERT INTO exposures (episode, lesson, shown, same_task, time, body) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (e.episode, e.lesson, int(e.shown), int(e.same_task), now, rows.dump(e))
                    for e in exposures
                ],
            )

    def exposures(self, *, lesson: str | None = None, episode: str | None = None) -> list[Exposure]:
        """Exposures in the order they came, with the outcome of their episode.

        A run that broke counts as not succeeded; None stands while it is going on, or where the
        environment does not score.
        """
        where, values = rows.where({"lesson": lesson, "exposures.episode": episode})
        query = (
            "SELECT body, time, outcome FROM exposures LEFT JOIN outcomes "  # noqa: S608
            f"ON outcomes.episode = exposures.episode {where} ORDER BY seq"
        )
        return [
            rows.parse(Exposure, body).model_copy(
                update={"time": time, "outcome": None if outcome is None else bool(outcome)}
            )
            for body, time, outcome in self.ask(query, *values)
        ]

    def effect(self, lesson_id: str) -> Effect:
        """Counts of both arms, over episodes of other tasks than its own.

        What they say is measured in `memory/measuring.py`, from the tosses alone.
        """
        with self.reading() as db:
            return rows.effects(db, lesson_id).get(lesson_id, Effect())

    def last_used(self) -> dict[str, str]:
        """For every lesson the ISO time at which it was last shown, or else added."""
        with self.reading() as db:
            return rows.last_used(db)

    # the connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For several queries in a row, for the other files of this room."""
        with self._store.reading() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, for the other files of this room: all or nothing."""
        with self._store.writing() as db:
            yield db

    @contextmanager
    def purging(self) -> Iterator[Connection]:
        """One transaction in which trajectories and changes may be altered and deleted."""
        with self._store.purging() as db:
            yield db

    def alone(self, *, wait: float) -> AbstractContextManager[Callable[[], bool] | None]:
        """See `Database.alone`."""
        return self._store.alone(wait=wait)

    def compact(self) -> bool:
        """Leaves no byte of what was deleted; False: another process keeps its log from that."""
        return self._store.compact()

    def ask(self, query: str, *values: object) -> list[Any]:
        """Rows that answer a query, for the other files of this room."""
        with self.reading() as db:
            return db.execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> Any:
        with self.reading() as db:
            return db.execute(query, values).fetchone()

    def _page(
        self,
        table: str,
        fields: Mapping[str, object],
        *,
        limit: int,
        offset: int,
        order: str = "DESC",
    ) -> list[str]:
        """Stored JSON of rows that fit; table and column names are this file's own."""
        where, values = rows.where(fields)
        query = (
            f"SELECT body FROM {table} {where} AND body IS NOT NULL "  # noqa: S608
            f"ORDER BY seq {order} LIMIT ? OFFSET ?"
        )
        most = limit if limit >= 0 else ALL
        return [row[0] for row in self.ask(query, *values, most, offset)]

    def _body(self, kind: str, table: str, id_: str) -> str:
        row = self._one(f"SELECT body FROM {table} WHERE id = ?", id_)  # noqa: S608
        if row is None or row[0] is None:
            raise self._unknown(kind, table, id_)
        return row[0]

    def _unknown(self, kind: str, table: str, id_: str) -> UnknownName:
        query = f"SELECT id FROM {table} WHERE body IS NOT NULL ORDER BY seq DESC LIMIT 1000"  # noqa: S608
        return UnknownName(kind, id_, [row[0] for row in self.ask(query)])
