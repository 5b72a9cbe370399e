"""Whether one arm is better than another: paired differences, flips, a verdict or none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import ceil, sqrt
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import binomtest, norm
from statsmodels.stats.multitest import multipletests

from bench.lab.types import Row
from bench.stats.bootstrap import (
    FEW,
    LEVEL,
    SAMPLES,
    Cluster,
    cluster_bootstrap,
    clusters_of,
    flat,
    trusted,
)
from bench.stats.power import design_effect, detectable, effective_size, needed
from envs.errors import UserError
from envs.types import Frozen

Verdict = Literal["better", "worse", "can't tell"]


class Difference(Frozen):
    """Success rate of `arm` less that of `against`, on the same tasks."""

    arm: str
    """The arm."""
    against: str
    """What it is held against."""
    n: int
    """Pairs."""
    unpaired: int
    """Rows of either arm without a counterpart; they are left out."""
    estimate: float | None
    """Mean difference over pairs, from -1 to 1; None for no pairs."""
    low: float
    """Lower end of the 95 % interval (or of the level that was asked for)."""
    high: float
    """Upper end of it."""
    method: str
    """How the interval was made."""
    sign_p: float
    """Two-sided exact sign test over tasks; with one pair a task that is McNemar's exact test."""
    right_to_wrong: int
    """Pairs that only `against` solved."""
    wrong_to_right: int
    """Pairs that only `arm` solved."""
    clusters: int
    """Different rooms."""
    tasks: int
    """Different tasks (`Row.task_key`)."""
    few_clusters: bool
    """Too few rooms to speak for others: the interval goes by tasks alone."""
    verdict: Verdict
    """About tasks and rooms like these; can't tell unless the interval excludes 0."""
    here: Verdict
    """The same for these very rooms alone; equals `verdict` where there are enough rooms."""
    reason: str
    """Why there is no verdict, in a few words; empty where there is one."""
    needed: int | None
    """Pairs that would show a difference of this size (or the size asked for); None for none."""
    detectable: float | None
    """Smallest difference that so many pairs, flipping as often, can show; None for no pairs."""
    worth: float
    """Independent pairs that these are worth, since those of a place resemble each other."""
    discordance: float
    """Share of pairs that only one arm solved, with one flip added."""


class Pair(NamedTuple):
    """One task as both arms played it."""

    arm: Row
    against: Row

    @property
    def value(self) -> int:
        """1, 0 or -1."""
        return int(self.arm.won) - int(self.against.won)


