"""Puts the mechanisms that `learning.use` names around what is there; none is named by default."""

from __future__ import annotations

from agent.anticipating import Anticipating
from agent.asking import Asking
from agent.kit import Reflector, Strategy
from agent.lookahead import LookAhead, Worlds
from agent.models.types import Model
from agent.proposers.subtasks import Subtasks
from agent.proposers.tips import Tips
from agent.reflectors.structured import Structured
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
    strategy, reflector = _foreseeing(
        learning, memory, strategy=strategy, reflector=reflector, model=model
    )
    if "subtasks" in learning.use:
        both = Subtasks(strategy, reflector, memory, model=model)
        return both, both
    return strategy, reflector


def _foreseeing(
    learning: LearningSettings,
    memory: Memory,
    *,
    strategy: Strategy,
    reflector: Reflector,
    model: Model | None,
) -> tuple[Strategy, Reflector]:
    """Those that weigh an action before it is done, the later ones around the earlier ones."""
    if "look-ahead" in learning.use:
        strategy = LookAhead(strategy, Worlds(memory.ledger).learned, model=model)
    if "anticipate" in learning.use:
        strategy = reflector = Anticipating(strategy, reflector, model=model)
    if "ask" in learning.use:
        strategy = reflector = Asking(strategy, reflector, memory.ledger)
    if "structured" in learning.use:
        strategy = reflector = Structured(strategy, reflector, model=model)
    return strategy, reflector
