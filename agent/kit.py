"""What the nodes work with. Frozen; there are no globals."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from agent.models.types import Message, Model
from agent.player import Player
from agent.settings import Settings
from agent.state import Attempt
from envs.types import Frozen, Task
from memory.ranking import Ranking
from memory.recall import Memory, Query
from memory.types import Lesson, Recalled, Usage, Verdict
from memory.withholding import Occasion, decide

if TYPE_CHECKING:
    from agent.skilled import Toolbox
    from agent.state import State


class Event(Frozen):
    """Something that happened in a run, for those who watch it live."""

    kind: Literal["recalled", "action", "observation", "draft", "verdict", "reflection", "answer"]
    """What happened."""
    run: str
    """In which run."""
    step: int
    """At which step."""
    text: str = ""
    """In words."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Details."""


class Verifier(Protocol):
    """Judges an attempt by what any player sees; never by the score."""

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        """The verdict; `accepted` is None where it can't tell."""
        ...


class Reflector(Protocol):
    """Says what to do better, and what to remember."""

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """Advice for the next attempt at the same task."""
        ...

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """Lessons for other tasks; may be none."""
        ...


class Strategy(Protocol):
    """A solver's way of choosing the next action."""

    async def choose(self, state: State, kit: Kit) -> State:
        """An update with `action`, `thought`, `said` and `usage`."""
        ...


class Notebook:
    """What the nodes of a graph are given of memory: no ledger, so no scores of earlier runs."""

    def __init__(self, memory: Memory) -> None:
        def recall(
            query: Query,
            *,
            budget_tokens: int,
            floor: float,
            most: int,
            guard: bool,
            ranking: Ranking,
        ) -> tuple[Recalled, ...]:
            return memory.recall(
                query,
                budget_tokens=budget_tokens,
                floor=floor,
                most=most,
                guard=guard,
                ranking=ranking,
            )

        def shown(found: Sequence[Recalled], at: Occasion) -> list[str]:
            return [one.lesson for one in decide(memory, found, at) if one.shown]

        self.recall, self.shown = recall, shown
        """See `Memory.recall`; and which of what was found may be shown, see `decide`."""


@dataclass(frozen=True)
class Kit:
    """Everything a node may use."""

    run: str
    """Id of the run."""
    task: Task
    """What is asked."""
    player: Player
    """The episode, as a player has it."""
    model: Model
    """The solver's model."""
    strategy: Strategy
    """How the solver chooses."""
    verifier: Verifier
    """Who judges."""
    reflector: Reflector
    """Who learns."""
    settings: Settings
    """How everything is set."""
    memory: Notebook | None = None
    """None: no recall."""
    skills: Toolbox | None = None
    """None: no skills are offered."""
    learn: bool = False
    """Whether lessons are drafted."""
    tosses: bool = False
    """Whether lessons are withheld by chance, to measure what they do."""
    forced: Mapping[str, bool] = field(default_factory=dict)
    """Lessons that are shown, or kept out, on purpose."""
    pair: str = ""
    """What the two plays of a replay have in common."""
    guard: bool = True
    """Keep from the task what an earlier attempt at it left behind."""
    history: Sequence[Message] = ()
    """The conversation before, in chat."""
    user: str = ""
    """Whose memory is consulted, in chat."""
    brief: str = ""
    """What stands before the solver during the whole run besides its instructions."""
    emit: Callable[[Event], None] = field(default=lambda _event: None)
    """Who watches."""
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    """Chance."""
