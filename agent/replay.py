"""Tasks played twice, to see what lessons do: with them and without, all else the same.

Where an environment has no chance in it, two plays of a task differ by the lessons alone, and a few
tasks tell what many hundreds of tossed episodes would. Played are train tasks, none with a key
that the lessons come from, drawn by a hash among those in which they come up at the first action.
Such runs learn nothing, and are kept with the others (arm `replay`), as evidence.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.crossing import off
from agent.proposers.consolidate import Gate, Plan
from agent.runner import Crew, Spec, new_id
from agent.runner import run as play
from envs.errors import Refused, UnknownName
from envs.types import Env, Frozen, Task
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory, Query
from memory.types import REPLAY, Change, Effect, Lesson

LOOKED = 400
"""Most tasks that are looked at for those in which a lesson comes up."""
ROOM = 4000
"""Tokens of recalled text when looking for these: none is left out for want of room."""


class Pair(Frozen):
    """One task, played twice."""

    task: str
    """Its id."""
    runs: tuple[str, str]
    """The run with the lessons, and the one without."""
    won: tuple[bool, bool]
    """Whether each solved the task; a crash did not."""


class Replayed(Frozen):
    """What the two plays of each task came to."""

    pairs: tuple[Pair, ...]
    """In the order they were played."""

    @property
    def gained(self) -> int:
        """Tasks that only the play with the lessons solved."""
        return sum(pair.won == (True, False) for pair in self.pairs)

    @property
    def lost(self) -> int:
        """Tasks that only the play without them solved."""
        return sum(pair.won == (False, True) for pair in self.pairs)

    def said(self) -> str:
        """In words."""
        return (
            f"replayed on {len(self.pairs)} tasks: {self.gained} solved only with it, "
            f"{self.lost} only without"
        )


@dataclass(frozen=True)
class Side:
    """How one of the two plays is made."""

    crew: Crew
    """Who plays, with which memory."""
    forced: Mapping[str, bool]
    """Lessons that are shown, or kept out, wherever they come up."""


Watch = Callable[[Pair, int, int], None]
"""Hears of each pair, its number from 1, and how many there will be."""


async def replay(
    env: Env,
    tasks: Sequence[Task],
    *,
    with_it: Side,
    without: Side,
    watch: Watch = lambda _pair, _number, _all: None,
) -> Replayed:
    """Plays each task twice. Runs that break are failures, as ever; nothing is learned."""
    pairs: list[Pair] = []
    for number, task in enumerate(tasks, start=1):
        name = f"P{new_id()}"
        done = [
            await play(side.crew, env, _spec(task, side.forced, name))
            for side in (with_it, without)
        ]
        won = [bool(run.score and run.score.passed) and not run.error for run in done]
        pair = Pair(task=task.id, runs=(done[0].id, done[1].id), won=(won[0], won[1]))
        pairs.append(pair)
        watch(pair, number, len(tasks))
    return Replayed(pairs=tuple(pairs))


async def measured(
    crew: Crew, env: Env, lesson: str, *, most: int, watch: Watch = lambda _p, _n, _a: None
) -> Effect:
    """Replays up to `most` tasks with a lesson forced in and out; its effect, all in all.

    Raises `UnknownName`, and `Refused` where it comes up in no train task that it does not come
    from.
    """
    found = await off(crew.memory.ledger.lesson, lesson)
    tasks = await off(drawn, crew, env, [found], most=most)
    if not tasks:
        raise Refused(
            f"lesson {lesson} comes up in no train task of {env.name} but those it comes from",
            repair="name another environment, or lower memory.floor",
        )
    with_it, without = Side(crew, {lesson: True}), Side(crew, {lesson: False})
    await replay(env, tasks, with_it=with_it, without=without, watch=watch)
    return await off(crew.memory.effects.of, lesson)


def drawn(crew: Crew, env: Env, lessons: Sequence[Lesson], *, most: int) -> list[Task]:
    """Train tasks in which one of `lessons` comes up at once, none that they come from.

    In an order that only the lessons and the tasks decide.
    """
    keys = {key for lesson in lessons for key in lesson.source.task_keys}
    ids = {lesson.id for lesson in lessons}
    salt = "+".join(sorted(ids))

    def place(task: Task) -> str:
        return hashlib.sha256(f"{salt}|{task.id}".encode()).hexdigest()

    ahead = sorted((task for task in env.tasks("train") if task.key not in keys), key=place)
    chosen: list[Task] = []
    for task in ahead[:LOOKED]:
        if len(chosen) == most:
            break
        if ids & _first(crew, task):
            chosen.append(task)
    return chosen


@contextmanager
def forked(memory: Memory, changes: Iterable[Change]) -> Iterator[Memory]:
    """A memory of its own with the lessons as they stand and `changes` on top; then it is gone."""
    with tempfile.TemporaryDirectory(prefix="journeyman-fork-") as folder:
        ledger = Ledger(Path(folder) / "ledger.db")
        fork = Memory(ledger, ListIndex(memory.index.embedder))
        try:
            standing = sorted(memory.standing().values(), key=lambda one: one.id)
            ledger.apply(*map(_copied, standing))
            fork.write(*changes)
            yield fork
        finally:
            fork.close()


def gate(
    crew: Callable[[], Awaitable[Crew]],
    env: Callable[[str], Awaitable[Env]],
    *,
    most: int,
    watch: Watch = lambda _pair, _number, _all: None,
) -> Gate:
    """Lets a consolidation through only if a paired replay does not lose by it.

    Tasks are played with memory as it is and as it would be. Where the new lessons come up in no
    task that they don't come from, nothing is known, and nothing is let through.
    """

    async def decide(plan: Plan) -> Plan:
        if not plan.changes:
            return plan
        here = await crew()
        with forked(here.memory, plan.changes) as fork:
            there = replace(here, memory=fork)
            lessons = [fork.standing()[one.target] for one in plan.changes if one.after]
            world = await env(_played(here.memory, plan))
            tasks = await off(drawn, there, world, lessons, most=most)
            found = await replay(
                world, tasks, with_it=Side(there, {}), without=Side(here, {}), watch=watch
            )
            await off(_kept, here.memory, fork, found)
        why = found.said() if tasks else "it comes up in no task that it does not come from"
        runs = tuple(run for pair in found.pairs for run in pair.runs)
        lets = bool(tasks) and found.gained >= found.lost
        return plan.model_copy(
            update={"changes": tuple(_judged(one, why, runs, lets=lets) for one in plan.changes)}
        )

    return decide


def _judged(change: Change, why: str, runs: Sequence[str], *, lets: bool) -> Change:
    update = {
        "reason": f"{change.reason}; {why}",
        "evidence": tuple(dict.fromkeys((*change.evidence, *runs))),
        "decision": "applied" if lets else "rejected",
    }
    return change.model_copy(update=update)


def _spec(task: Task, forced: Mapping[str, bool], pair: str) -> Spec:
    return Spec(
        task=task,
        seed=task.seed,
        arm=REPLAY,
        learn=False,
        guard=True,
        chance=f"{task.id}/{task.seed}",
        forced=dict(forced),
        pair=pair,
    )


def _first(crew: Crew, task: Task) -> set[str]:
    bounds = crew.settings.memory
    query = Query(
        goal=task.goal,
        env=task.env.partition(":")[0],
        task_type=task.tags[0] if task.tags else "",
        task_key=task.key,
    )
    found = crew.memory.recall(
        query, budget_tokens=ROOM, floor=bounds.floor, most=max(1, bounds.most), guard=True
    )
    return {item.lesson for item in found}


def _copied(lesson: Lesson) -> Change:
    body = lesson.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=lesson.id, op="add", reason="forked", after=body)


def _played(memory: Memory, plan: Plan) -> str:
    """The environment of the latest run that the plan rests on."""
    for run in (run for change in reversed(plan.changes) for run in reversed(change.evidence)):
        try:
            return memory.ledger.trajectory(run).env
        except UnknownName:
            continue
    raise Refused(
        "the plan names no run of this ledger, so there is nothing to replay",
        repair="let it through without replays (--replays 0)",
    )


def _kept(memory: Memory, fork: Memory, found: Replayed) -> None:
    """The plays on the fork are evidence: they are kept when the fork goes."""
    for pair in found.pairs:
        run = fork.ledger.run(pair.runs[0])
        memory.ledger.begin_run(run)
        memory.ledger.add_trajectory(fork.ledger.trajectory(run.id))
