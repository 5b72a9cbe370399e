"""Ways of recalling past episodes: by meaning, by words, both, Journeyman's own, the rivals'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench.memory.child import Child, share
from bench.memory.episodes import Moment, RetrievalSet
from bench.memory.retrieval import Quality, Recall, Told, by_chance, chosen
from memory.admission import addition
from memory.embed import Embedder
from memory.essence import SOLVED, WAY
from memory.index import Index
from memory.ledger import Ledger
from memory.lexical import Words
from memory.query import Query, situations
from memory.ranking import DENSE, Ranking
from memory.recall import Memory
from memory.types import Lesson, Scope, Source

ENV = "alfworld"
FUSED = 60
"""Constant of reciprocal rank fusion. Source: Cormack, Clarke and Büttcher 2009."""
POOL = 50
"""Answers of each way that are fused."""
BUDGET = 100_000
"""Tokens of recalled text: so many that none of ten episodes is cut off."""
WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5)
"""Weights of words that are tried on the dev half."""
ASKED: Mapping[str, str] = {"goal": "goal", "now": "goal, latest actions, observation"}
"""Forms of a query."""
HELD: Mapping[str, str] = {"goal": "goal", "whole": "goal and way"}
"""Forms of an entry."""
FORMS = {f"{ASKED[a]} → {HELD[h]}": (a, h) for a in ASKED for h in HELD}


def query_of(moment: Moment) -> Query:
    """The moment as Journeyman's recall is asked; the guard has nothing to do in this set."""
    return Query(
        goal=moment.goal,
        observation=moment.observation,
        recent=moment.recent,
        inventory=moment.carried,
        env=ENV,
        task_key=moment.key,
    )


def asked(moment: Moment, form: str) -> str:
    """The text of a query."""
    return situations(query_of(moment))[0 if form == "goal" else -1]


def held(built: RetrievalSet, form: str) -> list[dict[str, str]]:
    """Entries `{"id", "text", "say"}`, found by their text."""
    return [
        {
            "id": one.id,
            "text": one.goal if form == "goal" else f"{one.goal}\n{one.way}",
            "say": one.way,
        }
        for one in built.past
    ]


def plain(built: RetrievalSet, embedder: Embedder, *, told: Told) -> list[Quality]:
    """By chance, by meaning, by words, and both fused by rank."""
    dense: dict[str, Recall] = {}
    worded: dict[str, Recall] = {}
    both: dict[str, Recall] = {}
    for name, (ask, hold) in FORMS.items():
        entries = held(built, hold)
        dense[name] = _dense(entries, embedder, ask)
        worded[name] = _worded(entries, ask)
        both[name] = fused(dense[name], worded[name])
    rows = chosen("by chance", {"-": by_chance(built)}, built, told=told)
    rows += chosen("meaning only", dense, built, told=told)
    rows += chosen("words only (BM25)", worded, built, told=told)
    return rows + chosen("meaning and words, by rank", both, built, told=told)


def fused(*ways: Recall) -> Recall:
    """Reciprocal rank fusion."""

    def recall(moment: Moment, most: int) -> list[str]:
        points: dict[str, float] = {}
        for way in ways:
            for place, id_ in enumerate(way(moment, POOL), start=1):
                points[id_] = points.get(id_, 0.0) + 1 / (FUSED + place)
        return sorted(points, key=lambda id_: (-points[id_], id_))[:most]

    return recall


def journeyman(
    built: RetrievalSet, folder: Path, embedder: Embedder, *, floor: float, told: Told
) -> list[Quality]:
    """`Memory.recall` as the agent calls it, and with its switches set otherwise.

    Each past episode is a workflow lesson. The weight of words is that of the settings, and once
    more the one that does best on the dev half.
    """
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", embedder))
    try:
        ids = {one.id: f"L{number}" for number, one in enumerate(built.past)}
        back = {lesson: id_ for id_, lesson in ids.items()}
        if not memory.ledger.count()["lessons"]:
            lessons = [_workflow(ids[one.id], one.goal, one.way, one.key) for one in built.past]
            memory.ledger.apply(*(addition(lesson, "bench", (), "bench") for lesson in lessons))
        memory.sync()

        def asking(least: float, ranking: Ranking) -> Recall:
            def recall(moment: Moment, most: int) -> list[str]:
                found = memory.recall(
                    query_of(moment),
                    budget_tokens=BUDGET,
                    floor=least,
                    most=most,
                    guard=True,
                    ranking=ranking,
                )
                return [back[item.lesson] for item in found]

            return recall

        standard = Ranking()
        ways: dict[str, dict[str, Recall]] = {
            "Journeyman": {"as the agent asks": asking(floor, standard)},
            "Journeyman, by meaning alone": {"every switch off": asking(floor, DENSE)},
            "Journeyman, no diversity": {
                "as the agent asks": asking(floor, standard.model_copy(update={"diversity": 0.0}))
            },
            "Journeyman, words weighed on dev": {
                f"words {weight}": asking(floor, standard.model_copy(update={"words": weight}))
                for weight in WEIGHTS
            },
        }
        return [row for way, some in ways.items() for row in chosen(way, some, built, told=told)]
    finally:
        memory.close()


def rival(
    name: str,
    built: RetrievalSet,
    folder: Path,
    *,
    embedder: Embedder,
    rivals: Path,
    told: Told,
) -> list[Quality]:
    """A contender's own search, in the form that does best on the dev half."""
    forms: dict[str, Recall] = {}
    shared = folder / "shared"
    with ExitStack() as open_:
        for hold in HELD:
            entries = held(built, hold)
            share(shared, [entry["text"] for entry in entries], embedder)
            place = folder / f"{name}-{hold}"
            fresh = not place.exists()
            child = Child(name, place, shared=shared, embedder=embedder, rivals=rivals)
            open_.callback(child.kill)
            if fresh:
                for start in range(0, len(entries), 200):
                    child.ask("fill", entries=entries[start : start + 200])
            forms |= {label: _through(child, ask) for label, (ask, h) in FORMS.items() if h == hold}
        return chosen(name, forms, built, told=told)


def _through(child: Child, ask: str) -> Recall:
    def recall(moment: Moment, most: int) -> list[str]:
        query: dict[str, Any] = {
            "goal": moment.goal,
            "observation": moment.observation,
            "recent": list(moment.recent),
            "text": asked(moment, ask),
        }
        return list(child.ask("recall", query=query, most=most).value)

    return recall


def _dense(entries: Sequence[dict[str, str]], embedder: Embedder, ask: str) -> Recall:
    ids = [entry["id"] for entry in entries]
    matrix = embedder.embed([entry["text"] for entry in entries])

    def recall(moment: Moment, most: int) -> list[str]:
        close = matrix @ embedder.embed([asked(moment, ask)])[0]
        return [ids[place] for place in np.argsort(-close, kind="stable")[:most]]

    return recall


def _worded(entries: Sequence[dict[str, str]], ask: str) -> Recall:
    words = Words()
    words.add([(entry["id"], entry["text"]) for entry in entries])

    def recall(moment: Moment, most: int) -> list[str]:
        return [id_ for id_, _ in words.search(asked(moment, ask), most=most)]

    return recall


def _workflow(id_: str, goal: str, way: str, key: str) -> Lesson:
    """As the reflector that needs no model writes it."""
    return Lesson(
        id=id_,
        kind="workflow",
        text=f"{SOLVED}{goal} {WAY}{way}",
        situation=goal,
        scope=Scope(env=ENV),
        source=Source(task_keys=(key,)),
    )
