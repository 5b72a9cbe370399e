"""The seam of arms: what an arm brings into a prompt, and what it keeps from one task to the next.

An arm never opens an environment and never sees a score except that of a finished `train` run
(`Played.passed`). What it keeps is plain data (`dump` / `load`), so that any cell can be played
again from the state that its arm was in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.models.types import Model
from agent.runner import Crew
from agent.settings import Settings
from envs.types import Env, Frozen, Task
from memory.embed import Embedder
from memory.types import Lesson, Trajectory, Usage


class Note(Frozen):
    """Something that an arm puts before the solver for a whole run."""

    id: str
    """Stable name, for tables."""
    text: str
    """What the solver reads."""
    runs: tuple[str, ...] = ()
    """Ids of all runs that it goes back to, through every step of merging and editing."""
    task_keys: tuple[str, ...] = ()
    """`Task.key` of all tasks that it goes back to."""


class Played(Frozen):
    """A finished run on a train task, as an arm may learn from it."""

    task: Task
    """What was asked."""
    trajectory: Trajectory
    """What was done; its score is that of a train task."""
    passed: bool
    """Whether it was solved; a crash is not."""


@dataclass(frozen=True)
class Desk:
    """What the laboratory gives an arm."""

    settings: Settings
    """The settings that all arms of the experiment share."""
    model: Model
    """The arm's model, for learning; the solver uses the same one."""
    rng: random.Random
    """Chance, fixed by seed and position: the same whenever the cell is played again."""
    embedder: Callable[[], Embedder]
    """Texts to vectors, loaded when first called; shape (texts, dimensions), rows of length 1."""
    note_tokens: int
    """Prompt budget of notes (estimated tokens, `memory.text.estimate_tokens`)."""


class Arm:
    """The bare arm, and the base of the others: no notes, nothing learned.

    One instance lives for one (arm, seed); it is told what was played only on train tasks, in
    order. Options are keyword arguments of the constructor; a wrong one is a `UserError`.
    """

    paper: ClassVar[str] = ""
    """What it follows: authors, year, arXiv number."""
    differs: ClassVar[str] = ""
    """What differs from the paper, and why."""
    learns: ClassVar[bool] = False
    """Whether it plays train tasks first."""
    chance: ClassVar[bool] = False
    """Whether two seeds can differ even without learning (it samples)."""

    recalls: ClassVar[bool] = False
    """Whether the graph consults the crew's memory before each action, and writes lessons."""
    knows_key: ClassVar[bool] = False
    """Only the environment's own expert: plays without the seal, and learns nothing."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def env(self, env: Env) -> Env:
        """What the episodes are opened from; only the expert has one of its own."""
        return env

    def crew(self, crew: Crew) -> Crew:
        """Who works: the common crew, with solver, reflector or settings of the arm's own."""
        return crew

    def gather(self, crew: Crew) -> Crew:
        """Who works on train tasks, where that differs."""
        return self.crew(crew)

    async def notes(self, task: Task) -> tuple[Note, ...]:  # noqa: ARG002
        """What to put before the solver for this task, best first; what overflows is cut.

        The laboratory leaves out what goes back to this very task (`task_keys`).
        """
        return ()

    async def learn(self, played: Played) -> Usage:  # noqa: ARG002
        """Takes in a finished train run; returns what models were asked for it."""
        return Usage()

    def dump(self) -> dict[str, Any]:
        """All that it keeps, as JSON."""
        return {}

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up what `dump` gave."""

    def fixed(self) -> frozenset[str]:
        """Ids of runs that were given to it before the experiment: demonstrations."""
        return frozenset()

    def lessons(self) -> Iterable[Lesson]:
        """The lessons of a memory of our own, for the guards."""
        return ()

    def close(self) -> None:
        """Frees what it opened; may be called twice."""
