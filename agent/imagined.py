"""An environment that is nothing but a learned model of another one: `imagined:NAME`.

It is opened, stepped and closed like any other, and what is played in it costs nothing real. Its
runs are imagined: told by the name of their environment (`distill.rows_synthetic.tag_of`), never
scored, so no evidence for anything; nothing is learnt from them, and they stand in training rows
only where they are asked for.
Source: Fang et al. 2025, WebEvolver, arXiv 2504.21024 (catalogue row `webevolver`).
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.worldmodel import WorldModel, place_after, transitions
from distill.rows_synthetic import IMAGINED, tag_of
from envs.errors import EnvError, Missing, UnknownName
from envs.types import Action, Limits, Split, Step, Task, ToolSpec
from memory.types import Trajectory

UNKNOWN = "Nobody knows what that leads to."
"""What stands there after a step that the model can't foretell; the episode is cut off by it."""


class ImaginedEpisode:
    """One attempt in the model. It ends by itself only where the goal is seen to be reached."""

    tools: Sequence[ToolSpec] = ()

    def __init__(self, task: Task, model: WorldModel, *, first: str) -> None:
        self.task = task
        self._model = model
        self._count = 0
        self._place = first
        self.first = self._now = Step(observation=first, admissible=model.actions(first))

    def step(self, action: Action) -> Step:
        """What the model foretells; raises `EnvError` after the end."""
        if self._now.terminated or self._now.truncated:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        told = self._model.predict(self._place, action.text, goal=self.task.goal)
        seen = UNKNOWN if told is None else told.observation
        self._place = place_after(self._place, seen)
        ways = self._model.actions(self._place)
        reached = told is not None and told.ended and told.worth > 0
        dead = told is None or told.ended or not ways or self._count >= self.task.limits.steps
        self._now = Step(
            observation=seen,
            admissible=ways,
            terminated=reached,
            truncated=dead and not reached,
            info={"seen": told.seen if told else 0},
        )
        return self._now

    def score(self) -> None:
        """None: nothing has happened."""
        return

    def close(self) -> None:
        """Nothing to free."""


class Imagined:
    """The train tasks of an environment as far as they were played, in a model of it."""

    def __init__(self, env: str, runs: Sequence[Trajectory]) -> None:
        played = [
            run
            for run in runs
            if run.split == "train" and not run.error and tag_of(env=run.env, arm=run.arm) is None
        ]
        self.name = f"{IMAGINED}:{env}"
        self._model = WorldModel(transitions(played))
        self._first: dict[str, str] = {}
        self._tasks: dict[str, Task] = {}
        for run in played:
            self._first[run.task] = run.first_observation
            self._tasks[run.task] = Task(
                id=run.task,
                env=self.name,
                goal=run.goal,
                key=run.task_key,
                split="train",
                seed=run.seed,
                limits=Limits(steps=max(1, 2 * max(len(one.steps) for one in played))),
                tags=(run.task_type,) if run.task_type else (),
            )
        if not self._tasks:
            raise Missing(
                f"no train runs of {env} to learn a model from",
                repair=f"run `journeyman run {env}`",
            )

    def tasks(self, split: Split) -> Sequence[Task]:
        """Those that were played, for `train`."""
        return tuple(self._tasks.values()) if split == "train" else ()

    def open(self, task: Task, *, seed: int | None = None) -> ImaginedEpisode:
        """An episode as it began when it was last played; a seed changes nothing."""
        del seed
        if task.id not in self._first:
            raise UnknownName("imagined task", task.id, self._tasks)
        return ImaginedEpisode(task, self._model, first=self._first[task.id])

    def close(self) -> None:
        """Nothing to free."""
