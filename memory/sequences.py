"""Intervals that hold at every moment at once, however often one looks: confidence sequences.

Written against the papers: the one package for it (`confseq` 0.0.11, January 2023) is a source
release that needs a C++ compiler and Boost, and fails to import beside NumPy 2. Tests hold the
results against that package's.

- `Sums`, `bounds`, `log_evidence`: empirical Bernstein, for the running mean of the conditional
  means of bounded values, which may drift. Fan, Grama and Liu 2015 (Lemma 4.1); Howard, Ramdas,
  McAuliffe and Sekhon 2021, arXiv 1810.08240 (Theorem 4, discrete mixture). Exact at every n.
- `normal_mixture`: the two-sided boundary of Robbins, for the asymptotic sequences of Waudby-Smith,
  Arbour, Sinha, Kennedy and Ramdas 2024, arXiv 2103.06476 (Theorem 2.5); narrower, valid late.
- `betting`: hedged capital, for the constant mean of values in [0, 1]. Waudby-Smith and Ramdas
  2024, arXiv 2010.09686 (Theorem 3, the bets of its section 4.2). Exact, narrow where values
  hardly vary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
"""One minus the coverage."""
RATES = 0.8 * 2.0 ** (-np.arange(27) / 4)
"""The bets that are mixed, per unit of the values."""
_SHARES = np.exp(-((np.arange(27) - 12) ** 2) / 50)
LOG_WEIGHTS = np.log(_SHARES / _SHARES.sum())
"""Logarithms of their shares: narrowest for a sum of variances between about 100 and 10,000."""
NEAREST = 0.01
"""A value is taken to be able to miss its guess by at least this; less would lose all digits."""
NEWTON = 60
"""Most steps of the solver; it needs 5 to 15."""


@dataclass(frozen=True)
class Sums:
    """All that a sequence has to know of its values; J rates, any leading shape."""

    count: np.ndarray
    """How many values."""
    total: np.ndarray
    """Their sum."""
    below: np.ndarray
    """Price of each bet that the mean is higher; (..., J), infinite for a bet that is out."""
    above: np.ndarray
    """The same for bets that it is lower; (..., J)."""

    def last(self) -> Sums:
        """The latest of sums over time."""
        return Sums(self.count[..., -1], self.total[..., -1], self.below[-1], self.above[-1])


def accumulate(
    values: np.ndarray, *, guesses: np.ndarray, least: np.ndarray, most: np.ndarray
) -> Sums:
    """Sums after each of n values, leading shape (n,).

    `guesses` of each value and the ends between which it must lie, `least` and `most`, are (n,)
    and have to be fixed before the value is drawn. A bet that a possible value could ruin is out
    from then on.
    """
    error = (values - guesses) ** 2
    below = np.cumsum(_cost(error, guesses - least), axis=0)
    above = np.cumsum(_cost(error, most - guesses), axis=0)
    return Sums(np.arange(1, len(values) + 1), np.cumsum(values), below, above)


def bounds(sums: Sums, *, alpha: float = ALPHA) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end for the mean, each of the leading shape; infinite where nothing is known.

    With probability 1 - `alpha` the running mean of the values' conditional means lies between
    them at all times.
    """
    count = np.maximum(sums.count, 1)
    low = (sums.total - _reach(sums.below, alpha / 2)) / count
    high = (sums.total + _reach(sums.above, alpha / 2)) / count
    return low, high


def log_evidence(sums: Sums, *, null: float, above: bool) -> np.ndarray:
    """Logarithm of an e-value against "the mean is at most `null`" (`above`), or at least.

    Under it, at any stopping time, the expectation of the e-value is at most 1.
    """
    gain = sums.total - sums.count * null
    if above:
        return _mixture(gain, sums.below)
    return _mixture(-gain, sums.above)


def normal_mixture(variance: np.ndarray | float, *, alpha: float, tuned: float) -> np.ndarray:
    """How far a sum may be from its mean, by the sum of its variances; same shape.

    The two-sided normal mixture of Howard et al. 2021 (Equation 14), narrowest near the variance
    `tuned`.
    """
    wide = tuned / _tuning(alpha)
    at = np.asarray(variance, dtype=float) + wide
    return np.sqrt(at * (np.log(at / wide) - 2 * np.log(alpha)))


