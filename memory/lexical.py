"""Which lessons share words with a query: BM25, in memory, kept up with every write.

Derived from the ledger like the index of meanings, but never stored: filling it with 10,000 lessons
takes a quarter of a second, so nothing can be stale, damaged or left behind by a purge, and it does
not matter which database the ledger is.

Libraries were tried first. SQLite's FTS5 takes 20 to 50 ms for a query over 10,000 lessons, whose
few hundred words stand in many of them each; `bm25s` and `rank-bm25` count everything anew after
each write. Here it is 0.6 ms, and a write costs its own words. Source: Robertson and Zaragoza 2009,
The Probabilistic Relevance Framework: BM25 and Beyond.
"""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

K1, B = 1.2, 0.75
"""How soon more of the same word adds nothing, and how much long texts are marked down."""
SPARE = 1000
"""Removed entries that are always kept as holes; when most are holes, all is written anew."""
POSTINGS = 100_000
"""Places that are looked at for one query, those of its rarest words first; common words say least,
and at 1,000,000 lessons each stands in many."""
QUERIES = 8
"""Queries whose scores are kept until the next write."""
_EMPTY = frozenset(
    """
    a an the this that these those it its you your i my is are was be do does did has have had can
    of at by with for as and or but if so to in on there here from into see nothing
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_PLAIN = """
a an and are as at be by for from has have i in into is it its me my of on or so some that
the their them then there these this to up was were what where which with you your
"""
PLAIN = frozenset(_PLAIN.split())
"""Words that say nothing of what a text is about."""
_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=...)(ing|ed|es|s|e)$")


def words_of(text: str) -> list[str]:
    """The words that count, plural and past forms cut; numbers by themselves don't.

    >>> words_of("You open the drawers 3, and see 2 boiled eggs.")
    ['open', 'drawer', 'boil', 'egg']
    """
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [_stem(word) for word in found if word not in _EMPTY and not word.isdigit()]


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    return _ENDING.sub("", word)


class Words:
    """Texts by the words they hold. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        self._slots: dict[str, int] = {}
        self._ids: list[str] = []
        self._tokens: list[tuple[str, ...]] = []
        self._lengths = array("f")
        self._shelf = array("i")
        self._shelves: dict[str, int] = {}
        self._places: dict[str, array[int]] = {}
        self._counts: dict[str, array[float]] = {}
        self._holding: Counter[str] = Counter()
        self._all = 0
        self._kept: dict[str, np.ndarray | None] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, items: Iterable[tuple[str, str]], *, shelf: str = "") -> None:
        """Stores (id, text) pairs; an id that is there gets the new text and shelf."""
        with self._lock:
            self._kept.clear()
            code = self._shelves.setdefault(shelf, len(self._shelves))
            for id_, text in items:
                self._remove(id_)
                self._put(id_, tuple(words_of(text)), code)

    def remove(self, ids: Iterable[str]) -> None:
        """Removes ids; unknown ones are no error."""
        with self._lock:
            self._kept.clear()
            for id_ in ids:
                self._remove(id_)
            if len(self._ids) > 2 * len(self._slots) + SPARE:
                self._tidy()

    def search(
        self, text: str, *, most: int, shelves: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """Ids of the texts that score best with their scores, best first; None: all shelves."""
        with self._lock:
            scores = self._scored(text)
            if scores is None or most < 1:
                return []
            if shelves is not None:
                codes = [code for name, code in self._shelves.items() if name in shelves]
                scores = np.where(np.isin(self._column(self._shelf), codes), scores, 0.0)
            best = np.argpartition(-scores, min(most, len(scores)) - 1)[:most]
            best = best[np.lexsort((-best, -scores[best]))]
            return [(self._ids[n], float(scores[n])) for n in best if scores[n] > 0]

    def shares(self, text: str, ids: Iterable[str]) -> dict[str, float]:
        """How much of what can be had each of `ids` scores: 0 to 1, unknown ids 0.

        1 is the score of a text of average length that holds each word of `text` as often.
        """
        with self._lock:
            scores, asked = self._scored(text), Counter(words_of(text))
            most = sum(n * (K1 + 1) * n / (n + K1) * self._rarity(w) for w, n in asked.items())
            if scores is None or not most:
                return dict.fromkeys(ids, 0.0)
            slots = {id_: self._slots.get(id_) for id_ in ids}
            return {
                id_: 0.0 if slot is None else min(1.0, float(scores[slot]) / most)
                for id_, slot in slots.items()
            }

    def _scored(self, text: str) -> np.ndarray | None:
        """Scores of all slots; kept until the next write, as goals come again at every step."""
        if text not in self._kept:
            while len(self._kept) >= QUERIES:
                self._kept.pop(next(iter(self._kept)))
            self._kept[text] = self._scores(Counter(words_of(text)))
        return self._kept[text]

    def _scores(self, asked: Mapping[str, int]) -> np.ndarray | None:
        known = self._telling(asked)
        if not known:
            return None
        places = [np.frombuffer(self._places[word], dtype=np.int32) for word in known]
        counts = [np.frombuffer(self._counts[word], dtype=np.float32) for word in known]
        rare = [asked[word] * self._rarity(word) for word in known]
        place, count = np.concatenate(places), np.concatenate(counts)
        rarity = np.repeat(np.array(rare), [len(one) for one in places])
        average = self._all / len(self._slots)
        length = self._column(self._lengths)[place] / average
        weight = rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * length))
        scores = np.bincount(place, weights=weight, minlength=len(self._ids))
        scores[self._column(self._lengths) < 0] = 0.0
        return scores

    def _telling(self, asked: Iterable[str]) -> list[str]:
        """Words of the query that stand somewhere, rarest first, as far as `POSTINGS` goes."""
        known = sorted((self._holding[word], word) for word in asked if self._holding[word])
        spent = np.cumsum([held for held, _ in known])
        enough = max(1, int(np.searchsorted(spent, POSTINGS, side="right")))
        return [word for _, word in known[:enough]]

    def _rarity(self, word: str) -> float:
        held = self._holding[word]
        return math.log(1 + (len(self._slots) - held + 0.5) / (held + 0.5))

    def _column(self, values: array) -> np.ndarray:
        return np.frombuffer(values, dtype=values.typecode)

    def _put(self, id_: str, tokens: tuple[str, ...], shelf: int) -> None:
        slot = self._slots[id_] = len(self._ids)
        self._ids.append(id_)
        self._tokens.append(tokens)
        self._lengths.append(len(tokens))
        self._shelf.append(shelf)
        self._all += len(tokens)
        for word, count in Counter(tokens).items():
            self._holding[word] += 1
            self._places.setdefault(word, array("i")).append(slot)
            self._counts.setdefault(word, array("f")).append(count)

    def _remove(self, id_: str) -> None:
        """Leaves a hole: a negative length."""
        slot = self._slots.pop(id_, None)
        if slot is None:
            return
        for word in set(self._tokens[slot]):
            self._holding[word] -= 1
        self._all -= len(self._tokens[slot])
        self._ids[slot], self._tokens[slot], self._lengths[slot] = "", (), -1

    def _tidy(self) -> None:
        kept = [(id_, self._tokens[slot], self._shelf[slot]) for id_, slot in self._slots.items()]
        shelves = self._shelves
        self._begin()
        self._shelves = shelves
        for id_, tokens, shelf in kept:
            self._put(id_, tokens, shelf)
