"""What a training makes small. Log-probabilities are of each next token: (rows, tokens - 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LEAST = 0.05
"""Floor under the ratio of the implicit negative policy, so that its logarithm stays finite."""


def weighted_loss(
    log_probs: torch.Tensor, weights: torch.Tensor, *, count: torch.Tensor
) -> torch.Tensor:
    """Negative log-likelihood, each token by its weight; `count` tokens in the whole batch.

    `weights` (rows, tokens) belong to the tokens themselves; the first is never predicted.
    """
    return -(log_probs * weights[:, 1:].to(log_probs)).sum() / count.to(log_probs.device)


def nft_loss(
    log_probs: torch.Tensor, batch: Mapping[str, torch.Tensor], *, count: torch.Tensor
) -> torch.Tensor:
    """Negative-aware fine-tuning: successes are made likely, failures unlikely, by one policy.

    With r the rate of success of a row's group and R = p / p_old of a token, a success costs
    -r log R, and a failure -(1 - r) log((1 - r R) / (1 - r)): the likelihood ratio of the negative
    policy that is implied. Source: Chen et al. 2025, Bridging Supervised Learning and
    Reinforcement Learning in Math Reasoning (NFT), arXiv 2505.18116. `batch` holds `weights` and
    `old` (rows, tokens), `outcome` and `rate` (rows).
    """
    weights = batch["weights"][:, 1:].to(log_probs)
    old = batch["old"][:, 1:].to(log_probs)
    won = batch["outcome"].to(log_probs)[:, None]
    rate = batch["rate"].to(log_probs)[:, None].clamp(0.05, 0.95)
    log_ratio = (log_probs - old) * (weights != 0)
    negative = ((1 - rate * log_ratio.exp()) / (1 - rate)).clamp(min=LEAST)
    gained = won * rate * log_ratio + (1 - won) * (1 - rate) * negative.log()
    return -(gained * weights).sum() / count.to(log_probs.device)


def dpo_loss(
    log_probs: torch.Tensor,
    batch: Mapping[str, torch.Tensor],
    *,
    beta: float,
    count: torch.Tensor | int,
) -> torch.Tensor:
    """Direct preference optimisation: -log sigmoid(beta * margin), over `count` pairs.

    The margin is how much likelier the better turn has become since the training began, less how
    much likelier the worse one, each as a whole. Source: Rafailov et al. 2023, Direct Preference
    Optimization, arXiv 2305.18290. The first half of the rows are the better ones, in the order of
    the second half; `batch` holds `weights` and `old` (rows, tokens).
    """
    import torch

    weights = batch["weights"][:, 1:].to(log_probs)
    old = batch["old"][:, 1:].to(log_probs)
    better, worse = ((log_probs - old) * weights).sum(1).chunk(2)
    return -torch.nn.functional.logsigmoid(beta * (better - worse)).sum() / count
