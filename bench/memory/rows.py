"""What is measured, as data: rows that are kept as JSON between runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from envs.types import Frozen

Kept = TypeVar("Kept", bound=Frozen)


class Times(Frozen):
    """Durations of one kind of call, in milliseconds."""

    count: int
    """Calls."""
    p50: float
    """Median."""
    p99: float
    """99 of 100 were at most so long; the longest where there were fewer than 100."""
    mean: float
    """Mean."""
    least: float
    """Shortest."""


def times_of(spans: Sequence[float]) -> Times:
    """Milliseconds, summed up."""
    p99 = statistics.quantiles(spans, n=100)[98] if len(spans) >= 100 else max(spans)
    return Times(
        count=len(spans),
        p50=statistics.median(spans),
        p99=p99,
        mean=statistics.fmean(spans),
        least=min(spans),
    )


def read(shape: type[Kept], path: Path) -> Kept | None:
    """What is kept in `path`; None where there is nothing that fits this code."""
    if not path.exists():
        return None
    try:
        return shape.model_validate_json(path.read_text("utf-8"))
    except ValidationError:
        return None


def keep(row: Frozen, path: Path) -> None:
    """Writes a row whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(row.model_dump_json(), "utf-8")
    part.replace(path)
