"""Our own memory as an arm, and the controls for anything that retrieves."""

from __future__ import annotations

import base64
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.models.types import Model
from agent.reflector import Plain, Written
from agent.runner import Crew
from bench.arms.simple import with_solver
from bench.arms.types import Arm, Desk, Note, Played
from envs.errors import UserError
from envs.types import Task
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.query import Query, applies, wrote
from memory.ranking import Ranking
from memory.recall import Memory, render
from memory.text import estimate_tokens
from memory.types import Lesson, Recalled, Usage

PLAIN = Ranking()


class Journeyman(Arm):
    """Our own memory: lessons drafted after train runs, recalled before each action.

    `drafts` is `plain` (a rule writes workflows of successes) or `written` (the model writes
    lessons of failures too). With `withhold` lessons are kept back by chance in train runs, to
    measure what they do, and show it later: an arm of its own. With `follow` the solver takes first
    what a recalled way would do next (`agent/following.py`), as it does for small models outside
    of experiments; without, lessons are only read. It keeps its ledger, whole.
    """

    paper = "none: this project"
    differs = "the index is exact instead of Chroma's, which changes nothing at these sizes"
    learns = True
    recalls = True

    def __init__(
        self,
        desk: Desk,
        *,
        think: bool = True,
        drafts: str = "plain",
        withhold: bool = False,
        follow: bool = False,
    ) -> None:
        super().__init__(desk)
        self._follow = follow
        if drafts not in ("plain", "written"):
            raise UserError(f"drafts={drafts!r}", repair="drafts is `plain` or `written`")
        self._think, self._drafts, self._withhold = think, drafts, withhold
        self._kept: dict[str, Any] = {}
        self._folder: Path | None = None
        self.memory: Memory | None = None

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up a ledger."""
        self._kept = kept

    def crew(self, crew: Crew) -> Crew:
        """With the memory that it keeps, opened in a folder of its own."""
        self.close()
        self._folder = Path(tempfile.mkdtemp(prefix="journeyman-arm-"))
        path = self._folder / "ledger.db"
        if self._kept:
            path.write_bytes(base64.b64decode(self._kept["ledger"]))
        self.memory = self.opened(Memory(Ledger(path), ListIndex(self.desk.embedder())))
        crew = with_solver(crew, think=self._think, follow=self._follow)
        written = self._drafts == "written"
        settings = crew.settings.memory.model_copy(
            update={
                "budget_tokens": self.desk.note_tokens,
                "recall": True,
                "learn": True,
                "withhold": self._withhold,
            }
        )
        return replace(
            crew,
            memory=self.memory,
            settings=crew.settings.model_copy(update={"memory": settings}),
            reflector=self._writer(crew.model) if written else Plain(),
        )

    def opened(self, memory: Memory) -> Memory:
        """The memory that recalls; controls put another in its place."""
        return memory

    def _writer(self, model: Model) -> Written:
        return Written(model)

    def dump(self) -> dict[str, Any]:
        """The ledger, whole."""
        if self.memory is None:
            return self._kept
        return {"ledger": packed_ledger(self.memory.ledger)}

    def lessons(self) -> Iterable[Lesson]:
        """All that it holds."""
        return self.memory.ledger.lessons(limit=-1) if self.memory else ()

    def close(self) -> None:
        """Closes the memory and throws its folder away."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def packed_ledger(ledger: Ledger) -> str:
    """A ledger whole, as text."""
    source = sqlite3.connect(ledger.path)
    copy = sqlite3.connect(":memory:")
    try:
        source.backup(copy)
        return base64.b64encode(copy.serialize()).decode()
    finally:
        source.close()
        copy.close()


class RandomMemory(Journeyman):
    """The same lessons, but any of them come up: does it matter which?

    As many lessons, in the same places and under the same budget, drawn by chance among those
    that could be shown here.
    """

    paper = "the control of `Relevant or Random` (Qin et al. 2024, arXiv 2404.12728)"
    differs = "draws anew for each step, as recall looks anew at each step"
    chance = True

    def opened(self, memory: Memory) -> Memory:
        """Draws in place of searching."""
        return _Drawn(memory, random.Random(self.desk.rng.random()))


class ShuffledMemory(Journeyman):
    """What is found is right, what it says belongs to another lesson: is it the content?

    Recall searches as ever; the text shown is that of another lesson, always the same other one.
    """

    paper = "a permutation control"
    differs = "texts are exchanged in a ring by order of id, so that none keeps its own"

    def opened(self, memory: Memory) -> Memory:
        """Exchanges texts."""
        return _Shuffled(memory)


