"""Skills as a proposal: written from solved train runs, tried as ever, then held for the gate.

What passes its trials (`skills/trials.py`) waits until the loop's gate has seen that offering it
wins more held-out tasks; the trials alone let in skills that work and don't help. New skills wait
on probation. Of a skill that was there the version before stands meanwhile, so that it is what the
new one is held against, and what stays where that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from agent.crossing import off
from agent.evolving import ACTOR
from agent.evolving_desk import Desk
from agent.stages import keep, load, stage
from agent.synthesis import Induction, Writer, learned, ways_of
from envs.types import Frozen
from memory.types import Change, Status, Trajectory, Usage
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground
from skills.types import Skill

WAYS = 60
"""Solved runs that skills are written from, the latest."""
TRIALS = 24
"""Tasks that each is tried on, at most."""


class _Before(Frozen):
    """Skills that were there before the round, so that a killed round proposes no less."""

    known: tuple[str, ...]
    """Ids of those that were active or on probation."""
    forms: dict[str, tuple[int, Status]] = Field(default_factory=dict)
    """Version and status of each."""


class _Passed(Frozen):
    """What passed its trials in this round, before any of it was held back."""

    skills: tuple[Skill, ...]
    """As they passed, helpers first."""
    note: str = ""
    """Why there is none, where there is none."""
    trials: int = 0
    """Episodes of the trials."""
    usage: Usage = Usage()
    """What writing consumed."""


class SkillSynthesis:
    """Proposes that skills on probation become active, where there is a new one among them."""

    paper = "Wang et al. 2025, ASI, arXiv 2504.06821"
    does = "writes skills from solved runs; what passes its trials has to win held-out tasks too"

    def __init__(self, desk: Desk, *, writer: Writer | None = None) -> None:
        self._desk = desk
        self._writer = writer or Induction()

    async def propose(
        self,
        trajectories: Sequence[Trajectory],  # noqa: ARG002
    ) -> tuple[Change, ...]:
        """Changes by which they may be called, helpers first; none where no trial was passed."""
        desk = self._desk
        ledger = desk.crew.memory.ledger
        shelf = Library(ledger, effects=desk.crew.memory.effects)
        before = await off(self._before, shelf)
        passed = await stage(
            desk.folder / "passed.json", _Passed, lambda: self._tried(shelf, before)
        )
        desk.usage += passed.usage
        desk.episodes += passed.trials
        if not passed.skills:
            desk.note = passed.note
            return ()
        return await off(self._held_back, shelf, before, passed.skills)

    async def _tried(self, shelf: Library, before: _Before) -> _Passed:
        """Writes and tries skills; what is otherwise than before, and may be called."""
        desk = self._desk

        def told(line: str) -> None:
            desk.told(f"{desk.label or desk.name}: {line}")

        ways = await off(ways_of, desk.env, shelf.ledger, whose="own", most=WAYS, told=told)
        if len(ways) < 2:
            return _Passed(skills=(), note=f"{len(ways)} solved run(s), and skills need two")
        with Sandbox() as sandbox:
            ground = Ground(desk.env, sandbox, shelf)
            bounds = Bounds(solve=TRIALS)
            done = await learned(ground, self._writer, ways, bounds=bounds, told=told)
        await off(self._untried, shelf, before)
        fresh = await off(self._fresh, shelf, before)
        why = next((one.reason for one in done.outcomes if not one.admitted), "none was new")
        return _Passed(
            skills=tuple(fresh),
            note=f"{done.drafts} drafts: {why}",
            trials=sum(one.trials for one in done.outcomes),
            usage=done.usage,
        )

    def _before(self, shelf: Library) -> _Before:
        path = self._desk.folder / "before.json"
        if not path.is_file():
            found: dict[str, tuple[int, Status]] = {
                one.id: (one.version, one.status) for one in self._usable(shelf)
            }
            keep(path, _Before(known=tuple(found), forms=found))
        return load(path, _Before)

    def _untried(self, shelf: Library, before: _Before) -> None:
        """Versions that could not be tried, as a world broke, don't stand in for proven ones."""
        for one in shelf.all(env=self._desk.env.name, status="candidate"):
            version, status = before.forms.get(one.id, (one.version, one.status))
            if version != one.version and status == "active":
                _take_back(shelf, one.id, to=version, why="it could not be tried")

    def _fresh(self, shelf: Library, before: _Before) -> list[Skill]:
        """Skills that were not there before the round, or not like that; helpers first."""
        new = {
            one.id
            for one in self._usable(shelf)
            if one.id not in before.known
            or (one.status == "active" and _other(one, before.forms.get(one.id)))
        }
        order = dict.fromkeys(
            used.id for id_ in sorted(new) for used in shelf.closure(id_) if used.id in new
        )
        return [shelf.get(id_) for id_ in order]

    def _held_back(
        self, shelf: Library, before: _Before, passed: Sequence[Skill]
    ) -> tuple[Change, ...]:
        """Takes them back until the gate decides, callers first; asked twice, once."""
        for skill in reversed(passed):
            old, _ = before.forms.get(skill.id, (skill.version, ""))
            now = next((one for one in self._usable(shelf) if one.id == skill.id), None)
            if now is None or (now.version, now.status) != (skill.version, "active"):
                continue
            why = f"version {skill.version} passed its trials; it waits for the gate"
            if old == skill.version:
                shelf.move(now, "probation", reason=why, actor=ACTOR, cascade=True)
            else:
                _take_back(shelf, skill.id, to=old, why=why)
        stands = {one.id: one.version for one in shelf.all(env=self._desk.env.name)}
        runs = tuple(dict.fromkeys(run for one in passed for run in one.origin.runs))
        return tuple(_raised(one, runs, over=stands.get(one.id, 0)) for one in passed)

    def _usable(self, shelf: Library) -> list[Skill]:
        found = shelf.all(env=self._desk.env.name)
        return [one for one in found if one.status in ("active", "probation")]


def _other(skill: Skill, before: tuple[int, Status] | None) -> bool:
    return before is not None and before != (skill.version, skill.status)


def _take_back(shelf: Library, skill: str, *, to: int, why: str) -> None:
    """Has an older version of a skill stand again; what rests on the newer ones goes with them."""
    left = [
        change
        for change in shelf.history(skill)
        if change.op == "edit"
        and change.decision == "applied"
        and (change.before or {}).get("version") == to
    ]
    shelf.undo(left[-1].id, reason=why, actor=ACTOR, cascade=True)


def _raised(skill: Skill, runs: Sequence[str], *, over: int) -> Change:
    """The change by which it may be called; `over`: the version that stands, 0 where none does."""
    body = skill.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="skill",
        target=skill.id,
        op="status" if over == skill.version else "edit" if over else "add",
        reason=": ".join(filter(None, (f"{skill.name} passed its trials", skill.note))),
        after={**body, "status": "active"},
        evidence=tuple(runs),
    )
