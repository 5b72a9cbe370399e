"""The greedy solver for environments that take text: one constrained reply a step."""

from __future__ import annotations

from typing import Any

from agent.following import follows
from agent.kit import Kit
from agent.models.types import Sampling
from agent.state import State
from agent.steering import acting, choices_of
from agent.transcript import text_messages
from envs.types import Action

THOUGHT = 240
"""Most characters of a thought."""


class Greedy:
    """Takes the model's most likely action among the admissible ones."""

    async def choose(self, state: State, kit: Kit) -> State:
        """Asks for JSON that can't but name an admissible action, where these are listed."""
        solver = kit.settings.solver
        choices = choices_of(state, kit)
        if len(choices) == 1 and not solver.think and follows(solver, kit.model.name):
            return acting(choices[0])
        reply = await kit.model.reply(
            text_messages(state, kit, choices=choices),
            schema=action_schema(choices, think=solver.think),
            sampling=Sampling(
                temperature=solver.temperature,
                max_tokens=256 if solver.think else 96,
                seed=kit.rng.randrange(2**31) if solver.temperature else None,
            ),
        )
        data = reply.data or {}
        return {
            "action": Action(text=str(data.get("action", "")).strip()).model_dump(),
            "thought": str(data.get("thought", "")),
            "said": [reply.text],
            "usage": reply.usage.model_dump(),
        }


def action_schema(choices: tuple[str, ...], *, think: bool) -> dict[str, Any]:
    """JSON schema of a reply: a thought if wanted, then one of `choices` (any line if empty)."""
    action: dict[str, Any] = {"enum": list(choices)} if choices else {"type": "string"}
    properties: dict[str, Any] = {"action": action}
    if think:
        properties = {"thought": {"type": "string", "maxLength": THOUGHT}, **properties}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
