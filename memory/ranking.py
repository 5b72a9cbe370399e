"""In which order lessons that were found are shown: closeness, shared words, worth, diversity.

The score of a lesson is the cosine of query and situation, plus `words` times the share of the
BM25 score that a text holding all the goal's words would get, plus `sway` times what showing it is
believed to do. On 320 steps of 80 ALFWorld train episodes, asking 635 lessons of 246 others (graded
by type, object and stage), nDCG@3 was 0.634 by meaning alone, 0.716 with words, and as much with
reciprocal rank fusion (0.710), whose ranks leave nothing to add a worth to. Words of observation
and inventory made BM25 worse (0.52 to 0.70): they are asked for by meaning. The weights were chosen
on these very steps, from wide plateaus (words 0.5 to 0.8, diversity 0.1 to 0.3).

Worth is a prior, not a verdict: a value is drawn from what is known of the effect (Thompson 1933,
On the likelihood that one unknown probability exceeds another), by hash of run and lesson, so that
a run that is taken up again repeats it, and moves the score by at most `sway * MOST_EFFECT`: 0.05.

Diversity is maximal marginal relevance (Carbonell and Goldstein 1998) over hashed vectors of the
texts: the index's own vectors are of situations, which lessons that say different things share. It
doubled how often one of three was a lesson for this very stage (0.08 to 0.16) for 0.01 of nDCG.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from pydantic import Field

from envs.types import Frozen
from memory.embed import HashEmbedder
from memory.types import Recalled, Trust

MOST_EFFECT = 0.2
"""Drawn effects are cut to this, either way."""
UNKNOWN = (0.0, 0.1)
"""Mean and standard deviation of the effect of a lesson of which nothing is known."""
AHEAD = 10.0
"""Added to the score of what fits; more than all else can make up."""
POOL = 12
"""The best so many are told apart by diversity; the rest follow by score."""
KEPT = 4096
"""Vectors of texts that are kept."""
Worth = Callable[[Sequence[str]], Mapping[str, tuple[float, float]]]
"""Ids to mean and standard deviation of the effect of showing them; those unknown may be left out.
"""


class Ranking(Frozen):
    """How what was found is put in order. `DENSE` has every switch off."""

    words: float = Field(default=0.6, ge=0)
    """Weight of the words that goal and lesson share (BM25); 0: by meaning alone."""
    diversity: float = Field(default=0.2, ge=0)
    """Weight of not saying the same again; 0: off."""
    sway: float = Field(default=0.25, ge=0)
    """Weight of what showing a lesson is believed to do; 0: off."""
    trust: tuple[Trust, ...] = ("self", "user", "tool")
    """Whose words may be shown; those of web pages only where asked for."""
    episodes: int = Field(default=0, ge=0)
    """Most whole episodes that are shown beside lessons."""
    fits: Callable[[str], bool] | None = None
    """Texts that come before all others: those that tell what could be done here. None: by score
    alone."""


DENSE = Ranking(words=0, diversity=0, sway=0)
"""By closeness of meaning alone."""


@dataclass(frozen=True)
class Candidate:
    """What may be shown, before it is put in order."""

    item: Recalled
    """As it would be shown."""
    score: float
    """By which it is put in order."""
    episode: bool = False
    """A whole episode, not a lesson."""


def nothing_known(ids: Sequence[str]) -> Mapping[str, tuple[float, float]]:  # noqa: ARG001
    """The worth of lessons before anything is measured."""
    return {}


def drawn(run: str, lesson: str, worth: tuple[float, float]) -> float:
    """An effect drawn from what is known, within `MOST_EFFECT`; without a run the mean."""
    mean, deviation = worth
    if run and deviation > 0:
        digest = hashlib.blake2b(f"worth\0{run}\0{lesson}".encode(), digest_size=8).digest()
        share = (int.from_bytes(digest, "big") + 0.5) / 2.0**64
        mean += deviation * NormalDist().inv_cdf(min(max(share, 1e-12), 1 - 1e-12))
    return max(-MOST_EFFECT, min(MOST_EFFECT, mean))


def swayed(found: Sequence[Candidate], *, run: str, worth: Worth, sway: float) -> list[Candidate]:
    """`found` with scores moved by what showing them is believed to do."""
    if sway == 0 or not found:
        return list(found)
    known = worth([one.item.lesson for one in found])
    return [
        replace(one, score=one.score + sway * drawn(run, id_, known.get(id_, UNKNOWN)))
        for one in found
        for id_ in (one.item.lesson,)
    ]


def fitting(found: Sequence[Candidate], fits: Callable[[str], bool] | None) -> list[Candidate]:
    """`found` with those ahead that say what could be done here."""
    if fits is None:
        return list(found)
    return [replace(one, score=one.score + AHEAD * fits(one.item.text)) for one in found]


class Diverse:
    """Puts candidates in order so that each says something else. Safe to use from threads."""

    def __init__(self) -> None:
        self._embedder = HashEmbedder()
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def order(self, found: Sequence[Candidate], *, weight: float) -> list[Candidate]:
        """Best first: score less `weight` times the cosine to the closest text before it.

        Among equals the newer id comes first.
        """
        ahead = sorted(found, key=lambda one: (one.score, one.item.lesson), reverse=True)
        pool, rest = ahead[:POOL], ahead[POOL:]
        if weight == 0 or len(pool) < 2:
            return ahead
        vectors = self._vectors([one.item.text for one in pool])
        alike = vectors @ vectors.T
        closest = np.full(len(pool), 0.0)
        left = list(range(len(pool)))
        chosen: list[Candidate] = []
        while left:
            best = max(left, key=lambda n: (pool[n].score - weight * closest[n], -n))
            left.remove(best)
            chosen.append(pool[best])
            closest = np.maximum(closest, alike[best])
        return [*chosen, *rest]

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._kept]
            if new:
                self._kept.update(zip(new, self._embedder.embed(new), strict=True))
            rows = [self._kept[text] for text in texts]
            for text in texts:
                self._kept.move_to_end(text)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return np.stack(rows)
