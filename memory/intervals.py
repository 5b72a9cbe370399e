"""Intervals for rates and their differences."""

from __future__ import annotations

from math import sqrt

Z95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


def wilson(won: int, total: int, *, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a rate (Wilson 1927); (0, 1) for no cases.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if total == 0:
        return 0.0, 1.0
    rate = won / total
    centre = rate + z * z / (2 * total)
    spread = z * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def newcombe(won: tuple[int, int], total: tuple[int, int]) -> tuple[float, float]:
    """Newcombe's hybrid score interval for the difference of two rates (1998, method 10)."""
    if not all(total):
        return -1.0, 1.0
    rates = [w / t for w, t in zip(won, total, strict=True)]
    (low_a, high_a), (low_b, high_b) = (wilson(w, t) for w, t in zip(won, total, strict=True))
    difference = rates[0] - rates[1]
    low = difference - sqrt((rates[0] - low_a) ** 2 + (high_b - rates[1]) ** 2)
    high = difference + sqrt((high_a - rates[0]) ** 2 + (rates[1] - low_b) ** 2)
    return low, high
