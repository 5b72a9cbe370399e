"""Puts the mechanisms that `learning.use` names around what is there; none is named by default."""

from __future__ import annotations

from agent.kit import Reflector, Strategy
from agent.models.types import Model
from agent.proposers.subtasks import Subtasks
from agent.proposers.tips import Tips
from agent.settings import LearningSettings
from memory.across import Across
from memory.consensus import Consensus
from memory.games import OwnGame
from memory.lenses import Lens, Lensed
from memory.recall import Memory
from memory.scales import Scales

LENSES: dict[str, Lens] = {
    "tips": OwnGame,
    "across": Across,
    "consensus": Consensus,
    "scales": Scales,
}
"""In the order in which they are put on: what guards comes after what widens."""


def seen_through(memory: Memory, learning: LearningSettings) -> Memory:
    """The memory as the nodes recall from it; the same one where nothing is chosen."""
    lenses = [lens for name, lens in LENSES.items() if name in learning.use]
    if not lenses and not learning.agent:
        return memory
    return Lensed(memory, lenses=lenses, agent=learning.agent)


def learning_with(
    learning: LearningSettings,
    memory: Memory,
    *,
    strategy: Strategy,
    reflector: Reflector,
    model: Model | None,
) -> tuple[Strategy, Reflector]:
    """Strategy and reflector with the chosen writers around them; `model` None: rules write."""
    if "tips" in learning.use:
        reflector = Tips(reflector, model=model)
    if "subtasks" in learning.use:
        both = Subtasks(strategy, reflector, memory, model=model)
        return both, both
    return strategy, reflector
