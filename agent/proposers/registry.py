"""Proposers by the name that `journeyman memory consolidate --with` takes."""

from __future__ import annotations

from agent.proposers.behaviours import Behaviours
from agent.proposers.guideline import Guideline
from agent.proposers.insights import Insights
from agent.proposers.notes import Notes
from agent.proposers.retried import Retried
from agent.proposers.shortcuts import Shortcuts
from agent.proposers.types import Proposer
from envs.errors import UnknownName

PROPOSERS: dict[str, type[Proposer]] = {
    "notes": Notes,
    "insights": Insights,
    "behaviours": Behaviours,
    "shortcuts": Shortcuts,
    "guideline": Guideline,
    "retried": Retried,
}
NO_MODEL = frozenset({"shortcuts", "retried"})
"""Those that call no model."""


def proposer_of(name: str) -> type[Proposer]:
    """Raises `UnknownName`."""
    if name not in PROPOSERS:
        raise UnknownName("proposer", name, PROPOSERS)
    return PROPOSERS[name]
