"""A handbook of behaviours: reasoning that recurs becomes a name and an instruction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from agent.proposers.types import (
    Desk,
    attempt,
    joined,
    place_of,
    source_of,
    stable_id,
    trust_of,
    won,
)
from envs.errors import clip, one_line
from envs.types import Frozen
from memory.families import alike
from memory.lenses import places
from memory.text import normal
from memory.types import Change, Lesson, Scope, StepRecord, Trajectory

ACTOR = "proposer:behaviours"
TRACES = 3
"""Least number of runs that a piece of reasoning comes up in."""
NEAR = 0.9
"""Least cosine of two wordings of the same piece of reasoning."""
WORDS = 4
"""Least words of a piece of reasoning."""
TOLD = 5
"""Most wordings that the model is told."""
PIECES = 2000
"""Most pieces that are compared, the latest."""
REPLY = 200
"""Most tokens of a reply."""
SENTENCE = re.compile(r"(?<=[.!?;])\s+")


class Piece(Frozen):
    """A sentence of a thought."""

    text: str
    """As it was thought."""
    sketch: str
    """Without what it is about: words of the goal and numbers stand as `_`."""
    run: int
    """Place of its run among those that were given."""
    step: StepRecord
    """The step it was thought before."""


class Behaviours:
    """Finds reasoning that recurs in solved runs, and has the model name it: one call for each.

    Recurrence is counted without a model: sentences of thoughts, what they are about left out,
    near ones (cosine) taken together, in at least `TRACES` runs. What differs from the paper: there
    a model reflects on single traces and writes behaviours from each, and all of one topic go into
    the prompt; here only what recurred becomes one, and recall chooses. Rows to train on:
    `distill/rows_behaviours.py`.
    """

    paper: ClassVar[str] = "Didolkar et al. 2025, Metacognitive Reuse, arXiv 2509.13237"
    does: ClassVar[str] = "turns reasoning that recurs in solved runs into named behaviours"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Changes that add behaviours, those that recur most first."""
        runs = [run for run in trajectories if won(run)]
        pieces = [piece for number, run in enumerate(runs) for piece in _pieces(number, run)]
        pieces = pieces[-PIECES:]
        changes: list[Change] = []
        names: set[str] = set()
        for group in self._recurring(pieces):
            if self._known(group, runs):
                continue
            self._desk.progress(f"naming what {len(group)} thoughts have in common")
            lesson = await self._named(group, runs, names)
            if lesson is None:
                continue
            evidence = tuple(dict.fromkeys(place.trajectory for place in places(lesson)))
            why = f"reasoning that recurs in {len(evidence)} runs"
            changes += self._desk.memory.plan([lesson], reason=why, evidence=evidence, actor=ACTOR)
        return tuple(changes)

    def _recurring(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        if not pieces:
            return []
        vectors = self._desk.memory.embed([piece.sketch for piece in pieces])
        groups: dict[int, list[Piece]] = {}
        for piece, leader in zip(pieces, alike(vectors, least=NEAR), strict=True):
            groups.setdefault(leader, []).append(piece)
        often = [g for g in groups.values() if len({piece.run for piece in g}) >= TRACES]
        return sorted(often, key=lambda g: -len({piece.run for piece in g}))

    def _known(self, group: Sequence[Piece], runs: Sequence[Trajectory]) -> bool:
        env = place_of(runs[group[0].run].env)
        sketches = {piece.sketch for piece in group}
        return any(self._desk.memory.history(_id(env, sketch)) for sketch in sketches)

    async def _named(
        self, group: Sequence[Piece], runs: Sequence[Trajectory], names: set[str]
    ) -> Lesson | None:
        """The first piece of each run is its source."""
        first = {piece.run: piece for piece in reversed(group)}
        once = [first[number] for number in sorted(first)]
        told = "\n".join(f"- {piece.text} (then: {piece.step.action})" for piece in once[:TOLD])
        data = await self._desk.ask("behaviour", told, SCHEMA, tokens=REPLY)
        name = "_".join(normal(str((data or {}).get("name", ""))).split())
        instruction = one_line(str((data or {}).get("instruction", "")))
        if not name or not instruction or name in names:
            return None
        names.add(name)
        reader = self._desk.memory
        learned = [runs[piece.run] for piece in once]
        env = place_of(learned[0].env)
        goals = dict.fromkeys(run.goal for run in learned)
        lesson = Lesson(
            id=_id(env, min(piece.sketch for piece in group)),
            kind="strategy",
            text=f"{name}: {instruction}",
            situation=clip(one_line(" ".join(goals)), most=400),
            scope=Scope(env=env),
            trust=trust_of(learned, reader),
        )
        sources = [source_of(runs[piece.run], piece.step, reader) for piece in once]
        return joined(lesson, sources)


def sketch_of(sentence: str, goal: str) -> str:
    """A sentence without what it is about: words of the goal, and numbers, as `_`.

    >>> sketch_of("I should look for mug 2 first.", "put a mug on desk.")
    'i should look for _ _ first'
    """
    about = {word for word in normal(goal).split() if len(word) > 2}
    words = normal(sentence).split()
    return " ".join("_" if word in about or word.isdigit() else word for word in words)


def _pieces(number: int, run: Trajectory) -> Iterator[Piece]:
    for step in attempt(run):
        for sentence in SENTENCE.split(one_line(step.thought)):
            sketch = sketch_of(sentence, run.goal)
            if len([word for word in sketch.split() if word != "_"]) >= WORDS:
                yield Piece(text=sentence, sketch=sketch, run=number, step=step)


def _id(env: str, sketch: str) -> str:
    return stable_id("behaviour", env, sketch)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 3, "maxLength": 60},
        "instruction": {"type": "string", "minLength": 10, "maxLength": 300},
    },
    "required": ["name", "instruction"],
    "additionalProperties": False,
}
"""Of the reply that names a behaviour."""
