"""Which lessons may answer a query: close in meaning or sharing its words, and allowed here."""

from __future__ import annotations

from collections.abc import Mapping

from memory.query import Query, applies, shelves_of, situations, wrote
from memory.ranking import Candidate, Ranking
from memory.shelving import Shelving
from memory.text import estimate_tokens
from memory.types import Lesson, Recalled

FETCH = 8
"""Fetched for each lesson asked for, as some are filtered out; more when too few are left."""


def found(
    shelving: Shelving,
    query: Query,
    *,
    floor: float,
    most: int,
    guard: bool,
    ranking: Ranking,
    now: float,
) -> list[Candidate]:
    """Lessons that may be shown, each at least `floor` close in meaning, in no order.

    Those that share words with the goal are looked at besides the closest.
    """

    def fits(id_: str) -> bool:
        one = shelving.table.get(id_)
        return (
            one is not None
            and id_ not in shelving.replaced
            and one.trust in ranking.trust
            and applies(one, query, now=now)
            and not (guard and wrote(query, one))
        )

    shelves = shelves_of(query, ranking.trust)
    texts = situations(query)
    close: dict[str, float] = {}
    fetch, exhausted = most * FETCH, False
    while not exhausted:
        exhausted = True
        for text in texts:
            near = shelving.near(text, most=fetch, shelves=shelves, again=text is texts[0])
            exhausted &= len(near) < fetch or near[-1][1] < floor
            for id_, similarity in near:
                if similarity >= floor and fits(id_):
                    close[id_] = max(similarity, close.get(id_, -1.0))
        exhausted |= len(close) >= most * 2
        fetch *= 4
    shares: Mapping[str, float] = {}
    if ranking.words:
        worded = shelving.words.search(texts[0], most=most * FETCH, shelves=shelves)
        new = [id_ for id_, _ in worded if id_ not in close and fits(id_)]
        similar = shelving.similar(texts, new)
        close |= {id_: similarity for id_, similarity in similar.items() if similarity >= floor}
        shares = shelving.words.shares(texts[0], close)
    return [
        Candidate(
            item=_shown(one, similarity, same_task=wrote(query, one)),
            score=similarity + ranking.words * shares.get(id_, 0.0),
        )
        for id_, similarity in close.items()
        if (one := shelving.table.get(id_))
    ]


def _shown(lesson: Lesson, similarity: float, *, same_task: bool) -> Recalled:
    return Recalled(
        lesson=lesson.id,
        version=lesson.version,
        text=lesson.text,
        similarity=similarity,
        tokens=estimate_tokens(f"- [{lesson.id}] {lesson.text}"),
        source=lesson.source,
        same_task=same_task,
    )
