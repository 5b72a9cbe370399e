"""What is remembered: the types that the ledger keeps and other rooms read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from envs.types import Frozen, Score, Split

FORMAT = 1
"""Version of the stored shapes; readers refuse a newer one."""

LessonKind = Literal["fact", "strategy", "pitfall", "workflow"]
Trust = Literal["self", "user", "tool", "web"]
Finding = Literal["helps", "harms", "useless", "can't tell"]
"""What an interval says of a lesson."""
Status = Literal["candidate", "probation", "active", "quarantined", "retired"]
REPLAY = "replay"
"""Arm of runs that play a task again, to compare (`agent/replay.py`); nothing learns of them."""
LIFE = "rule:life"
"""Who moves lessons from status to status by evidence (`memory/life.py`)."""
TRIALS = "rule:trials"
"""Who moves skills from status to status by their trials (`skills/trials.py`)."""
USE = "rule:use"
"""Who takes skills out of use by what they did there (`skills/demoting.py`)."""
SHOWABLE: frozenset[Status] = frozenset({"candidate", "probation", "active"})
"""The states in which a lesson may be recalled."""


class Scope(Frozen):
    """Where a lesson applies; an empty field means everywhere."""

    env: str = ""
    """Environment."""
    task_type: str = ""
    """First tag of the task."""
    user: str = ""
    """Tenant or user, for chat."""
    project: str = ""
    """Free name, to keep bodies of work apart."""


class Source(Frozen):
    """Where a lesson comes from."""

    trajectory: str = ""
    """Id of the trajectory, empty for lessons that people typed."""
    first_step: int = 0
    """First step of the span, counted from 0."""
    last_step: int = 0
    """Last step of the span, inclusive."""
    quote: str = ""
    """Words that stand in that span, letter by letter."""
    task_keys: tuple[str, ...] = ()
    """`Task.key` of every task that it was learned from, through all its ancestors."""
    origin: str = ""
    """Whose words it goes back to, outside of runs: `user:NAME`, or the URL of a page."""
    said: str = ""
    """Its own wording, where it was merged into a lesson that says the same in other words."""


class Measured(Frozen):
    """What showing a lesson (or a unit of near-duplicates) does to success."""

    estimate: float | None = None
    """Success when shown less success when withheld; None without episodes. Not shrunk."""
    low: float = -1.0
    """Lower end of the 95% interval, which holds at all times at once."""
    high: float = 1.0
    """Upper end of it."""
    error: float | None = None
    """Standard error of the estimate; for shrinking and ranking, not for claims."""
    shown: int = 0
    """Episodes in which it was shown."""
    withheld: int = 0
    """Episodes in which it was withheld."""
    won_shown: int = 0
    """Of those shown, how many succeeded."""
    won_withheld: int = 0
    """Of those withheld, how many succeeded."""
    verdict: Finding = "can't tell"
    """What the interval says; `useless` only when it lies within the margin."""
    log_helps: float = 0.0
    """Logarithm of the e-value against "it does not help"."""
    log_harms: float = 0.0
    """The same against "it does no harm"."""
    log_worthless: float = 0.0
    """The same against "it adds what it has to be worth", for retiring."""


class Effect(Measured):
    """What a lesson was measured to do, and for what that holds; rebuilt from exposures."""

    shrunk: float = 0.0
    """The estimate drawn towards what lessons do on average; for ranking, never for claims."""
    chance: float = 0.5
    """Probability with which it is shown in the next training episode."""
    needed: int | None = None
    """Tossed episodes, in all, until the interval is about 5 points wide to either side."""
    unit: str = ""
    """What it is tossed together with: its own id, or the ids of its near-duplicates."""
    version: int = 0
    """Version of the lesson that was measured; 0: none yet."""
    model: str = ""
    """Model that it was measured with."""
    adapter: str = ""
    """Adapter of that model."""
    policy: str = ""
    """Hash of the configuration."""
    since: str = ""
    """ISO time of the first episode that counts."""
    replayed: Measured | None = None
    """What tasks that were played twice say, with the lesson forced in and out."""


class Lesson(Frozen):
    """Something that the agent believes to be useful, with where that belief comes from."""

    id: str
    """Stable over versions."""
    version: int = 1
    """Counts up with every edit."""
    kind: LessonKind
    """What sort of lesson."""
    text: str = Field(min_length=1, max_length=4000)
    """What the solver reads."""
    situation: str = Field(default="", max_length=2000)
    """When it applies; what recall searches."""
    scope: Scope = Scope()
    """Where it applies."""
    source: Source = Source()
    """Where it comes from."""
    trust: Trust = "self"
    """Whose words it goes back to; stays with everything derived from it."""
    status: Status = "candidate"
    """Stage of its life."""
    valid_from: str = ""
    """ISO time (UTC) from which it holds."""
    valid_to: str = ""
    """ISO time (UTC) until which it holds; empty for no end."""
    supersedes: tuple[str, ...] = ()
    """Ids of lessons that it replaces."""
    contradicts: tuple[str, ...] = ()
    """Ids of lessons that say otherwise; both stay until evidence decides."""
    sources: tuple[Source, ...] = ()
    """Every place where it was learned, where there are several; the first has its words."""
    pinned: bool = False
    """Never pruned by rules."""
    effect: Effect = Effect()
    """Measured effect; filled on reading, never stored."""


class Exposure(Frozen):
    """A lesson came up in an episode: shown or withheld, with which probability."""

    episode: str
    """Id of the run."""
    lesson: str
    """Id of the lesson (or skill)."""
    version: int
    """Version that came up."""
    first_step: int
    """Step at which it first came up."""
    shown: bool
    """False: withheld on purpose."""
    probability: float = 1.0
    """Probability with which it was to be shown; 0 and 1: no toss."""
    unit: str = ""
    """What it was tossed together with: the ids of its near-duplicates; empty: itself alone."""
    pair: str = ""
    """For a replay: what the two plays of a task have in common, one with it and one without."""
    split: Split = "train"
    """Split of the task; nothing but `train` counts towards the effect."""
    same_task: bool = False
    """It goes back to an attempt at this very task (`Task.key`); not counted in its effect."""
    similarity: float = 0.0
    """Cosine similarity of query and situation."""
    model: str = ""
    """Model that was told."""
    adapter: str = ""
    """Adapter of that model."""
    policy: str = ""
    """Hash of the configuration."""
    time: str = ""
    """ISO time (UTC) of the toss; filled on reading."""
    outcome: bool | None = None
    """Whether the episode succeeded; filled on reading from its trajectory, a crash is False."""


class Recalled(Frozen):
    """A lesson as it came up at one step."""

    lesson: str
    """Id of the lesson."""
    version: int
    """Its version."""
    text: str
    """What the solver reads."""
    similarity: float
    """Cosine similarity of query and situation."""
    tokens: int
    """Estimated length of the text."""
    source: Source
    """Where it comes from."""
    same_task: bool = False
    """It goes back to an attempt at this very task."""


class Usage(Frozen):
    """What a run consumed."""

    calls: int = 0
    """Requests to models."""
    prompt_tokens: int = 0
    """Tokens sent."""
    cached_tokens: int = 0
    """Of those, tokens that the server took from its prefix cache."""
    completion_tokens: int = 0
    """Tokens received."""
    seconds: float = 0.0
    """Seconds spent waiting for models."""
    cost: float = 0.0
    """US dollars, by the prices in the settings; 0 for local models."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields}
        )


