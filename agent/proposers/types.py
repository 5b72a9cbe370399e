"""The seam of proposers: runs of train tasks in, changes of memory out; nothing is written yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from agent.browsing_words import page_of
from agent.mcp_words import foreign
from agent.models.types import Message, Model, Reply, Sampling
from agent.settings import Settings
from agent.transcript import CHARS_A_TOKEN, prompt
from agent.verifier import called
from envs.errors import UnknownName, clip, one_line
from memory.lenses import least, places
from memory.recall import Memory
from memory.text import strip_marked
from memory.types import Change, Lesson, Source, StepRecord, Trajectory, Trust, Usage

QUOTE = 300
"""Most characters of a quote."""
OBSERVED = 160
"""Most characters of an observation in a run that is told."""
PLACES = 32
"""Most sources that one lesson keeps; the latest are kept."""


class Reader:
    """What a proposer is given of memory: it reads, and plans what others write."""

    def __init__(self, memory: Memory) -> None:
        def lesson(id_: str) -> Lesson | None:
            """One lesson as it stands; None: there is none."""
            try:
                return memory.ledger.lesson(id_)
            except UnknownName:
                return None

        def history(id_: str) -> list[Change]:
            """All its changes, oldest first; none where it never was."""
            try:
                return memory.ledger.history(id_)
            except UnknownName:
                return []

        def embed(texts: Sequence[str]) -> np.ndarray:
            """Unit vectors, shape (texts, dimensions)."""
            return memory.index.embedder.embed(texts)

        self.lesson, self.history, self.embed = lesson, history, embed
        self.plan = memory.plan
        """See `Memory.plan`: plans, and writes nothing."""


@dataclass
class Desk:
    """What a proposer works with."""

    settings: Settings
    """How everything is set."""
    model: Model | None
    """Who writes, where words are needed; None for proposers that need none."""
    memory: Reader
    """What is known."""
    calls: int = 16
    """Most requests to the model that are left; each proposer says what it does without."""
    usage: Usage = field(default_factory=Usage)
    """What was spent."""
    progress: Callable[[str], None] = field(default=lambda _line: None)
    """Hears what is being done."""

    async def ask(
        self, name: str, content: str, schema: dict[str, Any], *, tokens: int
    ) -> dict[str, Any] | None:
        """The model's answer to `agent/prompts/NAME.md` under a schema; None: no calls left.

        Content that does not fit the context loses its end. Raises `ModelError`.
        """
        if self.calls < 1 or self.model is None:
            return None
        self.calls -= 1
        system = prompt(name)
        room = (self.settings.model.context - tokens - 200) * CHARS_A_TOKEN - len(system)
        messages: list[Message] = [
            {"role": "system", "content": system},
            {"role": "user", "content": clip(strip_marked(content), most=max(400, int(room)))},
        ]
        reply: Reply = await self.model.reply(
            messages, schema=schema, sampling=Sampling(max_tokens=tokens)
        )
        self.usage += reply.usage
        return reply.data or {}


class Proposer(Protocol):
    """One mechanism. Made anew, with its desk, for each consolidation."""

    paper: ClassVar[str]
    """What it follows: authors, year, arXiv number."""
    does: ClassVar[str]
    """What it does, in a line."""

    def __init__(self, desk: Desk) -> None: ...

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Changes with evidence (trajectory ids) and lineage; empty where there is nothing new.

        `trajectories` are finished runs on train tasks, oldest first; their scores may be used.
        Asked twice for the same runs it proposes nothing the second time. Raises `ModelError`.
        """
        ...


def won(run: Trajectory) -> bool:
    """Whether a finished train run solved its task."""
    return run.score is not None and run.score.passed and not run.error


def attempt(run: Trajectory) -> tuple[StepRecord, ...]:
    """The steps of the last attempt."""
    return tuple(step for step in run.steps if step.attempt == run.attempts - 1)


def story(run: Trajectory, *, most: int = 3000) -> str:
    """The last attempt of a run in lines, as a player saw it; its end if too long."""
    return story_of(run.goal, attempt(run), most=most)


def story_of(goal: str, steps: Sequence[StepRecord], *, most: int = 3000) -> str:
    """Steps in lines: `[3] action -> what came back`; the last of them if these are too long."""
    lines = [
        f"[{step.index}] {step.action} -> {clip(one_line(step.observation), most=OBSERVED)}"
        for step in steps
    ]
    while len(lines) > 4 and sum(map(len, lines)) > most:
        lines = lines[1:]
    return "\n".join([f"Task: {goal}", *lines])


def source_of(run: Trajectory, step: StepRecord | None, reader: Reader) -> Source:
    """Where a lesson comes from that rests on this step of the run, or on its last.

    The keys are those of the run's own task, and of all tasks that stood behind what it recalled.
    """
    steps = attempt(run)
    step = step or (steps[-1] if steps else None)
    shown = dict.fromkeys(item.lesson for one in run.steps for item in one.recalled)
    keys = [run.task_key]
    keys += [key for one in run.steps for item in one.recalled for key in item.source.task_keys]
    for id_ in shown:
        known = reader.lesson(id_)
        keys += known.source.task_keys if known else ()
    return Source(
        trajectory=run.id,
        first_step=step.index if step else 0,
        last_step=step.index if step else 0,
        quote=f"{step.action}\n{step.observation}"[:QUOTE] if step else "",
        task_keys=tuple(dict.fromkeys(keys)),
        origin=page_of(run.steps),
    )


def trust_of(runs: Iterable[Trajectory], reader: Reader) -> Trust:
    """The least trust of what these runs recalled; `self` where that was all our own.

    Runs that asked an MCP server go back to its words, which are trusted as those of web pages.
    """
    runs = list(runs)
    if any(foreign(called(step)[0]) for run in runs for step in run.steps):
        return "web"
    shown = {item.lesson for run in runs for step in run.steps for item in step.recalled}
    known = (reader.lesson(id_) for id_ in sorted(shown))
    return least(lesson.trust for lesson in known if lesson)


def joined(lesson: Lesson, sources: Sequence[Source]) -> Lesson:
    """`lesson` with these sources, first the one of its words; all their keys are kept."""
    once: dict[tuple[str, int], Source] = {}
    for source in sources:
        once.setdefault((source.trajectory, source.first_step), source)
    kept = list(once.values())
    keys = dict.fromkeys(key for source in kept for key in source.task_keys)
    first = kept[0].model_copy(update={"task_keys": tuple(keys)})
    some = (kept[0], *kept[1:][-(PLACES - 1) :])
    return lesson.model_copy(update={"source": first, "sources": some if len(some) > 1 else ()})


def fresh(runs: Sequence[Trajectory], lesson: Lesson | None) -> list[Trajectory]:
    """The runs that a lesson has not learned from yet."""
    known = {place.trajectory for place in places(lesson)} if lesson else set[str]()
    return [run for run in runs if run.id not in known]


def stable_id(*parts: str) -> str:
    """An id that depends on `parts` alone."""
    return f"L{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"


def place_of(env: str) -> str:
    """The environment without its level, as lessons are scoped."""
    return env.partition(":")[0]
