"""What is never solved in N samples goes to exploration, not into training."""

from __future__ import annotations

from typing import Any

import pytest

from distill.coverage import coverage, sharpened, trainable
from distill.rows import Origin, Row
from envs.types import Score
from memory.types import Trajectory


def run(key: str, *, won: bool, **more: Any) -> Trajectory:
    fields: dict[str, Any] = {
        "id": f"{key}-{won}", "env": "toy", "task": key, "task_key": key, "split": "train",
        "goal": "", "score": Score(value=float(won), passed=won),
    }  # fmt: skip
    return Trajectory(**{**fields, **more})


def runs(**shares: tuple[int, int]) -> list[Trajectory]:
    """For each key (won, samples)."""
    return [
        run(key, won=n < won) for key, (won, total) in shares.items() for n in range(total)
    ]  # fmt: skip


def row(key: str) -> Row:
    origin = Origin(
        trajectory="r1", env="toy", task=key, task_key=key, task_type="", model="", config="",
        arm="", score=1.0, steps=1, attempts=1, recalled=(), rebuilt=False,
    )  # fmt: skip
    return Row(messages=(), metadata=origin)


def test_coverage_is_the_share_of_tasks_with_a_success() -> None:
    found = coverage(runs(a=(1, 4), b=(4, 4), c=(0, 4)), keys=("a", "d"))
    assert found.covered == {"a", "b"}
    assert found.uncovered == {"c", "d"}
    assert (found.share, found.single) == (0.5, (0.25 + 1.0) / 4)


def test_a_run_that_broke_is_a_failed_sample_and_a_retry_is_none() -> None:
    found = coverage([run("a", won=True, error="dead"), run("a", won=True, attempts=2)])
    assert (found.tasks[0].runs, found.tasks[0].won) == (1, 0)


def test_pass_at_k_is_that_of_counting_all_draws() -> None:
    found = coverage(runs(a=(1, 4)))
    assert found.at(1) == pytest.approx(0.25)
    assert found.at(2) == pytest.approx(0.5)
    assert found.at(4) == found.at(9) == 1.0
    assert coverage([]).at(2) == 0.0


def test_the_log_line_has_the_figure_and_its_interval() -> None:
    assert coverage(runs(a=(1, 4), b=(0, 4))).said() == (
        "coverage 1/2 tasks, 50% (9% to 91%) in up to 4 samples; single sample 12%; 1 to explore"
    )


@pytest.mark.paper("sharpening")
def test_uncovered_tasks_are_not_trained_on_and_one_sample_nears_best_of_n(
    mechanism: bool,
) -> None:
    before = coverage(runs(a=(1, 4), b=(2, 4), c=(0, 4)))
    offered = [row("a"), row("b"), row("c")]
    kept = list(trainable(offered, before)) if mechanism else offered
    assert {one.metadata.task_key for one in kept} == {"a", "b"}
    assert before.uncovered == {"c"}
    # A student that holds what it was trained on, and nothing that it was not.
    trained = {one.metadata.task_key for one in kept}
    after = coverage(runs(**{key: (4 * (key in trained), 4) for key in "abc"}))
    assert after.single == pytest.approx(before.share)
    assert sharpened(before, after) == pytest.approx(1.0)


def test_half_way_to_best_of_n_is_a_half() -> None:
    before, after = coverage(runs(a=(1, 4))), coverage(runs(a=(5, 8)))
    assert sharpened(before, after) == pytest.approx(0.5)


def test_tasks_in_only_one_of_both_do_not_count() -> None:
    before, after = coverage(runs(a=(1, 4), b=(4, 4))), coverage(runs(a=(4, 4), z=(0, 4)))
    assert sharpened(before, after) == pytest.approx(1.0)


def test_without_room_over_a_single_sample_nothing_can_be_said() -> None:
    full = coverage(runs(a=(4, 4)))
    assert sharpened(full, full) is None
