"""Ways through tasks: an expert's, or what the agent did, as far as it still holds."""

from __future__ import annotations

from typing import Any

import pytest

from envs.errors import Refused
from envs.toy import Toy
from envs.types import Score
from memory.types import StepRecord, Trajectory
from skills.showing import by_chance, demonstrated, replayed


def test_an_expert_shows_a_train_task(station: Any) -> None:
    env = station()
    task = env.tasks("train")[0]
    way = demonstrated(env, task)
    assert way is not None
    assert (way.task, way.author, way.run) == (task, "expert", "")
    assert len(way.actions) == len(way.steps)
    assert way.actions[-1] == "transmit report"
    assert way.steps[-1].terminated


def test_no_task_but_of_train_is_shown(station: Any) -> None:
    with pytest.raises(Refused, match="no demonstration"):
        demonstrated(station(), station().tasks("val")[0])
    with pytest.raises(Refused, match="no demonstration on test"):
        demonstrated(Toy(), Toy().tasks("test")[0])


def test_nothing_of_the_answer_key_is_shown(station: Any) -> None:
    env = station()
    way = demonstrated(env, env.tasks("train")[0])
    assert way is not None
    assert all(one.reward is None and one.info == {} for one in (way.first, *way.steps))
    assert "lies" not in way.model_dump_json()


def test_an_expert_that_fails_shows_nothing(station: Any) -> None:
    env = station()
    task = env.tasks("train")[0]
    short = task.model_copy(update={"limits": task.limits.model_copy(update={"steps": 2})})
    assert demonstrated(env, short) is None


def run_of(way: Any, **fields: Any) -> Trajectory:
    steps = tuple(
        StepRecord(index=number, action=action, observation=step.observation)
        for number, (action, step) in enumerate(zip(way.actions, way.steps, strict=True))
    )
    given = {
        "id": "r1",
        "env": "toy",
        "task": way.task.id,
        "task_key": way.task.key,
        "split": "train",
        "goal": way.task.goal,
        "seed": way.task.seed,
        "steps": steps,
        "score": Score(value=1.0, passed=True),
    }
    return Trajectory.model_validate({**given, **fields})


def test_a_solved_run_is_played_again() -> None:
    env = Toy()
    way = demonstrated(env, env.tasks("train")[3])
    again = replayed(env, run_of(way))
    assert way is not None
    assert again is not None
    assert (again.author, again.run) == ("own", "r1")
    assert (again.actions, again.steps, again.first) == (way.actions, way.steps, way.first)


def test_a_run_that_goes_otherwise_now_is_left_out() -> None:
    env = Toy()
    way = demonstrated(env, env.tasks("train")[3])
    run = run_of(way)
    assert replayed(Toy(secret=5), run) is None
    lie = run.steps[1].model_copy(update={"observation": "You win."})
    forged = run.model_copy(update={"steps": (run.steps[0], lie, *run.steps[2:])})
    assert replayed(env, forged) is None
    assert replayed(env, run.model_copy(update={"steps": run.steps[:-1]})) is None
    assert replayed(env, run.model_copy(update={"steps": (*run.steps, run.steps[-1])})) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"score": Score(value=0.0, passed=False)},
        {"score": None},
        {"task": "val/61/spoon"},
        {"task": "nowhere"},
    ],
)
def test_runs_that_prove_nothing_are_left_out(fields: dict[str, Any]) -> None:
    way = demonstrated(Toy(), Toy().tasks("train")[3])
    assert replayed(Toy(), run_of(way, **fields)) is None


def test_only_the_last_attempt_is_a_way() -> None:
    env = Toy()
    way = demonstrated(env, env.tasks("train")[3])
    run = run_of(way)
    wrong = [
        StepRecord(index=n, action="open red drawer", observation="wrong", attempt=0)
        for n in range(5)
    ]
    right = [one.model_copy(update={"attempt": 1}) for one in run.steps]
    again = replayed(env, run.model_copy(update={"steps": (*wrong, *right)}))
    assert again is not None
    assert len(again.actions) == 3


def test_calls_of_tools_are_played_again_as_calls(adder: Any) -> None:
    env = adder()
    task = env.tasks("train")[0]
    way = demonstrated(env, task)
    assert way is not None
    lines = [action.model_dump_json(include={"tool", "arguments"}) for action in env.asked]
    assert (list(way.actions), "add" in lines[0], "total" in lines[0]) == (lines, True, True)
    before = list(env.asked)
    again = replayed(env, run_of(way, env="adder"))
    assert again is not None
    assert again.actions == way.actions
    assert env.asked == before * 2


def test_tasks_are_spread_over_types_and_keys() -> None:
    tasks = [
        one.model_copy(update={"tags": (kind, *one.tags[1:]), "key": f"{kind} {n // 2}"})
        for n, one in enumerate(Toy().tasks("train")[:30])
        for kind in ("ab" if n < 4 else "a")
    ]
    chosen = by_chance(tasks, most=6)
    assert [one.tags[0] for one in chosen] == ["a", "b", "a", "b", "a", "a"]
    assert len({one.key for one in chosen}) == 6
    assert by_chance(tasks, most=6) == chosen
    assert by_chance([], most=6) == []
    assert len(by_chance(tasks, most=1000)) == 17