class Verdict(Frozen):
    """What the verifier thinks of an attempt. Made without the answer key."""

    accepted: bool | None
    """None: it could not tell."""
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    """How sure."""
    critique: str = ""
    """What to do better."""
    evidence: tuple[str, ...] = ()
    """Ids of the steps or tool results it rests on."""
    source: Literal["environment", "execution", "tool", "judge", "vote"] = "environment"
    """Where it comes from."""


class StepRecord(Frozen):
    """One step of a trajectory."""

    index: int
    """Counted from 0."""
    attempt: int = 0
    """Which attempt of the run it belongs to."""
    action: str
    """The command, or the call as JSON."""
    observation: str
    """What came back."""
    thought: str = ""
    """What the solver said before it acted."""
    recalled: tuple[Recalled, ...] = ()
    """Lessons shown before this action."""
    skill: str = ""
    """The call of a skill that this action belongs to; empty: the solver chose it."""


class Trajectory(Frozen):
    """One finished run, whole. Never rewritten."""

    format: int = FORMAT
    """Version of this shape."""
    id: str
    """Id of the run."""
    env: str
    """Environment."""
    task: str
    """Task id."""
    task_key: str
    """`Task.key`."""
    task_type: str = ""
    """First tag of the task."""
    split: Split
    """Split of the task."""
    goal: str
    """What was asked."""
    seed: int = 0
    """Seed of the episode."""
    arm: str = "default"
    """Arm of an experiment."""
    thread: str = ""
    """Conversation that it is a turn of, for chat."""
    model: str = ""
    """Model of the solver."""
    config: str = ""
    """Hash of the configuration."""
    first_observation: str = ""
    """What stood there before the first action."""
    steps: tuple[StepRecord, ...] = ()
    """All steps of all attempts."""
    messages: tuple[dict[str, Any], ...] = ()
    """The conversation as the solver saw it, without recalled text."""
    verdicts: tuple[Verdict, ...] = ()
    """One for each attempt."""
    score: Score | None = None
    """None: not scored."""
    usage: Usage = Usage()
    """What it consumed."""
    stop: str = ""
    """Why it ended: `done`, `limit`, `budget:steps`, `error`, `interrupted` ..."""
    error: str = ""
    """One line, where it failed."""
    attempts: int = 1
    """How often the episode was begun; more than one is an `oracle_retry`."""
    lessons: tuple[str, ...] = ()
    """Lessons that it wrote."""
    reflections: tuple[str, ...] = ()
    """What was to be done better, one for each rejected attempt that was begun again."""
    calls: tuple[dict[str, Any], ...] = ()
    """Calls of skills: which, with which arguments, how many steps, and what it said itself."""
    notes: tuple[dict[str, Any], ...] = ()
    """What second looks at answers and actions came to; each names its kind in `by`."""
    began: str = ""
    """ISO time (UTC)."""
    ended: str = ""
    """ISO time (UTC)."""


