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
ADDED = {"adapter": "trained", "skill": "wrote", "task": "made up"}
"""Where `learned` is not the word."""
PLANNED = {
    "learned": "learn",
    "reworded": "reword",
    "removed": "remove",
    "trained": "train",
    "wrote": "write",
    "rewrote": "rewrite",
    "made": "make",
    "moved": "move",
    "took": "take",
}
"""Their first words before it is done."""
KINDS = {
    "lesson": "the lesson",
    "skill": "the skill",
    "prompt": "the prompt",
    "setting": "the setting",
    "adapter": "the student",
    "task": "the task",
}


def said(change: Change) -> str:
    """What a change does, in one line: `learned the lesson “Open the red drawer.”`."""
    what = KINDS[change.kind]
    old, new = change.before or {}, change.after or {}
    if change.decision == "rejected":
        return f"refused {what} {_named(change)}"
    if change.op == "status" and not old and _status(new) == "active":
        return f"took {what} {_named(change)} into use"
    if change.op == "status":
        return f"moved {what} {_named(change)} {_from(_status(old))}to {_status(new)}"
    if change.kind == "setting" and "recalled" in new and change.op == "add":
        return f"recalls {change.target} no more"
    if change.kind == "setting" and change.op in ("add", "edit") and "value" in new:
        return f"set {_named(change)} {_from(repr(old['value'])) if old else ''}to {new['value']!r}"
    if change.op == "undo":
        back = "is gone again" if change.after is None else "stands as before"
        return f"took back a change of {what} {_named(change)}, which {back}"
    verb = ADDED.get(change.kind, DONE["add"]) if change.op == "add" else DONE[change.op]
    if change.kind == "skill" and change.op == "edit":
        verb = "rewrote"
    return f"{verb} {what} {_named(change)}"


def planned(change: Change) -> str:
    """What a change that is only proposed would do: `learn the lesson “Open the red drawer.”`."""
    verb, space, rest = said(change.model_copy(update={"decision": "applied"})).partition(" ")
    return f"{PLANNED.get(verb, verb)}{space}{rest}"


def _named(change: Change) -> str:
    state: dict[str, Any] = change.after or change.before or {}
    text = str(state.get("text" if change.kind == "lesson" else "words", ""))
    if change.kind == "prompt" and change.op in ("add", "edit"):
        return f"{state.get('name')}: {_quoted(str(state.get('value', '')))}"
    if change.kind in ("lesson", "task") and text:
        return _quoted(text)
    if change.kind == "skill" and change.op == "edit":
        return f"{state.get('name')} (version {state.get('version')})"
    return str(state.get("name") or change.target)


def _quoted(text: str) -> str:
    return f"“{clip(' '.join(text.split()), most=LONG)}”"


def _status(state: dict[str, Any]) -> str:
    return str(state.get("status") or "")


def _from(state: str) -> str:
    return f"from {state} " if state else ""
