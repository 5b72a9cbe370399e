"""Where a student got lost."""

from __future__ import annotations

from agent.takeover import lost_at
from memory.types import StepRecord


def step(index: int, action: str, observation: str) -> StepRecord:
    return StepRecord(index=index, attempt=0, action=action, observation=observation)


def test_it_is_lost_where_it_does_and_sees_the_same_a_second_time() -> None:
    walk = [step(n, f"go to desk {n}", "A desk.") for n in range(3)]
    assert lost_at([*walk, step(3, "go to desk 1", "A desk."), step(4, "look", "A room.")]) == 3


def test_what_shows_something_new_is_no_circle_and_half_is_kept_without_one() -> None:
    walk = [step(n, "go to desk 1", f"{n} pens.") for n in range(8)]
    assert lost_at(walk) == 4
    assert lost_at(walk[:1]) == 2
