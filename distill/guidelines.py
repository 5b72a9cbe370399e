"""Paths that were worked out from abstract to concrete, and the guidance that each came from.

Source: Peng et al. 2024, ReGenesis, arXiv 2410.02108 (catalogue row `regenesis`): a general
guideline is put into the task's terms, that becomes a structure of steps, and the structure a path;
the model is trained on paths alone, and generalises better than from paths made without. Here a
path is a run with that guidance before it (`agent/guiding.py`). Rows keep what they came from, so
that a guideline that teaches badly can be found and its rows taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field

from distill.rows import Row
from envs.types import Frozen

STEPS, AFTER = "\n\nSteps:\n", "\n\n(After the guideline: "


class Guidance(Frozen):
    """From abstract to concrete, for one task."""

    guideline: str = Field(min_length=1)
    """What holds for all sorts of tasks."""
    adapted: str = Field(min_length=1)
    """The same in terms of this task."""
    structure: str = Field(min_length=1)
    """The steps that follow from it, one a line."""

    def brief(self) -> str:
        """What a player reads before the run; `read` tells the three apart again."""
        return f"{self.adapted}{STEPS}{self.structure}{AFTER}{self.guideline})"


def read(brief: str) -> Guidance | None:
    """The guidance that a run had before it, by its brief; None where that is none."""
    adapted, _, rest = brief.partition(STEPS)
    structure, _, guideline = rest.rpartition(AFTER)
    if not (adapted and structure and guideline.endswith(")") and guideline[:-1]):
        return None
    return Guidance(guideline=guideline[:-1], adapted=adapted, structure=structure)


class GuidedRow(Row):
    """A path with its guidance."""

    guidance: Guidance
    """What stood before the run, and not in the row."""


def guided(rows: Iterable[Row], by: Mapping[str, Guidance]) -> Iterator[GuidedRow]:
    """The rows whose runs had guidance, `by` the id of the run; others are left out.

    So are rows in which the guidance itself can be read: a student is not given it.
    """
    for row in rows:
        found = by.get(row.metadata.trajectory)
        said = "\n".join(str(message.get("content", "")) for message in row.messages)
        if found is not None and found.structure not in said and found.adapted not in said:
            yield GuidedRow(messages=row.messages, metadata=row.metadata, guidance=found)
