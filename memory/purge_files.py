"""Deleting for good, the files of a home folder: what was exported, and what still holds a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from memory import portable

WEIGHTS = frozenset({".gguf", ".safetensors", ".bin", ".pt", ".onnx"})
"""Endings of files that hold models; they are not looked into."""
ABOUT = "SKILL.md"
"""Begins the folder of an exported skill; beside it lie `scripts` and `assets`."""


def clean_exports(home: Path, ids: set[str]) -> tuple[str, ...]:
    """Takes lessons out of exported files under `home`; which files those were."""
    return tuple(
        path.relative_to(home).as_posix()
        for path in sorted(home.rglob("*.jsonl"))
        if path.is_file() and portable.strike(path, ids)
    )


def clean_folders(home: Path, codes: Iterable[str]) -> tuple[str, ...]:
    """Deletes folders of exported skills under `home` that hold one of these codes; which ones.

    Files that no exporter wrote stay, in folders that are left for them.
    """
    wanted = {_lines(code) for code in codes}
    found = [path.parent for path in sorted(home.rglob(ABOUT)) if wanted and path.is_file()]
    return tuple(
        folder.relative_to(home).as_posix()
        for folder in found
        if any(_read(script) in wanted for script in _scripts(folder)) and _delete(folder)
    )


def still_holding(home: Path, texts: Sequence[str]) -> tuple[str, ...]:
    """Files under `home` with one of the texts, as it is or as JSON."""
    return tuple(
        path.relative_to(home).as_posix()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not _weights(path) and holds(path, texts)
    )


def holds(path: Path, texts: Sequence[str]) -> bool:
    """Whether a file has one of the texts, as it is or as JSON."""
    forms = {text.encode("utf-8", "replace") for text in texts}
    return _has(path, forms | {form.encode() for text in texts for form in written(text)})


def _weights(path: Path) -> bool:
    """A model's file; those of an index end alike, and are looked into."""
    vectors = any(part.startswith("chroma-") for part in path.parts)
    return path.suffix in WEIGHTS and not vectors


def written(text: str) -> tuple[str, str]:
    """How a text stands in JSON, as it is or by escapes."""
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    return plain.encode("utf-8", "replace").decode(), json.dumps(text)[1:-1]


def _scripts(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("scripts/*.py")) if path.is_file()]


def _read(path: Path) -> bytes:
    try:
        return _lines(path.read_bytes().decode("utf-8", "replace"))
    except OSError:
        return b""


def _lines(code: str) -> bytes:
    """Code for comparison: whichever ends its lines have, and its file."""
    return "\n".join(code.splitlines()).strip().encode("utf-8", "replace")


def _delete(folder: Path) -> bool:
    """Whether all that an exporter writes is gone; a folder with other files stays."""
    files = [*_scripts(folder), folder / "assets" / "skills.json", folder / ABOUT]
    try:
        for file in files:
            file.unlink(missing_ok=True)
    except OSError:
        return False
    for place in (folder / "scripts", folder / "assets", folder):
        with suppress(OSError):
            place.rmdir()
    return True


def _has(path: Path, forms: set[bytes]) -> bool:
    longest = max(map(len, forms), default=0)
    tail = b""
    try:
        with path.open("rb") as stream:
            while part := stream.read(1 << 22):
                if any(form in tail + part for form in forms):
                    return True
                tail = part[-longest:] if longest else b""
    except OSError:
        return False
    return False
