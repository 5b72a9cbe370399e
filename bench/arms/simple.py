"""Arms that learn nothing: floors, ceilings, and the ways to spend a budget without memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.chance import LedChoice, RandomChoice
from agent.reflector import Plain
from agent.runner import Crew
from agent.state import Attempt
from bench.arms.types import Arm, Desk
from envs.errors import UserError
from memory.types import Lesson, Usage, Verdict


class Bare(Arm):
    """The model alone: one constrained reply a step, no thought, no memory, loops broken."""

    paper = "none: the model under the house's solver"
    differs = "replies are constrained to the admissible actions, and loops are broken, in all arms"

    def __init__(self, desk: Desk, *, point: bool | None = None) -> None:
        super().__init__(desk)
        self._point = point
        """Whether what the goal names on a page comes first; None: where the model is small."""

    def crew(self, crew: Crew) -> Crew:
        """No thought."""
        return with_solver(crew, think=False, point=self._point)


class ReAct(Arm):
    """A thought before each action (Yao et al. 2022)."""

    paper = "Yao et al. 2022, ReAct, arXiv 2210.03629"
    differs = (
        "no solved example in the prompt (that is the arm `worked`); thought and action come in "
        "one JSON reply, a thought before every action instead of now and then; loops are broken"
    )

    def crew(self, crew: Crew) -> Crew:
        """Thoughts."""
        return with_solver(crew, think=True)


class Resampling(Arm):
    """New attempts with nothing learned from the last one: what Reflexion costs, without it.

    Draws at a temperature, and begins again after a failed attempt, `retries` times. An
    `oracle_retry`: the environment's end tells it whether to go on.
    """

    paper = "the control that Reflexion needs (Shinn et al. 2023 compare with plain retries)"
    differs = "as many attempts as Reflexion; its tokens are a little lower, as nothing is written"
    chance = True

    def __init__(
        self, desk: Desk, *, retries: int = 2, temperature: float = 0.7, think: bool = True
    ) -> None:
        super().__init__(desk)
        if retries < 1 or temperature <= 0:
            raise UserError(
                f"resampling with retries={retries!r} and temperature={temperature!r}",
                repair="retries is 1 or more, temperature above 0",
            )
        self._retries, self._temperature, self._think = retries, temperature, think

    def crew(self, crew: Crew) -> Crew:
        """Retries without advice."""
        crew = with_solver(
            crew, think=self._think, retries=self._retries, temperature=self._temperature
        )
        return replace(crew, reflector=Silent())


class Silent(Plain):
    """Says nothing about an attempt."""

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:  # noqa: ARG002
        """Only that there was one."""
        return "It did not reach the goal.", Usage()

    async def draft(
        self,
        attempt: Attempt,  # noqa: ARG002
        verdict: Verdict,  # noqa: ARG002
    ) -> tuple[list[Lesson], Usage]:
        """Nothing."""
        return [], Usage()


class Random(Arm):
    """Any admissible action: the floor."""

    paper = "none: the floor"
    chance = True

    def crew(self, crew: Crew) -> Crew:
        """No model."""
        return replace(crew, strategy=RandomChoice())


class Pointed(Random):
    """What the goal names on a page, else any action that does not go in circles."""

    paper = "none: what a small model is led to, without the model"
    differs = "the solver leads as it leads a small model; what is left is drawn by chance"

    def crew(self, crew: Crew) -> Crew:
        """No model."""
        return replace(with_solver(crew, point=True), strategy=LedChoice())


def with_solver(crew: Crew, **changes: Any) -> Crew:
    """The crew with other solver settings."""
    solver = crew.settings.solver.model_copy(update=changes)
    return replace(crew, settings=crew.settings.model_copy(update={"solver": solver}))