def betting(values: np.ndarray, *, alpha: float = ALPHA, grid: int = 1000) -> tuple[float, float]:
    """Ends of the interval for the constant mean of `values` (n,) in [0, 1], after the last.

    `grid` means are tried; the ends are rounded outwards to it.
    """
    means = np.arange(grid + 1) / grid
    wealth = log_capital(values, means, alpha=alpha)
    kept = np.flatnonzero(wealth < -np.log(alpha))
    if not len(kept):
        place = float(np.clip(np.mean(values), 0.0, 1.0))
        return place, place
    return float(max(0.0, means[kept[0]] - 1 / grid)), float(min(1.0, means[kept[-1]] + 1 / grid))


def log_capital(values: np.ndarray, means: np.ndarray, *, alpha: float = ALPHA) -> np.ndarray:
    """Logarithm of what was won by betting against each of `means`; same shape.

    The larger of the halves staked on a higher and on a lower mean.
    """
    won, lost = log_wealth(values, means, alpha=alpha)
    return np.maximum(won, lost) - np.log(2)


def log_wealth(
    values: np.ndarray, means: np.ndarray, *, alpha: float = ALPHA
) -> tuple[np.ndarray, np.ndarray]:
    """What was won by betting that the mean is higher than each of `means`, and lower.

    Logarithms of e-values against "the mean is at most this", and "at least this".
    """
    bets = _bets(values, alpha / 2)[None, :]
    with np.errstate(divide="ignore"):
        up = np.minimum(bets, 0.5 / means[:, None])
        down = np.minimum(bets, 0.5 / (1 - means[:, None]))
    gap = values[None, :] - means[:, None]
    return np.log1p(up * gap).sum(axis=1), np.log1p(-down * gap).sum(axis=1)


def _bets(values: np.ndarray, alpha: float) -> np.ndarray:
    """Predictable plug-in bets, from the values before each one; (n,)."""
    time = np.arange(1, len(values) + 1)
    mean = np.minimum((0.5 + np.cumsum(values)) / (time + 1), 1.0)
    spread = (0.25 + np.cumsum((values - mean) ** 2)) / (time + 1)
    before = np.concatenate([[0.25], spread[:-1]])
    return np.sqrt(2 * np.log(1 / alpha) / (time * np.log1p(time) * before))


def _cost(error: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """What each bet pays for a squared error (n,) when the value could miss by `reach`; (n, J)."""
    reach = np.maximum(reach, NEAREST)[:, None]
    part = RATES * reach
    alive = np.maximum.accumulate(part, axis=0) < 1
    safe = np.where(alive, part, 0.0)
    return np.where(alive, error[:, None] * (-np.log1p(-safe) - safe) / reach**2, np.inf)


def _mixture(gain: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Logarithm of the mixed wealth; of the leading shape."""
    terms = LOG_WEIGHTS + RATES * np.asarray(gain)[..., None] - price
    top = np.max(terms, axis=-1)
    calm = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return calm + np.log(np.exp(terms - calm[..., None]).sum(axis=-1))


def _reach(price: np.ndarray, alpha: float) -> np.ndarray:
    """The gain at which the mixed wealth is 1 / `alpha`; of the leading shape.

    Newton's method from above on a convex rising function, so it comes down and never undershoots.
    """
    goal = -np.log(alpha)
    gain = np.min((goal - LOG_WEIGHTS + price) / RATES, axis=-1)
    open_ = np.isfinite(gain)
    price = np.where(open_[..., None], price, 0.0)
    at = np.where(open_, gain, 0.0)
    for _ in range(NEWTON):
        terms = LOG_WEIGHTS + RATES * at[..., None] - price
        top = terms.max(axis=-1)
        parts = np.exp(terms - top[..., None])
        whole = parts.sum(axis=-1)
        step = (top + np.log(whole) - goal) * whole / (parts * RATES).sum(axis=-1)
        at = at - np.maximum(step, 0.0)
        if np.all(~open_ | (step < 1e-9 * (1 + np.abs(at)))):
            break
    return np.where(open_, at, np.inf)


def _tuning(alpha: float) -> float:
    """The variance at which a mixture of width 1 is narrowest, relative to its square root."""
    at = 10.0
    for _ in range(100):
        at = np.log1p(at) - 2 * np.log(alpha)
    return float(at)
