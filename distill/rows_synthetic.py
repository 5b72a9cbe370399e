"""What no player did on its own in an environment is told by a tag, and can be left out of rows.

Imagined runs are made in a learned model of an environment (`agent/imagined.py`): their environment
is `imagined:NAME`, nobody scored them, and they stand in rows only where they are asked for.
Demonstrations out of a text were executed and scored like any run (`agent/tutorials.py`): their arm
is `synthetic:tutorial`.
Sources: Fang et al. 2025, WebEvolver, arXiv 2504.21024; Ou et al. 2024, Synatra, arXiv 2409.15637.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from distill.filters import Filter, dropping
from distill.rows import Line, Row, origin_of, quotes
from distill.rows_turns import attempted, spoken, weighted
from memory.types import Trajectory

Tag = Literal["imagined", "tutorial"]
IMAGINED: Tag = "imagined"
TUTORIAL_ARM = "synthetic:tutorial"
"""Arm of demonstrations that were made out of a text."""


def tag_of(*, env: str, arm: str) -> Tag | None:
    """How a run came about, where it isn't a player's own; None: it is.

    >>> tag_of(env="imagined:toy", arm="default"), tag_of(env="toy", arm="default")
    ('imagined', None)
    """
    if env.partition(":")[0] == IMAGINED:
        return IMAGINED
    return "tutorial" if arm == TUTORIAL_ARM else None


def genuine(*, asked: Collection[Tag] = ("tutorial",)) -> Filter:
    """Drops rows of synthetic runs, but for those whose tag was `asked` for."""

    def why(line: Line) -> str:
        tag = tag_of(env=line.metadata.env, arm=line.metadata.arm)
        return tag if tag is not None and tag not in asked else ""

    return dropping("synthetic", why)


def rows(
    trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = ()
) -> Iterator[Row]:
    """A row for each imagined run of a train task that ended where the model sees the goal reached.

    Each way once. No outcome stands in them: nothing has happened.
    """
    known: set[tuple[str, ...]] = set()
    for run in trajectories:
        steps = attempted(run)
        reached = bool(run.verdicts) and run.verdicts[-1].accepted is True
        tag = tag_of(env=run.env, arm=run.arm)
        if tag != IMAGINED or run.split != "train" or not (reached and steps) or run.error:
            continue
        way = (run.task_key, *(step.action for step in steps))
        turns, rebuilt = spoken(run, steps)
        messages = weighted(turns, trained=len(steps))
        if way in known or run.task_key in held_out_keys or quotes(messages, run.steps):
            continue
        known.add(way)
        origin = origin_of(run, steps=len(steps), rebuilt=rebuilt, made="imagined")
        yield Row(messages=messages, metadata=origin)
