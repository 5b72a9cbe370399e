"""The one loop: play train tasks, reflect, propose, gate, journal; and again.

A round plays the tasks that a curriculum chose (single lessons are written by these runs, and
judged by their own evidence, see `memory/life.py`), asks each proposer in turn, has the gates of
`agent/evolving_gates.py` decide, writes every decision into the ledger, and looks at val tasks that
no gate plays: the curve. A later proposer sees what an earlier one changed.

Every stage that has ended lies in `FOLDER/round-N`, runs are in the ledger under the round's arm,
so a killed process goes on where it was:

    tasks.json                    what is played, and why
    NAME.proposed.json            what a proposer came to
    NAME.judged.json              what the gates said, and the batch that it is written under
    round.json                    the round
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from agent.contest import HELD_OUT, Seen, kept_apart
from agent.crossing import off
from agent.curriculum import Curriculum, history, told
from agent.evolving import Bounds, Decided, Evolution, Evolved, Proposal, Proposer
from agent.evolving_desk import Desk, counted, specs, spent
from agent.evolving_gates import Arena, judge, settle
from agent.gate import Decision
from agent.journal import planned
from agent.once import once
from agent.promotion import current
from agent.proposers.types import won
from agent.roundlog import Held, held_by
from agent.runner import Crew, Spec
from agent.schooling import School
from agent.stages import alone, keep, load, stage
from envs.errors import Refused
from envs.types import Env, Frozen, Task
from memory.clock import new_id
from memory.types import Change, Trajectory, Usage

Makes = Callable[[Desk], Proposer]
"""Makes a proposer for a round."""


@dataclass(frozen=True)
class Loop:
    """What is to be learned, by whom, and where it is kept."""

    name: str
    """Of these rounds; the same name goes on."""
    env: Env
    """Where it learns."""
    crew: Callable[[], Awaitable[Crew]]
    """The agent as it is now; asked before each stage, as a new student may answer by then."""
    proposers: Mapping[str, Makes]
    """By name, in their order."""
    curriculum: Curriculum
    """Chooses train tasks."""
    folder: Path
    """Where stages are kept."""
    bounds: Bounds = field(default_factory=Bounds)
    """How rounds are made."""
    lessons: bool = True
    """Whether train runs write lessons."""
    at_once: int = 1
    """Runs at a time."""
    school: School | None = None
    """Who trains and gates students; None: nobody does."""
    told: Callable[[str], None] = lambda _line: None
    """Where progress goes, a line at a time."""

    tag: str = ""
    """Marks the runs of these rounds, so that rounds begun anew find none of them."""

    @property
    def arm(self) -> str:
        """Begins the arms of all its runs."""
        return f"{self.name}~{self.tag}" if self.tag else self.name

    def place(self, number: int) -> Path:
        """Folder of a round."""
        return self.folder / f"round-{number}"


class _Begun(Frozen):
    """What rounds of one name were begun with."""

    env: str
    bounds: Bounds
    proposers: tuple[str, ...]
    lessons: bool
    tag: str


class _Drawn(Frozen):
    """Tasks of a round."""

    tasks: tuple[Task, ...]
    why: str


class _Judged(Frozen):
    """What the gates said, before it is written."""

    decision: Decision
    batch: str


async def evolve(
    loop: Loop, *, most: int, seen: Callable[[Evolution], None] = lambda _so_far: None
) -> Evolution:
    """Goes through rounds until there are `most`, and takes up old ones. `seen` gets each.

    Raises `Refused` for other settings than those that these rounds were begun with, and where
    another process is at them.
    """
    with alone(loop.folder):
        return await _evolve(loop, most, seen)


async def _evolve(loop: Loop, most: int, seen: Callable[[Evolution], None]) -> Evolution:
    loop = replace(loop, tag=await off(_same, loop))
    loop.told(_plan(loop, most))
    start = await stage(loop.folder / "start.json", Held, lambda: measure(loop, 0))
    done = Evolution(name=loop.name, start=start)
    seen(done)
    for number in range(1, most + 1):
        path = loop.place(number) / "round.json"
        found = await stage(path, Evolved, partial(_round, loop, done, number))
        done = done.model_copy(update={"rounds": (*done.rounds, found)})
        seen(done)
    return done


async def measure(loop: Loop, number: int) -> Held:
    """Success after a round on val tasks that no gate plays; nothing is learned of it."""
    crew, tasks = await loop.crew(), kept_apart(loop.env, n=loop.bounds.held)
    arm = f"{HELD_OUT}/{loop.arm}/{number}"
    when = f"after round {number}" if number else "before anything is learned"
    heard = counted(loop.told, f"held-out tasks {when}", len(tasks))
    runs = await once(crew, loop.env, specs(tasks, arm), at_once=loop.at_once, heard=heard)
    return await off(held_by, crew.model.name, runs)


async def _round(loop: Loop, so_far: Evolution, number: int) -> Evolved:
    """Plays, has it proposed and decided, looks at the held-out tasks."""
    place = loop.place(number)
    drawn = await stage(place / "tasks.json", _Drawn, lambda: _draw(loop))
    loop.told(f"round {number}: {len(drawn.tasks)} train tasks ({drawn.why})")
    crew, arm = await loop.crew(), f"{loop.arm}/round-{number}"
    wanted = [Spec(task=task, seed=task.seed, arm=arm, learn=loop.lessons) for task in drawn.tasks]
    heard = counted(loop.told, f"round {number}, train tasks", len(wanted))
    runs = await once(crew, loop.env, wanted, at_once=loop.at_once, heard=heard)
    proposals: list[Proposal] = []
    decided: list[Decided] = []
    for name in loop.proposers:
        proposal, result = await _considered(loop, name, number, runs)
        proposals.append(proposal)
        decided += [result] if result else []
    last = so_far.rounds[-1] if so_far.rounds else None
    usage = last.usage if last else Usage()
    for cost in (spent(runs), *(one.usage for one in (*proposals, *decided))):
        usage += cost
    episodes = (last.episodes if last else 0) + len(runs) + sum(one.episodes for one in proposals)
    return Evolved(
        number=number,
        why=drawn.why,
        won=sum(won(run) for run in runs),
        played=len(runs),
        lessons=tuple(dict.fromkeys(lesson for run in runs for lesson in run.lessons)),
        proposals=tuple(proposals),
        decided=tuple(decided),
        held=await measure(loop, number),
        episodes=episodes,
        usage=usage,
    )


async def _considered(
    loop: Loop, name: str, number: int, runs: Sequence[Trajectory]
) -> tuple[Proposal, Decided | None]:
    """What one proposer came to, and what became of it; None: there was nothing to decide."""
    place, who = loop.place(number), f"{loop.arm}/round-{number}/{name}"

    async def proposed() -> Proposal:
        desk = Desk(
            crew=await loop.crew(),
            env=loop.env,
            name=who,
            folder=place / name,
            bounds=loop.bounds,
            at_once=loop.at_once,
            told=loop.told,
            label=f"round {number}, {name}",
        )
        changes = await loop.proposers[name](desk).propose(runs)
        return Proposal(
            by=name, changes=changes, episodes=desk.episodes, usage=desk.usage, note=desk.note
        )

    async def judged() -> _Judged:
        batch = new_id("B", seconds=(await loop.crew()).memory.ledger.now())
        label = f"round {number}, {name}"
        return _Judged(decision=await _decide(loop, proposal, who, label=label), batch=batch)

    loop.told(f"round {number}, {name}: is asked what to change, after {len(runs)} runs")
    proposal = await stage(place / f"{name}.proposed.json", Proposal, proposed)
    if not proposal.changes:
        loop.told(f"round {number}, {name}: proposes nothing{_why(proposal.note)}")
        return proposal, None
    about = tuple(planned(one) for one in proposal.changes)
    loop.told(f"round {number}, {name}: proposes to {'; '.join(about)}")
    found = await stage(place / f"{name}.judged.json", _Judged, judged)
    written = await _written(loop, proposal, found, why=f"round {number} of {loop.name}")
    kept = all(one.decision == "applied" for one in written)
    decision = found.decision.model_copy(update={"promote": found.decision.promote and kept})
    done = "kept, as" if decision.promote else "refused, because"
    loop.told(f"round {number}, {name}: {done} {decision}")
    ledger = (await loop.crew()).memory.ledger
    played = [await off(ledger.trajectory, run) for run in decision.evidence.runs]
    return proposal, Decided(
        by=name,
        about=about,
        decision=decision,
        batch=written[0].batch or written[0].id,
        changes=tuple(one.id for one in written),
        usage=spent(played),
    )


async def _decide(loop: Loop, proposal: Proposal, who: str, *, label: str) -> Decision:
    if _students(proposal) and loop.school is not None:
        ledger = (await loop.crew()).memory.ledger
        now = await off(current, ledger)
        return await loop.school.judge(now.id if now else "", proposal.changes[0].target)

    def watch(at: Seen) -> None:
        if at.done % 10 == 0:
            what = f"{at.done} of at most {at.most} val tasks played with it and without"
            loop.told(f"{label}, gate: {what}")

    arena = Arena(await loop.crew(), loop.env, loop.bounds, at_once=loop.at_once, watch=watch)
    return await judge(arena, proposal, name=who)


async def _written(
    loop: Loop, proposal: Proposal, found: _Judged, *, why: str
) -> tuple[Change, ...]:
    memory = (await loop.crew()).memory
    if _students(proposal) and loop.school is not None:
        target = proposal.changes[0].target
        await loop.school.promote(target, found.decision)
        return tuple(await off(memory.ledger.changes, target=target, kind="adapter", limit=1))
    return await off(settle, memory, proposal, found.decision, batch=found.batch, why=why)


async def _draw(loop: Loop) -> _Drawn:
    ledger = (await loop.crew()).memory.ledger
    past = await off(history, ledger, loop.env.name)
    chosen = await off(loop.curriculum.explain, loop.bounds.tasks, past)
    return _Drawn(tasks=tuple(one.task for one in chosen), why=told(chosen))


def _same(loop: Loop) -> str:
    """The mark of these rounds. Raises `Refused` where they were begun with other settings."""
    now = _Begun(
        env=loop.env.name,
        bounds=loop.bounds,
        proposers=tuple(loop.proposers),
        lessons=loop.lessons,
        tag=secrets.token_hex(3),
    )
    if (loop.folder / "begun.json").is_file():
        raise Refused(f"{loop.name} are rounds of students", repair="take another name (--name)")
    path = loop.folder / "loop.json"
    if not path.is_file():
        keep(path, now)
        return now.tag
    before = load(path, _Begun)
    now = now.model_copy(update={"tag": before.tag})
    if before != now:
        other = [one for one in _Begun.model_fields if getattr(before, one) != getattr(now, one)]
        raise Refused(
            f"rounds {loop.name} were begun with other settings ({', '.join(other)})",
            repair="take these again, or another name (--name)",
        )
    return before.tag


def _plan(loop: Loop, most: int) -> str:
    """What is going to happen, for those who watch."""
    bounds = loop.bounds
    least = bounds.least if bounds.judged < bounds.least else 0
    few = f" (with fewer than {least} only in a clear case)" if least else ""
    who = ", ".join((*(["lessons"] if loop.lessons else []), *loop.proposers)) or "nobody"
    return (
        f"{loop.name}: {most} round(s) of {bounds.tasks} train tasks in {loop.env.name}. What may "
        f"change: {who}. A change other than a lesson is kept if it solves more of up to "
        f"{bounds.judged} val tasks{few}, or as many for less; the curve is measured on up to "
        f"{bounds.held} others. Kill it whenever you like: the same command goes on"
    )


def _students(proposal: Proposal) -> bool:
    return proposal.changes[0].kind == "adapter"


def _why(note: str) -> str:
    return f" ({note})" if note else ""
