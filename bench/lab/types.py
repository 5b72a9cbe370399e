"""What an experiment is made of: what is asked (`Experiment`), one cell of it, and its row."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import Field

from agent.settings import ModelSettings
from envs.types import Frozen, Split, Task

FORMAT = 1
"""Version of the stored shapes; a table of a newer one is refused."""
FOLDER = "experiments"
"""Under `JOURNEYMAN_HOME`: a folder for each experiment."""
Phase = Literal["learn", "measure"]
Failure = Literal["", "crashed", "budget", "idle", "looping", "searching", "unfinished", "leak"]
"""Why a task was not solved, told from the transcript alone: see `bench/lab/failures.py`."""
Expects = Literal["better", "no better", "no worse"]
"""What a claim says of an arm; the last two within a margin, since no rows show that two are equal.
"""


class Tasks(Frozen):
    """The first `n` tasks of a split of an environment."""

    env: str
    """Name of the environment, level included."""
    split: Split
    """Split."""
    n: int = Field(ge=1)
    """How many at most."""

    @property
    def name(self) -> str:
        """For tables: `alfworld/val`."""
        return f"{self.env}/{self.split}"


class ArmSpec(Frozen):
    """One arm of an experiment."""

    name: str
    """What it is called in tables; unique in the experiment."""
    kind: str
    """Which arm of `bench/arms/registry.py`, or one of your own: `package.module:Class`."""
    model: str = ""
    """Label of the model that it uses, a key of `Experiment.models`; empty where none is called."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The arm's own options, checked by it."""
    n: int | None = Field(default=None, ge=1)
    """Fewer tasks of each set than the others, for arms that are slow."""
    sets: tuple[str, ...] = ()
    """Names of the task sets that it plays; empty: all."""


class Claim(Frozen):
    """What is claimed of two arms before they are played, and told of them afterwards."""

    says: str = Field(min_length=1)
    """In words that a stranger understands: "memory on beats memory off"."""
    arm: str
    """Name of the arm that it is about."""
    against: str
    """Name of the arm that it is held against."""
    sets: tuple[str, ...] = ()
    """Names of the task sets that it is about, their pairs taken together; empty: all that both
    arms play."""
    expects: Expects = "better"
    """What the difference has to be."""
    margin: float = Field(default=0.0, ge=0, lt=100)
    """In points of success, 10 for ten of a hundred tasks. `no worse`: a loss of less does not
    count; `no better`: a gain of less does not; `better`: only a gain of more does."""

    @property
    def key(self) -> str:
        """What is tested, however it is worded."""
        return "|".join((self.arm, self.against, *self.sets, self.expects, f"{self.margin:g}"))


class Experiment(Frozen):
    """Everything that is decided before the first cell is played."""

    name: str
    """Name of its folder and of its page."""
    title: str
    """What is asked, in a line."""
    note: str = ""
    """What a reader has to know: what was scaled down, what does not compare."""
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """Models by label. All arms of one label get the same one."""
    learn: Tasks | None = None
    """Tasks to learn from, always of `train`; arms that do not learn skip them."""
    measure: tuple[Tasks, ...]
    """Tasks to be measured on."""
    arms: tuple[ArmSpec, ...]
    """The arms."""
    order: Literal["shuffled", "types"] = "shuffled"
    """How train tasks follow each other: mixed, or one type after the other, as transfer and
    forgetting are measured. Both go by the seed alone, the same for all arms."""
    seeds: tuple[int, ...] = (0,)
    """Vary the order of train tasks and all sampling. Arms without chance play the first alone."""
    checkpoints: tuple[int, ...] = ()
    """After how many train tasks learning arms are measured; empty: after all of them, and with
    `order = "types"` before the first and after each type."""
    note_tokens: int = 256
    """Prompt budget of what an arm brings into a prompt (estimated tokens); the same for all."""
    steps: int | None = None
    """Most steps of an attempt; None: the task's own limit."""
    compare: tuple[tuple[str, str], ...] = ()
    """Planned comparisons (arm, against arm); others are looked at afterwards, and marked so."""
    claims: tuple[Claim, ...] = ()
    """What is claimed, in the order in which it is told; all are tested together."""
    baseline: str = ""
    """Arm that all others are held against in the report."""


