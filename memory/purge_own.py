"""Deleting prompts, settings and tasks of its own for good, and where their texts were told.

The runs that were played under a prompt stay, with its text taken out of what was said to the
model. Stages of rounds (`HOME/learning`) lose the texts, and what a search kept of them is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from memory import rows
from memory.clock import iso, new_id
from memory.forget_own import ForgetOwn
from memory.ledger import Ledger
from memory.purge_files import holds
from memory.purge_runs import GONE, blank_said, runs_at
from memory.purge_skills import LEAST
from memory.types import Change

HEAD = 40
"""Characters by which a text is known where it was cut short."""


class OwnTraces:
    """Prompts, settings and tasks to be purged, and the words by which copies are known."""

    def __init__(self, items: Sequence[ForgetOwn], *, ledger: Ledger) -> None:
        self.items = tuple(item for item in items if item.what == "gone")
        self.targets = tuple(item.target for item in self.items)
        prompts: set[str] = set()
        tasks: set[str] = set()
        for item in self.items:
            changes = ledger.changes(target=item.target, kind=item.kind, limit=-1)
            kept = [s for one in changes if one.id not in item.changes for s in _states(one)]
            going = [s for one in changes if one.id in item.changes for s in _states(one)]
            for state in going:
                if state in kept or state == item.left:
                    continue
                if item.kind == "prompt":
                    prompts.add(str(state.get("value", "")))
                elif item.kind == "task":
                    tasks.update(_told(state))
        self.prompts = sorted(text for text in prompts if len(text) >= LEAST)
        self.words = sorted({*self.prompts, *(text for text in tasks if len(text) >= LEAST)})

    def delete(self, ledger: Ledger, *, actor: str, reason: str) -> tuple[str, ...]:
        """Out of the ledger; gives the runs at tasks that are gone. What stood before stands."""
        if not self.items:
            return ()
        tasks = [item.target for item in self.items if item.kind == "task"]
        with ledger.purging() as db:
            for item in self.items:
                db.executemany("DELETE FROM changes WHERE id = ?", [(id_,) for id_ in item.changes])
                now = ledger.now()
                tombstone = Change(
                    id=new_id("C", seconds=now),
                    kind=item.kind,
                    target=item.target,
                    op="purge",
                    reason=reason,
                    after=item.left,
                    actor=actor,
                    time=iso(now),
                )
                rows.write(db, tombstone)
            for text in self.prompts:
                blank_said(db, text)
            return tuple(runs_at(db, tasks))


def clean_rounds(home: Path, words: Sequence[str]) -> tuple[str, ...]:
    """Takes texts out of the stages of rounds; which files were altered or deleted."""
    folder, heads = home / "learning", [" ".join(text.split())[:HEAD] for text in words]
    found: list[str] = []
    for path in sorted(folder.rglob("*")) if heads else ():
        if not path.is_file():
            continue
        hit = _strike(path, heads) if path.suffix == ".json" else holds(path, words)
        if hit and path.suffix != ".json":
            path.unlink(missing_ok=True)
        found += [path.relative_to(home).as_posix()] if hit else []
    return tuple(found)


def _states(change: Change) -> list[dict[str, Any]]:
    return [state for state in (change.before, change.after) if state is not None]


def _told(state: dict[str, Any]) -> Iterator[str]:
    """What a task of its own says, and its code."""
    challenge = state.get("challenge") or {}
    yield str(state.get("words", ""))
    for name in ("instruction", "verifier", "solution"):
        yield str(challenge.get(name, ""))
    yield from map(str, challenge.get("failures") or ())


def _strike(path: Path, heads: Sequence[str]) -> bool:
    """Takes all strings out of a JSON file that hold one of these, whole or cut short."""
    hit = False

    def struck(value: Any) -> Any:
        nonlocal hit
        if isinstance(value, dict):
            return {key: struck(one) for key, one in value.items()}
        if isinstance(value, list):
            return [struck(one) for one in value]
        if isinstance(value, str) and any(head in " ".join(value.split()) for head in heads):
            hit = True
            return GONE
        return value

    try:
        found = struck(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return False
    if hit:
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        draft.replace(path)
    return hit
