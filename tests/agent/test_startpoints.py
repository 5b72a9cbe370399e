"""Which states in the middle of episodes are begun at, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.curriculum import Tried
from agent.startpoints import FromStarts, mined, whole
from envs.midway import Midway
from envs.toy import COLOURS, Toy
from envs.types import Action, Task
from memory.types import StepRecord, Trajectory

TOY = Toy()
TASK, OTHER, THIRD = TOY.tasks("train")[0:18:6]
RIGHT = {
    task.id: [one.text for one in TOY.open(task).demonstrate()] for task in (TASK, OTHER, THIRD)
}


def run(name: str, task: Task, lines: Sequence[str], *, env: Toy | Midway = TOY) -> Trajectory:
    """A run as the ledger keeps it."""
    episode = env.open(task)
    steps = [
        StepRecord(index=n, action=line, observation=episode.step(Action(text=line)).observation)
        for n, line in enumerate(lines)
    ]
    return Trajectory(
        id=name,
        env=env.name,
        task=task.id,
        task_key=task.key,
        task_type="bring",
        split="train",
        goal=task.goal,
        seed=task.seed,
        steps=tuple(steps),
        score=episode.score(),
    )


def wrong(task: Task, *, after: int = 1) -> list[str]:
    """The right way, and then drawers only."""
    way = RIGHT[task.id]
    others = [f"open {colour} drawer" for colour in COLOURS if colour not in way[0]]
    return [*way[:after], *others[: 5 - after]]


RUNS = [
    run("a1", TASK, RIGHT[TASK.id]),
    run("a2", TASK, wrong(TASK)),
    run("a3", TASK, RIGHT[TASK.id]),
    run("a4", TASK, wrong(TASK)),
    *(run(f"b{n}", OTHER, RIGHT[OTHER.id]) for n in range(4)),
    *(run(f"c{n}", THIRD, wrong(THIRD)) for n in range(4)),
]


@pytest.mark.paper("exit")
def test_states_from_where_it_can_go_either_way_are_begun_at_and_come_out_the_same(
    mechanism: bool,
) -> None:
    scored = mined(TOY, RUNS) if mechanism else []
    assert len(scored) >= 4
    top = scored[0]
    assert (top.start.task, len(top.start.actions)) == (TASK.id, 1)
    assert (top.won, top.played, top.worth) == (2, 4, pytest.approx(0.5, abs=0.01))
    assert top.worth > max(one.worth for one in scored if one.start.task != TASK.id)

    world = Midway(TOY, [one.start for one in scored])
    sampler = FromStarts(world.tasks("train"), scored)
    first = sampler.next(1, [])[0]
    assert first.id == top.start.id
    lived = TOY.open(TASK)
    step = lived.step(Action(text=RIGHT[TASK.id][0]))
    for _ in range(3):
        episode = world.open(first)
        assert episode.first.admissible == step.admissible
        assert episode.first.observation.endswith(step.observation)

    known = [Tried(kind="bring", key=TASK.key, won=True, task=first.id)] * 30
    assert sampler.next(1, known)[0].id != first.id


def test_the_end_of_an_undecided_stretch_is_kept_and_each_task_has_its_bound() -> None:
    late = [run("a", TASK, RIGHT[TASK.id]), run("b", TASK, wrong(TASK, after=2))]
    found = mined(TOY, late)
    assert [len(one.start.actions) for one in found if one.played == 2] == [2]
    assert len(mined(TOY, RUNS, each=1)) == 3
    assert len(mined(TOY, RUNS, most=1)) == 1
    assert mined(TOY, []) == []


def test_runs_that_are_held_out_or_went_another_way_give_no_start() -> None:
    held = [one.model_copy(update={"split": "val"}) for one in RUNS]
    assert mined(TOY, held) == []
    assert mined(Toy(secret=3), RUNS) == []


def test_a_solved_run_from_a_start_is_a_way_through_the_task_only_as_a_whole() -> None:
    (top, *_) = mined(TOY, RUNS)
    world = Midway(TOY, [top.start])
    (task,) = world.tasks("train")
    won = run("m1", task, RIGHT[TASK.id][1:], env=world)
    assert won.env == "midway:toy"
    way = whole(TOY, top.start, won)
    assert way is not None
    assert (way.task, list(way.actions), way.run) == (TASK, RIGHT[TASK.id], "m1")
    assert whole(TOY, top.start, run("m2", task, ["open red drawer"], env=world)) is None
    slow = [*["wait"] * 3, *RIGHT[TASK.id][1:]]
    assert whole(TOY, top.start, run("m3", task, slow, env=world)) is None
