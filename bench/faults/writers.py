"""A process that alters memory in every way there is, and notes what has returned."""

from __future__ import annotations

import json
import os
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.faults.audit import digest
from bench.faults.liars import opened
from envs.errors import JourneymanError, Refused, UnknownName, boundary
from envs.types import Frozen
from memory.clock import new_id
from memory.forget import apply_forget, plan_forget
from memory.purge import purge_lessons
from memory.recall import Memory
from memory.types import Change, Exposure, Lesson, Run, Trajectory

PURGED = "purged"
"""Begins the ids of lessons that will be purged, by which nobody else touches them."""
AT_ONCE = 40
"""Lessons in one transaction that leaves an index behind."""
WEIGHTS = {
    "add": 5,
    "run": 5,
    "edit": 4,
    "undo": 3,
    "retire": 3,
    "remove": 2,
    "catch up": 2,
    "open": 1,
    "forget": 1,
    "purge": 0.5,
}
"""What a writer does, and how often."""


class Plan(Frozen):
    """What one writer is to do."""

    home: str
    """Folder of the memory."""
    name: str
    """Part of the ids that it makes; unique in that folder."""
    seed: int
    """For what it does next."""
    kind: str = "honest"
    """Which ledger and index it uses (see `liars`)."""
    chroma: bool = True
    """False: an index in memory alone, which makes for quicker writes."""
    first: str = ""
    """What it does first; empty: anything."""

    @property
    def journal(self) -> Path:
        """Where it notes what it does."""
        return Path(self.home) / "journal" / f"{self.name}.jsonl"

    @property
    def stop(self) -> Path:
        """Once this file is there, it ends in order."""
        return Path(self.home) / "stop"


