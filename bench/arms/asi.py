"""ASI's rule for a library of code: a program stays when its rewritten trajectory replays."""

from __future__ import annotations

from bench.arms.skills import Skilled


class ASI(Skilled):
    """Keeps each program that solves, played anew, a task that it was written from."""

    paper = "Wang et al. 2025, Inducing Programmatic Skills (ASI), arXiv 2504.06821"
    differs = (
        "Programs are induced from the expert's train runs, the same as those of the arm `skills`, "
        "where the paper has a model write them from its own: so the arms differ in what is kept, "
        "not in who writes. The rewritten trajectory is the one call of the program; it counts as "
        "replayed by the environment's score, where the paper asks a model."
    )
