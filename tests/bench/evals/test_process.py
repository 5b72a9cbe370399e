"""Metrics of the process against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings import BudgetSettings
from bench.evals.process import Process, Share, attempts, process
from envs.types import Score
from memory.ledger import Ledger
from memory.types import StepRecord, Trajectory, Usage, Verdict

BUDGET = BudgetSettings(tokens=1000)


def run(
    name: str,
    *plans: tuple[str, bool],
    score: bool | None = None,
    tokens: int = 0,
    stop: str = "done",
) -> Trajectory:
    """A run out of (actions, accepted) for each attempt; `!` is an action not understood."""
    steps = [(number, action) for number, (plan, _) in enumerate(plans) for action in plan.split()]
    return Trajectory(
        id=name,
        env="toy",
        task=name,
        task_key=name,
        split="train",
        goal="Bring it.",
        steps=tuple(
            StepRecord(
                index=index,
                attempt=number,
                action=action,
                observation="Nothing happens." if action.endswith("!") else "A drawer.",
            )
            for index, (number, action) in enumerate(steps)
        ),
        verdicts=tuple(
            Verdict(accepted=accepted, confidence=1.0, evidence=("step 0",))
            for _, accepted in plans
        ),
        score=None if score is None else Score(value=float(score), passed=score),
        attempts=len(plans),
        usage=Usage(prompt_tokens=tokens),
        stop=stop,
    )


FIXTURE = [
    # won at once: no chance to correct
    run("at once", ("red", True), score=True, tokens=400),
    # a chance taken that turns a lost attempt into a won one; slope 1
    run("mended", ("red", False), ("blue", True), score=True, tokens=900),
    # two chances, both taken, both in vain; slope 0
    run("in vain", ("red", False), ("blue", False), ("green", False), score=False, tokens=1001),
    # the same again: a chance not taken; slope 0
    run("stubborn", ("red", False), ("red", False), score=False, tokens=1000),
    # leaves off breaking rules, then wins: two corrections, two improvements; slope 1/2
    run(
        "learns", ("red!", False), ("blue", False), ("green", True), score=True, stop="budget:steps"
    ),
    # begins to break rules: one correction, made worse; slope 0
    run("worse", ("red", False), ("blue!", False), score=False, tokens=5),
]
BY_HAND = Process(
    runs=6,
    won=Share(count=3, total=6),
    overcorrection=Share(count=6, total=7),
    correction_success=Share(count=3, total=6),
    worsened=1,
    slope=(1 + 0 + 0 + 0.5 + 0) / 5,
    over_budget=Share(count=2, total=6),
)


def test_rates_and_intervals_follow_from_the_counts() -> None:
    assert BY_HAND.overcorrection.rate == 6 / 7
    assert BY_HAND.correction_success.interval == pytest.approx((0.1876, 0.8124), abs=1e-4)
    assert Share(count=0, total=0).rate is None


def test_the_last_attempt_goes_by_the_score_where_there_is_one() -> None:
    fooled = run("fooled", ("red", False), ("blue", True), score=False)
    assert [one.won for one in attempts(fooled)] == [False, False]
    assert [one.won for one in attempts(run("open", ("red", False), ("blue", True)))] == [
        False,
        True,
    ]


def test_a_run_that_broke_is_not_won_and_counts_as_one_attempt() -> None:
    broken = run("broken").model_copy(update={"error": "gone", "attempts": 1})
    found = process([broken])
    assert (found.runs, found.won, found.slope) == (1, Share(count=0, total=1), None)


@pytest.mark.parametrize(
    ("budget", "count"),
    [
        (BudgetSettings(), 1),
        (BudgetSettings(tokens=399), 5),
        (BudgetSettings(steps=2), 2),
        (BudgetSettings(seconds=0.0, cost=0.0), 1),
    ],
)
def test_over_budget_is_more_than_any_bound_or_stopped_by_it(
    budget: BudgetSettings, count: int
) -> None:
    assert process(FIXTURE, budget=budget).over_budget.count == count


def test_no_runs_have_no_rates() -> None:
    found = process([])
    assert (found.won.rate, found.slope, found.over_budget.rate) == (None, None, None)


@pytest.mark.paper("strategic-games")
def test_stored_runs_give_the_values_worked_out_by_hand(tmp_path: Path, mechanism: bool) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    for one in FIXTURE:
        ledger.add_trajectory(one)
    stored = ledger.trajectories(newest_first=False)
    ledger.close()
    assert process(stored, budget=BUDGET, rounds=mechanism) == BY_HAND
