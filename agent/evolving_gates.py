"""The two gates of a change that is more than a single lesson, and how it gets into the ledger.

    capacity   what the agent would carry stays within its bounds; asked first, as it costs nothing
    target     a held-out gain beyond noise: val tasks, both sides on the same tasks and seeds,
               looked at after each pair so that a clear case ends early (`agent/contest.py`);
               or none that matters, at a price that fell by a fifth (`agent/evolving_savings.py`)

A student goes through the gates of `agent/gate.py`, which hold these two and three more. Whatever
is decided is written, as a change that is applied or rejected, with what the gates found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from agent.applied import applied
from agent.contest import Side, Watch, apart, compare, until_settled
from agent.crossing import off
from agent.evolving import ACTOR, Bounds, Proposal
from agent.evolving_savings import CHEAPER, Looks
from agent.evolving_sides import both
from agent.gate import Decision, Evidence, gains
from agent.runner import Crew
from agent.transcript import instruction
from envs.errors import Refused, UnknownName
from envs.types import Env
from memory import rows
from memory.ledger import Ledger
from memory.recall import Memory
from memory.text import estimate_tokens
from memory.types import SHOWABLE, Change
from skills.library import Library


@dataclass(frozen=True)
class Arena:
    """Where a proposal is judged."""

    crew: Crew
    """The agent as it is."""
    env: Env
    """Where val tasks are from."""
    bounds: Bounds
    """How many, and how much may be carried."""
    at_once: int = 0
    """Pairs at a time; 0: as many as the model has streams."""
    watch: Watch = lambda _seen: None
    """Sees how far it is."""


async def judge(arena: Arena, proposal: Proposal, *, name: str) -> Decision:
    """Goes through both gates. `name` is by whom the runs are known: of this round alone."""
    failed, reasons = await off(overfull, arena, proposal.changes)
    if failed:
        return Decision(promote=False, failed=failed, reasons=reasons)
    ground = apart(
        arena.env,
        held=arena.bounds.held,
        judged=arena.bounds.judged,
        salt=f"{name}/{digest(proposal.changes)}",
    )
    sides = both(arena.crew, arena.env, proposal.changes)
    now, then = await off(sides.__enter__)
    looks = Looks(margin=arena.bounds.margin, least=arena.bounds.least)
    saves = {change.kind for change in proposal.changes} <= set(CHEAPER)
    try:
        pairs = await compare(
            Side("as it is", now),
            Side(f"{name}@{digest(proposal.changes)}", then),
            ground,
            ends=looks if saves else until_settled,
            at_once=arena.at_once,
            watch=arena.watch,
        )
    finally:
        await off(sides.__exit__, None, None, None)
    gained, said = gains(pairs, least=arena.bounds.least)
    cheaper, saved = looks.cheaper() if saves and not gained else (False, "")
    found = [f"cheaper: {saved}", f"target: {said}"]
    if not cheaper:
        found = [f"target: {said}" + (f"; {saved}" if saved else "")]
    return Decision(
        promote=gained or cheaper,
        failed=() if gained or cheaper else ("target",),
        reasons=(*reasons, *found),
        evidence=Evidence(target=pairs),
    )


def overfull(arena: Arena, changes: Sequence[Change]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the capacity gate fails with, and what it found; only what the changes touch."""
    found: list[tuple[str, int, int]] = []
    kinds, bounds = {change.kind for change in changes}, arena.bounds.capacity
    ledger, room = arena.crew.memory.ledger, arena.env.name.partition(":")[0]
    if "lesson" in kinds:
        found.append(("lessons", _lessons(arena.crew.memory, room, changes), bounds.lessons))
    if "skill" in kinds:
        found.append(("skills", _skills(ledger, room, changes), bounds.skills))
    if "prompt" in kinds:
        found.append(("prompt tokens", _told(arena, changes), bounds.prompt_tokens))
    reasons = tuple(f"capacity: {now:,} {what}, at most {most:,}" for what, now, most in found)
    return ("capacity",) if any(now > most for _, now, most in found) else (), reasons


def settle(
    memory: Memory, proposal: Proposal, decision: Decision, *, batch: str, why: str
) -> tuple[Change, ...]:
    """Writes a proposal with its decision, all in one batch; once, however often it is asked.

    What does not fit any more, as something was altered meanwhile, is kept as rejected.
    """
    ledger = memory.ledger
    query = "SELECT body FROM changes WHERE run = ? ORDER BY seq"
    if stored := ledger.ask(query, batch):
        return tuple(rows.parse(Change, row[0]) for row in stored)
    runs = decision.evidence.runs
    changes = [
        one.model_copy(
            update={
                "reason": f"{one.reason}; {why}: {decision}",
                "evidence": tuple(dict.fromkeys((*one.evidence, *runs))),
                "decision": "applied" if decision.promote else "rejected",
                "actor": ACTOR,
                "batch": batch,
            }
        )
        for one in proposal.changes
    ]
    try:
        return memory.write(*changes)
    except (Refused, UnknownName) as error:
        update = {"decision": "rejected", "reason": f"{changes[0].reason}; rejected: {error}"}
        return memory.write(*(one.model_copy(update=update) for one in changes))


def digest(changes: Sequence[Change]) -> str:
    """What changes come to, in eight characters."""
    parts = [f"{one.kind}|{one.target}|{one.op}|{one.after}" for one in changes]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _lessons(memory: Memory, room: str, changes: Sequence[Change]) -> int:
    """Lessons of an environment that could be shown, were these changes made."""
    standing = {
        one.id: one.status in SHOWABLE
        for one in memory.standing().values()
        if one.scope.env in ("", room)
    }
    told = {
        one.target or f"new {number}": one.after
        for number, one in enumerate(changes)
        if one.kind == "lesson"
    }
    for target, after in told.items():
        standing[target] = after is not None and after.get("status", "candidate") in SHOWABLE
    return sum(standing.values())


def _skills(ledger: Ledger, room: str, changes: Sequence[Change]) -> int:
    """Active skills of an environment, were these changes made."""
    active = {one.id for one in Library(ledger).all(env=room, status="active")}
    for one in changes:
        if one.kind == "skill":
            on = (one.after or {}).get("status") == "active"
            active = active | {one.target} if on else active - {one.target}
    return len(active)


def _told(arena: Arena, changes: Sequence[Change]) -> int:
    """Tokens of the instructions, were these changes made."""
    crew = arena.crew
    settings = applied(crew.settings, crew.memory.ledger, arena.env.name, tried=changes)
    return estimate_tokens(instruction(settings, model=crew.model.name))
