"""What a file of rows was made of, kept beside it: recipes, filters, teachers, licences, hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from distill.filters import Sifted
from distill.rows import Line, Written
from envs.errors import UserError
from envs.types import Frozen

FORMAT: Literal[1] = 1
"""Version of a record."""


class Record(Frozen):
    """A file of rows, and what it was made of."""

    format: Literal[1] = FORMAT
    """Version of this record."""
    path: Path
    """The file."""
    rows: int
    """How many lines."""
    sha256: str
    """Of its bytes."""
    recipes: tuple[str, ...]
    """What made them, by name."""
    filters: tuple[Sifted, ...] = ()
    """What was dropped, in this order."""
    trajectories: int = 0
    """Runs that were looked at."""
    sources: int = 0
    """Runs (and lines of imported files) that rows come from."""
    tasks: int = 0
    """Tasks, by their keys."""
    made: dict[str, int] = Field(default_factory=dict)
    """Rows by what they teach."""
    types: dict[str, int] = Field(default_factory=dict)
    """Rows by type of task."""
    teachers: dict[str, int] = Field(default_factory=dict)
    """Rows by who acted."""
    label_free: int = 0
    """Rows that no environment, tool or person checked (`votes`)."""
    licences: dict[str, int] = Field(default_factory=dict)
    """Imported rows by their licence; a student gets no looser one than its rows."""
    imported: dict[str, int] = Field(default_factory=dict)
    """Rows by the file that they were imported from."""
    round: int = 0
    """Round of self-training."""
    notes: tuple[str, ...] = ()
    """What could not be done, in a line each."""
    version: str = ""
    """Of Journeyman."""
    time: str = ""
    """ISO time (UTC)."""


def record(lines: Sequence[Line], written: Written, *, recipes: Sequence[str]) -> Record:
    """What can be told from the rows themselves."""
    origins = [line.metadata for line in lines]
    foreign = [origin for origin in origins if origin.source]
    return Record(
        path=written.path,
        rows=written.rows,
        sha256=written.sha256,
        recipes=tuple(recipes),
        sources=len({run for origin in origins for run in (origin.trajectory, *origin.others)}),
        tasks=len({(origin.env, origin.task_key) for origin in origins}),
        made=_counted(origin.made for origin in origins),
        types=_counted(origin.task_type for origin in origins),
        teachers=_counted(origin.teacher for origin in origins),
        label_free=sum(origin.made == "voted" for origin in origins),
        licences=_counted(origin.licence for origin in foreign),
        imported=_counted(origin.source for origin in foreign),
    )


def keep(found: Record) -> Path:
    """Writes it beside its file, as `NAME.manifest.json`. Raises `UserError`."""
    path = found.path.with_suffix(".manifest.json")
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(found.model_dump_json(indent=1) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        why = f"{path} can't be written: {error.strerror}"
        raise UserError(why, repair="choose a folder that you may write to") from error
    return path


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
