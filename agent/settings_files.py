"""Files of settings: how they are read and laid over each other, and which may name what."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from envs.errors import UserError, one_line

FILE = "journeyman.toml"
NO_KEY = "none"
"""The key for a server that a working folder names without one: nobody's own goes there."""
STARTS = {
    "home": "a home folder",
    "mcp": "MCP servers",
    "site": "web apps",
    "browser": "a browser",
    "browsing": "web pages",
}
"""Settings that start programs, name the folder of those that are, or have chat go somewhere."""


def read(path: Path) -> dict[str, Any]:
    """The tables of a file; none where there is none. Raises `UserError`."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"{path} can't be read: {one_line(str(error))}", repair="mend or remove it"
        ) from error


def trusted(found: dict[str, Any], path: Path, *, home: Path) -> dict[str, Any]:
    """What was read; from a folder that one only works in, no programs to be started and no place
    to send somebody's key to. Raises `UserError` for programs.
    """
    if path.resolve() == (home / FILE).resolve():
        return found
    starts = [part for part in STARTS if part in found]
    if starts:
        shown = f"[{starts[0]}]" if isinstance(found[starts[0]], dict) else starts[0]
        raise UserError(
            f"{path} names {STARTS[starts[0]]}, and a working folder may not start programs",
            repair=f"look at what it names, then move {shown} to {home / FILE}",
        )
    router = found.get("router")
    larger = router.get("larger") if isinstance(router, dict) else None
    for model in (found.get("model"), larger):
        if isinstance(model, dict) and model.get("base_url"):
            model.setdefault("api_key", NO_KEY)
    return found


def merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """`low` with what `high` says otherwise, table by table."""
    merged = dict(low)
    for key, value in high.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge(old, value) if both and isinstance(old, dict) else value
    return merged


def drop_none(flags: dict[str, Any]) -> dict[str, Any]:
    """`flags` without those that were not given."""
    return {
        key: drop_none(value) if isinstance(value, dict) else value
        for key, value in flags.items()
        if value is not None
    }
