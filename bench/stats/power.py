"""How many tasks it takes to see a difference, and which difference so many tasks can show.

At 5 % significance (two-sided), unless another `alpha` is asked for, and 80 % power. Without
`discordance` the two arms are taken as independent groups of n rows each; with it, as n pairs,
where it is the share of pairs of which one is solved and the other is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, ceil, pi, sin, sqrt

import numpy as np
from scipy.optimize import root_scalar
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from bench.stats.bootstrap import Cluster
from envs.errors import UserError

ALPHA, POWER = 0.05, 0.80
Z_POWER = float(norm.ppf(POWER))


def needed(
    difference: float, *, rate: float, discordance: float | None = None, alpha: float = ALPHA
) -> int:
    """Rows an arm, or pairs, that show a difference from `rate` in 80 of 100 experiments.

    Unpaired, the other rate lies on the side of one half, where chance is larger (Cohen's arcsine
    effect size, statsmodels). Paired: McNemar's test (Connor 1987); a discordance below the
    difference cannot be, and is raised to it.

    >>> needed(0.05, rate=0.5)
    1565
    >>> needed(0.1, rate=0.5, discordance=0.3)
    234
    """
    size = abs(difference)
    _check(rate, discordance)
    if not 0 < size <= 1:
        raise UserError(f"a difference of {difference!r} cannot be planned for", repair=BETWEEN)
    if discordance is not None:
        return ceil(_pairs(size, max(discordance, size), alpha=alpha))
    floor = min(rate, 1 - rate)
    if floor + size > 1:
        raise UserError(
            f"no rate lies {size:g} away from {rate:g}",
            repair=f"ask for at most {1 - floor:g}",
        )
    effect = abs(proportion_effectsize(floor + size, floor))
    solved = NormalIndPower().solve_power(effect_size=effect, alpha=alpha, power=POWER)
    return ceil(float(np.asarray(solved).item()))


def detectable(
    n: int, *, rate: float, discordance: float | None = None, alpha: float = ALPHA
) -> float:
    """Smallest difference that n rows an arm, or n pairs, show in 80 of 100 experiments.

    1.0 where not even the largest possible one would do.
    """
    _check(rate, discordance)
    if n < 1:
        return 1.0
    if discordance is not None:
        if discordance == 0 or _pairs(discordance, discordance, alpha=alpha) > n:
            return 1.0
        bracket = (1e-9, discordance)
        found = root_scalar(
            lambda size: _pairs(size, discordance, alpha=alpha) - n, bracket=bracket
        )
        return float(found.root)
    floor = min(rate, 1 - rate)
    angle = asin(sqrt(floor)) + (_z(alpha) + Z_POWER) * sqrt(2 / n) / 2
    return 1.0 if angle > pi / 2 else sin(angle) ** 2 - floor


def visible(n: float, *, discordance: float, alpha: float = ALPHA) -> float:
    """Smallest difference that n independent pairs show in 80 of 100 experiments.

    Unlike with `detectable`, a difference larger than the discordance brings flips of its own, as
    in `needed`. 1.0 where no difference would do.
    """
    _check(0.5, discordance)
    if n <= 0 or _pairs(1.0, 1.0, alpha=alpha) > n:
        return 1.0

    def missing(size: float) -> float:
        return _pairs(size, max(discordance, size), alpha=alpha) - n

    return float(root_scalar(missing, bracket=(1e-9, 1.0)).root)


def confirmable(n: float, *, discordance: float, alpha: float = ALPHA) -> float:
    """Smallest margin within which n independent pairs place two arms that do not differ at all.

    In 80 of 100 experiments, by an interval of level 1 - alpha; 1.0 for no pairs.
    """
    _check(0.5, discordance)
    if n <= 0:
        return 1.0
    return min(1.0, (_z(alpha) + Z_POWER) * sqrt(discordance / n))


def design_effect(values: Sequence[float], clusters: Sequence[Cluster]) -> float | None:
    """By what factor clusters inflate the variance of the mean; at least 1.

    1 + (m - 1) x ICC, with m the size of the cluster that a random row is in (Kish 1965) and the
    intraclass correlation from a one-way analysis of variance over the outermost clusters, no less
    than 0. None where it cannot be estimated: fewer than two clusters.
    """
    groups: dict[str | int, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster[0], []).append(value)
    total, count = len(values), len(groups)
    if count < 2:
        return None
    if total == count:
        return 1.0
    mean = float(np.mean(values))
    sizes = np.array([len(group) for group in groups.values()], dtype=float)
    means = np.array([np.mean(group) for group in groups.values()])
    between = float((sizes * (means - mean) ** 2).sum()) / (count - 1)
    within = sum(float(((np.array(g) - np.mean(g)) ** 2).sum()) for g in groups.values())
    within /= total - count
    typical = (total - (sizes**2).sum() / total) / (count - 1)
    spread = between + (typical - 1) * within
    shared = max(0.0, (between - within) / spread) if spread > 0 else 0.0
    return float(1 + ((sizes**2).sum() / total - 1) * shared)


def effective_size(values: Sequence[float], clusters: Sequence[Cluster]) -> float:
    """How many independent rows these are worth: rows over their design effect.

    Where all are equal, nothing tells how alike the rows of a cluster are: as many as clusters.
    """
    outer = len({cluster[0] for cluster in clusters})
    if len(set(values)) < 2:
        return float(outer)
    return len(values) / (design_effect(values, clusters) or 1.0)


BETWEEN = "ask for one between 0 and 1, 0.05 for five points"


def _z(alpha: float) -> float:
    return float(norm.ppf(1 - alpha / 2))


def _pairs(size: float, discordance: float, *, alpha: float) -> float:
    chance = _z(alpha) * sqrt(discordance) + Z_POWER * sqrt(max(0.0, discordance - size**2))
    return (chance / size) ** 2


def _check(rate: float, discordance: float | None) -> None:
    for name, value in (("rate", rate), ("discordance", discordance)):
        if value is not None and not 0 <= value <= 1:
            raise UserError(f"a {name} of {value!r} cannot be", repair="give one from 0 to 1")
