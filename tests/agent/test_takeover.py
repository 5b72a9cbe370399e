"""Where a student got lost, and the way out that is learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from agent.skilled import Offer, Toolbox
from agent.takeover import lost_at, places, take_over, taught
from envs.toy import Toy
from envs.types import Action, Score, Step
from memory.types import StepRecord, Trajectory
from skills.playing import Played
from skills.types import Call

TASK = Toy().tasks("train")[0]
WAY = [action.text for action in Toy().open(TASK).demonstrate()]
WRONG = [
    line
    for line in Toy().open(TASK).first.admissible or ()
    if line.startswith("open ") and line != WAY[0]
]
"""Drawers without what is asked for. Five steps are all there are, and the way takes three."""


def step(index: int, action: str, observation: str) -> StepRecord:
    return StepRecord(index=index, attempt=0, action=action, observation=observation)


def test_it_is_lost_where_it_does_and_sees_the_same_a_second_time() -> None:
    walk = [step(n, f"go to desk {n}", "A desk.") for n in range(3)]
    assert lost_at([*walk, step(3, "go to desk 1", "A desk."), step(4, "look", "A room.")]) == 3


def test_what_shows_something_new_is_no_circle_and_half_is_kept_without_one() -> None:
    walk = [step(n, "go to desk 1", f"{n} pens.") for n in range(8)]
    assert lost_at(walk) == 4
    assert lost_at(walk[:1]) == 2


def failed(*actions: str, split: Any = "train") -> Trajectory:
    episode, steps = Toy().open(TASK), list[StepRecord]()
    for action in actions:
        seen = episode.step(Action(text=action))
        steps.append(step(len(steps), action, seen.observation))
    return Trajectory(
        id="r1", env="toy", task=TASK.id, task_key=TASK.key, task_type="bring", split=split,
        goal=TASK.goal, seed=TASK.seed, model="student", steps=tuple(steps),
        first_observation=episode.first.observation, score=Score(value=0.0, passed=False),
    )  # fmt: skip


def toolbox(able: Callable[[Step], bool] = lambda _seen: True, *, close: float = 1.0) -> Toolbox:
    """One skill, that goes the way from where it is able to."""

    class Hands:
        def offers(self, goal: str, env: str, here: tuple[str, ...]) -> list[Offer]:
            call = Call(skill="S1", version=1, name="bring", arguments={"x": "spoon"})
            return [Offer(call=call, similarity=close)]

        def proceed(
            self, call: Call, goal: str, tools: object, past: list[tuple[Action, Step]]
        ) -> Action | Played:
            if not able(past[0][1]):
                return Played(claimed=False)
            return Action(text=WAY[len(past) - 1]) if len(past) <= len(WAY) else Played()

    return cast("Toolbox", Hands())


def test_it_is_tried_where_the_student_got_lost_then_ever_earlier_at_last_from_the_beginning() -> (
    None
):
    walk = [step(n, f"go to desk {n % 12}", "A desk.") for n in range(50)]
    assert places(walk) == (12, 10, 9, 7, 5, 3, 2, 0)
    assert places(walk[:2]) == (2, 1, 0)
    assert places([]) == (0,)


def test_the_first_place_with_a_way_out_is_taken_and_only_the_way_out_is_learnt() -> None:
    lost = failed(WRONG[0], WRONG[1], WRONG[2], WRONG[0], WRONG[0])
    assert lost_at(lost.steps) == 3

    found = take_over(lost, Toy(), TASK, toolbox())

    assert found is not None
    assert [one.action for one in found.steps] == [WRONG[0], WRONG[1], *WAY]
    assert found.score is not None
    assert found.score.passed
    row = taught(found)
    weights = [m["weight"] for m in row.messages if m["role"] == "assistant"]
    assert weights == [0, 0, 1, 1, 1]
    assert (row.metadata.made, row.metadata.outcome) == ("spliced", True)


def test_a_skill_that_only_finds_out_from_the_beginning_goes_the_whole_way() -> None:
    lost = failed(WRONG[0], WRONG[1], WRONG[0], WRONG[0], WRONG[0])

    found = take_over(
        lost, Toy(), TASK, toolbox(lambda seen: seen.observation.startswith("You stand before"))
    )

    assert found is not None
    assert [one.action for one in found.steps] == WAY
    assert all(one.skill for one in found.steps)


@pytest.mark.parametrize(
    ("lost", "hands"),
    [
        (failed(WRONG[0], WRONG[0]), toolbox(lambda _seen: False)),
        (failed(WRONG[0], WRONG[0]), toolbox(close=0.8)),
        (failed(*WAY).model_copy(update={"score": Score(value=1.0, passed=True)}), toolbox()),
    ],
)
def test_without_a_way_out_a_proven_skill_or_a_failure_nothing_is_taken_over(
    lost: Trajectory, hands: Toolbox
) -> None:
    assert take_over(lost, Toy(), TASK, hands) is None


def test_held_out_tasks_are_left_alone() -> None:
    held = Toy().tasks("val")[0]
    assert take_over(failed(WRONG[0], WRONG[0]), Toy(), held, toolbox()) is None
