"""What proposers of a round work with: the agent as it is, train episodes, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.evolving import Bounds
from agent.once import Heard, once
from agent.proposers.types import won
from agent.runner import Crew, Spec
from envs.types import Env, Task
from memory.types import Trajectory, Usage


@dataclass
class Desk:
    """What a proposer of a round works with; it adds what it spends."""

    crew: Crew
    """The agent as it is."""
    env: Env
    """Where it learns."""
    name: str
    """Arm of the runs that are played for it."""
    folder: Path
    """Where it may keep what it has done so far."""
    bounds: Bounds
    """How much it may play."""
    at_once: int = 1
    """Runs at a time."""
    told: Callable[[str], None] = lambda _line: None
    """Where progress goes."""
    label: str = ""
    """What the work is called there; empty: by its name."""
    episodes: int = 0
    """Train episodes that were played for it."""
    usage: Usage = field(default_factory=Usage)
    """What it spent."""
    note: str = ""
    """Why it proposes nothing, in words."""

    async def play(self, crew: Crew, tasks: Sequence[Task], *, arm: str = "") -> list[Trajectory]:
        """One run at each train task by some crew; learns nothing, none that is there twice."""
        name = f"{self.name}/{arm}" if arm else self.name
        label = self.label or self.name
        heard = counted(self.told, f"{label}, {arm}" if arm else label, len(tasks))
        runs = await once(crew, self.env, specs(tasks, name), at_once=self.at_once, heard=heard)
        self.episodes += len(runs)
        self.usage += spent(runs)
        return runs


def specs(tasks: Sequence[Task], arm: str) -> list[Spec]:
    """Runs that compare: they learn nothing, and no task recalls what it left behind itself."""
    return [
        Spec(
            task=task,
            seed=task.seed,
            arm=arm,
            learn=False,
            guard=True,
            chance=f"{task.id}/{task.seed}",
        )
        for task in tasks
    ]


def spent(runs: Sequence[Trajectory]) -> Usage:
    """What runs consumed."""
    total = Usage()
    for run in runs:
        total += run.usage
    return total


def counted(told: Callable[[str], None], what: str, most: int) -> Heard:
    """Tells of each run that is over, and how many were solved so far."""
    seen = [0, 0]

    def heard(run: Trajectory) -> None:
        seen[0] += 1
        seen[1] += won(run)
        how = "solved" if won(run) else "not solved"
        told(
            f"{what}: {how} in {len(run.steps)} steps; {seen[1]} of {seen[0]} so far, {most} in all"
        )

    return heard
