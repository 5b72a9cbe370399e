"""The library of skills: what stands in the ledger, what may come in, and what rests on what.

A skill is altered by changes of kind `skill`, each of which can be undone. A name belongs to one
skill of an environment, code is taken once, and what is active rests on what is active.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from envs.errors import Refused, UnknownName
from memory import rows, undo
from memory.clock import new_id
from memory.database import Connection
from memory.ledger import Ledger
from memory.measuring import Effects
from memory.standing import Standing
from memory.types import TRIALS, Change, Effect, Status
from skills.fitting import fitting, free_name, room
from skills.program import joined, read
from skills.types import Skill, Trial

CAPACITY = 200
"""Skills of one environment, retired ones not counted."""
RANK: Mapping[Status, int] = {
    "active": 4,
    "probation": 3,
    "candidate": 2,
    "quarantined": 1,
    "retired": 0,
}
"""Which of two skills is meant by a name, and which is kept where there is no room."""


class Library:
    """Skills of one ledger. Safe to use from several threads and processes."""

    def __init__(
        self, ledger: Ledger, *, effects: Effects | None = None, capacity: int = CAPACITY
    ) -> None:
        self.ledger = ledger
        self._effects = effects or Effects(ledger)
        self._capacity = capacity
        self._standing = Standing(ledger, kind="skill", type=Skill)

    # reading

    def all(self, *, env: str | None = None, status: Status | None = None) -> list[Skill]:
        """Skills as they stand, with their effects, newest first."""
        found = [
            skill
            for skill in reversed(self._standing.all().values())
            if (env is None or room(skill.env) == room(env))
            and (status is None or skill.status == status)
        ]
        effects = self._effects.all() if found else {}
        return [
            skill.model_copy(update={"effect": effects[skill.id]}) if skill.id in effects else skill
            for skill in found
        ]

    def get(self, name: str, *, env: str | None = None) -> Skill:
        """A skill by id, or by the name of its function; with its effect. Raises `UnknownName`."""
        found = self._named(name, env=env)
        return found.model_copy(update={"effect": self._effects.of(found.id)})

    def history(self, name: str) -> list[Change]:
        """All changes of a skill, oldest first. Raises `UnknownName`."""
        found = self.ledger.changes(target=name, kind="skill", limit=-1)
        if not found:
            found = self.ledger.changes(target=self._named(name).id, kind="skill", limit=-1)
        return found[::-1]

    def versions(self, name: str) -> list[Skill]:
        """Every version that a skill ever had, oldest first, each as it last stood."""
        found: dict[int, Skill] = {}
        for change in self.history(name):
            if change.decision == "applied" and change.after is not None:
                skill = self._standing.read(change)
                found[skill.version] = skill
        return [found[number] for number in sorted(found)]

    def callers(self, name: str, *, deep: bool = False) -> tuple[Skill, ...]:
        """Skills that call this one and are not retired; `deep`: and those that call these."""
        standing = self._standing.all()
        wanted, found = [self._named(name).id], {}
        for called in wanted:  # grows while it is gone through
            for one in standing.values():
                if called in one.uses and one.status != "retired" and one.id not in found:
                    found[one.id] = one
                    wanted += [one.id] if deep else []
        return tuple(found.values())

    def closure(self, skill: Skill | str, *, latest: bool = False) -> tuple[Skill, ...]:
        """All that a skill rests on, each behind what it calls, and the skill itself at the end.

        Of what it calls the last version that was active is taken, while a newer one is still on
        trial; `latest`: what stands. Raises `UnknownName`, and `Refused` for a circle.
        """
        root = self._named(skill) if isinstance(skill, str) else skill
        standing = self._standing.all()
        done: dict[str, Skill] = {}

        def visit(one: Skill, way: tuple[str, ...]) -> None:
            if one.id in way:
                raise Refused(
                    f"skill {one.name} calls itself by way of others",
                    repair="take that call out of one of them",
                )
            for id_ in one.uses:
                if id_ not in standing:
                    raise UnknownName("skill", id_, standing)
                if id_ not in done:
                    used = standing[id_]
                    visit(used if latest else self._proven(used), (*way, one.id))
            done[one.id] = one

        visit(root, ())
        return tuple(done.values())

    def source(self, skill: Skill | str, *, latest: bool = False) -> str:
        """The program that is run: its code, then the code of all that it rests on.

        Lines of its own code keep their numbers. Raises what `closure` does.
        """
        *others, root = self.closure(skill, latest=latest)
        return joined(root.code, [(one.name, one.code) for one in others])

    def uses_of(self, code: str, *, name: str, env: str) -> tuple[str, ...]:
        """Ids of skills in an environment that code calls by their names."""
        calls = read(code, name).calls
        found = {one.name: one for one in self._peers(env) if one.name in calls}
        return tuple(one.id for one in found.values())

    def refusal(self, skill: Skill) -> str:
        """Why `skill` would be refused if it were added, or an empty string."""
        try:
            self._checked(skill)
        except (Refused, UnknownName) as error:
            return str(error)
        return ""

    # writing

    def add(
        self,
        skill: Skill,
        *,
        reason: str,
        actor: str = "agent",
        evidence: Sequence[str] = (),
        parents: Sequence[str] = (),
    ) -> Skill:
        """Takes a skill in as a candidate; signature and `about` are read from its code.

        Where there is no room the least useful one is retired with it. Raises `Refused` for code
        that is no skill, a name that is taken and code that is there already, `UnknownName` for
        skills that it `uses`.
        """
        effects = self._effects.all()
        with self.ledger.writing() as db:
            id_ = skill.id or new_id("S", seconds=self.ledger.now())
            fresh = self._checked(skill.model_copy(update={"id": id_, "status": "candidate"}))
            crowded = self._crowded(fresh, effects)
            batch = new_id("B", seconds=self.ledger.now()) if crowded else ""
            why = (*parents, *self._made(fresh))
            change = _change("add", fresh, reason, actor)
            self._settle(db, change, batch=batch, evidence=evidence, parents=why)
            for gone in crowded:
                self._settle(db, gone, batch=batch)
        return fresh

    def revise(
        self, skill: Skill, *, reason: str, actor: str = "agent", evidence: Sequence[str] = ()
    ) -> Skill:
        """Makes `skill`, altered since it was read, a new version of itself: again a candidate.

        It has no trials, and goes back to all tasks that an older version goes back to. Raises
        `Refused` as `add` does, and where another version stands by now.
        """
        with self.ledger.writing() as db:
            old = self._current(skill)
            if skill.name != old.name:
                raise Refused(
                    f"skill {old.name} can't be renamed to {skill.name}",
                    repair="add it as a skill of its own",
                )
            keys = (*old.origin.task_keys, *skill.origin.task_keys)
            update = {
                "version": max(one.version for one in self.versions(old.id)) + 1,
                "status": "candidate",
                "trials": (),
                "note": "",
                "origin": skill.origin.model_copy(update={"task_keys": tuple(dict.fromkeys(keys))}),
            }
            fresh = self._checked(skill.model_copy(update=update))
            if all(getattr(fresh, f) == getattr(old, f) for f in ("code", "goals", "requires")):
                raise Refused(f"skill {old.name} is like that already", repair="alter something")
            change = _change("edit", fresh, reason, actor)
            self._settle(db, change, evidence=evidence, parents=self._made(fresh))
        return fresh

    def move(
        self,
        skill: Skill,
        status: Status,
        *,
        reason: str,
        actor: str = TRIALS,
        trials: Iterable[Trial] | None = None,
        note: str | None = None,
        cascade: bool = False,
    ) -> tuple[Skill, ...]:
        """Gives a skill another status, with the trials that say so; it is the last of those moved.

        What is active calls only what is active. Where that would not hold any more it is
        `Refused`, or `cascade` moves the others as well: what it calls when it becomes active, what
        calls it when it no longer is. `Refused` also where another version stands by now.
        """
        with self.ledger.writing() as db:
            old = self._current(skill)
            others = self._others(old, status)
            if others and not cascade:
                names = ", ".join(one.name for one in others)
                how = "calls what is not active" if status == "active" else "is called by"
                raise Refused(
                    f"skill {old.name} {how}: {names}", repair="move them too (cascade), or first"
                )
            update: dict[str, object] = {"status": status}
            update |= {} if trials is None else {"trials": tuple(trials)}
            update |= {} if note is None else {"note": note}
            moved = [one.model_copy(update={"status": status}) for one in others]
            moved.append(old.model_copy(update=update))
            batch = new_id("B", seconds=self.ledger.now()) if len(moved) > 1 else ""
            made = [self._made(one) if status == "active" else () for one in moved]
            for one, parents in zip(moved, made, strict=True):
                why = reason if one.id == old.id else f"with {old.name}: {reason}"
                self._settle(db, _change("status", one, why, actor), batch=batch, parents=parents)
        return tuple(moved)

    def retire(
        self, name: str, *, reason: str, actor: str = "user", cascade: bool = False
    ) -> tuple[Skill, ...]:
        """Takes a skill out of use, after those that call it (see `move`)."""
        skill = self._named(name)
        if skill.status == "retired":
            raise Refused(f"skill {skill.name} is retired already", repair="there is nothing to do")
        return self.move(skill, "retired", reason=reason, actor=actor, cascade=cascade)

    def undo(
        self, name: str, *, reason: str, actor: str = "user", cascade: bool = False
    ) -> tuple[Change, ...]:
        """Takes a change back (see `Ledger.take_back`).

        Raises `Refused` also where a skill would come back whose name is taken by now.
        """
        with self.ledger.writing() as db:
            before = self._standing.all()
            done = undo.take_back(
                db, name, reason=reason, actor=actor, cascade=cascade, clock=self.ledger.now
            )
            if not done:
                raise UnknownName("change", name, ())
            back = {c.target: c for c in done if c.kind == "skill"}
            left = [one for one in before.values() if one.id not in back]
            for change in back.values():
                if change.after is not None:
                    skill = self._standing.read(change)
                    free_name(skill, (o for o in left if room(o.env) == room(skill.env)))
            return done

    # rules; within a transaction effects are not asked for, which have a lock of their own, and
    # nothing is read after the first change is written, as what is read is kept

    def _named(self, name: str, *, env: str | None = None) -> Skill:
        standing = self._standing.all()
        if name in standing:
            return standing[name]
        named = [
            one
            for one in standing.values()
            if one.name == name and (env is None or room(one.env) == room(env))
        ]
        if not named:
            raise UnknownName("skill", name, {one.name for one in standing.values()})
        return max(named, key=lambda one: (RANK[one.status], one.id))

    def _checked(self, skill: Skill) -> Skill:
        """The form in which a skill is kept. Raises `Refused` or `UnknownName`."""
        fresh = fitting(skill, self._peers(skill.env))
        self.source(fresh)
        return fresh

    def _peers(self, env: str) -> list[Skill]:
        """Skills of an environment that are not retired."""
        return [
            one
            for one in self._standing.all().values()
            if one.status != "retired" and room(one.env) == room(env)
        ]

    def _others(self, skill: Skill, status: Status) -> list[Skill]:
        """What has to be moved before `skill` may get a status, in order."""
        if status == "active":
            return [one for one in self.closure(skill)[:-1] if one.status != "active"]
        if skill.status == "active" or RANK[status] < RANK["candidate"]:
            callers = self.callers(skill.id, deep=True)
            return [one for one in reversed(callers) if one.status == "active"]
        return []

    def _current(self, skill: Skill) -> Skill:
        """How a skill stands. Raises `Refused` where that is another version."""
        now = self._named(skill.id)
        if now.version != skill.version:
            raise Refused(
                f"skill {now.name} was altered meanwhile: version {now.version} stands",
                repair="read it again, then repeat the change",
            )
        return now

    def _proven(self, skill: Skill) -> Skill:
        """It, or while it is on trial the version before it that was active."""
        if skill.status in ("candidate", "probation") and skill.version > 1:
            for change in self.ledger.changes(target=skill.id, kind="skill", limit=-1):
                if change.decision != "applied" or change.after is None:
                    continue
                past = self._standing.read(change)
                if past.version < skill.version and past.status != "candidate":
                    return past if past.status == "active" else skill
        return skill

    def _made(self, skill: Skill) -> tuple[str, ...]:
        """The changes that made what a skill calls as it is; to undo one concerns the skill."""
        found: list[str] = []
        for used in self.closure(skill)[:-1]:
            for change in self.ledger.changes(target=used.id, kind="skill", limit=-1):
                fits = (change.after or {}).get("version") == used.version
                if fits and change.decision == "applied" and change.op in ("add", "edit"):
                    found.append(change.id)
                    break
        return tuple(found)

    def _crowded(self, fresh: Skill, effects: Mapping[str, Effect]) -> list[Change]:
        """Retires what is least useful, so that there is room for one more."""
        kept = self._peers(fresh.env)
        needed = {id_ for one in (*kept, fresh) for id_ in one.uses}

        def useful(one: Skill) -> tuple[int, float, float, str]:
            passed = sum(trial.passed for trial in one.trials) / max(1, len(one.trials))
            return RANK[one.status], effects.get(one.id, Effect()).shrunk, passed, one.id

        free = sorted((one for one in kept if one.id not in needed), key=useful)
        over = max(0, len(kept) + 1 - self._capacity)
        why = f"no room for more than {self._capacity} skills, and least useful of them"
        gone = [one.model_copy(update={"status": "retired"}) for one in free[:over]]
        return [_change("status", one, why, "rule:capacity") for one in gone]

    def _settle(
        self,
        db: Connection,
        change: Change,
        *,
        batch: str = "",
        evidence: Sequence[str] = (),
        parents: Sequence[str] = (),
    ) -> None:
        update = {"batch": batch, "evidence": tuple(evidence), "parents": tuple(parents)}
        rows.settle(db, change.model_copy(update=update), seconds=self.ledger.now())


def _change(op: Literal["add", "edit", "status"], skill: Skill, reason: str, actor: str) -> Change:
    return Change(
        id="",
        kind="skill",
        target=skill.id,
        op=op,
        reason=reason,
        after=skill.model_dump(mode="json", exclude={"effect"}),
        actor=actor,
    )
