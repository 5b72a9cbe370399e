"""Examples that the environment's expert makes, on train tasks alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.lab.demonstrations import EACH, TRIED, demonstrated, examples, starting
from envs.errors import Refused
from envs.toy import Toy, ToyEpisode
from envs.types import Action, Env, Task
from memory.text import estimate_tokens


@pytest.fixture
def toy() -> Iterator[Env]:
    env = Toy()
    yield env
    env.close()


class Lost(ToyEpisode):
    def demonstrate(self) -> tuple[Action, ...]:
        return ()


class Hopeless(Toy):
    """Its expert knows nothing."""

    name = "hopeless"

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def open(self, task: Task, *, seed: int | None = None) -> ToyEpisode:
        self.asked += 1
        return Lost(task, homes=self._homes, seed=0)


def test_the_expert_shows_a_train_task_and_no_other(toy: Env) -> None:
    first, steps, solved = demonstrated(toy, toy.tasks("train")[0])
    assert "cabinet" in first
    assert solved
    assert [action.split()[0] for action, _ in steps] == ["open", "take", "give"]
    with pytest.raises(Refused, match="no demonstration on val"):
        demonstrated(toy, toy.tasks("val")[0])


def test_examples_of_a_type_are_train_tasks_within_the_budget(toy: Env) -> None:
    told: list[str] = []
    found = examples(toy, ["bring", "fly"], think=True, tokens=200, told=told.append)
    assert found["fly"] == []
    assert len(found["bring"]) == EACH
    train = {f"demo:{task.id}": task.key for task in toy.tasks("train")}
    for one in found["bring"]:
        assert train[one["id"]] == one["task_key"]
        assert estimate_tokens(one["text"]) <= 200
    assert told == [f"toy: {EACH} example(s) of bring", "toy: 0 example(s) of fly"]


def test_what_arms_start_with_grows_with_the_experiment_and_changes_nothing(toy: Env) -> None:
    val = toy.tasks("val")[:2]
    first = starting({"toy": toy}, val, think=False, tokens=300)
    assert list(first["examples"]) == ["toy/bring"]
    mine = {"examples": {"toy/bring": [{"id": "x", "task_key": "k", "text": "t"}]}}
    again = starting({"toy": toy}, val, think=False, tokens=300, known=mine)
    assert again == mine
    grown = starting(
        {"toy": toy}, [*val, val[0].model_copy(update={"tags": ("fly",)})],
        think=False, tokens=300, known=first,
    )  # fmt: skip
    assert grown["examples"] == {**first["examples"], "toy/fly": []}


def test_a_type_that_no_expert_solves_is_tried_once_and_remembered() -> None:
    env = Hopeless()
    val = [task.model_copy(update={"env": "hopeless"}) for task in env.tasks("val")[:1]]
    first = starting({"hopeless": env}, val, think=False, tokens=300)
    assert (first, env.asked) == ({"examples": {"hopeless/bring": []}}, TRIED)
    assert starting({"hopeless": env}, val, think=False, tokens=300, known=first) == first
    assert env.asked == TRIED
