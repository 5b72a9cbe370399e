"""Whether an attempt reached its goal, as training rows: a solution, and a check of it.

The data of "Trust, But Verify" (RISE, Liu et al. 2025, arXiv 2505.13445; catalogue row
rise-verify): a model is trained to solve and to verify what it solved itself, and the environment
says for both whether it was right. What differs: the paper rewards both within online reinforcement
learning; here they are rows, and `outcome` in their metadata is the reward for trainers that take
one. The label is the environment's score, never the verifier's verdict.

How good a model is at it: `agent/sparring.py` asks, `Accuracy` counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pydantic import computed_field

from distill.rows import Row, origin_of, quotes
from distill.rows_turns import attempted, spoken, weighted
from envs.errors import clip
from envs.types import Frozen
from memory.intervals import newcombe, wilson
from memory.text import strip_marked
from memory.types import REPLAY, StepRecord, Trajectory

INSTRUCTION = (
    "You see a task and what somebody did, step by step. Say whether the goal of the task was "
    'reached. Answer with JSON: {"reached": "yes"} or {"reached": "no"}.'
)
"""The system message of a check, in training and when it is asked for."""
SAID = {True: "yes", False: "no"}
SEEN = 200
"""Most characters of an observation."""


class Share(Frozen):
    """So many out of so many."""

    count: int = 0
    """Cases."""
    total: int = 0
    """Out of."""

    @computed_field
    @property
    def rate(self) -> float | None:
        """The share; None out of none."""
        return self.count / self.total if self.total else None

    @computed_field
    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; (0, 1) out of none."""
        return wilson(self.count, self.total)

    def __str__(self) -> str:
        """For people.

        >>> str(Share(count=8, total=10))
        '8/10 (80%, 49% to 94%)'
        """
        if not self.total:
            return "none"
        low, high = self.interval
        return f"{self.count}/{self.total} ({self.rate:.0%}, {low:.0%} to {high:.0%})"


class Both(Frozen):
    """The two records that an episode leaves."""

    solution: Row
    """What was done; its turns have weight 0 where it did not reach the goal."""
    verification: Row
    """Whether it did."""


class Accuracy(Frozen):
    """How often a model says truly whether its own solutions reached their goal."""

    model: str
    """Its name."""
    all: Share
    """True answers."""
    reached: Share
    """True answers on solutions that reached it."""
    missed: Share
    """True answers on those that did not."""

    @computed_field
    @property
    def balanced(self) -> float | None:
        """Mean of both rates: 0.5 for a model that always says the same; None without one kind."""
        if self.reached.rate is None or self.missed.rate is None:
            return None
        return (self.reached.rate + self.missed.rate) / 2


class Learned(Frozen):
    """Verification before and after training."""

    before: Accuracy
    """Of the model that was trained, on its own solutions."""
    after: Accuracy
    """Of the trained one, on its own."""

    @computed_field
    @property
    def difference(self) -> tuple[float, float]:
        """Newcombe's 95 % interval of after less before."""
        new, old = self.after.all, self.before.all
        return newcombe((new.count, old.count), (new.total, old.total))

    def said(self) -> str:
        """In a line."""
        low, high = self.difference
        return (
            f"verifies its own held-out solutions truly: before {self.before.all}, "
            f"after {self.after.all}; difference {low:+.0%} to {high:+.0%}"
        )


def both(
    trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = (), model: str = ""
) -> Iterator[Both]:
    """Two records for each different way in which a train task was tried and scored.

    `model`: only its own solutions. Left out are runs that broke or were not scored, replays, other
    splits, held-out tasks, and ways in which a recalled lesson stands word for word.
    """
    held, seen = frozenset(held_out_keys), set[tuple[str, ...]]()
    for run in trajectories:
        attempt = attempted(run)
        reached = outcome(run)
        if run.split != "train" or reached is None or run.arm == REPLAY or not attempt:
            continue
        if run.task_key in held or (model and run.model != model):
            continue
        way = (run.task_key, *(step.action for step in attempt))
        turns, rebuilt = spoken(run, attempt)
        if way in seen or quotes(turns, run.steps):
            continue
        seen.add(way)
        made = "solved" if reached else "incorrect"
        facts = {"steps": len(attempt), "outcome": reached}
        yield Both(
            solution=Row(
                messages=weighted(turns, trained=len(attempt) if reached else 0),
                metadata=origin_of(run, rebuilt=rebuilt, made=made, **facts),
            ),
            verification=Row(
                messages=(
                    *asked(run.goal, run.first_observation, attempt),
                    answered({"reached": SAID[reached]}),
                ),
                metadata=origin_of(run, rebuilt=True, made="verification", **facts),
            ),
        )


def rows(
    trajectories: Iterable[Trajectory],
    *,
    held_out_keys: Collection[str] = (),
    model: str = "",
    balance: bool = True,
) -> Iterator[Row]:
    """For a trainer without rewards: solutions that reached the goal, and checks of all.

    With `balance` as many checks say yes as say no, whichever there are fewer of; those that stay
    are drawn by a hash of their text.
    """
    found = list(both(trajectories, held_out_keys=held_out_keys, model=model))
    checks = [one.verification for one in found]
    kept = {id(one) for one in (_balanced(checks) if balance else checks)}
    for one in found:
        if one.solution.metadata.outcome:
            yield one.solution
        if id(one.verification) in kept:
            yield one.verification


def _balanced(checks: Sequence[Row]) -> list[Row]:
    sides = [[one for one in checks if one.metadata.outcome is side] for side in (True, False)]
    least = min(map(len, sides))
    return [one for side in sides for one in sorted(side, key=_drawn)[:least]]


def _drawn(row: Row) -> str:
    return hashlib.sha256(json.dumps(row.messages).encode()).hexdigest()


def outcome(run: Trajectory) -> bool | None:
    """Whether the environment says that the run reached its goal; None: it says nothing."""
    return None if run.error or run.score is None else run.score.passed


def accuracy(model: str, answers: Iterable[tuple[bool | None, bool]]) -> Accuracy:
    """Of pairs of what was said (None: nothing, which is never true) and what was so."""
    pairs = list(answers)

    def share(*kinds: bool) -> Share:
        mine = [said is so for said, so in pairs if so in kinds]
        return Share(count=sum(mine), total=len(mine))

    return Accuracy(model=model, all=share(True, False), reached=share(True), missed=share(False))


def asked(
    goal: str, first: str, steps: Sequence[StepRecord], *, instruction: str = INSTRUCTION
) -> tuple[dict[str, Any], ...]:
    """The question about an attempt. It shows what any player saw; no verdict, no score."""
    return (
        {"role": "system", "content": instruction},
        {"role": "user", "content": told(goal, first, steps)},
    )


def answered(reply: dict[str, Any]) -> dict[str, Any]:
    """The turn that is to be learned."""
    return {"role": "assistant", "content": json.dumps(reply, ensure_ascii=False), "weight": 1}


def told(goal: str, first: str, steps: Sequence[StepRecord]) -> str:
    """An attempt as text, a line for each step, `[place] action -> what came back`, from 0.

    What was recalled is left out, and so are thoughts: they may say what the verdict was.
    """
    lines = [
        f"[{place}] {step.action} -> {clip(step.observation, most=SEEN)}"
        for place, step in enumerate(steps)
    ]
    return strip_marked("\n\n".join([f"Task: {goal}", first, "\n".join(lines)]))
