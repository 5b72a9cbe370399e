"""A failed way and a solved one, put together where both saw the same."""

from __future__ import annotations

from collections.abc import Sequence

from agent.joining import joined, joints
from agent.takeover import taught
from envs.toy import COLOURS, Toy
from envs.types import Action, Task
from memory.types import StepRecord, Trajectory


def walked(env: Toy, task: Task, actions: Sequence[str], *, name: str) -> Trajectory:
    """What comes of these actions."""
    episode = env.open(task)
    steps = []
    for number, action in enumerate(actions):
        seen = episode.step(Action(text=action))
        steps.append(StepRecord(index=number, action=action, observation=seen.observation))
    return Trajectory(
        id=name,
        env="toy",
        task=task.id,
        task_key=task.key,
        split=task.split,
        goal=task.goal,
        seed=task.seed,
        steps=tuple(steps),
        score=episode.score(),
        attempts=1,
    )


def pair(env: Toy, task: Task) -> tuple[Trajectory, Trajectory]:
    """One that opens the right drawer and goes on searching, and one that takes what is there."""
    thing = task.tags[1]
    home = next(
        colour
        for colour in COLOURS
        if f"a {thing}" in env.open(task).step(Action(text=f"open {colour} drawer")).observation
    )
    others = [f"open {colour} drawer" for colour in COLOURS if colour != home]
    found = f"open {home} drawer"
    failed = walked(env, task, [others[0], found, *others[1:4]], name="lost")
    return failed, walked(env, task, [found, f"take {thing}", f"give {thing}"], name="won")


def test_the_rest_of_a_solved_way_is_played_where_the_failed_one_passed_by() -> None:
    env = Toy()
    task = env.tasks("train")[0]
    failed, solved = pair(env, task)
    assert failed.score is not None and not failed.score.passed
    run = joined(failed, solved, env, task)
    assert run is not None and run.score is not None and run.score.passed
    assert [step.action for step in run.steps] == [
        *(step.action for step in failed.steps[:2]),
        *(step.action for step in solved.steps[1:]),
    ]
    assert [step.skill for step in run.steps] == ["", "", "won", "won"]


def test_only_what_the_teacher_did_is_learnt() -> None:
    env = Toy()
    task = env.tasks("train")[0]
    run = joined(*pair(env, task), env, task)
    assert run is not None
    said = [turn for turn in taught(run).messages if turn["role"] == "assistant"]
    assert [turn["weight"] for turn in said] == [0.0, 0.0, 1.0, 1.0]


def test_tasks_that_are_not_to_be_learnt_from_are_left_alone_and_so_is_another_task() -> None:
    env = Toy()
    held, task, other = env.tasks("val")[0], env.tasks("train")[0], env.tasks("train")[1]
    assert joined(*pair(env, held), env, held) is None
    assert joined(pair(env, task)[0], pair(env, other)[1], env, task) is None
    failed, solved = pair(env, task)
    assert joined(solved, solved, env, task) is None
    assert joined(failed, failed, env, task) is None


def test_the_shortest_rest_comes_first_and_only_where_they_part() -> None:
    def way(*pairs: tuple[str, str]) -> list[StepRecord]:
        return [StepRecord(index=n, action=a, observation=o) for n, (a, o) in enumerate(pairs)]

    failed = way(("a", "hall"), ("b", "bed"), ("c", "desk"), ("d", "shelf"))
    solved = way(("a", "hall"), ("x", "bath"), ("b", "bed"), ("take", "taken"))
    assert list(joints(failed, solved)) == [(2, 3), (1, 1)]
    assert list(joints(failed, failed)) == []
