"""Write to durable and recall, contenders in turns: one call each, then the next call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.memory.child import Child, children, share
from bench.memory.rows import Times, keep, read, times_of
from bench.recall import lessons, queries
from envs.errors import InternalError
from envs.types import Frozen
from memory.embed import Embedder
from memory.query import Query, searched, situations

MOST = 3
"""Entries asked for, as the agent does before an action."""
PIECE = 500
"""Entries handed over at once when filling."""
PATIENCE = 60.0
"""Seconds after which a contender is asked no more at one size, once it was asked `LEAST` times."""
LEAST = 30
VOLATILE = frozenset({"langgraph-ram"})
"""Contenders that are empty when they are opened again."""
MEANT_FOR = {"mem0-qdrant": 20_000}
"""Most entries of contenders that say so themselves: Qdrant warns in local mode beyond these."""
Told = Callable[[str], None]


class Writing(Frozen):
    """One contender's writes."""

    name: str
    """Contender."""
    times: Times
    """One write, until the call returned."""
    texts: float
    """Texts embedded for one write."""
    killed: int
    """Times its process was killed (SIGKILL): once when idle, then each time during a write."""
    acknowledged: int
    """Writes that had returned before."""
    lost: int
    """Of them, those that a new process did not find."""


class Recalling(Frozen):
    """One contender's recalls at one size."""

    name: str
    """Contender."""
    entries: int
    """Entries that it holds."""
    times: Times
    """One recall of `MOST` entries, the embedding of the query left out."""
    texts: float
    """Texts embedded for one recall."""
    cpu: float
    """Milliseconds of processor time of one recall, over all threads."""
    filled: float
    """Seconds to fill it."""
    opened: float
    """Milliseconds to open it, filled."""
    resident: int
    """Bytes of its process's memory afterwards."""
    disk: int
    """Bytes of its files."""


class Embedding(Frozen):
    """What every contender pays besides: one new text through the embedder."""

    name: str
    """The embedder."""
    times: Times
    """One text."""


