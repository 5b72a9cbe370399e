"""What goes in and out at `/api`: pages of lessons, runs and changes, and what is asked for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from envs.types import Frozen
from memory.forget import ForgetPlan
from memory.prune import PruneItem, PruneRule
from memory.types import (
    Change,
    Exposure,
    Lesson,
    LessonKind,
    Run,
    Scope,
    Status,
    StepRecord,
    Trajectory,
)


class Fits(Frozen):
    """What a lesson has to be; None: anything."""

    status: Status | None
    """Its state."""
    kind: LessonKind | None
    """Its kind."""
    env: str | None
    """The environment of its scope."""


class Found(Lesson):
    """A lesson in a list."""

    similarity: float | None = None
    """Closeness to `q`; null without it."""


class Lessons(Frozen):
    """A page of lessons."""

    total: int
    """How many fit, over all pages."""
    items: tuple[Found, ...]
    """This page."""


class LessonPage(Frozen):
    """A lesson with all that is known of it."""

    lesson: Lesson
    """As it stands."""
    goal: str
    """What the run was asked that it comes from; empty for lessons that people typed."""
    steps: tuple[StepRecord, ...]
    """The steps it comes from."""
    history: tuple[Change, ...]
    """All its changes, oldest first."""
    exposures: tuple[Exposure, ...]
    """The latest episodes in which it came up."""
    exposures_total: int
    """In how many it came up."""
    effect_in_words: tuple[str, ...] = ()
    """What it was measured to do and how sure that is, as of today."""
    disputes: tuple[Lesson, ...] = ()
    """Lessons that it contradicts, or that contradict it."""


class Runs(Frozen):
    """A page of runs, newest first."""

    items: tuple[Run, ...]
    """This page."""
    more: bool
    """Whether there are older ones."""


class RunPage(Frozen):
    """A run, and its trajectory when it has ended."""

    run: Run
    """As it stands."""
    trajectory: Trajectory | None
    """Null while it goes on, or when it was broken off."""


class Changes(Frozen):
    """A page of changes, newest first."""

    items: tuple[Change, ...]
    """This page."""
    more: bool
    """Whether there are older ones."""


class Undone(Frozen):
    """What took changes back."""

    changes: tuple[Change, ...]
    """Newest undone first; they can be undone likewise, together by the id of their batch."""


class Pruned(Frozen):
    """What a rule retires, and why."""

    applied: bool
    """False: a preview, nothing was changed."""
    items: tuple[PruneItem, ...]
    """What goes, newest first."""
    changes: tuple[Change, ...]
    """The changes made; each can be undone."""


class Forgotten(Frozen):
    """What goes back to a source."""

    applied: bool
    """False: a preview, nothing was changed."""
    plan: ForgetPlan
    """The lessons, and what becomes of each."""
    changes: tuple[Change, ...]
    """The changes made; undone together by the id of their batch."""


class Stored(Frozen):
    """A lesson that was stored or altered."""

    lesson: Lesson
    """As it stands now."""
    change: Change
    """The change, to be undone by its id."""


class NewLesson(BaseModel):
    """A lesson to be stored."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=4000)
    """What the agent reads."""
    situation: str = Field(default="", max_length=2000)
    """When it applies; empty: what the text is about."""
    kind: LessonKind = "fact"
    """What sort of lesson."""
    scope: Scope = Scope()
    """Where it applies; empty: everywhere."""
    pinned: bool = False
    """Never pruned by rules."""
    contradicts: tuple[str, ...] = Field(default=(), max_length=100)
    """Ids of lessons that say otherwise; both stay."""
    reason: str = Field(default="added over the API", max_length=500)
    """Why."""


class NewWords(BaseModel):
    """What is to be altered; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, min_length=1, max_length=4000)
    """What the agent reads."""
    situation: str | None = Field(default=None, max_length=2000)
    """When it applies."""
    kind: LessonKind | None = None
    """What sort of lesson."""
    scope: Scope | None = None
    """Where it applies, whole."""
    pinned: bool | None = None
    """Never pruned by rules."""
    valid_from: str | None = Field(default=None, max_length=100)
    """ISO time from which it holds; empty: always did."""
    valid_to: str | None = Field(default=None, max_length=100)
    """ISO time until which it holds; empty: no end."""
    contradicts: tuple[str, ...] | None = Field(default=None, max_length=100)
    """Ids of lessons that say otherwise."""
    reason: str = Field(default="edited over the API", min_length=1, max_length=500)
    """Goes into the history."""


class Forget(BaseModel):
    """A source, and whether to retract what goes back to it."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(min_length=1, max_length=2000)
    """A run, a lesson, the key of a task, `user:NAME`, `web:HOST` or `web:URL`."""
    apply: bool = False
    """False: show what goes back to it, change nothing."""


class Prune(PruneRule):
    """A rule, and whether to apply it."""

    contains: str | None = Field(default=None, pattern=r"\S")
    """Only lessons with these words in text or situation; blanks alone would fit all."""
    unused_days: float | None = Field(default=None, ge=0, le=100_000)
    """Only lessons neither shown nor added for so many days."""
    keep: int | None = Field(default=None, ge=0, le=10**9)
    """Of those that fit all else, the newest so many stay."""
    apply: bool = False
    """False: show what would go, change nothing."""


class Undo(BaseModel):
    """Why a change is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="asked for over the API", min_length=1, max_length=500)
    """Goes into the history."""
    cascade: bool = False
    """Take back all that builds on it too, newest first."""
