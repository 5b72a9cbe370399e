"""What can be chosen of looking ahead, asking first and looking back, with the papers."""

from __future__ import annotations

from typing import Any

from agent.following import follows
from agent.settings import Mechanism, Settings

USED: dict[Mechanism, tuple[str, str]] = {
    "look-ahead": (
        "follows each action some steps into a model learnt from runs; avoids known bad ends",
        "Fang et al. 2025, WebEvolver, arXiv 2504.21024",
    ),
    "anticipate": (
        "a failure and its remedy before each action; a check after it, a review at the end",
        "Wang et al. 2024, Devil's Advocate, arXiv 2405.16334",
    ),
    "ask": (
        "asks whom it may ask before it acts, once for each fact, and keeps the answers",
        "Chen et al. 2023, Asking Before Action, arXiv 2305.15695",
    ),
    "structured": (
        "a retry repeats what was right, and does something else at the earliest wrong step",
        "Li et al. 2023, Structured Reflection, arXiv 2310.08740",
    ),
}
"""By what `learning.use` names: what it does, and the paper."""
MADE: tuple[tuple[str, str, str, str], ...] = (
    (
        "worlds",
        "plays in a model learnt from runs; imagined, never scored, out of rows unless asked for",
        "Fang et al. 2025, WebEvolver, arXiv 2504.21024",
        "journeyman run imagined:ENV",
    ),
    (
        "tutorials",
        "makes demonstrations out of a text; those count that reach the goal when they are played",
        "Ou et al. 2024, Synatra, arXiv 2409.15637",
        "journeyman skills tutorial ENV FILE",
    ),
)
"""Name, what it does, paper, and what chooses it."""


def told(settings: Settings) -> list[dict[str, Any]]:
    """All of it, as the fields of a `Choice`."""
    learning = settings.learning
    used = [
        {
            "part": "solver",
            "name": name,
            "does": does,
            "paper": paper,
            "setting": f'learning.use = ["{name}"]',
            "chosen": name in learning.use,
        }
        for name, (does, paper) in USED.items()
    ]
    fields = ("part", "name", "does", "paper", "setting", "chosen")
    follow: dict[str, Any] = {
        "part": "solver",
        "name": "follow",
        "does": "takes first what a recalled way would do next here; models below 4B parameters",
        "paper": "Khandelwal et al. 2020, kNN-LM, arXiv 1911.00172, as a policy over actions",
        "setting": "solver.follow = true",
        "chosen": follows(settings.solver, settings.model.name),
    }
    made: list[dict[str, Any]] = [
        dict(zip(fields, ("distill", *one, None), strict=True)) for one in MADE
    ]
    return [follow, *used, *made]
