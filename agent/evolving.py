"""What rounds of learning leave: proposals, what was decided of them, and the curve.

Every record is frozen and lies in the folder of its round; what was decided stands in the ledger
too, as changes, refused ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from agent.gate import Decision
from agent.roundlog import Held
from envs.types import Frozen
from memory.types import Change, Trajectory, Usage

ACTOR = "rule:evolve"
"""Who keeps and refuses what was proposed."""


class Proposer(Protocol):
    """One way of altering the agent. Made anew for each round."""

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Changes that belong together; none where there is nothing new. Nothing is in use yet.

        `trajectories` are the finished train runs of this round. Raises `ModelError`.
        """
        ...


class Capacity(Frozen):
    """How much the agent may carry. An adapter's bounds are those of `agent.gate.Bounds`."""

    lessons: int = Field(default=2000, ge=0)
    """Lessons of one environment that may be shown."""
    skills: int = Field(default=200, ge=0)
    """Active skills of one environment."""
    prompt_tokens: int = Field(default=600, ge=0)
    """Tokens of the solver's instructions, estimated."""


class Bounds(Frozen):
    """How rounds are made. The same for all rounds of one name."""

    tasks: int = Field(default=24, ge=1)
    """Train tasks a round."""
    judged: int = Field(default=60, ge=1)
    """Val tasks that the gate plays, at most; a clear case ends sooner."""
    least: int = Field(default=20, ge=1)
    """Fewest of these that can carry a change, unless the case is clear."""
    held: int = Field(default=30, ge=1)
    """Val tasks for the curve, which no gate plays."""
    episodes: int = Field(default=48, ge=2)
    """Train episodes that a proposer of prompts or settings may play in a round."""
    margin: float = Field(default=0.1, gt=0, lt=1)
    """Success that a change may cost, shown to be less, which is kept for being cheaper."""
    capacity: Capacity = Capacity()
    """How much may be carried."""


class Proposal(Frozen):
    """What a proposer came to."""

    by: str
    """Its name."""
    changes: tuple[Change, ...] = ()
    """Changes that stand or fall together; empty: nothing new."""
    episodes: int = 0
    """Train episodes that it played."""
    usage: Usage = Usage()
    """What it consumed, these episodes included."""
    note: str = ""
    """Why there is nothing, where there is nothing."""


class Decided(Frozen):
    """What became of a proposal."""

    by: str
    """Who proposed it."""
    about: tuple[str, ...] = ()
    """Each change in words."""
    decision: Decision
    """What the gates found; `promote`: it was kept."""
    batch: str = ""
    """By which it is undone; empty where nothing was written."""
    changes: tuple[str, ...] = ()
    """Ids of the changes in the ledger."""
    usage: Usage = Usage()
    """What the gate's runs consumed."""


class Evolved(Frozen):
    """One round, ended."""

    number: int
    """Counted from 1."""
    why: str = ""
    """Why these tasks."""
    won: int = 0
    """Train tasks solved."""
    played: int = 0
    """Train tasks played."""
    lessons: tuple[str, ...] = ()
    """Lessons that these runs wrote, each judged by its own evidence."""
    proposals: tuple[Proposal, ...] = ()
    """What was proposed, also where nothing was."""
    decided: tuple[Decided, ...] = ()
    """What became of it."""
    held: Held
    """Held-out success after the round."""
    episodes: int = 0
    """Train episodes since the first round, those of proposers included."""
    usage: Usage = Usage()
    """What learning consumed since the first round: train runs, proposers and gates."""

    @property
    def tokens(self) -> int:
        """Tokens sent and received since the first round, in learning."""
        return self.usage.prompt_tokens + self.usage.completion_tokens


class Evolution(Frozen):
    """Rounds of one name, as far as they are."""

    name: str
    """By which they are kept."""
    start: Held
    """Held-out success before the first."""
    rounds: tuple[Evolved, ...] = ()
    """In order."""

    def kept(self) -> tuple[Decided, ...]:
        """What the gates let in, in order."""
        return tuple(one for done in self.rounds for one in done.decided if one.decision.promote)

    def refused(self) -> tuple[Decided, ...]:
        """What they refused."""
        return tuple(
            one for done in self.rounds for one in done.decided if not one.decision.promote
        )
