"""Rows as the batches that a trainer computes, and the probabilities that losses are made of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.plan import Plan
from distill.rows import Pair, Row
from distill.rows_pairs import sides
from distill.tokens import Encoded

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Label of a token that nothing is learnt from."""
NEAR = 16
"""Batches whose rows are sorted by length together."""
EXTRA = ("weights", "old", "outcome", "rate")
"""Columns that a model doesn't read, and losses do."""
HALVES = ("chosen", "rejected")
"""Columns of a pair, each with those of a row."""


@dataclass(frozen=True, slots=True)
class Collator:
    """Rows as one batch: padded to the longest of them."""

    padding: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        def padded(key: str, fill: float, kind: torch.dtype) -> torch.Tensor:
            parts = [torch.tensor(row[key], dtype=kind) for row in rows]
            return pad_sequence(parts, batch_first=True, padding_value=fill)

        ids = padded("input_ids", self.padding, torch.long)
        weights = padded("weights", 0.0, torch.float32)
        # No mask: padding stands at the end, where no real token looks, and attention without one
        # is computed in place (13 GB with one for four rows of 2,000 tokens, 8 without).
        return {
            "input_ids": ids,
            "labels": ids.masked_fill(weights == 0, IGNORED),
            "weights": weights,
            "old": padded("old", 0.0, torch.float32),
            "outcome": torch.tensor([float(row["outcome"]) for row in rows]),
            "rate": torch.tensor([float(row["rate"]) for row in rows]),
        }


def ordered(rows: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """All epochs one after the other, rows of about one length side by side, by the seed alone.

    So a training that goes on after a kill sees the rest of what it would have seen. The batch with
    the longest row is the first: what doesn't fit into memory fails at once.
    """
    rng, found = random.Random(plan.seed), list[list[dict[str, Any]]]()
    left = round(plan.epochs * len(rows))
    while left > 0:
        epoch = rng.sample(rows, len(rows))[:left]
        left -= len(epoch)
        near = plan.batch * NEAR
        parts = [epoch[at : at + near] for at in range(0, len(epoch), near)]
        alike = [row for part in parts for row in sorted(part, key=lambda one: -one["length"])]
        batches = [alike[at : at + plan.batch] for at in range(0, len(alike), plan.batch)]
        rest = batches.pop() if len(batches[-1]) < plan.batch else None
        rng.shuffle(batches)
        found += [*batches, *([rest] if rest else [])]
    first = max(range(len(found)), key=lambda at: max(row["length"] for row in found[at]))
    if len(found[first]) == plan.batch:
        found.insert(0, found.pop(first))
    return [row for batch in found for row in batch]


@dataclass(frozen=True, slots=True)
class PairCollator:
    """Pairs as one batch: all better turns, then all worse ones in the same order."""

    padding: int

    def __call__(self, pairs: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        halves = [pair[half] for half in HALVES for pair in pairs]
        return Collator(self.padding)(halves)


def columns_of(row: Row, one: Encoded) -> dict[str, Any]:
    """A row as a line of the data set. Rows that tell no outcome are successes."""
    about = row.metadata
    return {
        "input_ids": list(one.ids),
        "weights": list(one.weights),
        "old": [0.0] * len(one.ids),
        "outcome": 1.0 if about.outcome is None else float(about.outcome),
        "rate": 1.0 if about.rate is None else about.rate,
        "length": len(one.ids),
    }


def pair_columns(pair: Pair, better: Encoded, worse: Encoded) -> dict[str, Any]:
    """A pair as a line of the data set."""
    halves = [columns_of(row, one) for row, one in zip(sides(pair), (better, worse), strict=True)]
    length = max(half["length"] for half in halves)
    return {**dict(zip(HALVES, halves, strict=True)), "length": length}


def log_probs(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Log-probability of each next token, (rows, tokens - 1); 0 where its label is ignored.

    Logits are made only where there is a label, all of them at once: on 2 cores twice as fast as
    TRL's head, which makes them tile by tile and computes them again on the way back.
    """
    import torch

    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = whole.base_model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:] != IGNORED
    logits = whole.get_output_embeddings()(hidden[wanted]).float()
    costs = torch.nn.functional.cross_entropy(logits, labels[:, 1:][wanted], reduction="none")
    return torch.zeros(wanted.shape, device=costs.device).masked_scatter(wanted, -costs)


def count_of(total: Any, weights: torch.Tensor) -> torch.Tensor:
    """Tokens of the whole batch of the optimiser, or of what is at hand."""
    import torch

    here = (weights != 0).sum() if total is None else torch.as_tensor(total)
    return here.clamp(min=1)


def with_old(rows: list[dict[str, Any]], model: Any, file: Path, *, padding: int) -> None:
    """Log-probabilities of each row under the model as it is now, for losses that go by a ratio."""
    import torch
    from safetensors.torch import load_file, save_file

    if file.is_file():
        kept = load_file(str(file))
    else:
        kept, collate = {}, Collator(padding)
        model.eval()
        with torch.no_grad(), torch.autocast(model.device.type, dtype=torch.bfloat16):
            for at, one in enumerate(rows):
                batch = {k: v.to(model.device) for k, v in collate([one]).items()}
                found = log_probs(model, batch["input_ids"], batch["labels"])[0].cpu()
                kept[str(at)] = torch.cat([torch.zeros(1), found])
        model.train()
        part = file.with_suffix(".part")
        save_file(kept, str(part))
        part.replace(file)
    for at, one in enumerate(rows):
        one["old"] = kept[str(at)].tolist()
