"""States in the middle of episodes as tasks."""

from __future__ import annotations

import pytest

from envs.check import check
from envs.errors import EnvError, Refused, UnknownName
from envs.midway import Midway, Start, met
from envs.toy import Toy
from envs.types import Action

TOY = Toy()
TASK = TOY.tasks("train")[0]
WAY = TOY.open(TASK).demonstrate()


def start(**other: object) -> Start:
    return met(TOY, TASK, WAY[:2], seed=5, run="r1").model_copy(update=other)


def test_an_episode_begins_where_the_way_led_and_is_scored_as_its_task_is() -> None:
    world = Midway(TOY, [start()])
    (task,) = world.tasks("train")
    assert (task.key, task.goal, task.seed) == (TASK.key, TASK.goal, 5)
    assert task.tags[-2:] == ("own", "midway")
    assert task.tags[0] == TASK.tags[0]
    episode = world.open(task)
    lived = TOY.open(TASK, seed=5)
    steps = [lived.step(action) for action in WAY[:2]]
    assert episode.first.admissible == steps[-1].admissible
    assert f"> {WAY[1].text}\n{steps[1].observation}" in episode.first.observation
    assert not episode.score().passed  # type: ignore[union-attr]
    assert episode.step(WAY[2]).terminated
    assert episode.score().passed  # type: ignore[union-attr]


def test_there_are_as_many_steps_from_there_as_the_task_has() -> None:
    episode = Midway(TOY, [start()]).open(Midway(TOY, [start()]).tasks("train")[0])
    ends = [episode.step(Action(text="wait")).truncated for _ in range(TASK.limits.steps)]
    assert ends == [False] * (TASK.limits.steps - 1) + [True]


def test_every_split_but_train_is_empty_and_the_rules_of_environments_hold() -> None:
    world = Midway(TOY, [start(), met(TOY, TASK, WAY[:1], seed=0)])
    assert [world.tasks(split) for split in ("val", "test", "seen", "unseen")] == [()] * 4
    assert [one for one in check(world) if not one.holds] == []
    assert world.name == "midway:toy"


def test_what_comes_out_otherwise_is_no_start() -> None:
    other = Midway(Toy(secret=4), [start()])
    with pytest.raises(EnvError, match="goes another way now"):
        other.open(other.tasks("train")[0])
    with pytest.raises(UnknownName, match="no start named 'x'"):
        other.open(TASK.model_copy(update={"id": "x"}))
    with pytest.raises(UnknownName, match="no train task named 'nowhere'"):
        Midway(TOY, [start(task="nowhere")])


def test_a_start_is_of_train_undecided_and_as_it_was() -> None:
    val = TOY.tasks("val")[0]
    with pytest.raises(Refused, match="is of val"):
        met(TOY, val, WAY[:1], seed=0)
    with pytest.raises(Refused, match="over within 3 actions"):
        met(TOY, TASK, WAY, seed=0)
    with pytest.raises(Refused, match="play the task itself"):
        met(TOY, TASK, (), seed=0)
    with pytest.raises(Refused, match="goes another way"):
        met(TOY, TASK, WAY[:1], seed=0, seen=["A bird sings."])
