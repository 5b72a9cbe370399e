"""Taking changes back: which of them stand, what builds on them, and their inverses, in order.

A change stands until it is undone; to undo an undo makes it stand again. So the changes of one
target are a stack, and only the one on top can be taken back alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envs.errors import Refused
from memory import rows
from memory.clock import new_id
from memory.database import Connection
from memory.types import LIFE, TRIALS, USE, Change

TOLD = 12
"""Most ids named in an error."""


class _Entry:
    """A standing change with the ids by which it goes: its own, and those of its redoings."""

    def __init__(self, change: Change, seq: int) -> None:
        self.change = change
        self.seq = seq
        self.names = {change.id}


class _Stack:
    """The standing changes of one target, oldest first, and what became of the others."""

    def __init__(self, db: Connection, kind: str, target: str) -> None:
        self.entries: list[_Entry] = []
        self.gone: dict[str, str] = {}
        taken: dict[str, list[_Entry]] = {}
        query = (
            "SELECT seq, body FROM changes WHERE target = ? AND kind = ? "
            "AND decision = 'applied' ORDER BY seq"
        )
        for seq, body in db.execute(query, (target, kind)).fetchall():
            change = rows.parse(Change, body)
            back = change.parents[0] if change.op == "undo" and change.parents else ""
            if back in taken:  # done again
                for entry in taken.pop(back):
                    entry.names.add(change.id)
                    self.gone = {n: by for n, by in self.gone.items() if n not in entry.names}
                    self.entries.append(entry)
                self.gone[back] = change.id
            elif change.op == "undo":
                place = self.place(back)
                if place is not None:
                    taken[change.id] = self.entries[place:]
                    for entry in self.entries[place:]:
                        self.gone |= dict.fromkeys(entry.names, change.id)
                    del self.entries[place:]
            else:
                self.entries.append(_Entry(change, seq))
        self._taken = taken

    def place(self, name: str) -> int | None:
        """Where the change of this name stands; None: it does not."""
        found = [n for n, entry in enumerate(self.entries) if name in entry.names]
        return found[0] if found else None

    def undoes(self, name: str) -> bool:
        """Whether `name` is an undoing that could itself be undone."""
        return name in self._taken


def take_back(
    db: Connection,
    name: str,
    *,
    reason: str,
    actor: str,
    cascade: bool,
    clock: Callable[[], float],
) -> tuple[Change, ...]:
    """Undoes a change, a batch or what a run wrote (see `Ledger.undo`); empty: no such name."""
    wanted = _named(db, name)
    if not wanted:
        return ()
    plan = _Plan(db)
    for change in wanted:
        plan.want(change, alone=len(wanted) == 1)
    if not plan.found:
        by = plan.undone or "later changes"
        raise Refused(f"{name} is undone already, by {by}", repair=f"undo {by} to bring it back")
    others = plan.others()
    if others and not cascade:
        told = ", ".join(others[:TOLD]) + (" ..." if len(others) > TOLD else "")
        raise Refused(
            f"later changes build on {name}: {told}",
            repair="undo them first, or all together (cascade)",
        )
    batch = new_id("B", seconds=clock()) if len(plan.found) > 1 else ""
    why = reason if name in plan.found else f"{reason} ({name})"
    done = tuple(
        rows.settle(
            db,
            _inverse(db, change, reason=why, actor=actor).model_copy(update={"batch": batch}),
            seconds=clock(),
        )
        for change in plan.ordered()
    )
    _fits(db, {change.target for change in done if change.kind == "skill"})
    return done


class _Plan:
    """Changes to be undone: those asked for, and what builds on them."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._stacks: dict[tuple[str, str], _Stack] = {}
        self._asked: set[str] = set()
        self.found: dict[str, tuple[int, Change]] = {}
        """By id: where it stands in the log, and the change to be inverted."""
        self.undone = ""
        """The change that undid what was asked for, where one did."""

    def want(self, change: Change, *, alone: bool) -> None:
        """Takes up a change that was asked for; raises `Refused` where it never had effect."""
        if change.decision == "rejected" or change.op == "purge":
            if alone:
                what = "is a purge: nothing is left of what was there"
                if change.decision == "rejected":
                    what = "was rejected and had no effect"
                raise Refused(f"change {change.id} {what}", repair="there is nothing to undo")
            return
        stack = self._stack(change.kind, change.target)
        if stack.undoes(change.id):
            self._redo(change)
            return
        place = stack.place(change.id)
        if place is None:
            self.undone = self.undone or stack.gone.get(change.id, "")
            return
        self._asked.add(stack.entries[place].change.id)
        self._take(stack, place)

    def others(self) -> list[str]:
        """Ids of what would have to go besides what was asked for, newest first.

        Moves by which evidence gave a lesson or skill its status follow from it: they go with it.
        """
        return [
            change.id
            for change in self.ordered()
            if change.id not in self._asked
            and not (change.op == "status" and change.actor in (LIFE, TRIALS, USE))
        ]

    def ordered(self) -> list[Change]:
        """Newest first: the order in which they can be undone."""
        return [change for _, change in sorted(self.found.values(), key=lambda one: -one[0])]

    def _redo(self, change: Change) -> None:
        """To undo an undoing, which what was changed afterwards builds on."""
        stack = self._stack(change.kind, change.target)
        row = self._db.execute("SELECT seq FROM changes WHERE id = ?", (change.id,)).fetchone()
        above = [n for n, entry in enumerate(stack.entries) if entry.seq > row[0]]
        self._asked.add(change.id)
        if above:
            self._take(stack, above[0])
        self.found[change.id] = (row[0], change)

    def _take(self, stack: _Stack, place: int) -> None:
        for entry in stack.entries[place:]:
            change = entry.change
            if change.id in self.found:
                continue
            self.found[change.id] = (entry.seq, change)
            for kind, target, first in _built_on(self._db, change):
                other = self._stack(kind, target)
                at = [n for n, one in enumerate(other.entries) if first(one.change)]
                if at:
                    self._take(other, at[0])

    def _stack(self, kind: str, target: str) -> _Stack:
        key = (kind, target)
        if key not in self._stacks:
            self._stacks[key] = _Stack(self._db, kind, target)
        return self._stacks[key]


