"""Success in at least one of k tries, and in all of k tries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import comb

from bench.lab.types import Row
from envs.errors import UserError
from envs.types import Frozen


class PassK(Frozen):
    """Both figures for one k, over tasks."""

    k: int
    """Tries."""
    any: float | None
    """pass@k: chance that at least one of k tries succeeds; None for no task."""
    all: float | None
    """pass^k: chance that all of k tries succeed; None for no task."""
    tasks: int
    """Tasks with at least k tries."""
    left_out: int
    """Tasks with fewer."""


def any_of(k: int, *, trials: int, solved: int) -> float:
    """pass@k without bias: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374)."""
    _check(k, trials, solved)
    return 1 - comb(trials - solved, k) / comb(trials, k)


def all_of(k: int, *, trials: int, solved: int) -> float:
    """pass^k without bias: C(c, k) / C(n, k) (Yao et al. 2024, tau-bench, arXiv 2406.12045)."""
    _check(k, trials, solved)
    return comb(solved, k) / comb(trials, k)


def pass_k(rows: Sequence[Row], *, k: int) -> PassK:
    """Mean over tasks; the tries of a task are its rows (seeds) after the same learning.

    Rows of an arm without chance are copies of each other and say nothing here.
    """
    if k < 1:
        raise UserError(f"{k} tries cannot be", repair="ask for at least 1")
    tries: dict[tuple[str, str, int], list[bool]] = defaultdict(list)
    for row in rows:
        tries[(row.set, row.task, row.learned)].append(row.won)
    counts = [(len(won), sum(won)) for won in tries.values() if len(won) >= k]
    some = [any_of(k, trials=n, solved=c) for n, c in counts]
    every = [all_of(k, trials=n, solved=c) for n, c in counts]
    return PassK(
        k=k,
        any=sum(some) / len(some) if some else None,
        all=sum(every) / len(every) if every else None,
        tasks=len(counts),
        left_out=len(tries) - len(counts),
    )


def _check(k: int, trials: int, solved: int) -> None:
    if not 1 <= k <= trials:
        raise UserError(
            f"{k} of {trials} tries cannot be drawn", repair="ask for at least 1 and at most all"
        )
    if not 0 <= solved <= trials:
        raise UserError(f"{solved} of {trials} tries solved", repair="check the counts")
