"""Second looks by the names that the settings use."""

from __future__ import annotations

from agent.reflectors.confidence import IfOrElse, Review
from agent.reflectors.contrast import SelfContrast
from agent.reflectors.instructor import Instructed
from agent.reflectors.rethinking import Rethinking, pitfalls_of
from agent.reflectors.types import SecondLook
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
