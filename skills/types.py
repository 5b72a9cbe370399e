"""What a skill is: code over the tools of an environment, its origin and its trials.

Plain data. How a skill is played is in `skills/playing.py`, how it is admitted in
`skills/trials.py`, where it is kept in `skills/library.py`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from envs.types import Frozen, Step, Task
from memory.types import Effect, Status, Trust

Author = Literal["expert", "teacher", "own", "user", "import"]
"""Whose trajectories it was made from: the environment's expert, a stronger model, the agent."""
Purpose = Literal["solve", "decline", "keep"]
"""What a trial asks: solve the task; end cleanly where it can't; what was solved stays solved."""


class Origin(Frozen):
    """Where a skill comes from."""

    author: Author = "own"
    """Whose trajectories."""
    by: str = ""
    """Who wrote the code: `induction`, the name of a model, or of a person."""
    runs: tuple[str, ...] = ()
    """Ids of trajectories, or of tasks that were demonstrated."""
    task_keys: tuple[str, ...] = ()
    """`Task.key` of all of them, through every version; never among its trials."""
    example: tuple[str, ...] = ()
    """The actions of one of them, the shortest."""
    address: str = ""
    """The folder or URL that it was imported from."""


class Trial(Frozen):
    """A skill was played on a task in a fresh episode."""

    task: str
    """Task id."""
    task_key: str
    """`Task.key`."""
    seed: int = 0
    """Seed of the episode."""
    purpose: Purpose = "solve"
    """What was asked of it."""
    arguments: dict[str, str] = Field(default_factory=dict)
    """What it was called with."""
    passed: bool = False
    """Whether it did what was asked of it."""
    claimed: bool | None = None
    """What it said itself: True, it did it; False, it did not; None, it broke."""
    steps: int = 0
    """Actions that it took."""
    error: str = ""
    """One line, where it broke."""
    overstepped: bool = False
    """It tried an action outside of what it requires."""
    actions: tuple[str, ...] = ()
    """Its actions in order, to be played again."""


class Skill(Frozen):
    """A function that the agent wrote, with its evidence. `code` is the only thing that runs."""

    id: str
    """Stable over versions."""
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """Name of the function; unique among skills of its environment that may be called."""
    version: int = 1
    """Counts up with every new code; an old version is never overwritten."""
    env: str = ""
    """Environment whose tools it uses."""
    signature: str = ""
    """`name(thing: str) -> bool`, as it stands in the code."""
    about: str = Field(default="", max_length=1024)
    """The first paragraph of its docstring."""
    code: str = Field(max_length=200_000)
    """Python source: one function of that name, and constants and functions that it needs."""
    goals: tuple[str, ...] = ()
    """Its precondition: goals that it reaches, with its parameters in braces
    (`put a {thing} in {place}.`): `{x}` stands for one word, `{x+}` for several, `{x,}` for a list
    with commas. Empty: it only serves other skills."""
    requires: tuple[str, ...] = ()
    """What it may do: names of tools, or commands with `*` for what varies (`go to *`)."""
    uses: tuple[str, ...] = ()
    """Ids of skills that it calls."""
    trials: tuple[Trial, ...] = ()
    """Its latest trials, of this version."""
    status: Status = "candidate"
    """Stage of its life; `active` skills are offered to the solver."""
    trust: Trust = "self"
    """Whose words it goes back to."""
    origin: Origin = Origin()
    """Where it comes from."""
    note: str = ""
    """What its last judgement came to, in one line."""
    effect: Effect = Effect()
    """What offering it was measured to do; filled on reading, never stored."""


class Call(Frozen):
    """A skill with arguments: something that the solver may choose."""

    skill: str
    """Id."""
    version: int = 1
    """Version."""
    name: str = ""
    """Name of the function."""
    arguments: dict[str, str] = Field(default_factory=dict)
    """By parameter."""

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({inside})"


class Shown(Frozen):
    """One successful way through a task, with what stood open at every step."""

    task: Task
    """What was asked."""
    first: Step
    """What a player saw before the first action."""
    actions: tuple[str, ...]
    """What was done."""
    steps: tuple[Step, ...]
    """What came back, one for each action."""
    author: Author = "own"
    """Who did it."""
    run: str = ""
    """Id of the trajectory; empty for a demonstration."""


class Draft(Frozen):
    """Code that is not yet a skill."""

    name: str
    """Name of the function."""
    code: str
    """Its source."""
    goals: tuple[str, ...] = ()
    """Goals that it reaches."""
    requires: tuple[str, ...] = ()
    """What it may do, what it calls included."""
    uses: tuple[str, ...] = ()
    """Names of drafts that it calls."""
    ways: tuple[int, ...] = ()
    """Which of the ways it was written from."""
