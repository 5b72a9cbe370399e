"""What can be chosen in the making of students and of those who judge, with the papers.

What makes rows is told where recipes are registered.
"""

from __future__ import annotations

from distill.recipes import RECIPES

ROUNDS, PYTHON = "journeyman learn ENV --distill", "from Python: "
TOLD: tuple[tuple[str, str, str, str], ...] = (
    (
        "rounds",
        "plays, trains, and lets a gate decide, until held-out success turns",
        "Aksitov et al. 2023, ReST meets ReAct, arXiv 2312.10003",
        ROUNDS,
    ),
    (
        "balance",
        "retunes samples, heat and threshold when exploration or exploitation falls",
        "Zeng et al. 2024, B-STaR, arXiv 2412.17256",
        ROUNDS,
    ),
    (
        "coverage",
        "tasks that no sample solves are explored, not trained on",
        "Huang et al. 2024, The Sharpening Mechanism, arXiv 2412.01951",
        ROUNDS,
    ),
    (
        "gap",
        "refuses a verifier that lets through no better than what comes",
        "Song et al. 2024, Mind the Gap, arXiv 2412.02674",
        "journeyman distill; journeyman eval gap --strict",
    ),
    (
        "rebalanced",
        "few rows of tasks that are often solved, rarely solved ones repeated",
        "Guo et al. 2025, Head-Tail Re-balancing, arXiv 2510.26474",
        "journeyman distill --most-per-task 2 --least-per-task 2",
    ),
    (
        "planted",
        "right ways with one wrong step at a known place, for who judges steps",
        "Xiao et al. 2025, UI-Genie, arXiv 2505.21496",
        f"{PYTHON}distill.corrupting",
    ),
    (
        "sparring",
        "a critic learns from the bouts that it lost against who plants wrong steps",
        "Chen et al. 2025, SPC, arXiv 2504.19162",
        f"{PYTHON}agent.sparring",
    ),
    (
        "preferences",
        "which of two answers is better, found out with tools before a judge is asked",
        "Zhou et al. 2025, Anyprefer, arXiv 2504.19276",
        f"{PYTHON}agent.preferences",
    ),
    (
        "critiques",
        "a critic of its own, whose critique goes into the next attempt",
        "Xi et al. 2024, critique models, arXiv 2411.16579",
        f"{PYTHON}agent.critic",
    ),
)
"""Name, what it does, paper, and what chooses it."""


def told() -> tuple[tuple[str, str, str, str], ...]:
    """All of it, recipes of rows first."""
    recipes = (
        (name, one.does, one.paper, f"journeyman distill --recipe {name}")
        for name, one in RECIPES.items()
    )
    return (*recipes, *TOLD)
