"""Luck does not hold on follow-ups: a right answer for a wrong reason is not exported."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from distill.followups import again, nearby, preferred, sifted
from distill.rows import rows
from envs.errors import EnvError
from envs.toy import Toy
from envs.types import Action, Score, Split, Step, Task, ToolSpec
from memory.types import StepRecord, Trajectory

RIGHT, LUCKY = ("look", "open the marked box"), ("open the left box",)


class Boxes:
    """A prize in one of two boxes, which one by the seed; looking marks it."""

    name = "boxes"

    def tasks(self, split: Split) -> Sequence[Task]:
        return tuple(
            Task(id=f"{split}/{n}", env="boxes", goal="Find it.", key=f"k{n}", split=split, seed=n)
            for n in range(0, 40, 10)
        )

    def open(self, task: Task, *, seed: int | None = None) -> Opened:
        if seed == 13:
            raise EnvError("the box is stuck", repair="take another")
        return Opened(task, left=(task.seed if seed is None else seed) % 2 == 0)

    def close(self) -> None:
        pass


class Opened:
    def __init__(self, task: Task, *, left: bool) -> None:
        self.task = task
        self.first = Step(observation="Two boxes.")
        self._left, self._looked, self._won, self._over = left, False, False, False

    @property
    def tools(self) -> Sequence[ToolSpec]:
        return ()

    def step(self, action: Action) -> Step:
        if self._over:
            raise EnvError("it is over", repair="open it again")
        if action.text == "look":
            self._looked = True
            return Step(observation="One box is marked.")
        guess = {"open the left box": self._left, "open the marked box": self._looked}
        self._won, self._over = guess.get(action.text, False), True
        return Step(observation="Open.", terminated=True)

    def score(self) -> Score:
        return Score(value=float(self._won), passed=self._won)

    def close(self) -> None:
        pass


def run(name: str, way: Sequence[str], *, env: str = "boxes") -> Trajectory:
    return Trajectory(
        id=name, env=env, task="train/10", task_key="k10", split="train", goal="Find it.", seed=10,
        steps=tuple(StepRecord(index=n, action=a, observation="") for n, a in enumerate(way)),
        score=Score(value=1.0, passed=True),
    )  # fmt: skip


@pytest.mark.paper("crest")
def test_a_lucky_run_fails_its_follow_ups_and_is_not_exported(mechanism: bool) -> None:
    env = Boxes()
    found = [run("right", RIGHT), run("lucky", LUCKY)]
    for one in found:  # Both are right on the task itself.
        assert again(env)(one, env.tasks("train")[1], 10)
    floor = 0.75 if mechanism else 0.0
    told = sifted(found, again(env), siblings=nearby(env.tasks("train")), floor=floor)
    exported = [row.metadata.trajectory for row in rows(told.of(found))]
    assert exported == ["right"]
    assert [(one.trajectory, one.tried) for one in told.dropped] == [("lucky", 7)]


def test_ratings_give_pairs_for_preference_training() -> None:
    env = Boxes()
    found = [run("lucky", LUCKY), run("right", RIGHT)]
    told = sifted(found, again(env), siblings=nearby(env.tasks("train")))
    assert list(preferred(told)) == [("right", "lucky")]
    assert told.said() == "1 dropped by follow-ups, 1 kept, 0 untried"


def test_runs_without_follow_ups_stay_and_failures_are_not_rated() -> None:
    lost = run("lost", LUCKY).model_copy(update={"score": Score(value=0.0, passed=False)})
    found = [run("alone", RIGHT), lost]
    told = sifted(found, again(Boxes()), siblings=lambda _run: ())
    assert [(one.trajectory, one.rate) for one in told.kept] == [("alone", None)]
    assert told.dropped == ()
    assert [one.id for one in told.of(found)] == ["alone", "lost"]


def test_a_broken_environment_fails_the_follow_up() -> None:
    task = Boxes().tasks("train")[0]
    assert not again(Boxes())(run("r", RIGHT), task, 13)
    assert not again(Boxes())(run("r", ()), task, 1)


def test_follow_ups_are_train_tasks_only_and_bounded() -> None:
    tasks = [task for split in ("train", "val") for task in Toy().tasks(split)]
    spoon = next(t for t in tasks if t.tags[1] == "spoon")
    one = run("r", ("open red drawer",), env="toy").model_copy(
        update={"task": spoon.id, "goal": spoon.goal, "seed": spoon.seed}
    )
    found = nearby(tasks, most=3, seeds=2)(one)
    assert [seed for task, seed in found if task.id == spoon.id] == [spoon.seed + 1, spoon.seed + 2]
    others = [task for task, _ in found if task.id != spoon.id]
    assert len(others) == 3
    assert {(task.split, task.goal) for task in others} == {("train", spoon.goal)}


def test_what_knows_its_reason_holds_in_the_toy_cabinet() -> None:
    env = Toy()
    task = env.tasks("train")[0]
    way = [action.text for action in env.open(task).demonstrate()]
    one = run("r", way, env="toy").model_copy(update={"task": task.id, "goal": task.goal})
    told = sifted([one], again(env), siblings=nearby(env.tasks("train")))
    assert (told.kept[0].tried, told.kept[0].rate) == (8, 1.0)
