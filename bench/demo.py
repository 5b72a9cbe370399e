"""The demonstration: learn in some houses, then play unseen ones with memory off and on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.chance import RandomChoice
from agent.home import Home
from agent.runner import Crew, Spec, run
from envs.types import Env, Frozen, Task
from memory.intervals import wilson
from memory.types import Trajectory

LEVEL = "household:nook"
"""Houses in which the embedded model neither always nor never wins."""


class Arm(Frozen):
    """The runs of one arm."""

    name: str
    """What is different about it."""
    runs: tuple[Trajectory, ...]
    """One for each task, in the tasks' order."""

    @property
    def won(self) -> int:
        """How many were solved; a run that broke is not."""
        return sum(bool(run.score and run.score.passed) for run in self.runs)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the rate (Wilson)."""
        return wilson(self.won, len(self.runs))


class Demo(Frozen):
    """What the demonstration brought."""

    model: str
    """Model of the solver."""
    learned: tuple[Trajectory, ...]
    """Runs on train tasks, which wrote lessons."""
    arms: tuple[Arm, ...]
    """The same unseen tasks, arm by arm."""
    seconds: float
    """Wall-clock seconds, installation excluded."""


Progress = Callable[[str, int, int, Trajectory], None]
"""Told after each run: phase, number, total, the run."""


async def demo(home: Home, *, train: int, val: int, progress: Progress) -> Demo:
    """Plays `train` tasks to learn from, then `val` tasks of other houses in three arms."""
    began = time.monotonic()
    env = await home.env(LEVEL)
    crew = await home.crew()
    luck = replace(crew, strategy=RandomChoice())
    lessons = env.tasks("train")[:train]
    learned = await _play(
        "learning", crew, env, lessons, Spec(task=lessons[0], arm="learning", guard=True), progress
    )
    unseen = env.tasks("val")[:val]
    base = Spec(task=unseen[0], learn=False, guard=True)
    arms = []
    for name, who, recall in (
        ("random player", luck, False),
        ("memory off", crew, False),
        ("memory on", crew, True),
    ):
        spec = base.model_copy(update={"arm": name, "recall": recall})
        runs = await _play(name, who, env, unseen, spec, progress)
        arms.append(Arm(name=name, runs=tuple(runs)))
    return Demo(
        model=crew.model.name,
        learned=tuple(learned),
        arms=tuple(arms),
        seconds=time.monotonic() - began,
    )


async def _play(
    phase: str, crew: Crew, env: Env, tasks: Sequence[Task], spec: Spec, progress: Progress
) -> list[Trajectory]:
    done = []
    for number, task in enumerate(tasks):
        chosen = spec.model_copy(update={"task": task, "seed": task.seed})
        done.append(await run(crew, env, chosen))
        progress(phase, number + 1, len(tasks), done[-1])
    return done


class Use(Frozen):
    """A lesson that came up in a run."""

    lesson: str
    """Its id."""
    text: str
    """What the solver read."""
    source: str
    """Run and steps it comes from."""
    task: str
    """Task in which it came up."""
    step: int
    """Step at which it first came up."""
    similarity: float
    """Cosine similarity of query and situation."""
    solved: bool
    """Whether that run solved its task."""


def uses(arm: Arm) -> list[Use]:
    """Which lessons were recalled where, in the order of the runs."""
    found: list[Use] = []
    for trajectory in arm.runs:
        known: set[str] = set()
        for step in trajectory.steps:
            for item in step.recalled:
                if item.lesson in known:
                    continue
                known.add(item.lesson)
                source = item.source
                found.append(
                    Use(
                        lesson=item.lesson,
                        text=item.text,
                        source=f"{source.trajectory} {source.first_step}-{source.last_step}",
                        task=trajectory.task,
                        step=step.index,
                        similarity=item.similarity,
                        solved=bool(trajectory.score and trajectory.score.passed),
                    )
                )
    return found
