"""The models that play the experiments with a name."""

from __future__ import annotations

from agent.models.pull import EMBEDDED
from agent.settings import ModelSettings

SMOL = ModelSettings(file=EMBEDDED, name="SmolLM2-135M-Instruct (embedded)")
CODER = ModelSettings(file="qwen2.5-coder-1.5b", name="Qwen2.5-Coder-1.5B-Instruct Q4_K_M")

SHIPPED = "shipped:alfworld"
"""The student that comes along."""


def student(name: str) -> ModelSettings:
    """The embedded model with the adapter of that name."""
    return ModelSettings(adapter=name, name=f"SmolLM2-135M-Instruct (student {name})")
