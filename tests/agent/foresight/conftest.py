"""What the tests of foresight share: a home with a scripted solver, and a hall with a trap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.models.types import Model
from agent.runner import Spec, run
from agent.settings import load
from envs.errors import EnvError
from envs.types import Action, Env, Limits, Score, Split, Step, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory

Policy = Callable[[Sequence[dict[str, Any]], dict[str, Any] | None], Any]


@asynccontextmanager
async def opened(
    folder: Path, policy: Policy, *, writer: Model | None = None, **more: Any
) -> AsyncIterator[Home]:
    """A home in `folder` whose solver answers by `policy`; without a writer, rules write."""
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    low = {"drafts": "plain", "withhold": False, "floor": 0.3, "budget_tokens": 256, "sway": 0}
    more["memory"] = {**low, **more.get("memory", {})}
    models: dict[str, Model] = {"model": PolicyModel(policy)}
    if writer is not None:
        more["reflector"] = {"name": "writer"}
        more["memory"]["drafts"] = "written"
        models["reflector"] = writer
    options = load(home=str(folder), **more)
    async with home(options, memory=memory, models=models) as place:
        yield place


async def played(place: Home, env: Env, tasks: Sequence[Task], **spec: Any) -> list[Trajectory]:
    crew = await place.crew()
    return [await run(crew, env, Spec(task=t, seed=t.seed, **spec)) for t in tasks]


def choices(schema: dict[str, Any] | None) -> list[str]:
    assert schema is not None
    return schema["properties"]["action"]["enum"]


DOORS = {"brass": "lamp room", "oak": "stairs", "glass": "garden"}


class HallEpisode:
    """From the hall a brass door leads to a room with a golden sign, whose floor gives way; an oak
    door leads to stairs, and these to the treasure.
    """

    tools = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self._place, self._won, self._lost, self._count = "hall", False, False, 0
        self.first = self._step(f"You are in the hall. {task.goal}")

    def _admissible(self) -> tuple[str, ...]:
        if self._won or self._lost:
            return ()
        ways = {
            "hall": ("open brass door", "open oak door", "open glass door"),
            "lamp room": ("walk to the sign", "stay"),
            "stairs": ("climb", "stay"),
            "tower": ("take treasure", "stay"),
            "garden": ("back to hall",),
        }
        return ways[self._place]

    def _step(self, seen: str) -> Step:
        over = self._won or self._lost
        return Step(
            observation=seen,
            admissible=self._admissible(),
            terminated=over,
            truncated=not over and self._count >= self.task.limits.steps,
        )

    def step(self, action: Action) -> Step:
        if self._won or self._lost or self._count >= self.task.limits.steps:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        verb = action.text
        if verb not in self._admissible() or verb == "stay":
            return self._step("Nothing happens.")
        if verb.startswith("open "):
            self._place = DOORS[verb.split()[1]]
            sign = " A golden sign says: treasure." if self._place == "lamp room" else ""
            return self._step(f"You are in the {self._place}.{sign}")
        if verb == "back to hall":
            self._place = "hall"
            return self._step("You are in the hall again.")
        if verb == "climb":
            self._place = "tower"
            return self._step("You are in the tower. A chest stands here.")
        self._won = verb == "take treasure"
        self._lost = not self._won
        return self._step("You hold the treasure." if self._won else "The floor gives way.")

    def score(self) -> Score:
        return Score(value=float(self._won), passed=self._won)

    def close(self) -> None:
        pass


class Hall:
    """Tasks that differ in whom the treasure is for."""

    name = "hall"

    def tasks(self, split: Split) -> Sequence[Task]:
        base = {"train": 0, "val": 10, "test": 20}.get(split)
        numbers = range(base, base + 6) if base is not None else ()
        return tuple(
            Task(
                id=f"{split}/{n}",
                env="hall",
                goal=f"Find the treasure for guest {n}.",
                key=f"treasure {n}",
                split=split,
                seed=n,
                limits=Limits(steps=6),
                tags=("find",),
            )
            for n in numbers
        )

    def open(self, task: Task, *, seed: int | None = None) -> HallEpisode:
        return HallEpisode(task)

    def close(self) -> None:
        pass


def follows(*ways: tuple[str, ...]) -> Policy:
    """A solver that takes these ways in turn, one a run; then what stands first."""
    left = list(ways)
    now: list[str] = []

    def policy(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        if not any(m["role"] == "assistant" for m in messages) and left:
            now[:] = left.pop(0)
        return {"action": now.pop(0) if now and now[0] in choices(schema) else choices(schema)[0]}

    return policy


@pytest.fixture
def home_at() -> Any:
    """Opens a home in a folder: `home_at(folder, policy, writer=None, **settings)`."""
    return opened


@pytest.fixture
def plays() -> Any:
    """Plays tasks one after the other in a home."""
    return played


@pytest.fixture
def script() -> Callable[..., Policy]:
    """Solvers that take given ways, one a run, then what stands first."""
    return follows


@pytest.fixture
def hall() -> Hall:
    """The environment with the trap."""
    return Hall()