def corpus(count: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Entries `{"id", "text", "say"}`: found by their text."""
    made = lessons(count, random.Random(seed))
    return [{"id": one.id, "text": searched(one), "say": one.text} for one in made]


def asked_of(query: Query) -> dict[str, Any]:
    """A query as contenders are told; those without a notion of situations search for `text`."""
    return {
        "goal": query.goal,
        "observation": query.observation,
        "recent": list(query.recent),
        "text": situations(query)[-1],
    }


def embedding(embedder: Embedder, *, count: int = 100) -> Embedding:
    """One new text at a time."""
    spans = []
    for number in range(count + 5):
        began = time.perf_counter()
        embedder.embed(
            [f"put a clean mug {number} in the coffee machine, you are in room {number}"]
        )
        spans.append((time.perf_counter() - began) * 1e3)
    return Embedding(name=embedder.name, times=times_of(spans[5:]))


def writing(
    names: Sequence[str],
    folder: Path,
    *,
    embedder: Embedder,
    rivals: Path,
    base: int = 1000,
    writes: int = 200,
    kills: int = 5,
    told: Told = lambda _text: None,
) -> list[Writing]:
    """Single writes into stores that hold `base` entries, then kills in the middle of writes."""
    entries = corpus(base + writes + kills * 40)
    texts = [part for entry in entries for part in (entry["text"], entry["say"])]
    share(folder.parent / "shared", texts, embedder, told=told)
    spans: dict[str, list[float]] = {name: [] for name in names}
    embedded = dict.fromkeys(names, 0)
    given: dict[str, list[str]] = {name: [] for name in names}
    shared = folder.parent / "shared"
    with children(names, folder, shared=shared, embedder=embedder, rivals=rivals) as begun:
        for child in begun.values():
            _fill(child, entries[:base])
        for number, entry in enumerate(entries[base : base + writes + 10]):
            for name, child in begun.items():
                answer = child.ask("write", entry=entry)
                given[name].append(answer.value)
                if number >= 10:  # the first ones pay for what is made on first use
                    spans[name].append(answer.ms)
                    embedded[name] += answer.texts
        told(f"write: {writes} each")
    rows = []
    for name in names:
        spare = entries[base + writes + 10 :]
        lost = acknowledged = 0
        rng = random.Random(0)
        for number in range(kills):
            part = spare[number * 30 : number * 30 + 30]
            child = Child(name, folder / name, shared=shared, embedder=embedder, rivals=rivals)
            lost += len(child.ask("missing", names=given[name]).value)
            acknowledged += len(given[name])
            given[name] = [child.ask("write", entry=entry).value for entry in part[:20]]
            child.begin("write", entry=part[20])
            time.sleep(rng.uniform(0.0, 0.01))
            child.kill()
        child = Child(name, folder / name, shared=shared, embedder=embedder, rivals=rivals)
        lost += len(child.ask("missing", names=given[name]).value)
        acknowledged += len(given[name])
        child.close()
        told(f"kill -9: {name}: {lost} of {acknowledged} lost")
        rows.append(
            Writing(
                name=name,
                times=times_of(spans[name]),
                texts=embedded[name] / writes,
                killed=kills + 1,
                acknowledged=acknowledged,
                lost=lost,
            )
        )
    return rows


def recalling(
    names: Sequence[str],
    folder: Path,
    *,
    size: int,
    embedder: Embedder,
    rivals: Path,
    asked: int = 300,
    told: Told = lambda _text: None,
) -> list[Recalling]:
    """Each contender holds the same `size` entries and gets the same queries, all in turns."""
    names = [name for name in names if size <= MEANT_FOR.get(name, size)]
    entries = corpus(size)
    wanted = [asked_of(query) for query in queries(asked + 10, random.Random(1))]
    texts = [entry["text"] for entry in entries]
    texts += [part for query in wanted for part in (query["goal"], query["text"])]
    share(folder.parent / "shared", texts, embedder, told=told)
    filled: dict[str, float] = {}
    opened: dict[str, float] = {}
    shared = folder.parent / "shared"
    for name in [name for name in names if name not in VOLATILE]:
        mark = folder / f"{name}.filled.json"
        kept = read(_Filled, mark)
        if kept is None or kept.entries != size:
            with children([name], folder, shared=shared, embedder=embedder, rivals=rivals) as one:
                kept = _Filled(entries=size, seconds=_fill(one[name], entries))
                one[name].close()
            keep(kept, mark)
        filled[name] = kept.seconds
        told(f"{size}: {name} filled in {kept.seconds:.0f} s")
    with children(names, folder, shared=shared, embedder=embedder, rivals=rivals) as begun:
        opened = {name: child.opened.ms for name, child in begun.items()}
        filled |= {name: _fill(begun[name], entries) for name in names if name in VOLATILE}
        spans = _ask_in_turns(begun, wanted)
        rows = []
        for name, answers in spans.items():
            if not any(answer.value for answer in answers):
                raise InternalError(f"{name} found nothing at all", repair="report this line")
            resident = answers[-1].resident
            begun[name].close()
            rows.append(
                Recalling(
                    name=name,
                    entries=size,
                    times=times_of([answer.ms for answer in answers]),
                    texts=sum(answer.texts for answer in answers) / len(answers),
                    cpu=sum(answer.cpu for answer in answers) / len(answers),
                    filled=filled[name],
                    opened=opened[name],
                    resident=resident,
                    disk=_disk(folder / name),
                )
            )
    told(f"{size}: {', '.join(f'{row.name} {row.times.p50:.1f} ms' for row in rows)}")
    return rows


class _Filled(Frozen):
    entries: int
    """Entries put in."""
    seconds: float
    """Seconds it took."""


def _ask_in_turns(
    begun: dict[str, Child], wanted: Sequence[dict[str, Any]], *, warm: int = 10
) -> dict[str, list[Any]]:
    answers: dict[str, list[Any]] = {name: [] for name in begun}
    spent = dict.fromkeys(begun, 0.0)
    for number, query in enumerate(wanted):
        for name, child in begun.items():
            if spent[name] > PATIENCE and len(answers[name]) >= LEAST:
                continue
            answer = child.ask("recall", query=query, most=MOST)
            if number >= warm:
                answers[name].append(answer)
                spent[name] += answer.ms / 1e3
    return answers


def _fill(child: Child, entries: Sequence[dict[str, str]]) -> float:
    """Hands all over, in pieces; seconds of its process."""
    spent = 0.0
    for start in range(0, len(entries), PIECE):
        spent += child.ask("fill", entries=list(entries[start : start + PIECE])).ms
    return spent / 1e3


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