def _named(db: Connection, name: str) -> list[Change]:
    """The change of that id; else all that share it as their batch or run."""
    found = db.execute("SELECT body FROM changes WHERE id = ?", (name,)).fetchall()
    if not found and name:
        found = db.execute("SELECT body FROM changes WHERE run = ?", (name,)).fetchall()
    return [rows.parse(Change, row[0]) for row in found]


Test = Callable[[Change], bool]


def _built_on(db: Connection, change: Change) -> list[tuple[str, str, Test]]:
    """Targets with standing changes that build on `change`, and how to tell the first of those.

    A change builds on another that it names as a parent, and on the adding of a lesson whose
    place it takes.
    """
    found: list[tuple[str, str, Test]] = []

    def by_parent(one: Change) -> bool:
        return one.op != "undo" and change.id in one.parents

    query = (
        "SELECT body FROM changes WHERE op <> 'undo' AND decision = 'applied' "
        "AND instr(body, ?) > 0"
    )
    for row in db.execute(query, (change.id,)).fetchall():
        child = rows.parse(Change, row[0])
        if by_parent(child):
            found.append((child.kind, child.target, by_parent))
    if change.kind == "lesson" and change.before is None:
        target = change.target

        def by_place(one: Change) -> bool:
            return target in ((one.after or {}).get("supersedes") or ())

        query = "SELECT id FROM lessons WHERE body IS NOT NULL AND id <> ? AND instr(body, ?) > 0"
        heirs = db.execute(query, (target, target)).fetchall()
        found += [("lesson", row[0], by_place) for row in heirs]
    return found


def _inverse(db: Connection, change: Change, *, reason: str, actor: str) -> Change:
    """The change that takes `change` back, not yet written."""
    now = rows.state_of(db, change.kind, change.target)
    back: dict[str, Any] | None = rows.plain(change.kind, change.before)
    if now != rows.plain(change.kind, change.after):
        query = (
            "SELECT id FROM changes WHERE target = ? AND kind = ? AND decision = 'applied' "
            "ORDER BY seq DESC LIMIT 1"
        )
        last = db.execute(query, (change.target, change.kind)).fetchone()[0]
        raise Refused(
            f"{change.kind} {change.target} was altered after {change.id}, last by {last}",
            repair=f"undo {last} first",
        )
    return Change(
        id="",
        kind=change.kind,
        target=change.target,
        op="undo",
        reason=reason,
        before=now,
        after=back,
        parents=(change.id,),
        actor=actor,
    )


def _fits(db: Connection, back: set[str]) -> None:
    """Raises `Refused` where a skill came back whose name is taken, or that calls what is gone."""
    query = (
        "SELECT body FROM changes WHERE seq IN (SELECT max(seq) FROM changes "
        "WHERE kind = 'skill' AND decision = 'applied' GROUP BY target)"
    )
    found = [rows.parse(Change, row[0]) for row in db.execute(query).fetchall()] if back else []
    standing = {change.target: change.after for change in found if change.after is not None}
    names: dict[tuple[str, str], list[str]] = {}
    for id_, state in standing.items():
        if state.get("status") != "retired":
            room = str(state.get("env", "")).partition(":")[0]
            names.setdefault((room, str(state.get("name", id_))), []).append(id_)
    for (_, name), ids in names.items():
        others = [id_ for id_ in ids if id_ not in back] or ids[1:]
        if len(ids) > 1 and back & set(ids):
            raise Refused(
                f"skill {name} exists already: {others[0]} ({standing[others[0]].get('status')})",
                repair="retire that one first",
            )
    for id_ in sorted(back & standing.keys()):
        gone = [one for one in standing[id_].get("uses") or () if one not in standing]
        if gone:
            raise Refused(
                f"skill {id_} can't come back: it calls skill {gone[0]}, which is gone",
                repair="undo the batch by which both went",
            )
