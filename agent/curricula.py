"""Curricula by the name that `journeyman tasks next --by` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agent.curriculum import Curriculum, Frontier, InOrder
from agent.curriculum_bandit import Bandit
from envs.errors import UnknownName
from envs.types import Task


class Kind(NamedTuple):
    """A curriculum that can be chosen."""

    make: Callable[..., Curriculum]
    """From train tasks and a seed."""
    does: str
    """What it does, in a line."""
    paper: str
    """Where it comes from; empty: our own."""


CURRICULA: Mapping[str, Kind] = {
    "frontier": Kind(
        Frontier, "types that nobody solved yet first, then those whose outcomes vary most", ""
    ),
    "bandit": Kind(
        Bandit,
        "draws types by how much their outcomes surprised lately",
        "Chen et al. 2025, Self-Evolving Curriculum (SEC), arXiv 2505.14970",
    ),
    "order": Kind(InOrder, "every task once, then again; what the others are held against", ""),
}
DEFAULT = "frontier"


def curriculum(name: str, tasks: Sequence[Task], *, seed: int = 0) -> Curriculum:
    """The curriculum of this name over train tasks. Raises `UnknownName` and `Refused`."""
    if name not in CURRICULA:
        raise UnknownName("curriculum", name, CURRICULA)
    return CURRICULA[name].make(tasks, seed=seed)


OWN_TASKS: tuple[tuple[str, str, str, str], ...] = (
    (
        "starts",
        "begins in the middle of episodes, where outcomes vary most from there",
        "Jiang et al. 2025, Bootstrapping Task Spaces (ExIt), arXiv 2509.04575",
        "journeyman tasks make ENV --of starts",
    ),
    (
        "goals",
        "new goals out of mastered ones, kept where skills reach all parts by their own scores",
        "Colas et al. 2023, LMA3, arXiv 2305.12487",
        "journeyman tasks make ENV --of goals",
    ),
)
"""Tasks of the agent's own: name, what it does, paper, and what makes them."""
