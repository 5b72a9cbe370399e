"""Proposers of the loop by the name that `journeyman learn --proposers` takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.crossing import off
from agent.evolve import Makes
from agent.evolving_desk import Desk
from agent.models.types import Model
from agent.promotion import current
from agent.proposers import types
from agent.proposers.prompts import Prompts
from agent.proposers.registry import NO_MODEL, PROPOSERS, proposer_of
from agent.proposers.settings_tuner import SettingsTuner
from agent.proposers.skilling import SkillSynthesis
from agent.schooling import School
from agent.synthesis import Induction, Writer
from envs.errors import Missing, UnknownName
from memory.types import Change, Trajectory

LESSONS = "lessons"
"""The reflector, in the train runs themselves; what it writes is judged lesson by lesson."""
CALLS = 16
"""Most requests of a proposer that consolidates."""
LEAST = 8
"""Fewest rows that a student is trained on."""


class Told(NamedTuple):
    """What is told of a proposer."""

    does: str
    """What it does, in a line."""
    paper: str
    """Where it comes from; empty: our own."""


@dataclass(frozen=True)
class Staff:
    """Who can be asked."""

    model: Callable[[], Awaitable[Model]]
    """The model that puts things into words."""
    school: School | None = None
    """Who trains students; None: nobody."""
    writer: Writer | None = None
    """Who writes skills; None: induction, without a model."""


class Consolidated:
    """One of the proposers of `journeyman memory consolidate`: many lessons at once, gated."""

    def __init__(self, desk: Desk, name: str, staff: Staff) -> None:
        self._desk = desk
        self._name = name
        self._staff = staff

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Changes of lessons. Raises `ModelError`."""
        own = types.Desk(
            settings=self._desk.crew.settings,
            model=None if self._name in NO_MODEL else await self._staff.model(),
            memory=types.Reader(self._desk.crew.memory),
            calls=CALLS,
            progress=self._desk.told,
        )
        found = await proposer_of(self._name)(own).propose(trajectories)
        self._desk.usage += own.usage
        return found


class Distillation:
    """A student trained on the solved runs of the round; the gate of students judges it."""

    paper = "Aksitov et al. 2023, ReST meets ReAct, arXiv 2312.10003"
    does = "trains a student on solved runs; `journeyman models rollback` takes it back"

    def __init__(self, desk: Desk, *, school: School) -> None:
        self._desk = desk
        self._school = school

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """The student's change; it is registered, and does not answer yet."""
        rows = list(await off(lambda: list(self._school.rows(trajectories))))
        if len(rows) < LEAST:
            self._desk.note = f"{len(rows)} rows to train on, fewer than {LEAST}"
            return ()
        ledger = self._desk.crew.memory.ledger
        now = await off(current, ledger)
        name = self._desk.name.replace("/", "-")
        await self._school.train(
            rows, parent=now.id if now else "", name=name, out=self._desk.folder / "training"
        )
        noted = await off(ledger.changes, target=name, kind="adapter", limit=1)
        return tuple(noted)


EVOLVING: Mapping[str, Told] = {
    LESSONS: Told("lessons from each train run, judged one by one by what they do", ""),
    "skills": Told(SkillSynthesis.does, SkillSynthesis.paper),
    "prompts": Told(Prompts.does, Prompts.paper),
    "settings": Told(SettingsTuner.does, SettingsTuner.paper),
    "distill": Told(Distillation.does, Distillation.paper),
}
"""Those of the loop alone; the names of `memory consolidate --with` can be given too."""


def chosen(names: Sequence[str], staff: Staff) -> dict[str, Makes]:
    """How each is made for a round, `lessons` left out. Raises `UnknownName` and `Missing`."""
    known = (*EVOLVING, *PROPOSERS)
    for name in names:
        if name not in known:
            raise UnknownName("proposer", name, known)
    return {name: _made(name, staff) for name in dict.fromkeys(names) if name != LESSONS}


def _made(name: str, staff: Staff) -> Makes:
    if name == "settings":
        return SettingsTuner
    if name == "skills":
        return lambda desk: SkillSynthesis(desk, writer=staff.writer or Induction())
    if name == "prompts":
        return lambda desk: Prompts(desk, reflector=staff.model)
    if name == "distill":
        school = staff.school
        if school is None:
            raise Missing("there is nobody to train students", repair="leave distill out")
        return lambda desk: Distillation(desk, school=school)
    return lambda desk: Consolidated(desk, name, staff)
