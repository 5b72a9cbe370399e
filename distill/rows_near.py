"""Near-duplicates among many texts, by the runs of words that they share.

Broder 1997, On the resemblance and containment of documents (MinHash), and locality-sensitive
hashing in bands; what the bands find is checked by the exact share, so no two texts count as the
same that are not. At a share of 0.9 a pair is missed once in a million.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from memory.text import normal

RUN = 3
"""Words of a run."""
BANDS, HEIGHT = 16, 4
DOUBT = 0.2
"""How far the guess from a signature may lie below the share for the share to be counted."""
PRIME = (1 << 31) - 1
SEED = 7


def near_duplicates(texts: Sequence[str], *, least: float) -> set[int]:
    """Places of texts that share at least that share of their runs with an earlier one that stays.

    The share is of what either has (Jaccard).
    """
    rng = np.random.default_rng(SEED)
    many = BANDS * HEIGHT
    factors = rng.integers(1, PRIME, size=(many, 1), dtype=np.uint64)
    shifts = rng.integers(0, PRIME, size=(many, 1), dtype=np.uint64)
    kept: dict[tuple[int, bytes], list[int]] = {}
    runs: dict[int, frozenset[int]] = {}
    signs = np.zeros((len(texts), many), dtype=np.uint64)
    gone: set[int] = set()
    for place, text in enumerate(texts):
        mine = _runs(text)
        values = np.fromiter(mine, dtype=np.uint64, count=len(mine))
        least_of = ((factors * values + shifts) % np.uint64(PRIME)).min(axis=1)
        bands = [(n, least_of[n * HEIGHT : (n + 1) * HEIGHT].tobytes()) for n in range(BANDS)]
        close = sorted({other for band in bands for other in kept.get(band, ())})
        if close:
            alike = (signs[close] == least_of).mean(axis=1)
            close = [
                other for other, guess in zip(close, alike, strict=True) if guess >= least - DOUBT
            ]
        if any(_share(mine, runs[other]) >= least for other in close):
            gone.add(place)
            continue
        runs[place], signs[place] = mine, least_of
        for band in bands:
            kept.setdefault(band, []).append(place)
    return gone


def _runs(text: str) -> frozenset[int]:
    words = normal(text).split() or [text]
    spans = [words[n : n + RUN] for n in range(max(1, len(words) - RUN + 1))]
    return frozenset(zlib.crc32(" ".join(span).encode()) % PRIME for span in spans)


def _share(one: frozenset[int], two: frozenset[int]) -> float:
    both = len(one & two)
    return both / (len(one) + len(two) - both)