class _Drawn(Memory):
    """Recalls by chance."""

    def __init__(self, inner: Memory, rng: random.Random) -> None:
        super().__init__(inner.ledger, inner.index)
        self._rng = rng

    def recall(
        self,
        query: Query,
        *,
        budget_tokens: int,
        floor: float,
        most: int,
        guard: bool,
        ranking: Ranking = PLAIN,
    ) -> tuple[Recalled, ...]:
        """As many as would have been found, any of those that may be shown for this task."""
        found = super().recall(
            query,
            budget_tokens=budget_tokens,
            floor=floor,
            most=most,
            guard=guard,
            ranking=ranking,
        )
        pool = _showable(self, query)
        self._rng.shuffle(pool)
        return _fit(pool[: len(found)], budget_tokens)


class _Shuffled(Memory):
    """Recalls one lesson and shows another's text."""

    def __init__(self, inner: Memory) -> None:
        super().__init__(inner.ledger, inner.index)

    def recall(
        self,
        query: Query,
        *,
        budget_tokens: int,
        floor: float,
        most: int,
        guard: bool,
        ranking: Ranking = PLAIN,
    ) -> tuple[Recalled, ...]:
        """The next lesson in the ring of those that may be shown for this task."""
        found = super().recall(
            query,
            budget_tokens=budget_tokens,
            floor=floor,
            most=most,
            guard=guard,
            ranking=ranking,
        )
        ring = _showable(self, query)
        place = {lesson.id: number for number, lesson in enumerate(ring)}
        known = [place[item.lesson] for item in found if item.lesson in place]
        others = [ring[(at + 1) % len(ring)] for at in known if len(ring) > 1]
        return _fit(others, budget_tokens)


def _showable(memory: Memory, query: Query) -> list[Lesson]:
    """Lessons that may be shown here, without those that go back to this very task."""
    return sorted(
        (
            lesson
            for lesson in memory.ledger.lessons(limit=-1)
            if applies(lesson, query, now=memory.ledger.now()) and not wrote(query, lesson)
        ),
        key=lambda lesson: lesson.id,
    )


def _fit(lessons: Sequence[Lesson], budget: int) -> tuple[Recalled, ...]:
    shown: list[Recalled] = []
    for lesson in lessons:
        item = Recalled(
            lesson=lesson.id,
            version=lesson.version,
            text=lesson.text,
            similarity=0.0,
            tokens=estimate_tokens(f"- [{lesson.id}] {lesson.text}"),
            source=lesson.source,
        )
        if estimate_tokens(render([*shown, item])) <= budget:
            shown.append(item)
    return tuple(shown)


class Taught(Journeyman):
    """Our own memory of what the environment's expert showed on train tasks before.

    For levels at which the bare agent solves nothing and so has nothing to remember.
    """

    differs = "lessons come from the expert's runs on train tasks, as `journeyman run --expert`"
    learns = False

    def __init__(self, desk: Desk, *, think: bool = False, follow: bool = True) -> None:
        super().__init__(desk, think=think, follow=follow)

    def fixed(self) -> frozenset[str]:
        """The demonstrations."""
        return frozenset(self._kept.get("runs", ()))

    def dump(self) -> dict[str, Any]:
        """What it was given."""
        return self._kept


class TaughtRandom(Taught, RandomMemory):
    """The same lessons from the same demonstrations, but any of them come up."""


class FullContext(Arm):
    """No retrieval: whole solved episodes, latest first, as many as the prompt budget holds.

    What plain long context does with the same experience, under the budget that all arms have.
    """

    paper = "the full-context control of memory benchmarks (for example LoCoMo, arXiv 2402.17753)"
    differs = "held to the prompt budget of all arms, so it is the latest episodes, not all"
    learns = True

    def __init__(self, desk: Desk, *, think: bool = True, failures: bool = False) -> None:
        super().__init__(desk)
        self._think, self._failures = think, failures
        self._episodes: list[dict[str, Any]] = []

    def crew(self, crew: Crew) -> Crew:
        """As ReAct."""
        return with_solver(crew, think=self._think)

    async def notes(self, task: Task) -> tuple[Note, ...]:  # noqa: ARG002
        """Whole episodes, the latest first."""
        return tuple(Note(**one) for one in reversed(self._episodes))

    async def learn(self, played: Played) -> Usage:
        """Keeps the episode as it was played."""
        if played.passed or self._failures:
            run = played.trajectory
            steps = "\n".join(f"> {step.action}\n{step.observation}" for step in run.steps)
            outcome = "solved" if played.passed else "not solved"
            text = f"An earlier episode ({outcome}). {run.goal}\n{run.first_observation}\n{steps}"
            note = Note(
                id=f"episode:{run.id}", text=text, runs=(run.id,), task_keys=(played.task.key,)
            )
            self._episodes.append(note.model_dump(mode="json"))
        return Usage()

    def dump(self) -> dict[str, Any]:
        """The episodes."""
        return {"episodes": self._episodes}

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up episodes."""
        self._episodes = list(kept.get("episodes", ()))
