"""Distilling own answers needs a verifier that is better than the generator."""

from __future__ import annotations

from typing import Any

import pytest

from distill.gap import ENOUGH, Gap, gap, require, worth
from envs.errors import Refused
from envs.types import Score
from memory.types import Trajectory, Verdict


def run(number: int, *, won: bool, accepted: bool | None, **more: Any) -> Trajectory:
    fields: dict[str, Any] = {
        "id": f"r{number}", "env": "toy", "task": "t", "task_key": f"k{number}", "split": "val",
        "goal": "", "score": Score(value=float(won), passed=won),
        "verdicts": (Verdict(accepted=accepted, confidence=0.9),),
    }  # fmt: skip
    return Trajectory(**{**fields, **more})


def holdout(*, right: bool) -> list[Trajectory]:
    """Forty runs, half of them won; the verifier sees which, or it does not."""
    return [
        run(n, won=n % 2 == 0, accepted=(n % 2 == 0) if right else n % 4 < 2) for n in range(40)
    ]


def test_the_gap_is_accuracy_after_the_filter_less_accuracy_before() -> None:
    found = gap(holdout(right=True))
    assert (found.generator, found.filtered, found.difference) == (0.5, 1.0, 0.5)
    low, high = found.interval
    assert 0.35 < low < 0.5 <= high
    assert found.positive
    assert found.said() == (
        "generator 20/40 (35% to 65%), after the verifier 20/20: +50.0% (+38.6% to +50.0%)"
    )


def test_a_filter_that_knows_nothing_has_no_gap() -> None:
    found = gap(holdout(right=False))
    assert found.difference == 0.0
    assert found.interval[0] < 0 < found.interval[1]
    assert not found.positive


@pytest.mark.parametrize(
    ("found", "interval"),
    [
        (Gap(runs=0, won=0, kept=0, kept_won=0), (-1.0, 1.0)),
        (Gap(runs=9, won=4, kept=0, kept_won=0), (-1.0, 1.0)),
        (Gap(runs=9, won=9, kept=9, kept_won=9), (0.0, 0.0)),
    ],
)
def test_where_nothing_is_known_or_nothing_is_filtered_the_gap_is_not_positive(
    found: Gap, interval: tuple[float, float]
) -> None:
    assert found.interval == interval
    assert not found.positive
    assert found.difference in (None, 0.0)


def test_runs_without_an_outcome_are_no_labels_and_each_task_counts_once() -> None:
    found = gap(
        [
            run(1, won=True, accepted=True),
            run(1, won=False, accepted=True),
            run(2, won=True, accepted=None),
            run(3, won=True, accepted=True, score=None),
            run(4, won=True, accepted=True, error="dead"),
        ]
    )
    assert (found.runs, found.won, found.kept, found.kept_won) == (2, 2, 1, 1)


def test_train_runs_are_no_hold_out() -> None:
    with pytest.raises(Refused, match="r1 is of the train split, and no hold-out; measure"):
        gap([run(1, won=True, accepted=True, split="train")])


@pytest.mark.paper("generation-verification-gap")
def test_without_a_positive_gap_distilling_is_refused_unless_overridden(mechanism: bool) -> None:
    good, bad = gap(holdout(right=True)), gap(holdout(right=False))
    require(good)
    with pytest.raises(Refused, match=r"not known to be better .*: \+0.0% .*override this"):
        require(bad, override=not mechanism)
    require(bad, override=True)


def test_own_runs_are_refused_where_enough_tasks_show_no_gain_and_a_teacher_is_named() -> None:
    nothing = gap(holdout(right=False))
    why = r"gain nothing; in toy the .*20/40.*take a teacher .--from-expert toy.*--force"
    with pytest.raises(Refused, match=why):
        worth(nothing, env="toy")
    assert worth(nothing, env="toy", force=True).endswith("forced")
    assert worth(gap(holdout(right=True)), env="toy") == ""


@pytest.mark.parametrize("runs", [0, ENOUGH - 1])
def test_too_few_held_out_tasks_say_nothing_but_how_to_get_more(runs: int) -> None:
    found = gap(run(n, won=False, accepted=True) for n in range(runs))
    told = worth(found, env="toy")
    assert "is not known" in told
    assert told.endswith("journeyman run toy --split val -n 20 --no-learn")
