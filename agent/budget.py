"""What a run may consume."""

from __future__ import annotations

from agent.settings import BudgetSettings
from agent.state import State
from memory.types import Usage


def exceeded(state: State, budget: BudgetSettings) -> str:
    """`budget:NAME` for the first bound that is reached, else an empty string."""
    usage = Usage(**state.get("usage", {}))
    spent = {
        "steps": len(state.get("steps", ())),
        "tokens": usage.prompt_tokens + usage.completion_tokens,
        "seconds": state.get("elapsed", 0.0),
        "cost": usage.cost,
    }
    for name, amount in spent.items():
        bound = getattr(budget, name)
        if bound is not None and amount >= bound:
            return f"budget:{name}"
    return ""
