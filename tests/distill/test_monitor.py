"""A round is watched by how much it finds and how well it selects; the next one follows."""

from __future__ import annotations

from typing import Any

import pytest

from distill.monitor import Candidate, Figures, Limits, Tuning, candidate, figures, retuned
from envs.types import Score
from memory.types import StepRecord, Trajectory, Verdict


def drawn(key: str, way: str, *, reward: float = 1.0, passed: bool = True) -> Candidate:
    return Candidate(task_key=key, way=tuple(way), reward=reward, passed=passed)


def run(name: str, way: str, **more: Any) -> Trajectory:
    steps = tuple(StepRecord(index=n, action=a, observation="") for n, a in enumerate(way))
    fields: dict[str, Any] = {
        "id": name, "env": "toy", "task": name, "task_key": "k", "split": "train", "goal": "",
        "steps": steps, "score": Score(value=1.0, passed=True),
        "verdicts": (Verdict(accepted=True, confidence=0.8),),
    }  # fmt: skip
    return Trajectory(**{**fields, **more})


def test_exploration_counts_different_verified_solutions_a_task() -> None:
    found = [
        drawn("a", "xy"),
        drawn("a", "xy"),
        drawn("a", "yx"),
        drawn("a", "zz", passed=False),
        drawn("b", "q", passed=False),
    ]
    told = figures(found, threshold=0.5)
    assert (told.tasks, told.samples, told.passed) == (2, 5, 3)
    assert told.exploration == 1.0


def test_tasks_without_a_run_count_as_unsolved() -> None:
    assert figures([drawn("a", "x")], threshold=0.5, tasks=4).exploration == 0.25


def test_exploitation_is_the_precision_of_what_the_reward_selects() -> None:
    found = [
        drawn("a", "x", reward=0.9),
        drawn("a", "y", reward=0.8, passed=False),
        drawn("b", "x", reward=0.4, passed=False),
        drawn("b", "y", reward=0.7),
    ]
    loose, strict = figures(found, threshold=0.3), figures(found, threshold=0.85)
    assert (loose.selected, loose.exploitation) == (4, 0.5)
    assert (strict.selected, strict.exploitation) == (1, 1.0)
    assert loose.separation == pytest.approx(0.2)


def test_where_nothing_is_selected_or_all_is_passed_there_is_no_figure() -> None:
    told = figures([drawn("a", "x", reward=0.1)], threshold=0.5)
    assert (told.exploitation, told.separation) == (None, None)


def test_the_balance_score_is_that_of_the_paper() -> None:
    found = [drawn("a", "x"), drawn("a", "y"), drawn("a", "y"), drawn("a", "z", passed=False)]
    # Two different good ones of four selected, where four would be enough: 2/4 * 2/4.
    assert figures(found, threshold=0.5, wanted=4).balance == 0.25
    assert figures(found, threshold=0.5, wanted=2).balance == 0.5


def test_a_run_is_rewarded_by_its_verdict_and_decided_by_its_score() -> None:
    lucky = candidate(run("r1", "ab", score=Score(value=0.0, passed=False)))
    assert (lucky.reward, lucky.passed, lucky.way) == (0.8, False, ("a", "b"))
    unknown = run("r2", "ab", verdicts=(Verdict(accepted=None, confidence=0.9),))
    assert candidate(unknown).reward == 0.0
    assert candidate(run("r3", "ab", verdicts=())).reward == 0.0
    assert not candidate(run("r4", "ab", error="it broke")).passed


def test_only_the_last_attempt_is_the_way() -> None:
    steps = tuple(
        StepRecord(index=n, attempt=n, action=action, observation="")
        for n, action in enumerate("xy")
    )
    assert candidate(run("r1", "", steps=steps, attempts=2)).way == ("y",)


def at(exploration: float, exploitation: float | None = 1.0) -> Figures:
    return Figures(
        tasks=10, samples=40, passed=20, exploration=exploration, selected=20,
        exploitation=exploitation, separation=None, balance=0.0,
    )  # fmt: skip


@pytest.mark.paper("b-star")
def test_each_figure_that_falls_moves_the_next_round_in_its_direction(mechanism: bool) -> None:
    """Falling diversity: warmer and more samples. Falling precision: stricter. Both: no heat."""
    start = Tuning(temperature=0.7, samples=4, threshold=0.5)

    def next_round(*rounds: Figures) -> Tuning:
        return retuned(start, rounds).tuning if mechanism else start

    narrowing = next_round(at(2.0), at(1.0))
    assert (narrowing.temperature, narrowing.samples) == (0.9, 6)
    assert narrowing.threshold == 0.5
    loosening = next_round(at(2.0), at(2.0, 0.6))
    assert loosening.threshold == 0.6
    assert (loosening.temperature, loosening.samples) == (0.7, 4)
    both = next_round(at(2.0), at(1.0, 0.6))
    assert (both.temperature, both.samples, both.threshold) == (0.7, 6, 0.6)


def test_figures_within_their_limits_change_nothing() -> None:
    start = Tuning()
    assert retuned(start, [at(2.0), at(1.6, 0.95)]).tuning == start
    assert retuned(start, []).tuning == start
    assert retuned(start, [at(2.0, None)]).reasons == ()


def test_a_round_without_any_solution_is_narrow_even_when_it_is_the_first() -> None:
    assert retuned(Tuning(samples=4), [at(0.0)]).tuning.samples == 6


def test_steps_end_at_their_limits_and_never_turn_back() -> None:
    limits = Limits(hottest=0.8, most=5, strictest=0.55)
    told = retuned(Tuning(temperature=0.7), [at(2.0), at(0.5)], limits=limits).tuning
    assert (told.temperature, told.samples) == (0.8, 5)
    above = Tuning(temperature=1.0, samples=20, threshold=0.9)
    assert retuned(above, [at(2.0), at(0.5)], limits=limits).tuning == above
    strict = retuned(above, [at(2.0), at(2.0, 0.1)], limits=limits).tuning
    assert strict == above


def test_the_log_says_what_fell_and_what_follows() -> None:
    told = retuned(Tuning(), [at(2.0), at(1.0, 0.5)]).reasons
    assert told == (
        "exploration 1.00 is below 1.50: 4 samples become 6",
        "exploitation 0.50 is below 0.90: threshold 0.5 becomes 0.6",
    )
