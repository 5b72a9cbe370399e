"""What every room shares about tasks: the types, and the `Env` / `Episode` seam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["train", "val", "test", "seen", "unseen"]
SPLITS: tuple[Split, ...] = ("train", "val", "test", "seen", "unseen")


class Frozen(BaseModel):
    """Data that never changes; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Limits(Frozen):
    """How long one episode may last."""

    steps: int = Field(default=50, ge=1)
    """Actions before the episode is truncated."""
    seconds: float | None = None
    """Wall-clock seconds, or None for no limit."""


class Task(Frozen):
    """One thing to do. Carries no answer."""

    id: str
    """Unique within its environment, stable between machines."""
    env: str
    """Name of the environment that it belongs to."""
    goal: str
    """What is asked, in words, as a player sees it."""
    key: str
    """Goal and place: two tasks with the same key are the same task to every guard."""
    split: Split
    """Which part of the environment's tasks it belongs to."""
    seed: int = 0
    """Default seed of an episode."""
    limits: Limits = Limits()
    """Bounds of one episode."""
    tags: tuple[str, ...] = ()
    """Free words; by convention the first is the type of task."""


class ToolSpec(Frozen):
    """A tool that an episode offers, as in the OpenAI API."""

    name: str
    """Function name."""
    description: str
    """One sentence for the model."""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON schema of the arguments."""


class Action(Frozen):
    """What the agent does: a line of text, or a call of a tool."""

    text: str = ""
    """The command, for environments that take text."""
    tool: str | None = None
    """Name of the tool, for environments that take calls."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the call."""


class Step(Frozen):
    """What the environment answers."""

    observation: str
    """What a player sees."""
    admissible: tuple[str, ...] | None = None
    """The commands that would be understood now, or None where they are not listed."""
    terminated: bool = False
    """The episode ended by itself (for example: the goal is reached)."""
    truncated: bool = False
    """The episode was cut off by its limits."""
    reward: float | None = None
    """Kept from the nodes of a running graph; None where the environment gives none."""
    info: dict[str, Any] = Field(default_factory=dict)
    """Anything else; kept from the nodes of a running graph."""


class Score(Frozen):
    """How well an episode went. Only `Episode.score` makes one."""

    value: float = Field(ge=0.0, le=1.0)
    """From 0 to 1."""
    passed: bool
    """Whether the task counts as solved."""
    parts: dict[str, float] = Field(default_factory=dict)
    """Named components of the value."""
    note: str = ""
    """One line for people."""


@runtime_checkable
class Episode(Protocol):
    """One attempt at one task. Holds the answer key and never gives it away."""

    task: Task
    first: Step
    """What a player sees before the first action."""

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """Tools that may be called; empty where actions are text."""
        ...

    def step(self, action: Action) -> Step:
        """Does one action. After the end of the episode it raises `EnvError`."""
        ...

    def score(self) -> Score | None:
        """The score so far; None where the environment cannot score."""
        ...

    def close(self) -> None:
        """Frees what the episode holds; may be called twice."""
        ...


@runtime_checkable
class Demonstrates(Protocol):
    """An episode with an expert, for `train` tasks only."""

    def demonstrate(self) -> tuple[Action, ...]:
        """The expert's next actions from here. Raises `Refused` unless the task is of `train`."""
        ...


@runtime_checkable
class Env(Protocol):
    """A source of tasks. The same task and seed give the same episode."""

    name: str

    def tasks(self, split: Split) -> Sequence[Task]:
        """The tasks of a split, always in the same order; empty where it has none."""
        ...

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """Begins an attempt; `seed` None means `task.seed`."""
        ...

    def close(self) -> None:
        """Frees workers and caches; may be called twice."""
        ...
