"""Tables as wide as the terminal: nothing that people copy is broken, nothing disappears.

Ids, times, numbers and states are never broken over lines. Where what is left of the width is too
little for prose beside them, prose goes below: one line of short cells, then each long one on
lines of its own. Columns in which nothing stands are left out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

BRIEF = 20
"""Cells of at most so many characters are not worth breaking."""
PROSE = 28
"""A column of prose gets at least so many characters, if it stands beside others."""
EDGE = 3
"""Characters that a column takes beside its text."""
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column, with what its cells are like."""

    name: str
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        """Of its longest cell, in characters of the terminal."""
        return max(cell_len(line) for one in (self.name, *self.cells) for line in _lines(one))

    @property
    def prose(self) -> bool:
        """Whether it may be broken: some cell is long and has words."""
        return any(" " in one and cell_len(one) > BRIEF for one in self.cells)


def columns_of(names: Sequence[str], rows: Rows) -> list[Column]:
    """Columns in which something stands; all of them where there are no rows."""
    found = [
        Column(name, tuple(row[at] if at < len(row) else "" for row in rows))
        for at, name in enumerate(names)
    ]
    return [one for one in found if any(one.cells)] or found if rows else found


def fits(columns: Sequence[Column], *, width: int) -> bool:
    """Whether all columns can stand side by side, prose with enough room to be read."""
    wanted = (min(one.width, PROSE) if one.prose else one.width for one in columns)
    return sum(wanted) + EDGE * len(columns) + 1 <= width


def grid(title: str, columns: Sequence[Column]) -> Table:
    """Columns side by side."""
    table = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
    for one in columns:
        table.add_column(Text(one.name), overflow="fold", no_wrap=not one.prose)
    for row in zip(*(one.cells for one in columns), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def lines(columns: Sequence[Column], *, width: int) -> list[str]:
    """For each row a line of short cells, as many as fit; below it the others, by name."""
    short: list[Column] = []
    for one in columns:
        if not one.prose and (not short or sum(each.width + 2 for each in [*short, one]) <= width):
            short.append(one)
    long = [one for one in columns if one not in short]
    indent = 2 + max((cell_len(one.name) for one in long), default=0) + 2
    told = [_beside((one.name for one in short), short)] if len(short) > 1 else []
    for at in range(len(columns[0].cells) if columns else 0):
        told.append(_beside((one.cells[at] for one in short), short))
        for one in long:
            if one.cells[at]:
                told += _below(one.name, one.cells[at], indent=indent, width=width)
    return [line for line in told if line]


def _beside(cells: Iterable[str], columns: Sequence[Column]) -> str:
    pairs = zip(cells, columns, strict=True)
    padded = (f"{cell}{' ' * (one.width - cell_len(cell))}" for cell, one in pairs)
    return "  ".join(padded).rstrip()


def _below(name: str, text: str, *, indent: int, width: int) -> list[str]:
    head = f"  {name}{' ' * (indent - 2 - cell_len(name))}"
    broken = [
        part
        for line in _lines(text)
        for part in textwrap.wrap(
            line, max(PROSE, width - indent), break_long_words=False, break_on_hyphens=False
        )
    ]
    return [f"{head if not at else ' ' * indent}{part}" for at, part in enumerate(broken)]


def _lines(text: str) -> list[str]:
    return text.splitlines() or [""]
