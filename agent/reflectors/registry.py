"""Second looks and reflectors as the settings choose them."""

from __future__ import annotations

from agent.kit import Reflector, Strategy
from agent.models.types import Model
from agent.reflectors.confidence import IfOrElse, Review
from agent.reflectors.contrast import SelfContrast
from agent.reflectors.guideline import Guided, guidelines_of
from agent.reflectors.instructor import Instructed
from agent.reflectors.kinds import Kinds
from agent.reflectors.reconsider import Reconsidered
from agent.reflectors.rethinking import Rethinking, pitfalls_of
from agent.reflectors.retried import Retried
from agent.reflectors.types import SecondLook
from agent.settings import LearningSettings
from envs.errors import UnknownName
from memory.ledger import Ledger

PLAIN: dict[str, type[IfOrElse | Review | Instructed | SelfContrast]] = {
    look.name: look for look in (Review, IfOrElse, Instructed, SelfContrast)
}
"""Those that need nothing but a model."""


def second_look(name: str, *, ledger: Ledger) -> SecondLook:
    """The second look called `name`. Raises `UnknownName`."""
    if name == Rethinking.name:
        return Rethinking(pitfalls_of(ledger))
    if name not in PLAIN:
        raise UnknownName("second look", name, [*PLAIN, Rethinking.name])
    return PLAIN[name]()


def considered(inner: Strategy, learning: LearningSettings, *, ledger: Ledger) -> Strategy:
    """`inner`, with the second look that is chosen, if one is."""
    if learning.second_look == "none":
        return inner
    return Reconsidered(inner, second_look(learning.second_look, ledger=ledger))


def reflecting(
    inner: Reflector, learning: LearningSettings, *, model: Model, ledger: Ledger
) -> Reflector:
    """`inner`, with the kind of advice that is chosen, the guideline, and what becomes of it."""
    if learning.reflection != "default":
        inner = Kinds(model, learning.reflection, inner=inner)
    if "guideline" in learning.use:
        inner = Guided(inner, model=model, read=guidelines_of(ledger))
    return Retried(inner) if "retried" in learning.use else inner
