"""Which adapters go back to a source: whose rows come from runs that do.

Weights can't lose one row, so an adapter is put in quarantine whole, and with it those that were
trained on from it. Read off their changes, whose states are plain JSON here; what an adapter is,
`distill/` knows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from envs.errors import clip
from envs.types import Frozen
from memory import rows
from memory.ledger import Ledger
from memory.types import Change, Trajectory

OUT = ("quarantined", "retired")
"""States in which an adapter answers nobody."""
TAINTED = "quarantined"
"""The state into which one comes."""


class ForgetAdapter(Frozen):
    """One adapter that goes back to the source."""

    id: str
    """The adapter."""
    what: Literal["quarantine", "gone"]
    """`gone`: it is out of use already."""
    why: str
    """How it goes back there, in words."""
    state: dict[str, Any]
    """As it stood when the plan was made."""

    def __str__(self) -> str:
        return f"student {self.id} {self.why}: {self.what}"


def adapter_states(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Adapters as they stand, by id, in the order in which they came."""
    found: dict[str, dict[str, Any]] = {}
    query = (
        "SELECT body FROM changes WHERE kind = 'adapter' AND decision = 'applied' "
        "AND op <> 'purge' ORDER BY seq"
    )
    for (body,) in ledger.ask(query):
        change = rows.parse(Change, body)
        if change.after is None:
            found.pop(change.target, None)
        else:
            found[change.target] = change.after
    return found


def tainted(states: Mapping[str, Mapping[str, Any]], runs: Collection[str]) -> dict[str, str]:
    """Adapters with rows from one of `runs`, and those trained on from them: by id, and why."""
    bad = frozenset(runs)
    why: dict[str, str] = {}
    for id_, state in states.items():
        own = [run for run in state.get("runs") or () if run in bad]
        if own:
            more = f" and {len(own) - 1} more" if len(own) > 1 else ""
            why[id_] = f"was trained on run {own[0]}{more}"
    fresh = list(why)
    while fresh:
        parent = fresh.pop()
        for id_, state in states.items():
            if id_ not in why and parent in (state.get("parents") or ()):
                why[id_] = f"was trained on from {parent}"
                fresh.append(id_)
    return why


def plan_adapters(ledger: Ledger, runs: Collection[str]) -> tuple[ForgetAdapter, ...]:
    """Adapters with rows from one of `runs` (see `behind`), and those trained on from them."""
    states = adapter_states(ledger)
    why = tainted(states, runs)
    return tuple(
        ForgetAdapter(
            id=id_,
            what="gone" if state.get("status") in OUT else "quarantine",
            why=why[id_],
            state=state,
        )
        for id_, state in states.items()
        if id_ in why
    )


def behind(
    ledger: Ledger, kind: str, source: str, *, lessons: Sequence[str], skills: Sequence[str]
) -> set[str]:
    """Runs that go back to a source of that kind, or to lessons and skills that go with it.

    A run goes back to a lesson that it was shown, and to a skill that it called.
    """
    runs = {source} if kind == "run" else set()
    if kind == "task":
        runs |= _ids(ledger, "SELECT id FROM trajectories WHERE task_key = ?", source)
    for lesson in lessons:
        query = "SELECT episode FROM exposures WHERE lesson = ? AND shown = 1"
        runs |= _ids(ledger, query, lesson)
    for skill in skills:
        runs |= _callers(ledger, skill)
    return runs


def quarantine(item: ForgetAdapter, *, kind: str, source: str, actor: str, batch: str) -> Change:
    """The change by which an adapter is out; refused where it was altered after the plan."""
    return Change(
        id="",
        kind="adapter",
        target=item.id,
        op="status",
        reason=f"forgotten with {kind} {clip(source)}: it {item.why}",
        before=item.state,
        after={**item.state, "status": TAINTED},
        actor=actor,
        batch=batch,
    )


def _ids(ledger: Ledger, query: str, value: str) -> set[str]:
    return {str(row[0]) for row in ledger.ask(query, value)}


def _callers(ledger: Ledger, skill: str) -> set[str]:
    """Runs that called a skill."""
    query = "SELECT body FROM trajectories WHERE instr(body, ?) > 0"
    found = [rows.parse(Trajectory, row[0]) for row in ledger.ask(query, skill)]
    return {
        run.id
        for run in found
        if any((one.get("call") or {}).get("skill") == skill for one in run.calls)
    }
