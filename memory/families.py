"""Judging many lessons at once: false discoveries over the whole memory, and near-duplicates.

e-BH: Wang and Ramdas 2022, arXiv 2009.02824 (Proposition 2): whatever the dependence between
lessons, the expected share of false ones among those picked is at most `alpha`. It holds for moves
made one after the other, too, when a lesson's e-value stands still from its move on and `size`
does not grow: each that was picked when k were, has an e-value of at least size / (alpha k).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

FALSE_SHARE = 0.1
"""Largest expected share of false ones among the lessons that are moved."""
ALIKE = 0.92
"""Cosine similarity from which two lessons count as near-duplicates."""
SUMMED = 2.11
"""The sum of 1 / (n log² n) over all n from 2, rounded up."""
JOIN = "+"
"""Between the members' ids in the name of a unit."""


def ebh(
    log_evidence: Sequence[float] | np.ndarray,
    *,
    alpha: float = FALSE_SHARE,
    size: int | None = None,
    log_shares: Sequence[float] | np.ndarray | None = None,
) -> np.ndarray:
    """Which of the lessons to pick, by the logarithms of their e-values; bool, same shape.

    All lessons ever judged take part, those picked before with their last e-value. `size` is how
    many there can be (the memory's capacity), at least as many as there are. Instead, `log_shares`
    may say how the errors are shared out (their exponentials sum up to 1 at most, over all lessons
    to come; fixed before a lesson is judged; see `share_out`): weighted e-BH, same paper.
    """
    found = np.asarray(log_evidence, dtype=float)
    size = max(size or 1, len(found))
    shares = -np.log(size) if log_shares is None else np.asarray(log_shares, dtype=float)
    weighed = found + shares
    order = np.argsort(-weighed, kind="stable")
    enough = weighed[order] + np.log(np.arange(1, len(found) + 1)) >= -np.log(alpha)
    picked = np.zeros(len(found), bool)
    if enough.any():
        picked[order[: np.flatnonzero(enough)[-1] + 1]] = True
    return picked


def share_out(places: Sequence[int] | np.ndarray, *, size: int) -> np.ndarray:
    """Logarithms of the shares of lessons by their place, 0 for the first that was ever judged.

    Half is shared alike by the first `size`; half falls off, as 1 / (n log² n), and never ends. So
    in a small memory evidence is not asked to speak against thousands of lessons that are not
    there, and in a large one it costs half.
    """
    at = np.asarray(places, dtype=float) + 2
    falling = 0.5 / (SUMMED * at * np.log(at) ** 2)
    alike_ = np.where(at - 2 < size, 0.5 / size, 0.0)
    return np.log(falling + alike_)


def alike(vectors: np.ndarray, *, least: float = ALIKE) -> tuple[int, ...]:
    """Cluster of each row of unit `vectors` (n, dimensions): the place of its first member.

    Two rows share a cluster when a chain of pairs at least `least` close joins them.
    """
    leader = list(range(len(vectors)))

    def find(place: int) -> int:
        while leader[place] != place:
            place = leader[place]
        return place

    for start in range(0, len(vectors), 512):
        close = vectors[start : start + 512] @ vectors.T >= least
        for row, other in np.argwhere(close):
            one, two = find(start + int(row)), find(int(other))
            leader[max(one, two)] = min(one, two)
    return tuple(find(place) for place in range(len(leader)))


def units(clusters: Iterable[Sequence[str]]) -> dict[str, str]:
    """For each lesson the name of what is tossed: its own id, or the ids of its cluster.

    When a member leaves, the name changes, and with it the count starts afresh.
    """
    named: dict[str, str] = {}
    for cluster in clusters:
        name = JOIN.join(sorted(cluster))
        named.update(dict.fromkeys(cluster, name))
    return named


def first_to_go(unit: str, *, standing: Mapping[str, float]) -> str:
    """The one member of `unit` that a verdict against it retires: the lowest `standing`.

    Among equals the one whose id sorts last. The others go on as a new unit.
    """
    members = unit.split(JOIN)
    return max(members, key=lambda member: (-standing.get(member, 0.0), member))
