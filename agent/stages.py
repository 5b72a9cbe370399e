"""Stages of long work on disk: each whole or not at all, so that it goes on where it was killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from agent.crossing import off
from agent.locking import locked
from distill.rows import Pair, Row
from envs.errors import StoreError
from envs.types import Frozen

T = TypeVar("T", bound=Frozen)
ROWS: TypeAdapter[Row | Pair] = TypeAdapter(Row | Pair)


def alone(folder: Path) -> AbstractContextManager[None]:
    """Keeps a folder of stages to this process.

    Two of them would play everything twice and write every decision twice. Raises `Refused` where
    another one is at work, and `StoreError` where nothing can be written.
    """
    return locked(
        folder / "going.lock",
        busy=f"rounds {folder.name} are going on in another process",
        repair="wait until it has ended, or take another name (--name)",
    )


async def stage(path: Path, kind: type[T], work: Callable[[], Awaitable[T]]) -> T:
    """What a stage came to: from its file, or worked out and kept there. Raises `StoreError`."""
    if await off(path.is_file):
        return await off(load, path, kind)
    found = await work()
    await off(keep, path, found)
    return found


def keep(path: Path, found: Frozen) -> None:
    """Writes a record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(found.model_dump_json(indent=1) + "\n", "utf-8")
    draft.replace(path)


def load(path: Path, kind: type[T]) -> T:
    """Reads a record. Raises `StoreError`."""
    try:
        return kind.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise _unreadable(path) from error


def read_rows(path: Path) -> list[Row | Pair]:
    """Rows of a file that was written here. Raises `StoreError`."""
    try:
        return [ROWS.validate_json(line) for line in _lines(path)]
    except (OSError, ValidationError) as error:
        raise _unreadable(path) from error


def _lines(path: Path) -> list[str]:
    """Lines that end where the writer ended them: U+2028 and its like stand inside of texts."""
    return [line for line in path.read_text("utf-8").split("\n") if line.strip()]


def _unreadable(path: Path) -> StoreError:
    return StoreError(f"{path} can't be read", repair="remove its folder to repeat that stage")
