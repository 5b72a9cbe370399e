"""A solver that picks any admissible action: the floor that every result is held against."""

from __future__ import annotations

from agent.kit import Kit
from agent.state import State, seen_of
from envs.types import Action


class RandomChoice:
    """Uniform over what is admissible; calls no model."""

    async def choose(self, state: State, kit: Kit) -> State:
        """The draw depends on the seed and the step alone, so a resumed run repeats it."""
        choices = seen_of(state).admissible or ("look",)
        text = kit.rng.choice(list(choices))
        return {"action": Action(text=text).model_dump(), "thought": "", "said": [text]}
