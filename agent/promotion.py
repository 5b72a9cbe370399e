"""Which student answers: promotions, going back, and the file by which models are resolved.

The ledger is the truth: every student is a chain of changes of kind `adapter`, and of those that
are active the one that was promoted last answers; where there is none, the bare base does. So to go
back is to undo a change, and takes no file but `HOME/models/promoted.json`, which is derived from
the ledger (`derive`) and read by `agent/models/resolve.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import Field

from agent.gate import Decision
from agent.models.pull import models_folder
from agent.models.resolve import PROMOTED
from agent.models.students import base_of, called, named, student
from distill.adapters import Adapter
from envs.errors import Refused, StoreError
from envs.types import Frozen
from memory import rows
from memory.database import Connection
from memory.ledger import Ledger
from memory.types import Change, Status

BASE = "base"
"""What the bare base is called where a student could stand."""
GATE = "rule:gate"
"""Who promotes and refuses by the gate."""
JUDGED = ("chat", "safety")
"""Sets whose best share so far is the bar for the next student."""


class Student(Frozen):
    """An adapter as the ledger has it."""

    id: str
    """What to set `model.adapter` to: its id in the registry, or `shipped:NAME`."""
    base: str = ""
    """The model that it is for."""
    licence: str = ""
    """Licence of that model."""
    status: Status = "candidate"
    """Only an active one may answer."""
    turn: int = Field(default=0, ge=0)
    """The how manieth promotion made it answer; 0: none did. The largest of the active answers."""
    weights: str = ""
    """SHA-256 of its file."""
    rows: str = ""
    """SHA-256 of what it was trained on."""
    runs: tuple[str, ...] = ()
    """Runs that its training rows come from: what is forgotten of these takes it along."""
    parents: tuple[str, ...] = ()
    """Students that its training began from."""
    over: str = ""
    """Whom it was promoted over: a student, or `base`."""
    before: dict[str, float] = Field(default_factory=dict)
    """Shares that the champion reached then, by what was measured."""
    after: dict[str, float] = Field(default_factory=dict)
    """The same of this one."""


class Answering(Frozen):
    """Who answers, as `promoted.json` says."""

    student: str
    """A student's id, or `base`."""
    wrote: bool
    """Whether the file had to be altered."""


class Rolled(Frozen):
    """What going back did."""

    was: str
    """Who answered before."""
    now: str
    """Who answers: a student's id, or `base`."""
    changes: tuple[Change, ...]
    """By which; undone again by the id of the last, or their batch."""
    seconds: float
    """How long it took, from asking to the file on the disk."""


def students(ledger: Ledger) -> dict[str, Student]:
    """All that stand in the ledger, by id, in the order in which they came."""
    with ledger.reading() as db:
        return _standing(db)


def current(ledger: Ledger) -> Student | None:
    """The one that answers; None: the bare base does."""
    return _answering(students(ledger))


def best_before(ledger: Ledger) -> dict[str, float]:
    """The largest shares of chat and safety that any student, or its champion, was let in with."""
    best: dict[str, float] = {}
    with ledger.reading() as db:
        states = [one.after for one in _changes(db) if one.after is not None]
    for one in map(_student, states):
        for shares in (one.before, one.after) if one.turn else ():
            for name in JUDGED:
                best[name] = max(best.get(name, 0.0), shares.get(name, 0.0))
    return best


def enlist(
    ledger: Ledger, adapter: Adapter, *, runs: Iterable[str] = (), actor: str = "agent"
) -> Change:
    """Notes a trained adapter as a candidate, with the runs that its rows come from.

    What `forget` finds goes by those runs, and those of its manifest. Raises `Refused` where the
    ledger has it already.
    """
    noted = _from(adapter, runs=runs)
    change = Change(
        id="",
        kind="adapter",
        target=noted.id,
        op="add",
        reason=f"trained for {adapter.base}, from {len(noted.runs)} runs",
        after=noted.model_dump(mode="json"),
        actor=actor,
    )
    return ledger.apply(change)[0]


def check(ledger: Ledger, name: str, *, over: str) -> None:
    """Raises `Refused` where no decision could let this student take the place of `over` now."""
    _may(students(ledger), name, over)


def promote(
    ledger: Ledger,
    adapter: Adapter,
    decision: Decision,
    *,
    home: Path,
    over: str = BASE,
    actor: str = GATE,
) -> Change:
    """Has a student answer, or notes in the same place that it was refused, and why.

    `over` is whom it was compared with. Raises `Refused` for one that answers already, is
    quarantined, or was compared with one that does not answer any more; `UnknownName` for one that
    is not of this home, and `Missing` where its base is not on this machine.
    """
    name = named(adapter)
    base_of(student(name, home=home), file=None, home=home)
    with ledger.writing() as db:
        standing, number = _standing(db), _turns(db) + 1
        old = standing.get(name)
        if decision.promote:
            _may(standing, name, over)
        update = {
            "status": "active",
            "turn": number,
            "over": over,
            "weights": adapter.weights,
            "before": decision.evidence.shares(challenger=False),
            "after": decision.evidence.shares(challenger=True),
        }
        state = (old or _from(adapter)).model_copy(update=update).model_dump(mode="json")
        done = "promoted" if decision.promote else "not promoted"
        change = Change(
            id="",
            kind="adapter",
            target=name,
            op="add" if old is None else "status",
            reason=f"{done} over {over}: {decision}",
            after=state,
            evidence=decision.evidence.runs,
            decision="applied" if decision.promote else "rejected",
            actor=actor,
        )
        written = rows.settle(db, change, seconds=ledger.now())
    derive(ledger, home=home)
    return written