class Change(Frozen):
    """One alteration of the agent. The ledger of these is the only truth."""

    format: int = FORMAT
    """Version of this shape."""
    id: str
    """Unique; sorts by time."""
    kind: Literal["lesson", "skill", "prompt", "adapter", "setting", "task"]
    """What is altered."""
    target: str
    """Id of what is altered."""
    op: Literal["add", "edit", "status", "remove", "undo", "purge"]
    """What is done to it; after a `purge` nothing of it is left, and no way back."""
    reason: str
    """Why, in a sentence."""
    before: dict[str, Any] | None = None
    """State before; None where it did not exist."""
    after: dict[str, Any] | None = None
    """State after; None where it is gone."""
    parents: tuple[str, ...] = ()
    """Changes or lessons that it derives from; for `undo` the change undone."""
    evidence: tuple[str, ...] = ()
    """Trajectory ids."""
    decision: Literal["applied", "rejected"] = "applied"
    """Rejected changes are kept, without effect."""
    actor: str = "agent"
    """Who: `agent`, `user`, `rule:NAME`, `import:FILE` ..."""
    batch: str = ""
    """Shared by changes that were made together, and can be undone together by this id."""
    time: str = ""
    """ISO time (UTC)."""


class Run(Frozen):
    """A run as it stands: begun, going on, ended."""

    id: str
    """Same as its trajectory's."""
    env: str
    """Environment."""
    task: str
    """Task id."""
    goal: str
    """What was asked."""
    status: Literal["running", "done", "failed"]
    """Where it stands; `failed` means it broke, not that the task was not solved."""
    pid: int = 0
    """Process that runs it."""
    spec: dict[str, Any] = Field(default_factory=dict)
    """What is needed to take it up again."""
    error: str = ""
    """One line, where it failed."""
    began: str = ""
    """ISO time (UTC)."""
    updated: str = ""
    """ISO time (UTC)."""
