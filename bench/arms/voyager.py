"""Voyager's rule for a library of code: what raised no exception stays, and is found by words."""

from __future__ import annotations

import numpy as np

from agent.runner import Crew
from agent.skilled import Offer
from bench.arms.skills import Skilled


class Voyager(Skilled):
    """Keeps each program that raised no exception, and retrieves by its description.

    Of the calls that a goal can be bound to, those come first whose description (docstring) is
    closest to the goal in meaning.
    """

    paper = "Wang et al. 2023, Voyager, arXiv 2305.16291"
    differs = (
        "Programs are induced from the expert's train runs, the same as those of the arm `skills`, "
        "where the paper has a model write them from feedback in play: so the arms differ in what "
        "is kept, not in who writes. A model's judgement of success is not asked. A program is "
        "called with arguments that the goal binds, in place of new code around it."
    )

    def crew(self, crew: Crew) -> Crew:
        """With calls in the order of their descriptions."""
        crew = super().crew(crew)
        if crew.skills is None:
            return crew
        plain = crew.skills.offers

        def nearest(goal: str, env: str, here: tuple[str, ...]) -> list[Offer]:
            found = plain(goal, env, here)
            if len(found) < 2:
                return found
            rows = self.desk.embedder().embed([goal, *(one.about for one in found)])
            likeness = np.round(rows[1:] @ rows[0], 5)
            return [found[int(at)] for at in np.argsort(-likeness, kind="stable")]

        crew.skills.offers = nearest
        return crew
