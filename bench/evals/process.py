"""How runs went, besides whether they succeeded: corrections, improvement, budgets.

The four metrics of "Tracing LLM Reasoning Processes with Strategic Games" (Yuan et al. 2025, arXiv
2506.12012; catalogue row strategic-games). The paper describes them in words; the definitions here
are ours. A run's attempts are its rounds. An attempt is won when its verdict accepted it; of the
last one the score decides where there is one. It breaks a rule when the environment did not
understand one of its actions.

- overcorrection risk rate: corrections / chances. A chance is an attempt after which another one
  was begun; a correction is a next attempt that does other actions. High: changes its plan whenever
  it can.
- correction success rate: corrections that brought an improvement / corrections. An improvement
  turns a lost attempt into a won one, or leaves off breaking rules without losing a won one.
- improvement slope: least-squares slope of won (0 or 1) over the number of the attempt, averaged
  over runs of two and more attempts. A run ends with its first accepted attempt, so the slope is
  above 0 for every run that is won in the end: compare it between arms of equal retries only.
- over-budget ratio: runs that consumed more than the budget, or were stopped by it / runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import linear_regression

from pydantic import computed_field

from agent.loops import IDLE
from agent.settings import BudgetSettings
from envs.types import Frozen
from memory.intervals import wilson
from memory.types import StepRecord, Trajectory

WHAT = "corrections, improvement and budgets of stored runs"
PAPER = "Yuan et al. 2025, Tracing LLM Reasoning Processes with Strategic Games, arXiv 2506.12012"


class Share(Frozen):
    """So many out of so many."""

    count: int
    """Cases."""
    total: int
    """Out of."""

    @computed_field
    @property
    def rate(self) -> float | None:
        """The share; None out of none."""
        return self.count / self.total if self.total else None

    @computed_field
    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        return wilson(self.count, self.total)


class Process(Frozen):
    """How runs went."""

    runs: int
    """Runs."""
    won: Share
    """Runs whose last attempt was won."""
    overcorrection: Share
    """Corrections out of chances to correct."""
    correction_success: Share
    """Improvements out of corrections."""
    worsened: int
    """Corrections that lost a won attempt or began to break rules without winning."""
    slope: float | None
    """Change of the winning rate with each further attempt; None without a second attempt."""
    over_budget: Share
    """Runs above their budget."""


class Attempted(Frozen):
    """One attempt of a run."""

    actions: tuple[str, ...]
    """What was done."""
    won: bool
    """Whether it was won."""
    broke: bool
    """Whether it broke a rule."""


def process(
    runs: Sequence[Trajectory], *, budget: BudgetSettings | None = None, rounds: bool = True
) -> Process:
    """The metrics over `runs`; `budget` is what one run may consume, None no bound.

    Without `rounds` a run is how it ended, as in a win rate: there are then no corrections.
    """
    all_attempts = [attempts(run) if rounds else attempts(run)[-1:] for run in runs]
    pairs = [pair for one in all_attempts for pair in pairwise(one)]
    corrections = [(a, b) for a, b in pairs if a.actions != b.actions]
    slopes = [_slope(one) for one in all_attempts if len(one) > 1]
    bounds = budget or BudgetSettings()
    return Process(
        runs=len(runs),
        won=Share(count=sum(one[-1].won for one in all_attempts), total=len(runs)),
        overcorrection=Share(count=len(corrections), total=len(pairs)),
        correction_success=Share(
            count=sum(improved(a, b) for a, b in corrections), total=len(corrections)
        ),
        worsened=sum(improved(b, a) for a, b in corrections),
        slope=sum(slopes) / len(slopes) if slopes else None,
        over_budget=Share(count=sum(over(run, bounds) for run in runs), total=len(runs)),
    )


def attempts(run: Trajectory) -> tuple[Attempted, ...]:
    """The attempts of a run, in order; never empty."""
    count = max(run.attempts, len(run.verdicts), 1)
    return tuple(_attempted(run, number, last=number == count - 1) for number in range(count))


def improved(before: Attempted, after: Attempted) -> bool:
    """Whether `after` is better: won where it was lost, or no rule broken any more."""
    if after.won != before.won:
        return after.won
    return before.broke and not after.broke


def over(run: Trajectory, budget: BudgetSettings) -> bool:
    """Whether a run was stopped by its budget, or consumed more than this one."""
    used = run.usage
    pairs = (
        (budget.steps, len(run.steps)),
        (budget.tokens, used.prompt_tokens + used.completion_tokens),
        (budget.seconds, used.seconds),
        (budget.cost, used.cost),
    )
    exceeded = any(bound is not None and spent > bound for bound, spent in pairs)
    return exceeded or run.stop.startswith("budget:")


def _attempted(run: Trajectory, number: int, *, last: bool) -> Attempted:
    steps: list[StepRecord] = [step for step in run.steps if step.attempt == number]
    won = number < len(run.verdicts) and run.verdicts[number].accepted is True
    if last and run.score is not None:
        won = run.score.passed
    return Attempted(
        actions=tuple(step.action for step in steps),
        won=won and not (last and run.error),
        broke=any(step.observation.startswith(IDLE) for step in steps),
    )


def _slope(rounds: Sequence[Attempted]) -> float:
    numbers = list(range(len(rounds)))
    return linear_regression(numbers, [float(one.won) for one in rounds]).slope
