"""How commands speak: tables and lines for people, JSON for programs, one line for errors."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from rich.console import Console

from envs.types import Frozen
from server.tables import columns_of, fits, grid, lines

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say_json(data: Any) -> None:
    """One JSON document on standard output; models are dumped."""
    sys.stdout.write(json.dumps(plain(data), ensure_ascii=True) + "\n")
    sys.stdout.flush()


def plain(data: Any) -> Any:
    """`data` with models turned into dicts."""
    if isinstance(data, Frozen):
        return data.model_dump(mode="json")
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(item) for item in data]
    return data


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output, laid out for the terminal's width."""
    found = columns_of(columns, [[_clean(str(cell)) for cell in row] for row in rows])
    if fits(found, width=out.width):
        out.print(grid(title, found))
        return
    out.print(f"[bold]{safe(title)}[/bold]")
    for line in lines(found, width=out.width):
        out.print(line, markup=False)


def many(count: int, noun: str) -> str:
    """`1 lesson`, `2 lessons`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def safe(text: str) -> str:
    """`text` without markup and with what can't be printed replaced."""
    return _clean(text).replace("[", "\\[")


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def go(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end; Ctrl-C leaves interrupted runs resumable."""
    return asyncio.run(work)
