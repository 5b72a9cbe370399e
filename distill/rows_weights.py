"""Turns weighted by how rare what they do is.

Looking for things takes many steps and finding one takes a single: in what a teacher does in a
house, "go" stands four times for each "take", and a student that is taught every turn alike goes on
looking with the thing before its eyes. So a turn's weight grows with the rarity of its first word.
Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv 1901.05555;
here by the square root of the frequency, with a ceiling.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any

from distill.rows import Row

MOST = 3.0
"""Largest weight, where the commonest turns have less than 1."""


def by_rarity(rows: Sequence[Row], *, most: float = MOST) -> list[Row]:
    """The rows, each learnt turn with a new weight; their mean stays 1 where no ceiling is hit.

    Turns of weight 0 stay so, and turns that are no action count as one kind.
    """
    counts = Counter(kind for row in rows for kind in map(_kind, row.messages) if kind is not None)
    total = sum(counts.values())
    raw = {kind: sqrt(total / count) for kind, count in counts.items()}
    mean = sum(raw[kind] * count for kind, count in counts.items()) / max(1, total)
    scale = {kind: min(most, weight / mean) for kind, weight in raw.items()}

    def altered(message: dict[str, Any]) -> dict[str, Any]:
        kind = _kind(message)
        if kind is None:
            return message
        return {**message, "weight": round(message["weight"] * scale[kind], 3)}

    return [
        row.model_copy(update={"messages": tuple(altered(one) for one in row.messages)})
        for row in rows
    ]


def _kind(message: dict[str, Any]) -> str | None:
    """First word of the action that a learnt turn says; None: nothing is learnt from it."""
    if message.get("role") != "assistant" or not message.get("weight"):
        return None
    try:
        action = json.loads(message["content"])["action"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(action).partition(" ")[0]
