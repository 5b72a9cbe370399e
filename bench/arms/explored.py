"""Skills found by exploring web pages, as arms: with a model, and with none."""

from __future__ import annotations

from dataclasses import replace

from agent.chance import RandomChoice
from agent.runner import Crew
from bench.arms.skills import Skilled


class Explored(Skilled):
    """The bare model with skills that were found by trying out train pages before."""

    paper = "Zheng et al. 2025, SkillWeaver, arXiv 2504.07079"
    differs = (
        "Pages are tried out without a model; a program is admitted by trials on train pages that "
        "were not explored, by the environment's reward; each of its actions counts a step."
    )


class ExploredByChance(Explored):
    """The same skills without a model.

    `choose` is `first` (the best proven call that fits is done without asking, else any admissible
    action) or `model` (a call is one of the admissible actions, any of which is done).
    """

    differs = f"{Explored.differs} No model: where no skill fits, any admissible action is done."
    chance = True

    def crew(self, crew: Crew) -> Crew:
        """No model."""
        return replace(super().crew(crew), strategy=RandomChoice())
