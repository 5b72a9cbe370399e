"""What a round trains on: fresh verified rows first, and so many others beside them.

A model that trains on its own output loses quality or diversity unless enough of it is fresh and
checked (Alemohammad et al. 2023, Self-Consuming Generative Models Go MAD, arXiv 2307.01850), and
forgets what it no longer sees; so each round has a least share of rows that the environment
verified in that round, and a share of rows of earlier rounds.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from pydantic import Field

from distill.rows import Pair, Row
from envs.types import Frozen


class Shares(Frozen):
    """How the rows of a round are made up."""

    fresh: float = Field(default=0.5, gt=0, le=1)
    """Least share of rows that the environment verified in this round."""
    replay: float = Field(default=0.3, ge=0, lt=1)
    """Share of rows of earlier rounds, where there are so many."""
    least: int = Field(default=8, ge=1)
    """Fewest fresh rows to train on at all."""


class Mixed(Frozen):
    """Rows of a round, and where they are from."""

    rows: tuple[Row | Pair, ...]
    """In an order that only the seed decides."""
    fresh: int
    """Rows that the environment verified in this round."""
    replayed: int
    """Rows of earlier rounds."""
    others: int
    """Other rows of this round: imported, label-free, or failures."""
    left_out: int
    """Others that were left out, as the fresh ones would have been too few beside them."""

    @property
    def share(self) -> float:
        """Share of the fresh ones; 0 without rows."""
        return self.fresh / len(self.rows) if self.rows else 0.0


def mixed(
    offered: Sequence[Row | Pair],
    older: Sequence[Row | Pair],
    *,
    verified: Collection[str],
    shares: Shares,
    seed: str,
) -> Mixed:
    """Puts the rows of a round together. `verified`: ids of its runs that the environment passed.

    No rows where the fresh ones are fewer than `shares.least`. Replayed rows come before others
    where there is not room for both.
    """
    rng = random.Random(seed)
    fresh = [row for row in offered if is_fresh(row, verified)]
    others = [row for row in offered if not is_fresh(row, verified)]
    if len(fresh) < shares.least:
        return Mixed(rows=(), fresh=len(fresh), replayed=0, others=0, left_out=len(others))
    room = int(len(fresh) * (1 - shares.fresh) / shares.fresh + 1e-9)
    wanted = round(len(fresh) * shares.replay / (1 - shares.replay))
    again = rng.sample(older, min(wanted, room, len(older)))
    beside = rng.sample(others, min(room - len(again), len(others)))
    rows = [*fresh, *again, *beside]
    rng.shuffle(rows)
    return Mixed(
        rows=tuple(rows),
        fresh=len(fresh),
        replayed=len(again),
        others=len(beside),
        left_out=len(others) - len(beside),
    )


def is_fresh(row: Row | Pair, verified: Collection[str]) -> bool:
    """Whether a row is of a run of this round that the environment passed."""
    return row.metadata.trajectory in verified