def keyless(experiment: Experiment) -> Experiment:
    """It as it may be written down: without the keys of its models' servers."""
    models = {
        label: model.model_copy(update={"api_key": ""})
        for label, model in experiment.models.items()
    }
    return experiment.model_copy(update={"models": models})


class Due(Frozen):
    """What is asked of an arm in a task set."""

    tasks: int
    """Tasks."""
    seeds: int
    """Plays of each."""
    learned: int
    """Train tasks that it has learned from before."""


class Cell(Frozen):
    """One run of one arm on one task."""

    experiment: str
    """Name of the experiment."""
    arm: str
    """Name of the arm."""
    seed: int
    """Seed."""
    phase: Phase
    """Learning (in order, one after the other) or measuring (any order)."""
    learned: int
    """Train tasks that the arm has learned from before it."""
    task: Task
    """What is played."""

    @property
    def id(self) -> str:
        """Stable id, `c` and twelve hex digits."""
        parts = (self.experiment, self.arm, self.seed, self.phase, self.learned)
        whole = "|".join(map(str, (*parts, self.task.env, self.task.split, self.task.id)))
        return f"c{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


class Row(Frozen):
    """What one cell brought. All but `CHANGING` repeats when it is played again."""

    cell: str
    """`Cell.id`, and the id of the run and its transcript."""
    arm: str
    """Name of the arm."""
    kind: str
    """Kind of arm."""
    model: str
    """Label of its model, empty where none is called."""
    seed: int
    """Seed."""
    phase: Phase
    """Learning or measuring."""
    learned: int
    """Train tasks that the arm had learned from."""
    env: str
    """Environment."""
    split: Split
    """Split."""
    task: str
    """Task id."""
    task_key: str
    """Goal and place."""
    task_type: str
    """Type of task."""
    room: str
    """Place alone: the larger cluster."""
    passed: bool | None
    """None: not scored, since it crashed. Counts as not solved in every rate."""
    first_passed: bool | None
    """Whether the first attempt ended the episode; for arms that try again."""
    attempts: int
    """How often the episode was begun; more than one is an `oracle_retry`."""
    steps: int
    """Actions, over all attempts."""
    stop: str
    """Why it ended."""
    failure: Failure
    """Kind of failure; empty for a success."""
    error: str
    """One line, where it crashed."""
    accepted: bool | None
    """The verifier's last verdict."""
    confidence: float
    """How sure the verifier was of it."""
    verified_by: str
    """Source of that verdict."""
    notes: tuple[str, ...] = ()
    """Ids of what the arm brought into prompts (notes, lessons), in order of first use."""
    note_tokens: int = 0
    """Estimated tokens of the notes that stood in the prompt throughout."""
    wrote: tuple[str, ...] = ()
    """Lessons that it wrote."""
    calls: int
    """Requests to models, those of learning included."""
    prompt_tokens: int
    """Tokens sent."""
    completion_tokens: int
    """Tokens received."""
    digest: str
    """Hash of all actions and observations: equal for equal play."""
    cached_tokens: int = 0
    """Of those sent, tokens out of the server's prefix cache."""
    model_s: float = 0.0
    """Seconds spent waiting for models."""
    wall_s: float = 0.0
    """Seconds of the whole cell."""
    cost: float = 0.0
    """US dollars, by the prices in the settings."""
    session: str = ""
    """Id of the manifest under which it was played."""
    ended: str = ""
    """ISO time (UTC)."""

    @property
    def won(self) -> bool:
        """Solved; a run that crashed is not."""
        return self.passed is True

    @property
    def set(self) -> str:
        """Name of its task set."""
        return f"{self.env}/{self.split}"


CHANGING = frozenset({"cached_tokens", "model_s", "wall_s", "session", "ended"})
"""Fields of a row that differ between two plays of the same cell."""


def same(one: Row, other: Row) -> bool:
    """Whether two rows tell of the same play, times aside."""
    return one.model_dump(exclude=set(CHANGING)) == other.model_dump(exclude=set(CHANGING))
