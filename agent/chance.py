"""Solvers without a model: any admissible action, the floor; or any that a small model may do."""

from __future__ import annotations

from collections.abc import Sequence

from agent.kit import Kit
from agent.state import State, seen_of
from agent.steering import choices_of
from envs.types import Action


class RandomChoice:
    """Uniform over what is admissible; calls no model."""

    async def choose(self, state: State, kit: Kit) -> State:
        """The draw depends on the seed and the step alone, so a resumed run repeats it."""
        choices = self._choices(state, kit) or ("look",)
        text = kit.rng.choice(list(choices))
        return {"action": Action(text=text).model_dump(), "thought": "", "said": [text]}

    def _choices(self, state: State, kit: Kit) -> Sequence[str]:  # noqa: ARG002
        return seen_of(state).admissible or ()


class LedChoice(RandomChoice):
    """Uniform over what a small model would choose among: what the model adds is the difference."""

    def _choices(self, state: State, kit: Kit) -> Sequence[str]:
        return choices_of(state, kit)
