"""A goal that is only known when its page is open is the one that is played and kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from agent.runner import run
from envs.toy import Toy, ToyEpisode
from envs.types import Env, Split, Task
from server.commands.run import choose
from tests.agent.test_graph import place, spec, task_for


class Late(Toy):
    """Tells what is wanted when a task is opened only."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {task.id: task for task in self.tasks("train")}

    def open(self, task: Task, *, seed: int | None = None) -> ToyEpisode:
        """The task with its goal."""
        return super().open(self.known[task.id], seed=seed)


async def test_the_goal_of_the_open_episode_is_played_and_kept(tmp_path: Path) -> None:
    whole = task_for("spoon")
    late = whole.model_copy(update={"goal": "The page says what to do."})
    async with place(tmp_path) as home_:
        done = await run(await home_.crew(), Late(), spec(late))
        stored = home_.ledger.trajectory(done.id)
    assert stored.goal == whole.goal
    assert re.match("Bring me the spoon", stored.goal)


class Seeded(Toy):
    """Any seed makes a task; three are listed."""

    def tasks(self, split: Split) -> Sequence[Task]:
        """Those that are listed."""
        return tuple(self.task("brick", seed=seed) for seed in range(3) if split == "train")

    def task(self, name: str, *, seed: int = 0) -> Task:
        """Any."""
        return Task(id=f"{name}-{seed}", env="toy", goal="g", key="k", split="train", tags=(name,),
            seed=seed)  # fmt: skip


def test_a_seed_that_is_not_listed_can_be_run() -> None:
    env: Env = Seeded()
    assert choose(env, "train", n=1, task_id="brick", seed=2)[0].id == "brick-2"
    assert choose(env, "train", n=1, task_id="brick", seed=77)[0].id == "brick-77"
