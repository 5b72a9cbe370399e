"""How memory is asked: ranking by the settings, length by the size of the model.

Recalled text is read anew at every step: at the 275 prompt tokens/s of the 135M model on 2 cores 96
tokens are 0.35 s, and long prompts confuse small models. The table was not tuned on any task.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.settings import MemorySettings
from agent.transcript import STUDENT
from memory.ranking import Ranking

BUDGETS = ((0.3, 96), (1.0, 160), (4.0, 256), (16.0, 384))
"""Parameters in billions up to which a budget of that many tokens holds."""
LARGE = 512
"""Tokens for models above."""
UNKNOWN = 256
"""Tokens where the name does not tell the size."""
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)\s?(b|m|t)(?![a-z0-9])", re.IGNORECASE)
_SCALE = {"m": 1e-3, "b": 1.0, "t": 1e3}


def parameters(model: str) -> float | None:
    """Parameters in billions, read from the name; None where it doesn't tell.

    Of several sizes the largest counts: of a mixture the whole, not what is active.

    >>> parameters("Qwen2.5-Coder-1.5B-Instruct-Q4_K_M"), parameters("gpt-5")
    (1.5, None)
    """
    found = [
        float(experts or 1) * float(count) * _SCALE[unit.lower()]
        for experts, count, unit in _SIZE.findall(model.rpartition("/")[2])
    ]
    return max(found, default=None)


def recall_budget(chosen: int | None, model: str, *, acting: bool = False) -> int:
    """Tokens of recalled text before an action: what was chosen, else by the size of the model.

    A student that is acting in an environment gets none: it was taught by rows from which what was
    recalled had been taken out, and with two lessons before it the 135M went from place to place
    and took nothing (0 of 4 games, which it wins without them).
    """
    if chosen is not None:
        return chosen
    if acting and STUDENT in model:
        return 0
    size = parameters(model)
    if size is None:
        return UNKNOWN
    return next((budget for most, budget in BUDGETS if size <= most), LARGE)


def ranking_of(memory: MemorySettings, *, fits: Callable[[str], bool] | None = None) -> Ranking:
    """How what was found is put in order, by the settings; texts that fit come first."""
    return Ranking(
        words=memory.words,
        diversity=memory.diversity,
        sway=memory.sway,
        trust=memory.trust,
        episodes=memory.episodes,
        fits=fits,
    )
