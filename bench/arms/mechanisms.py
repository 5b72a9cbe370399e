"""Published ways of learning as arms: what they write alone, in a memory of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from agent.mechanisms import learning_with, seen_through
from agent.proposers.consolidate import apply, plan
from agent.proposers.insights import Insights as InsightsProposer
from agent.proposers.shortcuts import Shortcuts as ShortcutsProposer
from agent.reflector import Plain
from agent.runner import Crew
from agent.settings import Mechanism
from agent.state import Attempt
from bench.arms.controls import Journeyman
from bench.arms.learning import whole
from bench.arms.types import Desk, Played
from memory.types import Lesson, Usage, Verdict


class Silent(Plain):
    """Writes no lessons of its own, so that a memory holds what a mechanism wrote, and no more."""

    async def draft(
        self,
        attempt: Attempt,  # noqa: ARG002
        verdict: Verdict,  # noqa: ARG002
    ) -> tuple[list[Lesson], Usage]:
        """Nothing."""
        return [], Usage()


class Mechanisms(Journeyman):
    """The memory of ours with one mechanism as its only writer."""

    use: ClassVar[Sequence[Mechanism]] = ()
    """What `learning.use` names."""
    proposer: ClassVar[str] = ""
    """Which proposer consolidates, every so many train runs."""

    def __init__(self, desk: Desk, *, think: bool = True, every: int = 4) -> None:
        super().__init__(desk, think=think)
        self._every = whole(every, name="every", low=1, high=1000)

    def crew(self, crew: Crew) -> Crew:
        """Its mechanism around the common crew, over its own memory."""
        crew = super().crew(crew)
        learning = crew.settings.learning.model_copy(update={"use": tuple(self.use)})
        strategy, reflector = learning_with(
            learning,
            crew.memory,
            strategy=crew.strategy,
            reflector=Silent(),
            model=self.desk.model,
        )
        return replace(
            crew,
            settings=crew.settings.model_copy(update={"learning": learning}),
            memory=seen_through(crew.memory, learning),
            strategy=strategy,
            reflector=reflector,
        )

    async def learn(self, played: Played) -> Usage:  # noqa: ARG002 - the run is in its ledger
        """Consolidates after every so many train runs. Raises `ModelError`, then unchanged."""
        if not self.proposer or self.memory is None:
            return Usage()
        if self.memory.ledger.count()["trajectories"] % self._every:
            return Usage()

        async def model() -> Any:
            return self.desk.model

        planned = await plan(self.proposer, self.memory, self.desk.settings, model=model)
        await apply(planned, self.memory)
        return planned.usage


class Muse(Mechanisms):
    """Writes an entry after every sub-task while the run goes on, and recalls these alone."""

    paper: ClassVar[str] = "Yang et al. 2025, MUSE: Learning on the Job, arXiv 2510.08002"
    differs: ClassVar[str] = (
        "Sub-tasks are told by what actions do, since no list of them is planned; entries are "
        "recalled by similarity instead of loaded by level."
    )
    use: ClassVar[Sequence[Mechanism]] = ("subtasks",)


class MSI(Mechanisms):
    """Insights of two scales from pairs of runs, each scale with its share of the prompt."""

    paper: ClassVar[str] = InsightsProposer.paper
    differs: ClassVar[str] = (
        "Insights are added, and merged by admission, where the paper's model adds, edits and "
        "removes; general ones hold in every environment; similarity selects."
    )
    use: ClassVar[Sequence[Mechanism]] = ("scales",)
    proposer: ClassVar[str] = "insights"


class IntrospectiveTips(Mechanisms):
    """A tip of at most thirty words after each failure, for this game or for all."""

    paper: ClassVar[str] = "Chen et al. 2023, Introspective Tips, arXiv 2305.11598"
    differs: ClassVar[str] = (
        "Tips come from own failures alone, not from demonstrations, and are recalled when close "
        "instead of all standing in the prompt. A measured task is never told its own tips."
    )
    use: ClassVar[Sequence[Mechanism]] = ("tips",)


class CoLearning(Mechanisms):
    """Shortcuts past the detours of solved runs, mined without a model."""

    paper: ClassVar[str] = ShortcutsProposer.paper
    differs: ClassVar[str] = (
        "One solver's states and actions where two agents talk; a rule finds detours where a "
        "model values states."
    )
    proposer: ClassVar[str] = "shortcuts"
