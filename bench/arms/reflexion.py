"""Reflexion: the same task again, with what was wrong in one's own words."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from agent.kit import Reflector
from agent.models.types import Model, Sampling
from agent.runner import Crew
from agent.state import Attempt
from bench.arms.learning import Thinker, asking, line, object_of, room, solving, story, told, whole
from bench.arms.types import Desk
from envs.errors import one_line
from memory.types import Lesson, Usage, Verdict

PLAN = 480
"""Most characters of a plan."""
REPLY = 260
"""Most tokens of a plan; so long that `PLAN` ends it first."""
KEPT = 3
"""Plans that the paper keeps, and so the most retries."""


class Reflexion(Thinker):
    """Tries a failed task again with a plan that the model wrote after the failure.

    1. Act (ReAct). 2. When the episode ends without success, a model reads the attempt and the
    plans from the attempts before it, and writes a concise new plan. 3. The same task begins anew
    with the last three plans in the prompt. This is an `oracle_retry`: the sign that it failed
    comes from the environment. Nothing is carried over to other tasks.
    """

    paper: ClassVar[str] = "Shinn et al. 2023, Reflexion, arXiv 2303.11366"
    differs: ClassVar[str] = (
        "Two retries by default and three at most, as many as plans are kept, where the paper "
        "plays a game up to twelve times; so no plan is ever dropped. No solved examples in the "
        "solver's prompt (the paper has two of the task's type). The reflecting model gets the "
        "paper's two example plans without the attempts that they belong to, with what is wrong "
        "in them mended, and a plan has at most 480 characters, by a JSON schema. An "
        "attempt ends by the task's step limit, not at the first repeated action: all arms share "
        "the same loop-breaking."
    )

    def __init__(self, desk: Desk, *, think: bool = True, retries: int = 2) -> None:
        super().__init__(desk, think=think)
        self._retries = whole(retries, name="retries", low=1, high=KEPT)

    def crew(self, crew: Crew) -> Crew:
        """The common crew, trying again, with Reflexion's words after a failure."""
        reflector = Planner(self.desk.model, context=self.desk.settings.model.context)
        return replace(solving(super().crew(crew), retries=self._retries), reflector=reflector)


class Planner(Reflector):
    """Writes the plan for the next attempt.

    The plans of earlier attempts at the task are kept from one failure to the next, until the
    task begins anew; after a crash in between they are not told again.
    """

    def __init__(self, model: Model, *, context: int) -> None:
        self._model = model
        self._context = context
        self._plans: dict[tuple[str, str], list[str]] = {}

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:  # noqa: ARG002
        """The new plan. Raises `ModelError` where the model gives none."""
        task = (attempt.task.env, attempt.task.id)
        earlier = self._plans.get(task, [])[-KEPT:] if attempt.number else []
        trials = [f"Trial #{number}: {plan}" for number, plan in enumerate(earlier)]
        past = "\n".join(["", "", "Plans from past attempts:", *trials]) if trials else ""
        system = told("reflexion")
        most = room(self._context, system, past, reply=REPLY)
        history = story(attempt.first, attempt.steps, most=most, outcome="STATUS: FAIL")
        reply = await self._model.reply(
            asking(system, f"{history}{past}\n\nNew plan:"),
            schema=object_of({"plan": line(PLAN)}),
            sampling=Sampling(max_tokens=REPLY),
        )
        plan = one_line(str((reply.data or {}).get("plan", "")))
        self._plans[task] = [*earlier, plan]
        return plan, reply.usage

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:  # noqa: ARG002
        """Nothing: Reflexion keeps nothing for other tasks."""
        return [], Usage()
