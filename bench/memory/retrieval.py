"""How well past episodes are found: recall@k, MRR and nDCG of any `Recall`, on both halves."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from bench.memory.episodes import Moment, RetrievalSet
from bench.memory.helpful import RELEVANT, Phase, near_miss
from envs.types import Frozen

DEPTH = 10
"""Answers looked at."""
Recall = Callable[[Moment, int], Sequence[str]]
"""Ids of past episodes for a moment, best first, at most so many."""
Told = Callable[[str], None]


class Quality(Frozen):
    """One way of recalling, on one half. All are means over moments."""

    way: str
    """Its name."""
    form: str
    """What of the moment is searched for, and in what."""
    half: str
    """`dev` or `held`."""
    moments: int
    """Moments asked about."""
    recall: dict[int, float]
    """Of the relevant (grade 2 and 3), the share among the first k; of k, where there are more."""
    error: float
    """Standard error of recall@3, games being the units."""
    mrr: float
    """Mean of 1 / place of the first relevant one, 0 for none among the first 10."""
    ndcg: float
    """Of the first 10, gain 2^grade - 1."""
    misled: float
    """Share of moments whose first answer is a near miss."""
    empty: float
    """Share of moments without an answer."""
    phases: dict[Phase, float]
    """Recall@3 by what comes next."""


def judge(way: str, form: str, half: str, answers: Sequence[_Judged]) -> Quality:
    """Sums up one way on one half."""
    by_game: dict[str, list[float]] = {}
    by_phase: dict[Phase, list[float]] = {}
    for one in answers:
        by_game.setdefault(one.game, []).append(one.recall[3])
        by_phase.setdefault(one.phase, []).append(one.recall[3])
    games = [statistics.fmean(some) for some in by_game.values()]
    spread = statistics.stdev(games) / math.sqrt(len(games)) if len(games) > 1 else 0.0
    return Quality(
        way=way,
        form=form,
        half=half,
        moments=len(answers),
        recall={k: statistics.fmean(one.recall[k] for one in answers) for k in (1, 3, DEPTH)},
        error=spread,
        mrr=statistics.fmean(one.mrr for one in answers),
        ndcg=statistics.fmean(one.ndcg for one in answers),
        misled=statistics.fmean(one.misled for one in answers),
        empty=statistics.fmean(one.empty for one in answers),
        phases={phase: statistics.fmean(some) for phase, some in sorted(by_phase.items())},
    )


class _Judged(Frozen):
    game: str
    """Task id."""
    phase: Phase
    """What comes next."""
    recall: dict[int, float]
    """Recall at each k."""
    mrr: float
    """1 / place."""
    ndcg: float
    """Of the first 10."""
    misled: bool
    """The first is a near miss."""
    empty: bool
    """No answer."""


def run(
    way: str,
    form: str,
    recall: Recall,
    built: RetrievalSet,
    *,
    half: str,
    told: Told = lambda _text: None,
) -> Quality:
    """Asks `recall` about every moment of a half for which anything in memory is relevant."""
    past = {one.id: one for one in built.past}
    judged: list[_Judged] = []
    for moment in built.dev if half == "dev" else built.held:
        grades = built.grades(moment)
        if max(grades.values(), default=0) < RELEVANT:
            continue
        found = list(recall(moment, DEPTH))
        first = past.get(found[0]) if found else None
        misled = first is not None and near_miss(moment.facts, moment.phase, first.facts)
        judged.append(
            _Judged(
                game=moment.id.partition("@")[0],
                phase=moment.phase,
                recall={k: recall_at(found, grades, k=k) for k in (1, 3, DEPTH)},
                mrr=first_place(found, grades),
                ndcg=ndcg(found, grades),
                misled=misled,
                empty=not found,
            )
        )
    quality = judge(way, form, half, judged)
    told(f"{way} ({form}), {half}: recall@3 {quality.recall[3]:.3f}, nDCG {quality.ndcg:.3f}")
    return quality


def chosen(
    way: str,
    forms: Mapping[str, Recall],
    built: RetrievalSet,
    *,
    told: Told = lambda _text: None,
) -> list[Quality]:
    """The form that does best on the dev half (nDCG), on both halves."""
    tried = {
        form: run(way, form, recall, built, half="dev", told=told) for form, recall in forms.items()
    }
    best = max(tried, key=lambda form: tried[form].ndcg)
    return [tried[best], run(way, best, forms[best], built, half="held", told=told)]


def recall_at(found: Sequence[str], grades: Mapping[str, int], *, k: int) -> float:
    """Relevant ones among the first `k`, of as many as could be there."""
    relevant = {id_ for id_, grade in grades.items() if grade >= RELEVANT}
    return len(relevant & set(found[:k])) / min(k, len(relevant))


def first_place(found: Sequence[str], grades: Mapping[str, int]) -> float:
    """1 / place of the first relevant one among the first 10; 0 for none."""
    for place, id_ in enumerate(found[:DEPTH], start=1):
        if grades.get(id_, 0) >= RELEVANT:
            return 1 / place
    return 0.0


def ndcg(found: Sequence[str], grades: Mapping[str, int]) -> float:
    """Discounted gain of the first 10 against the best there could be."""
    best = sorted(grades.values(), reverse=True)[:DEPTH]
    got = [grades.get(id_, 0) for id_ in dict.fromkeys(found[:DEPTH])]
    return _gain(got) / _gain(best)


def by_chance(built: RetrievalSet) -> Recall:
    """Any past episode, by hash: what the figures of the others are to be held against."""
    ids = [one.id for one in built.past]

    def recall(moment: Moment, most: int) -> list[str]:
        return sorted(ids, key=lambda id_: hashlib.sha256(f"{moment.id}|{id_}".encode()).digest())[
            :most
        ]

    return recall


def _gain(grades: Sequence[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))
