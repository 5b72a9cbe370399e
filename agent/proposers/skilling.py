"""Skills as a proposal: written from solved train runs, tried as ever, then held for the gate.

What passes its trials (`skills/trials.py`) waits on probation until the loop's gate has seen that
offering it wins more held-out tasks; the trials alone let in skills that work and don't help.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.crossing import off
from agent.evolving_desk import Desk
from agent.stages import keep, load
from agent.synthesis import Induction, Writer, learned, ways_of
from envs.types import Frozen
from memory.types import Change, Trajectory
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
        """Changes of status, helpers first; none without a new skill that passed."""
        desk = self._desk
        ledger = desk.crew.memory.ledger
        shelf = Library(ledger, effects=desk.crew.memory.effects)
        before = await off(self._before, shelf)
        ways = await off(ways_of, desk.env, ledger, whose="own", most=WAYS, told=desk.told)
        if len(ways) < 2:
            desk.note = f"{len(ways)} solved run(s), and skills need two"
            return ()
        with Sandbox() as sandbox:
            ground = Ground(desk.env, sandbox, shelf)
            bounds = Bounds(solve=TRIALS)
            done = await learned(ground, self._writer, ways, bounds=bounds, told=desk.told)
        desk.usage += done.usage
        desk.episodes += sum(one.trials for one in done.outcomes)
        fresh = await off(self._held_back, shelf, before)
        if not fresh:
            why = next((one.reason for one in done.outcomes if not one.admitted), "none was new")
            desk.note = f"{done.drafts} drafts: {why}"
            return ()
        runs = tuple(dict.fromkeys(run for one in fresh for run in one.origin.runs))
        return tuple(_raised(one, runs) for one in fresh)

    def _before(self, shelf: Library) -> _Before:
        path = self._desk.folder / "before.json"
        if not path.is_file():
            keep(path, _Before(known=tuple(one.id for one in self._passed(shelf))))
        return load(path, _Before)

    def _held_back(self, shelf: Library, before: _Before) -> list[Skill]:
        """Skills that passed in this round, put on probation; helpers first."""
        new = {one.id for one in self._passed(shelf)} - set(before.known)
        order = dict.fromkeys(
            used.id for id_ in sorted(new) for used in shelf.closure(id_) if used.id in new
        )
        for id_ in reversed(order):
            skill = shelf.get(id_)
            if skill.status == "active":
                why = "passed its trials; waits for the gate"
                shelf.move(skill, "probation", reason=why, actor="rule:evolve", cascade=True)
        return [shelf.get(id_) for id_ in order]

    def _passed(self, shelf: Library) -> list[Skill]:
        found = shelf.all(env=self._desk.env.name)
        return [one for one in found if one.status in ("active", "probation")]


def _raised(skill: Skill, runs: Sequence[str]) -> Change:
    body = skill.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="skill",
        target=skill.id,
        op="status",
        reason=f"{skill.name} passed its trials: {skill.note}",
        after={**body, "status": "active"},
        evidence=tuple(runs),
    )
