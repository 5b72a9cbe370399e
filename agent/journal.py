"""Changes in words that a stranger understands: what was done, and what it says."""

from __future__ import annotations

from typing import Any

from envs.errors import clip
from memory.types import Change

LONG = 160
"""Most letters of a text that is quoted."""
DONE = {
    "add": "learned",
    "edit": "reworded",
    "remove": "removed",
    "undo": "took back a change of",
    "purge": "deleted for good",
}
KINDS = {
    "lesson": "the lesson",
    "skill": "the skill",
    "prompt": "the prompt",
    "setting": "the setting",
    "adapter": "the student",
}


def said(change: Change) -> str:
    """What a change did, in one line: `learned the lesson “Open the red drawer.”`."""
    what = KINDS[change.kind]
    old, new = change.before or {}, change.after or {}
    if change.decision == "rejected":
        return f"refused {what} {_named(change)}"
    if change.op == "status":
        return f"moved {what} {_named(change)} from {_status(old)} to {_status(new)}"
    if change.kind == "setting" and change.op != "undo":
        return f"set {_named(change)}{_from(old)} to {new.get('value')!r}"
    if change.op == "undo":
        back = "is gone again" if change.after is None else "stands as before"
        return f"took back a change of {what} {_named(change)}, which {back}"
    verb = DONE[change.op]
    if change.kind == "adapter" and change.op == "add":
        verb = "trained"
    if change.kind == "skill" and change.op == "add":
        verb = "wrote"
    return f"{verb} {what} {_named(change)}"


def _named(change: Change) -> str:
    state: dict[str, Any] = change.after or change.before or {}
    if change.kind == "lesson" and state.get("text"):
        return f"“{clip(' '.join(str(state['text']).split()), most=LONG)}”"
    return str(state.get("name") or change.target)


def _status(state: dict[str, Any]) -> str:
    return str(state.get("status") or "nothing")


def _from(state: dict[str, Any]) -> str:
    return f" from {state['value']!r}" if "value" in state else ""
