"""How a student is trained, and the record that a training leaves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from envs.types import Frozen

Loss = Literal["sft", "nft", "dpo"]
"""What is made likely: the agent's turns; or, with outcomes, also what failed made unlikely; or, of
pairs, the right turn before the wrong one."""
Schedule = Literal["constant", "linear", "cosine"]


class Plan(Frozen):
    """Settings of one training. The defaults are those of the student that is shipped."""

    loss: Loss = "sft"
    """See `Loss`."""
    beta: float = Field(default=0.1, gt=0)
    """For `dpo`: how little the student may move from where it began; 0.1 is the paper's."""
    rank: int = Field(default=16, ge=1)
    """Rank of the adapter on each weight; 16 on all layers of a 135M model is 9.8 MB."""
    alpha: float = Field(default=32.0, gt=0)
    """What the adapter adds is scaled by alpha / rank."""
    layers: int = Field(default=0, ge=0)
    """Layers that learn, counted from the last; 0: all."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's input that is left out in training."""
    rate: float = Field(default=1e-3, gt=0)
    """Learning rate at its highest."""
    schedule: Schedule = "linear"
    """How the rate goes down after its warm-up. Rounds after the first take `constant`: warming up
    and cooling down again in each costs what was known before."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    epochs: float = Field(default=2.0, gt=0)
    """How often each row is seen."""
    batch: int = Field(default=8, ge=1)
    """Rows that one step of the optimiser learns from."""
    together: int = Field(default=2, ge=1)
    """Rows computed at once; divides `batch`. Two of 1,500 tokens take 3 GB, four took 18."""
    longest: int = Field(default=1536, ge=16)
    """Tokens; longer rows are left out and counted."""
    seed: int = 0
    """Of the order of rows and of the adapter's start."""
    save_steps: int = Field(default=10, ge=1)
    """Steps of the optimiser between two checkpoints: what a killed training loses at most."""
    checkpointing: bool = False
    """Compute activations twice to keep fewer of them: a third slower, for much less memory."""


PLANS: dict[str, Plan] = {
    "sft": Plan(),
    "nft": Plan(loss="nft"),
    "dpo": Plan(loss="dpo", rate=1e-4),
}
"""How rows are trained, by `Recipe.trains`. That DPO takes a small rate is custom, not measured."""


class Manifest(Frozen):
    """What an adapter came from, so that it can be made again and taken back."""

    plan: Plan
    """Settings."""
    rows: int
    """Rows that were learnt from."""
    rows_sha256: str
    """Of their file."""
    left_out: int = 0
    """Rows longer than `plan.longest`."""
    tokens: int
    """Tokens of all rows, each counted once."""
    trained_tokens: int
    """Those of them that the loss looks at."""
    steps: int
    """Steps of the optimiser."""
    loss: float
    """Mean over the last tenth of the steps."""
    seconds: float
    """Wall-clock time of training, over all its parts if it was interrupted."""
    base_sha256: str
    """Of the base model's file."""
    envs: tuple[str, ...] = ()
    """Environments of the rows."""
    teachers: tuple[str, ...] = ()
    """Who solved the tasks of the rows."""
    sources: tuple[str, ...] = ()
    """Ids of the trajectories that the rows were made of."""
    recipe: str = ""
    """Name of the recipe that made the rows."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the libraries and of Journeyman."""
    device: str = ""
    """What it was computed on."""
