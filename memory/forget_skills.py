"""Which skills go back to a source: what they were written from, whose they are, what they call.

Read off their changes, whose states are plain JSON here; what a skill is, `skills/` knows. Code
can't be written without one of its ways, so a skill goes whole, with all its versions, and is
written anew from the others.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from envs.errors import clip
from envs.types import Frozen
from memory import rows
from memory.ledger import Ledger
from memory.types import Change

LEARNED = ("own", "expert", "teacher")
"""Whose ways skills are written from here, and can be written from again."""


class ForgetSkill(Frozen):
    """One skill that goes back to the source."""

    id: str
    """The skill."""
    name: str
    """Name of its function."""
    what: Literal["remove", "gone"]
    """`gone`: that is done, and can be purged."""
    why: str
    """How it goes back there, in words."""
    rest: int = 0
    """Runs or tasks that it comes from besides: so much is left to write it anew from."""
    state: dict[str, Any]
    """The skill as it stood when the plan was made; one that is gone as it stood last."""


class SkillLife:
    """A skill with its life: every form that it ever had, undone ones included."""

    def __init__(self, skill_id: str, changes: Sequence[Change]) -> None:
        self.id = skill_id
        self.changes = changes
        self.states = [s for c in changes for s in (c.before, c.after) if s]
        self.state: dict[str, Any] = self.states[-1] if self.states else {}
        self.stands = bool(changes) and changes[-1].after is not None
        self.name = str(self.state.get("name", ""))
        self.learned = origin(self.state, "author") in LEARNED
        self.runs = {run for state in self.states for run in origin(state, "runs") or ()}
        self.keys = {key for state in self.states for key in origin(state, "task_keys") or ()}
        self.uses = {id_ for state in self.states for id_ in state.get("uses") or ()}
        self.addresses = {str(origin(state, "address") or "") for state in self.states} - {""}


def skill_lives(ledger: Ledger) -> dict[str, SkillLife]:
    """Every skill that ever was, purged ones excepted, in the order of adding."""
    found: dict[str, list[Change]] = {}
    query = (
        "SELECT body FROM changes WHERE kind = 'skill' AND decision = 'applied' "
        "AND op <> 'purge' ORDER BY seq"
    )
    for (body,) in ledger.ask(query):
        change = rows.parse(Change, body)
        found.setdefault(change.target, []).append(change)
    return {id_: SkillLife(id_, changes) for id_, changes in found.items()}


def skill_kind(skills: Iterable[SkillLife], source: str) -> str:
    """What `source` is to skills: `task`, `run`, `skill` (by name) or `folder`; empty: nothing."""
    lives = list(skills)
    if any(source in life.keys for life in lives):
        return "task"
    wrote = [life for life in lives if source in life.runs]
    if wrote:
        own = any(origin(life.state, "author") in ("own", "import") for life in wrote)
        return "run" if own else "task"
    if any(source == life.name for life in lives):
        return "skill"
    return "folder" if any(_below(a, source) for life in lives for a in life.addresses) else ""


def plan_skills(skills: Mapping[str, SkillLife], kind: str, source: str) -> tuple[ForgetSkill, ...]:
    """Skills that go back to a source of that kind, and those that call them, as they were added.

    What an older version goes back to counts, and what it called.
    """
    why = {life.id: said for life in skills.values() if (said := _direct(life, kind, source))}
    fresh = list(why)
    while fresh:
        called = fresh.pop()
        for life in skills.values():
            if called in life.uses and life.id not in why:
                why[life.id] = f"calls {skills[called].name} ({called})"
                fresh.append(life.id)
    return tuple(
        ForgetSkill(
            id=life.id,
            name=life.name,
            what="remove" if life.stands else "gone",
            why=why[life.id],
            rest=_rest(life, source) if life.learned and kind in ("run", "task") else 0,
            state=life.state,
        )
        for life in skills.values()
        if life.id in why
    )


def retraction(item: ForgetSkill, *, actor: str, batch: str) -> Change:
    """The change by which a skill goes; refused where it was altered after the plan was made."""
    return Change(
        id="",
        kind="skill",
        target=item.id,
        op="remove",
        reason=f"forgotten: it {item.why.removeprefix('it ')}",
        before=item.state,
        actor=actor,
        batch=batch,
    )


def on_page(address: str, page: str) -> bool:
    """Whether `address` is that page, one below it, or lies on that host or a part of it."""
    if "://" not in address:
        return False
    if "://" in page:
        rest = address.removeprefix(page)
        return rest != address and (rest[:1] in ("", "/", "?", "#") or page.endswith("/"))
    try:
        host = (urlsplit(address).hostname or "").casefold()
    except ValueError:
        return False
    wanted = page.casefold().strip()
    return host == wanted or host.endswith(f".{wanted}")


def origin(state: dict[str, Any], field: str) -> Any:
    """A field of where a skill comes from; None where it has none."""
    return (state.get("origin") or {}).get(field)


def _direct(life: SkillLife, kind: str, source: str) -> str:
    """How a skill goes back to the source by itself; empty: it doesn't."""
    name = source.partition(":")[2]
    if kind == "skill":
        return "is that skill" if source in (life.id, life.name) else ""
    if kind in ("run", "task"):
        named = source in life.runs or source in life.keys
        wrote = any(source in c.evidence for c in life.changes if c.op in ("add", "edit"))
        what = f"{kind} {clip(source)}"
        return _version(life, f"was written from {what}", source) if named or wrote else ""
    if kind == "user":
        mine = any(_of_person(state, source) for state in life.states)
        mine = mine or any(c.actor == source for c in life.changes if c.op in ("add", "edit"))
        return f"was written by {f'user {name}' if name else 'a person'}" if mine else ""
    tests: dict[str, Callable[[str], bool]] = {
        "web": lambda address: on_page(address, name),
        "folder": lambda address: _below(address, source),
    }
    found = sorted(filter(tests[kind], life.addresses)) if kind in tests else []
    return f"was imported from {clip(found[0])}" if found else ""


def _version(life: SkillLife, said: str, source: str) -> str:
    """Names the version, where the last one doesn't go back there by itself."""
    for state in reversed(life.states):
        if source in (origin(state, "runs") or ()):
            same = state.get("version") == life.state.get("version")
            return said if same else f"its version {state.get('version')} {said}"
    return said


def _of_person(state: dict[str, Any], source: str) -> bool:
    if state.get("trust") != "user" and origin(state, "author") != "user":
        return False
    by, name = origin(state, "by") or origin(state, "address") or "", source.partition(":")[2]
    return by in (name, source)


def _rest(life: SkillLife, source: str) -> int:
    return len((life.keys if source in life.keys else life.runs) - {source})


def _below(address: str, source: str) -> bool:
    """Whether what was imported from `address` came from that page or folder, or from below it."""
    if "://" in address or "://" in source:
        return "://" in source and on_page(address, source)
    if not source.strip():
        return False
    place, lies = (Path(os.path.normpath(Path(one).absolute())) for one in (source, address))
    return place == lies or place in lies.parents
