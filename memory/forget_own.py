"""Which prompts, settings and tasks of its own go back to a source: those learned from its runs.

A prompt, setting or task goes back to the train runs that its change names as evidence; the val
runs of a gate only let it in. What was learned on top of one that goes, goes with it, and what
stood before stands again. Read off the changes, whose states are plain JSON here; what the agent
does with them, `agent/` knows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from envs.types import Frozen
from memory import rows
from memory.ledger import Ledger
from memory.types import Change

KINDS = ("prompt", "setting", "task")
"""Kinds of changes that are looked at."""
OwnKind = Literal["prompt", "setting", "task"]


class ForgetOwn(Frozen):
    """One prompt, setting or task of its own that goes back to the source."""

    kind: OwnKind
    """Which of the three."""
    target: str
    """What its changes are kept under."""
    what: Literal["remove", "back", "gone"]
    """`back`: what stood before stands again; `gone`: it does not stand, and can be purged."""
    why: str
    """How it goes back there, in words."""
    state: dict[str, Any] | None = None
    """As it stood when the plan was made; None: it does not."""
    left: dict[str, Any] | None = None
    """What stands afterwards; None: nothing."""
    changes: tuple[str, ...] = ()
    """Changes that hold something of it, refused ones included."""

    def __str__(self) -> str:
        words = {"remove": "goes", "back": "what stood before it returns", "gone": "gone already"}
        return f"{self.kind} {self.name} {self.why}: {words[self.what]}"

    @property
    def name(self) -> str:
        """What a reader knows it by."""
        state = self.state or {}
        return str(state.get("name") or state.get("words") or self.target)


def plan_own(
    ledger: Ledger, runs: Collection[str], *, skills: Collection[str] = ()
) -> tuple[ForgetOwn, ...]:
    """What was learned from `runs`, in the order in which it came.

    `skills`: runs that skills were written from which go; tasks that were made up of what these
    can do go with them.
    """
    lives: dict[tuple[OwnKind, str], list[Change]] = {}
    query = (
        "SELECT body FROM changes WHERE kind IN ('prompt', 'setting', 'task') "
        "AND op <> 'purge' ORDER BY seq"
    )
    for (body,) in ledger.ask(query):
        change = rows.parse(Change, body)
        if change.kind in ("prompt", "setting", "task") and not _withdraws(change):
            lives.setdefault((change.kind, change.target), []).append(change)
    wanted = frozenset(runs)
    named = {run for one in lives.values() for change in one for run in change.evidence}
    some = {run for run in named & wanted if not _judged(ledger, run)}
    made = frozenset(skills)
    found = (_forgotten(kind, target, life, some, made) for (kind, target), life in lives.items())
    return tuple(one for one in found if one is not None)


def own_evidence(ledger: Ledger, run: str) -> bool:
    """Whether a prompt, setting or task of its own names a run as evidence."""
    query = (
        "SELECT body FROM changes WHERE kind IN ('prompt', 'setting', 'task') "
        "AND op <> 'purge' AND instr(body, ?) > 0"
    )
    changes = (rows.parse(Change, body) for (body,) in ledger.ask(query, run))
    return any(run in one.evidence and not _withdraws(one) for one in changes)


def retracted(item: ForgetOwn, *, actor: str, batch: str) -> Change:
    """The change by which it goes; refused where it was altered after the plan was made."""
    return Change(
        id="",
        kind=item.kind,
        target=item.target,
        op="remove" if item.left is None else "edit",
        reason=f"forgotten: it {item.why}",
        before=item.state,
        after=item.left,
        actor=actor,
        batch=batch,
    )


def _forgotten(
    kind: OwnKind, target: str, life: Sequence[Change], runs: set[str], skills: frozenset[str]
) -> ForgetOwn | None:
    bad: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    why, now = "", None
    for change in life:
        after, said = change.after, _from(change, runs, skills)
        if after is not None and change.op in ("add", "edit"):
            if (said or change.before in bad) and after not in good:
                bad.append(after)
                why = why or said
            elif change.decision == "applied":
                good.append(after)
        now = after if change.decision == "applied" else now
    if not bad:
        return None
    stands = now is not None and now in bad
    left = _before(life, bad, now) if stands else now
    return ForgetOwn(
        kind=kind,
        target=target,
        what="gone" if not stands else "remove" if left is None else "back",
        why=why,
        state=now if stands else None,
        left=left,
        changes=tuple(one.id for one in life if one.after in bad or one.before in bad),
    )


def _before(
    life: Sequence[Change], bad: Sequence[dict[str, Any]], now: dict[str, Any] | None
) -> dict[str, Any] | None:
    """What stood before all of this, under what stands now."""
    for change in reversed(life):
        written = change.decision == "applied" and change.op in ("add", "edit")
        if now in bad and written and change.after == now:
            now = change.before
    return now


def _from(change: Change, runs: set[str], skills: frozenset[str]) -> str:
    """How a change goes back to these runs, in words; empty: it doesn't."""
    state: Mapping[str, Any] = change.after or {}
    own = [run for run in (*change.evidence, *(state.get("runs") or ())) if run in runs]
    if own:
        rest = len(set(own)) - 1
        return f"was learned from run {own[0]}" + (f" and {rest} more" if rest else "")
    if change.kind == "task" and state.get("several") and skills & set(state.get("runs") or ()):
        return "was made up of what skills can do that go"
    return ""


def _judged(ledger: Ledger, run: str) -> bool:
    """Whether a run is one of val tasks: a gate's, which nothing is learned from."""
    found = ledger.ask("SELECT split FROM trajectories WHERE id = ?", run)
    return any(row[0] == "val" for row in found)


def _withdraws(change: Change) -> bool:
    """Whether it keeps a run from being recalled (`memory/episodes.py`)."""
    return "recalled" in (change.after or change.before or {})