class Journal:
    """One line when something begins (`> what`), one when it has returned (JSON), each written at
    once: it outlives the process.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, line: str) -> None:
        """Writes a line."""
        os.write(self._fd, f"{line}\n".encode())


def write(plan: Plan) -> None:
    """Works until it is killed or told to stop; an error that nobody should meet is noted (`!`)."""
    journal = Journal(plan.journal)
    try:
        with boundary(f"writer {plan.name}"):
            _Writer(plan, journal).work()
    except JourneymanError as error:
        journal.note(f"! {type(error).__name__}: {error}")


class _Writer:
    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self._rng = random.Random(plan.seed)
        self._count = 0
        self._changes: list[str] = []
        self._runs: list[str] = []
        journal.note("> open")
        self._memory = self._opened()
        journal.note("[]")

    def work(self) -> None:
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        deed = self._plan.first or self._rng.choices(names, weights)[0]
        while not self._plan.stop.exists():
            self._journal.note(f"> {deed}")
            try:
                done = self._deeds[deed](self)
            except (Refused, UnknownName):  # another writer was quicker
                done = []
            self._journal.note(json.dumps(done))
            deed = self._rng.choices(names, weights)[0]
        self._journal.note("> close")
        self._memory.close()
        self._journal.note("[]")

    def _opened(self) -> Memory:
        plan = self._plan
        ledger, index = opened(plan.kind, Path(plan.home), chroma=plan.chroma)
        memory = Memory(ledger, index)
        memory.sync()
        return memory

    # what it does; each returns what is acknowledged

    def _add(self) -> list[Any]:
        return self._told(self._memory.add(self._lesson(), reason="added"))

    def _run(self) -> list[Any]:
        memory, run = self._memory, self._name("run")
        memory.ledger.begin_run(Run(id=run, env="toy", task="t", goal="g", status="running"))
        self._journal.note(json.dumps([["run", run, "begun"]]))
        shown = [
            Exposure.model_validate(
                {"episode": run, "lesson": one, "version": 1, "first_step": step, "shown": step < 2}
            )
            for step, one in enumerate(self._some(3))
        ]
        memory.ledger.expose(*shown)
        told = [["exposure", one.episode, one.lesson] for one in shown]
        self._journal.note(json.dumps(told))
        place = {"trajectory": run}
        planned = memory.plan(
            [self._lesson(source=place) for _ in range(2)], reason="learned", evidence=(run,)
        )
        trajectory = Trajectory.model_validate(
            {"id": run, "env": "toy", "task": "t", "task_key": f"key {run}", "split": "train"}
            | {"goal": "g", "task_type": "find", "lessons": [one.target for one in planned]}
        )
        done = memory.ledger.add_trajectory(trajectory, changes=planned)
        self._runs.append(run)
        memory.sync()
        return [["run", run, "done"], ["trajectory", run, digest(trajectory)], *self._told(*done)]

    def _edit(self) -> list[Any]:
        lesson = self._memory.ledger.lesson(self._one())
        text = self._lesson().text
        return self._told(
            self._memory.edit(
                lesson.model_copy(update={"text": text}), reason="edited", before=lesson
            )
        )

    def _undo(self) -> list[Any]:
        change = self._rng.choice(self._changes[-20:] or ["none"])
        return self._told(*self._memory.take_back(change, reason="undone"))

    def _retire(self) -> list[Any]:
        """Three at once, or none."""
        batch, changes = new_id("B", seconds=time.time()), []
        for id_ in self._some(3):
            before = self._memory.ledger.lesson(id_).model_dump(mode="json", exclude={"effect"})
            status = "active" if before["status"] == "retired" else "retired"
            changes.append(
                Change(
                    id="",
                    kind="lesson",
                    target=id_,
                    op="status",
                    reason="batch of 3",
                    before=before,
                    after={**before, "status": status},
                    batch=batch,
                )
            )
        return self._told(*self._memory.write(*changes)) if len(changes) == 3 else []

    def _remove(self) -> list[Any]:
        gone = Change(id="", kind="lesson", target=self._one(), op="remove", reason="removed")
        return self._told(*self._memory.write(gone))

    def _catch_up(self) -> list[Any]:
        """Many lessons in the ledger, then in the index."""
        many = [self._lesson() for _ in range(AT_ONCE)]
        batch = new_id("B", seconds=time.time())
        done = self._memory.ledger.apply(
            *(
                Change(
                    id="",
                    kind="lesson",
                    target=one.id,
                    op="add",
                    reason=f"batch of {AT_ONCE}",
                    after=one.model_dump(mode="json", exclude={"effect"}),
                    batch=batch,
                )
                for one in many
            )
        )
        self._journal.note(json.dumps(self._told(*done)))
        self._journal.note("> sync")
        self._memory.sync()
        return []

    def _open(self) -> list[Any]:
        """Closes, and opens again what others wrote to meanwhile."""
        self._memory.close()
        self._memory = self._opened()
        return []

    def _forget(self) -> list[Any]:
        ledger = self._memory.ledger
        plan = plan_forget(ledger, self._rng.choice(self._runs[-5:] or ["none"]))
        done = apply_forget(ledger, plan)
        self._memory.sync()
        return self._told(*done)

    def _purge(self) -> list[Any]:
        lesson = self._lesson().model_copy(update={"id": self._name(PURGED)})
        self._journal.note(json.dumps(self._told(self._memory.add(lesson, reason="to be purged"))))
        purge_lessons(self._memory, [lesson.id], home=None)
        return [["purge", lesson.id]]

    _deeds: dict[str, Callable[[_Writer], list[Any]]] = {  # noqa: RUF012
        "add": _add,
        "run": _run,
        "edit": _edit,
        "undo": _undo,
        "retire": _retire,
        "remove": _remove,
        "catch up": _catch_up,
        "open": _open,
        "forget": _forget,
        "purge": _purge,
    }

    # parts

    def _told(self, *changes: Change) -> list[Any]:
        self._changes += [one.id for one in changes]
        return [["change", one.id, digest(one), one.target] for one in changes]

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._plan.name}-{self._count}"

    def _lesson(self, **fields: Any) -> Lesson:
        """One that no other lesson says in other words, nor is close to by its letters."""
        id_ = self._name("lesson")
        words = " ".join(f"{self._rng.getrandbits(40):010x}" for _ in range(3))
        text = f"Say {words} in room {zlib.crc32(id_.encode())}."
        given = {"id": id_, "kind": "fact", "text": text, "situation": words}
        return Lesson.model_validate(given | fields)

    def _one(self) -> str:
        return next(iter(self._some(1)), "none")

    def _some(self, most: int) -> list[str]:
        """Lessons of any writer, newer ones; not those that are about to be purged."""
        newer = [one.id for one in self._memory.ledger.lessons(limit=30)]
        found = [id_ for id_ in newer if not id_.startswith(PURGED)]
        return self._rng.sample(found, min(most, len(found)))
