"""Kinds of failure, told from transcripts."""

from __future__ import annotations

from typing import Any

import pytest

from agent.loops import IDLE, LOOKS, MOVES
from bench.lab.failures import failure
from envs.types import Score
from memory.types import StepRecord, Trajectory

NOTHING = IDLE[0] if isinstance(IDLE, tuple) else IDLE
LOOK = LOOKS[0] if isinstance(LOOKS, tuple) else LOOKS
GO = MOVES[0] if isinstance(MOVES, tuple) else MOVES


def run(*steps: tuple[str, str], attempts: tuple[int, ...] = (), **more: Any) -> Trajectory:
    numbers = attempts or (0,) * len(steps)
    records = tuple(
        StepRecord(index=at, action=action, observation=seen, attempt=number)
        for at, ((action, seen), number) in enumerate(zip(steps, numbers, strict=True))
    )
    known: dict[str, Any] = {"stop": "limit", "score": Score(value=0.0, passed=False)}
    return Trajectory(
        id="r", env="e", task="t", task_key="k", split="val", goal="g", steps=records,
        **{**known, **more},
    )  # fmt: skip


def places(count: int) -> list[tuple[str, str]]:
    return [(f"{GO}drawer {n}", f"You arrive at drawer {n}.") for n in range(count)]


TAKES = ("take mug 1 from desk 1", "You take the mug.")


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (run(*places(4), score=Score(value=1.0, passed=True)), ""),
        (run(*places(4), score=None, error="it broke"), "crashed"),
        (run(*places(4), stop="budget: tokens"), "budget"),
        (run(), "idle"),
        (run(*[("fly", f"{NOTHING} {n}") for n in range(5)], *places(4)), "idle"),
        (run(*[(LOOK, f"You see {n}.") for n in range(5)]), "idle"),
        (run(*places(3), *[("take mug 1", "It is stuck.")] * 3), "looping"),
        (run(*places(3), *[("take mug 1", f"It moves {n}.") for n in range(3)]), "unfinished"),
        (run(*places(4), ("open drawer 1", "It is empty.")), "searching"),
        (run(*places(4), TAKES), "unfinished"),
        (run(*[("take mug 1", "It is stuck.")] * 3, *places(20)), "unfinished"),
        (run(TAKES, *places(3), attempts=(0, 1, 1, 1)), "searching"),
    ],
)
def test_the_kind_goes_by_the_last_attempt_and_its_last_steps(found: Trajectory, kind: str) -> None:
    assert failure(found) == kind


def test_a_run_that_was_not_scored_is_no_success() -> None:
    assert failure(run(*places(4), TAKES, score=None)) == "unfinished"