def rollback(
    ledger: Ledger, *, home: Path, reason: str = "rolled back", actor: str = "user"
) -> Rolled:
    """Goes back to whoever answered before, by undoing the promotion. Raises `Refused` for none."""
    began = time.perf_counter()
    last = current(ledger)
    if last is None:
        raise Refused("the bare base answers already", repair="there is nothing to go back from")
    with ledger.reading() as db:
        found = [one.id for one in _changes(db) if one.target == last.id and _made(one, last)]
    changes = ledger.take_back(found[-1], reason=reason, actor=actor, cascade=True)
    now = derive(ledger, home=home).student
    seconds = time.perf_counter() - began
    return Rolled(was=last.id, now=now, changes=changes, seconds=seconds)


def derive(ledger: Ledger, *, home: Path) -> Answering:
    """Brings `promoted.json` in line with the ledger; whole or not at all.

    A file that people wrote themselves stays while the ledger names no student. Raises
    `UnknownName` and `Missing` where a promoted student, or its base, is gone, and `StoreError`
    where the file can't be written.
    """
    path = models_folder(home) / PROMOTED
    last = current(ledger)
    try:
        if last is None:
            ours = "turn" in _read(path)
            path.unlink(missing_ok=True) if ours else None
            return Answering(student=BASE, wrote=ours)
        adapter = student(last.id, home=home)
        file = base_of(adapter, file=None, home=home)
        wanted = {
            "file": str(file),
            "name": called(adapter, base=file),
            "adapter": last.id,
            "turn": last.turn,
        }
        if _read(path) == wanted:
            return Answering(student=last.id, wrote=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{PROMOTED}.{uuid4().hex[:8]}")
        draft.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")
        draft.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} can't be written: {error.strerror or error}",
            repair="make the home folder writable, then run `journeyman models students`",
        ) from error
    return Answering(student=last.id, wrote=True)


def _may(standing: Mapping[str, Student], name: str, over: str) -> None:
    """Raises `Refused` where this student can't take that one's place now."""
    answering = _answering(standing)
    now = answering.id if answering else BASE
    if now == name:
        raise Refused(f"{name} answers already", repair="there is nothing to promote")
    if now != over:
        raise Refused(
            f"{name} was compared with {over}, and {now} answers now",
            repair=f"compare it with that one: journeyman models promote {name} --champion {now}",
        )
    old = standing.get(name)
    if old is not None and old.status in ("quarantined", "retired"):
        raise Refused(
            f"{name} is {old.status}", repair=f"see why, and undo that: journeyman history {name}"
        )


def _standing(db: Connection) -> dict[str, Student]:
    found: dict[str, Student] = {}
    for change in _changes(db):
        if change.after is None:
            found.pop(change.target, None)
        else:
            found[change.target] = _student(change.after)
    return found


def _changes(db: Connection) -> list[Change]:
    """Applied changes of adapters, oldest first."""
    query = (
        "SELECT body FROM changes WHERE kind = 'adapter' AND decision = 'applied' "
        "AND op <> 'purge' ORDER BY seq"
    )
    return [rows.parse(Change, row[0]) for row in db.execute(query).fetchall()]


def _turns(db: Connection) -> int:
    """The largest number that a promotion ever had, undone ones included."""
    return max((_student(one.after).turn for one in _changes(db) if one.after), default=0)


def _answering(standing: Mapping[str, Student]) -> Student | None:
    able = [one for one in standing.values() if one.status == "active" and one.turn]
    return max(able, key=lambda one: one.turn, default=None)


def _made(change: Change, last: Student) -> bool:
    """Whether this change is the promotion by which that student answers."""
    turns = [int((state or {}).get("turn", 0)) for state in (change.before, change.after)]
    return change.op != "undo" and turns[0] != turns[1] == last.turn


def _student(state: dict[str, Any]) -> Student:
    """Raises `StoreError` for a state that this version can't read."""
    known = {key: value for key, value in state.items() if key in Student.model_fields}
    if "id" not in known:
        raise StoreError("a stored adapter has no id", repair="restore a backup of the ledger")
    return Student.model_validate(known)


def _from(adapter: Adapter, *, runs: Iterable[str] = ()) -> Student:
    told = adapter.manifest.sources if adapter.manifest else ()
    return Student(
        id=named(adapter),
        base=adapter.base,
        licence=adapter.licence,
        weights=adapter.weights,
        rows=adapter.rows,
        runs=tuple(sorted({*runs, *told})),
        parents=adapter.parents,
        before=dict(adapter.before),
        after=dict(adapter.after),
    )


def _read(path: Path) -> dict[str, Any]:
    """What the file says; nothing where there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
