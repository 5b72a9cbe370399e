"""What is kept of rows before they are trained on. Each filter says how many it dropped, and why.

    kept, report = sifted(lines, [distinct(), untainted(stains(ledger)), balanced(most=4)])

A filter is a function of lines; filters stand in the order in which they are to work.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
from pydantic import Field

from distill.rows import Line, Row, content_of
from distill.rows_near import near_duplicates
from envs.errors import Refused
from envs.types import Frozen
from memory.text import normal

SOLUTIONS = frozenset({"solved", "spliced", "call"})
"""Rows that show how a task is solved (`Origin.made`)."""
COPIED = frozenset({*SOLUTIONS, "correct", "incorrect", "imported"})
"""Rows of which one of near-duplicates is enough. Attempts with outcomes are not among them: how
often something was tried is what they tell."""
WORDS = 40
"""Letters of goal and first observation from which they are looked for in rows of others; shorter
ones stand anywhere."""


class Sifted(Frozen):
    """What a filter did."""

    name: str
    """The filter."""
    before: int
    """Rows that came in."""
    after: int
    """Rows that went on."""
    reasons: dict[str, int] = Field(default_factory=dict)
    """How many were dropped (or doubled) for what."""
    figures: dict[str, float] = Field(default_factory=dict)
    """Other numbers, by name."""


Filter = Callable[[Sequence[Line]], tuple[list[Line], Sifted]]


def sifted(
    lines: Iterable[Line], filters: Iterable[Filter]
) -> tuple[list[Line], tuple[Sifted, ...]]:
    """What is left after all filters, and what each did."""
    kept, report = list(lines), list[Sifted]()
    for one in filters:
        kept, told = one(kept)
        report.append(told)
    return kept, tuple(report)


def dropping(name: str, why: Callable[[Line], str]) -> Filter:
    """A filter called `name` that drops each line for which there is a why."""

    def keep(lines: Sequence[Line]) -> tuple[list[Line], Sifted]:
        kept, dropped = list[Line](), Counter[str]()
        for line in lines:
            reason = why(line)
            if reason:
                dropped[reason] += 1
            else:
                kept.append(line)
        return kept, _told(name, lines, kept, dropped)

    return keep


def scored(*, least: float = 1.0) -> Filter:
    """Solutions must have reached the goal, with that score; other kinds of rows pass."""

    def why(line: Line) -> str:
        origin = line.metadata
        if origin.made not in SOLUTIONS:
            return ""
        if origin.outcome is False:
            return "failed"
        return f"score below {least:g}" if origin.score < least else ""

    return dropping("score", why)


def distinct(*, near: float | None = 0.95) -> Filter:
    """Each way through a task once, and of near-duplicates (shared words, see `rows_near`) one.

    Rows that teach no way (checks, pairs, values) count as the same only letter by letter. Attempts
    with outcomes all pass. The first one stays.
    """

    def keep(lines: Sequence[Line]) -> tuple[list[Line], Sifted]:
        seen, dropped = set[str](), Counter[str]()
        once: list[Line] = []
        for line in lines:
            name = _way(line)
            if name in seen:
                dropped["the same way at the same task"] += 1
                continue
            seen |= {name} if name else set()
            once.append(line)
        close = [n for n, line in enumerate(once) if line.metadata.made in COPIED]
        found = near_duplicates([_words(once[n]) for n in close], least=near) if near else set()
        gone = {close[n] for n in found}
        dropped.update({"near-duplicate": len(gone)} if gone else {})
        kept = [line for n, line in enumerate(once) if n not in gone]
        return kept, _told("duplicates", lines, kept, dropped)

    return keep


def lengths(
    *,
    steps: int | None = None,
    tokens: int | None = None,
    count: Callable[[Line], int] | None = None,
) -> Filter:
    """No attempt of more than `steps` actions; none longer than `tokens`, as `count` counts."""

    def why(line: Line) -> str:
        if steps is not None and line.metadata.steps > steps:
            return f"more than {steps} steps"
        if tokens is not None and count is not None and count(line) > tokens:
            return f"more than {tokens} tokens"
        return ""

    return dropping("length", why)


def balanced(*, most: int | None = None, least: int = 1, rare: float = 0.5) -> Filter:
    """At most `most` rows of a task; tasks solved at a rate of at most `rare` get `least` of them.

    "Counteracting Matthew Effect in Self-Improvement of LVLMs through Head-Tail Re-balancing" (Guo
    et al. 2025, arXiv 2510.26474; catalogue row head-tail-rebalancing): easy tasks are solved again
    and again and crowd out hard ones. Rows of a task that stay are drawn by a hash of their words,
    and rare ones are repeated in turn. The figures are Gini coefficients of rows over tasks.
    """

    def keep(lines: Sequence[Line]) -> tuple[list[Line], Sifted]:
        tasks: dict[tuple[str, str], list[Line]] = {}
        for line in lines:
            tasks.setdefault(_task(line), []).append(line)
        chosen, copies, reasons = set[int](), list[Line](), Counter[str]()
        counts: list[int] = []
        for rows in tasks.values():
            drawn = sorted(rows, key=_drawn)[:most]
            chosen |= {id(line) for line in drawn}
            rate = rows[0].metadata.rate
            short = least - len(drawn) if rate is not None and rate <= rare else 0
            copies += [drawn[n % len(drawn)] for n in range(short)]
            reasons["over the most of a task"] += len(rows) - len(drawn)
            reasons["repeated, rarely solved"] += max(0, short)
            counts.append(len(drawn) + max(0, short))
        kept = [*(line for line in lines if id(line) in chosen), *copies]
        figures = {
            "tasks": float(len(tasks)),
            "gini before": gini([len(rows) for rows in tasks.values()]),
            "gini after": gini(counts),
        }
        return kept, _told("balance", lines, kept, +reasons, figures)

    return keep


def balanced_types(*, least: float) -> Filter:
    """Repeats rows of rare types until each has `least` (0 to 1) of what the largest type has."""

    def keep(lines: Sequence[Line]) -> tuple[list[Line], Sifted]:
        types: dict[str, list[Line]] = {}
        for line in lines:
            types.setdefault(line.metadata.task_type, []).append(line)
        wanted = round(least * max(map(len, types.values()), default=0))
        reasons = Counter[str]()
        kept = list(lines)
        for name, rows in types.items():
            drawn = sorted(rows, key=_drawn)
            copies = [drawn[n % len(drawn)] for n in range(wanted - len(rows))]
            reasons[f"repeated, {name or 'no type'}"] += len(copies)
            kept += copies
        before = gini([len(rows) for rows in types.values()])
        after = gini([max(len(rows), wanted) for rows in types.values()])
        figures = {"gini before": before, "gini after": after}
        return kept, _told("types", lines, kept, +reasons, figures)

    return keep


class Held(Frozen):
    """Tasks that no row may come from."""

    keys: frozenset[str] = frozenset()
    """`Task.key` of each."""
    contents: frozenset[str] = frozenset()
    """`content_of` goal and first observation, where these are known."""
    words: frozenset[tuple[str, str]] = frozenset()
    """Goal and first observation in plain letters, to be looked for in rows of others."""


def held_out(keys: Iterable[str], texts: Iterable[tuple[str, str]] = ()) -> Held:
    """Tasks by their keys, and by goal and first observation where somebody has seen these."""
    known = sorted(set(texts))
    return Held(
        keys=frozenset(keys),
        contents=frozenset(content_of(goal, first) for goal, first in known if first),
        words=frozenset(
            (normal(goal), normal(first))
            for goal, first in known
            if first and len(normal(f"{goal} {first}")) >= WORDS
        ),
    )


def unheld(held: Held) -> Filter:
    """Nothing of held-out tasks: by key, by content, and in rows of others by their words."""

    def why(line: Line) -> str:
        origin = line.metadata
        if origin.task_key and origin.task_key in held.keys:
            return "held out, by its key"
        if origin.content and origin.content in held.contents:
            return "held out, by its content"
        if origin.source:
            told = normal("\n".join(str(one.get("content")) for one in line.messages))
            if any(first in told and goal in told for goal, first in held.words):
                return "held out, by its words"
        return ""

    return dropping("held out", why)


def licensed(*, allowed: Collection[str] = ()) -> Filter:
    """Imported rows must have a licence, one of `allowed` where any are named."""

    def why(line: Line) -> str:
        if not line.metadata.source:
            return ""
        if not line.metadata.licence:
            return "no licence"
        wrong = bool(allowed) and line.metadata.licence not in allowed
        return f"licence {line.metadata.licence}" if wrong else ""

    return dropping("licence", why)


def is_fresh(line: Line, *, since: str = "", round: int = 0) -> bool:  # noqa: A002
    """Whether an environment has judged it, here, since then or in that round; 0: in any."""
    origin = line.metadata
    judged = not origin.source and origin.outcome is not None
    return judged and origin.ended >= since and round in (0, origin.round)


def fresh(*, least: float, since: str = "", round: int = 0) -> Filter:  # noqa: A002
    """Drops nothing: raises `Refused` where less than a share of `least` is fresh (`is_fresh`)."""

    def keep(lines: Sequence[Line]) -> tuple[list[Line], Sifted]:
        count = sum(is_fresh(line, since=since, round=round) for line in lines)
        share = count / len(lines) if lines else 0.0
        if share < least:
            raise Refused(
                f"{count} of {len(lines)} rows ({share:.0%}) are fresh and judged by the "
                f"environment, at least {least:.0%} must be",
                repair="run more train tasks, or ask for a smaller share",
            )
        return list(lines), _told("fresh", lines, lines, Counter(), {"share": share})

    return keep


def gini(counts: Sequence[int]) -> float:
    """How unequal counts are: 0 for all alike, towards 1 for all with one. 0 for none.

    >>> gini([2, 2, 2]), gini([0, 0, 0, 4])
    (0.0, 0.75)
    """
    total, size = sum(counts), len(counts)
    if not total:
        return 0.0
    ranks = np.arange(1, size + 1)
    return round(float(2 * (ranks * np.sort(counts)).sum() / (size * total) - (size + 1) / size), 4)


def _told(
    name: str,
    before: Sequence[Line],
    after: Sequence[Line],
    reasons: Counter[str],
    figures: dict[str, float] | None = None,
) -> Sifted:
    return Sifted(
        name=name,
        before=len(before),
        after=len(after),
        reasons=dict(reasons),
        figures=figures or {},
    )


def _way(line: Line) -> str:
    """What makes a line the same as another; empty: nothing does."""
    origin = line.metadata
    if origin.made == "attempt":
        return ""
    if isinstance(line, Row) and origin.made in COPIED and origin.task_key:
        said = [turn.get("content") for turn in line.messages if turn.get("weight")]
        words: list[object] = [origin.env, origin.task_key, origin.made, origin.outcome, said]
    else:
        words = [origin.made, line.messages]
    return json.dumps(words, sort_keys=True, default=str)


def _words(line: Line) -> str:
    return "\n".join(
        str(one.get("content") or "") for one in line.messages if one.get("role") != "system"
    )


def _task(line: Line) -> tuple[str, str]:
    origin = line.metadata
    return (origin.env, origin.task_key or origin.trajectory)


def _drawn(line: Line) -> str:
    return hashlib.sha256(json.dumps(line.messages, default=str).encode()).hexdigest()
