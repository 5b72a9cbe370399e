"""What rounds of self-training leave: a record of each, and their summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from agent.gate import Decision
from distill.coverage import Coverage
from distill.mixing import Shares
from distill.monitor import Figures, Limits, Tuning
from envs.types import Frozen
from memory.intervals import wilson
from memory.types import Trajectory

Outcome = Literal["promoted", "refused", "turned", "nothing"]
"""The challenger took the champion's place; the gate refused it; held-out success fell; there was
too little to train on."""


class Bounds(Frozen):
    """How rounds are made. The same for all rounds of one name."""

    tasks: int = Field(default=60, ge=1)
    """Train tasks a round."""
    anchors: int = Field(default=12, ge=0)
    """Of these, tasks that every round plays, to see one student beside the next."""
    tuning: Tuning = Tuning()
    """How the first round draws and selects."""
    limits: Limits = Limits()
    """When that is altered."""
    explore: int = Field(default=4, ge=0)
    """Further samples at tasks that were not solved in the first ones."""
    hotter: float = Field(default=0.3, ge=0)
    """What these add to the temperature."""
    shares: Shares = Shares()
    """What rows are made up of."""
    slack: float = Field(default=0.02, ge=0)
    """How far held-out success may fall below its best before it has turned."""
    patience: int = Field(default=2, ge=1)
    """Rounds in a row without a promotion before it is given up."""
    seed: int = 0
    """Of which tasks are played when, and of which rows are replayed."""


class Held(Frozen):
    """Success on held-out tasks, that neither training nor the gate looks at."""

    student: str
    """Who played; empty: the base model."""
    won: int = Field(ge=0)
    """Tasks solved."""
    total: int = Field(ge=0)
    """Tasks played."""
    kinds: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """Solved and played by type of task."""
    runs: tuple[str, ...] = ()
    """Ids of the runs."""

    @property
    def share(self) -> float:
        """Share of tasks solved; 0 without tasks."""
        return self.won / self.total if self.total else 0.0

    def __str__(self) -> str:
        low, high = wilson(self.won, self.total)
        return f"{self.won}/{self.total}, {self.share:.1%} ({low:.1%} to {high:.1%})"


def held_by(student: str, runs: Sequence[Trajectory]) -> Held:
    """What runs on held-out tasks come to; one that broke is not solved."""
    kinds: dict[str, tuple[int, int]] = {}
    for run in runs:
        won, total = kinds.get(run.task_type, (0, 0))
        kinds[run.task_type] = (won + _won(run), total + 1)
    ids = tuple(run.id for run in runs)
    won = sum(map(_won, runs))
    return Held(student=student, won=won, total=len(runs), kinds=kinds, runs=ids)


def _won(run: Trajectory) -> bool:
    return bool(run.score and run.score.passed) and not run.error


class Gathered(Frozen):
    """What a round played, and the rows that came of it."""

    models: tuple[str, ...] = ()
    """Names of the models that answered: those of the student that was served."""
    tuning: Tuning
    """How it drew and selected."""
    reasons: tuple[str, ...] = ()
    """Why that was altered since the round before."""
    figures: Figures | None = None
    """Exploration and exploitation; None for a round from demonstrations."""
    coverage: Coverage = Coverage(tasks=())
    """Of the first samples, before exploring."""
    explored: Coverage = Coverage(tasks=())
    """The tasks that were explored, after that."""
    sharpened: float | None = None
    """How far a single sample has come to what N samples found the round before, on the tasks that
    every round plays; None: not known."""
    rows: int = 0
    """Rows to train on."""
    fresh: int = 0
    """Of these, verified by the environment in this round."""
    replayed: int = 0
    """Of these, of earlier rounds."""
    left_out: int = 0
    """Rows that were left out for the least share of fresh ones."""
    sha256: str = ""
    """Of the file of rows."""

    @property
    def uncovered(self) -> frozenset[str]:
        """Keys of tasks that exploring did not solve either: the next round begins with them."""
        return self.coverage.uncovered - self.explored.covered


class Round(Frozen):
    """One round, ended."""

    number: int
    """Counted from 1; 0 is that from demonstrations."""
    student: str
    """Who played; empty: the base model."""
    gathered: Gathered
    """What it played and trained on."""
    adapter: str = ""
    """The student that was trained; empty: none."""
    decision: Decision | None = None
    """What the gate said; None: it was not asked."""
    held: Held | None = None
    """Held-out success of the new student; None: there is none."""
    outcome: Outcome
    """What became of it."""
    why: str
    """In words."""

    @property
    def after(self) -> str:
        """Who answers after this round."""
        return self.adapter if self.outcome == "promoted" else self.student


class Learned(Frozen):
    """Rounds of one name, as far as they are."""

    name: str
    """By which they are kept."""
    start: Held
    """Held-out success before the first."""
    rounds: tuple[Round, ...] = ()
    """In order."""
    teacher: Held | None = None
    """Held-out success of the prompted teacher on the same tasks; None: not measured."""
    stopped: str = ""
    """Why there are no more rounds; empty: there may be."""
    best: Held
    """Held-out success of the best student: the one that answers now."""

    def said(self) -> str:
        """The outcome in words."""
        text = f"held-out: {self.best.student or 'base model'} {self.best}"
        if self.best != self.start:
            text += f", before {self.start}"
        text += f"; prompted teacher {self.teacher}" if self.teacher else ""
        return f"{text}; {self.stopped}" if self.stopped else text
