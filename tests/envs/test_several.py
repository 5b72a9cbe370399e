"""Several tasks as one."""

from __future__ import annotations

import pytest

from envs.check import check
from envs.errors import EnvError, Refused, UnknownName
from envs.several import Several, SeveralTasks
from envs.toy import Toy
from envs.types import Action

TOY = Toy()
FIRST, SECOND = [task for task in TOY.tasks("train") if task.seed == 0][:2]
GOAL = Several(words="Bring me both.", parts=(FIRST.id, SECOND.id))
WAYS = [TOY.open(task).demonstrate() for task in (FIRST, SECOND)]


def test_it_is_reached_when_each_part_is_by_its_own_score() -> None:
    world = SeveralTasks(TOY, [GOAL])
    (task,) = world.tasks("train")
    assert (task.goal, task.limits.steps) == ("Bring me both.", 10)
    assert task.tags == ("several", "own")
    episode = world.open(task)
    assert "Bring me both." in episode.first.observation
    assert FIRST.goal not in episode.first.observation
    steps = [episode.step(action) for action in WAYS[0]]
    assert steps[-1].observation == f"Thank you for the {FIRST.tags[1]}."
    assert episode.score().value == 0.5  # type: ignore[union-attr]
    steps = [episode.step(action) for action in WAYS[1]]
    assert steps[-1].terminated
    assert episode.score().passed  # type: ignore[union-attr]
    with pytest.raises(EnvError, match="over"):
        episode.step(Action(text="open red drawer"))


def test_it_keeps_the_rules_of_environments_and_is_for_training_only() -> None:
    world = SeveralTasks(TOY, [GOAL])
    assert [one for one in check(world) if not one.holds] == []
    assert world.tasks("val") == ()


def test_a_goal_has_two_parts_at_least_and_of_train() -> None:
    with pytest.raises(Refused, match="fewer than two parts"):
        SeveralTasks(TOY, [Several(words="x", parts=(FIRST.id, FIRST.id))])
    held = TOY.tasks("val")[0].id
    with pytest.raises(UnknownName, match="no train task"):
        SeveralTasks(TOY, [Several(words="x", parts=(FIRST.id, held))])
    with pytest.raises(UnknownName, match="no goal named"):
        SeveralTasks(TOY, [GOAL]).open(FIRST)