def comparable(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> str:
    """Why two arms must not be compared, or nothing: one began episodes again, one did not."""
    most = [max((row.attempts for row in rows), default=1) for rows in (rows_a, rows_b)]
    if (most[0] > 1) == (most[1] > 1) or not rows_a or not rows_b:
        return ""
    retried, once = (rows_a, rows_b) if most[0] > 1 else (rows_b, rows_a)
    return (
        f"{retried[0].arm!r} began episodes again after a failure (up to {max(most)} attempts) "
        f"and {once[0].arm!r} did not"
    )


def first_attempts(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows as they stood after the first attempt; what they cost stays that of all attempts."""
    return tuple(
        row.model_copy(update={"passed": row.first_passed, "attempts": 1})
        if row.attempts > 1
        else row
        for row in rows
    )


def pairs(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> tuple[Pair, ...]:
    """Rows of the same set, task, seed and, where both arms learn, number of tasks learned from.

    An arm that has but one seed (one without chance) is held against every seed of the other.
    Raises `UserError` where an arm has two rows for the same cell.
    """
    seeds = all(len({row.seed for row in rows}) > 1 for rows in (rows_a, rows_b))
    learned = all(any(row.learned for row in rows) for rows in (rows_a, rows_b))
    groups: dict[tuple[object, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((rows_a, rows_b)):
        seen: set[tuple[object, ...]] = set()
        for row in sorted(rows, key=lambda row: (row.set, row.task, row.seed, row.learned)):
            cell = (row.set, row.task, row.seed, row.learned)
            if cell in seen:
                raise UserError(
                    f"two rows of {row.arm!r} on task {row.task!r}, seed {row.seed}",
                    repair="pass the measured rows of one arm, each cell once",
                )
            seen.add(cell)
            key = (row.set, row.task, row.seed if seeds else 0, row.learned if learned else 0)
            groups[key][side].append(row)
    return tuple(Pair(a, b) for left, right in groups.values() for a in left for b in right)


def paired(
    rows_a: Sequence[Row],
    rows_b: Sequence[Row],
    *,
    seed: int,
    difference: float | None = None,
    samples: int = SAMPLES,
    checked: bool = False,
    level: float = LEVEL,
) -> Difference:
    """Difference of two arms, `rows_a` less `rows_b`.

    The interval is the bootstrap by room (by task where there are few rooms), and no narrower than
    Bonett & Price's adjusted Wald interval for as many pairs as the runs of the tasks are worth,
    which stays honest where the bootstrap sees no flips or few clusters. `difference` is the size
    to plan for instead of the one found. Raises `UserError` for arms that must not be compared
    (`comparable`), unless `checked`: rows don't tell that an arm would have begun again.
    """
    reason = "" if checked else comparable(rows_a, rows_b)
    if reason:
        raise UserError(
            reason,
            repair="compare first attempts (`first_attempts`), or with resampling at equal cost",
        )
    found = pairs(rows_a, rows_b)
    values = [float(pair.value) for pair in found]
    clusters = clusters_of([pair.arm for pair in found])
    usable, few = trusted(clusters)
    size = effective_size(values, flat(clusters))
    low, high, method = _interval(values, usable, size, seed=seed, samples=samples, level=level)
    by_task = _by_task(values, clusters)
    estimate = float(np.mean(values)) if values else None
    here: Verdict = "better" if low > 0 else "worse" if high < 0 else "can't tell"
    rooms = len({cluster[0] for cluster in clusters})
    paired_off = {id(row) for pair in found for row in pair}
    worth, flips = _worth(values, clusters)
    wanted, least = _plan(worth, flips, found, difference, alpha=1 - level)
    return Difference(
        arm=rows_a[0].arm if rows_a else "",
        against=rows_b[0].arm if rows_b else "",
        n=len(found),
        unpaired=sum(id(row) not in paired_off for row in (*rows_a, *rows_b)),
        estimate=estimate,
        low=low,
        high=high,
        method=method,
        sign_p=_sign_test(by_task),
        right_to_wrong=values.count(-1),
        wrong_to_right=values.count(1),
        clusters=rooms,
        tasks=len(by_task),
        few_clusters=few,
        verdict="can't tell" if few else here,
        here=here,
        reason=_reason(here, few=few, rooms=rooms, n=len(found)),
        needed=wanted,
        detectable=least,
        worth=worth,
        discordance=flips,
    )


def equivalent(difference: Difference, *, margin: float) -> bool:
    """Whether the whole 95 % interval lies within the margin, and speaks for other rooms too.

    Stricter than two one-sided tests at 5 %, which would look at the 90 % interval.
    """
    if not 0 < margin < 1:
        raise UserError(f"a margin of {margin!r} cannot be", repair="give one between 0 and 1")
    inside = -margin < difference.low and difference.high < margin
    return inside and not difference.few_clusters


def holm(chances: Sequence[float]) -> list[float]:
    """P-values corrected for as many questions (Holm 1979), in their order; by statsmodels."""
    if not chances:
        return []
    corrected = np.asarray(multipletests(chances, method="holm")[1], dtype=float)
    return [float(p) for p in corrected]


def bonett_price(
    gained: float, lost: float, n: float, *, level: float = LEVEL
) -> tuple[float, float]:
    """Adjusted Wald interval for the difference of paired proportions.

    Of n pairs, `gained` were solved by the first alone and `lost` by the second alone. Bonett &
    Price 2012, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based
    on Paired Data"; (-1, 1) for no pairs.
    """
    if n == 0:
        return -1.0, 1.0
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    spread = float(norm.ppf((1 + level) / 2)) * sqrt((up + down - (up - down) ** 2) / (n + 2))
    return max(-1.0, up - down - spread), min(1.0, up - down + spread)


def _by_task(values: Sequence[float], clusters: Sequence[Cluster]) -> list[tuple[float, float]]:
    """Share of pairs gained and share lost, for each task."""
    tasks: dict[Cluster, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        tasks[cluster].append(value)
    return [(seen.count(1) / len(seen), seen.count(-1) / len(seen)) for seen in tasks.values()]


def _interval(
    values: Sequence[float],
    clusters: Sequence[Cluster],
    size: float,
    *,
    seed: int,
    samples: int,
    level: float,
) -> tuple[float, float, str]:
    up, down = (values.count(flip) / max(1, len(values)) * size for flip in (1, -1))
    low, high = bonett_price(up, down, size, level=level)
    method = "Bonett-Price"
    if len(set(clusters)) < 2 or not any(values):
        return low, high, method
    unit = "room" if len(clusters[0]) > 1 else "task"
    ends = cluster_bootstrap(values, clusters, rng_seed=seed, samples=samples, level=level)
    mean = float(np.mean(values))
    low, high = max(-1.0, min(low, ends[0], mean)), min(1.0, max(high, ends[1], mean))
    return low, high, f"bootstrap by {unit}, no narrower than {method}"


def _sign_test(by_task: Sequence[tuple[float, float]]) -> float:
    better = sum(up > down for up, down in by_task)
    worse = sum(up < down for up, down in by_task)
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _worth(values: Sequence[float], clusters: Sequence[Cluster]) -> tuple[float, float]:
    """Independent pairs that these are worth, and how often one flips.

    With one flip added, so that none seen does not mean that none can be.
    """
    if not values:
        return 0.0, 1.0
    worth = effective_size(values, flat(clusters))
    inflated = max(len(values) / worth, design_effect(values, clusters) or 1.0)
    return len(values) / inflated, (sum(map(abs, values)) + 1) / (len(values) + 2)


def _plan(
    worth: float, flips: float, found: Sequence[Pair], difference: float | None, *, alpha: float
) -> tuple[int | None, float | None]:
    """Pairs that are needed, and what these can show, both counted for clusters."""
    if not found:
        return None, None
    rate = sum(pair.against.won for pair in found) / len(found)
    least = detectable(int(worth), rate=rate, discordance=flips, alpha=alpha)
    mean = sum(pair.value for pair in found) / len(found)
    size = abs(mean if difference is None else difference)
    if size == 0:
        return None, least
    wanted = needed(size, rate=rate, discordance=flips, alpha=alpha)
    return ceil(wanted * len(found) / worth), least


def _reason(here: Verdict, *, few: bool, rooms: int, n: int) -> str:
    if n == 0:
        return "no task was played by both"
    if here == "can't tell":
        return "the interval holds 0"
    if few:
        return f"{rooms} room{'s' * (rooms != 1)}, fewer than {FEW}: too few to speak for others"
    return ""
