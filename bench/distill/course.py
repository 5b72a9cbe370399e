"""`python -m bench.distill.course [--tasks 900 --rows 800 --rounds 2]`: makes students.

What made the one that is shipped, from beginning to end, on real ALFWorld and with the embedded
model, in the home of the settings: skills (they have to be there: `journeyman skills learn alfworld
--from expert`) solve train tasks; round 0 learns from what they did, and from the base's own
answers to everyday questions; each later round plays further train tasks with the student before
it, and learns from what that solved, from what its teacher did where it passed by what it was sent
for (`agent/joining.py`; else from a skill that takes over where it got lost), and from further
demonstrations, most of them of the types that it loses.
Each stage goes on where it was stopped. Students are registered as alfworld-0, -1, ...; `journeyman
bench distill` measures them, and `journeyman models promote` is their gate.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from agent.crossing import off
from agent.home import Home, home
from agent.joining import joined
from agent.models.pull import EMBEDDED, find
from agent.models.resolve import resolve
from agent.models.types import Model
from agent.promotion import enlist, students
from agent.rehearsing import rehearsed_once
from agent.runner import Spec, run
from agent.settings import ModelSettings, Settings, load
from agent.takeover import ARM, take_over, taught
from agent.transcript import prompt
from distill.adapters import Adapter, Registry
from distill.bases import prepared, sha256_of
from distill.plan import Plan
from distill.rows import Row, rows, told_first
from distill.rows_weights import by_rarity
from distill.training import LoraTrainer
from envs.errors import Missing
from envs.types import Env, Task
from memory.types import Trajectory

ENV = "alfworld"
BASE, LICENCE = "SmolLM2-135M-Instruct", "Apache-2.0"
FIRST = Plan(batch=2, together=2, epochs=1.0, rate=1e-3, save_steps=30)
OFTEN = 3
"""Times that a way out is learnt: there are few, and they are what it does not know."""
LATER = Plan(batch=2, together=2, epochs=1.0, rate=3e-4, schedule="constant", save_steps=30)


@dataclass(frozen=True, slots=True)
class Course:
    """Where and how long."""

    place: Home
    env: Env
    folder: Path
    """What is trained at the moment."""
    base: Path
    """Folder of the base."""
    sha256: str
    """Of its file."""
    workers: int
    """Episodes at once."""


def told(line: str) -> None:
    """Progress, one line."""
    print(line, flush=True)


async def played(
    course: Course, tasks: Sequence[Task], *, model: ModelSettings, skills: bool, arm: str
) -> list[Trajectory]:
    """Runs of an arm at these tasks; those that are in the ledger are not played again."""
    kept = await off(course.place.ledger.trajectories, env=ENV, arm=arm, limit=-1)
    done = {one.task: one for one in kept}
    settings = course.place.settings
    how = settings.skills.model_copy(update={"use": skills, "choose": "first"})
    settings = settings.model_copy(update={"model": model, "skills": how})
    async with home(settings) as inner:
        crew = await inner.crew()
        gate = asyncio.Semaphore(course.workers)

        async def one(task: Task) -> None:
            if task.id in done:
                return
            async with gate:
                spec = Spec(task=task, seed=task.seed, arm=arm, learn=False, recall=False)
                done[task.id] = await run(crew, course.env, spec)
            won = sum(bool(run.score and run.score.passed) for run in done.values())
            told(f"{arm}: {won} of {len(done)} solved, {len(tasks)} in all")

        await asyncio.gather(*(one(task) for task in tasks))
    return [done[task.id] for task in tasks]


def spread(found: Sequence[Row], *, most: int) -> list[Row]:
    """At most so many rows, of every type alike, the longest first: these are what is hard."""
    kinds = Counter(row.metadata.task_type for row in found)
    each = -(-most // max(1, len(kinds)))
    taken: Counter[str] = Counter()
    kept = []
    for row in sorted(found, key=lambda row: -min(row.metadata.steps, 12)):
        if taken[row.metadata.task_type] < each:
            taken[row.metadata.task_type] += 1
            kept.append(row)
    return kept[:most]


def solved(runs: Sequence[Trajectory], *, most: int) -> list[Row]:
    """Rows of what was solved, one for each different way, asked as a student is."""
    system = prompt("student")
    found = [told_first(row, system) for row in rows(runs)]
    return spread([row for row in found if isinstance(row, Row)], most=most)


async def ways_out(
    course: Course, failed: Sequence[Trajectory], shown: Sequence[Trajectory], *, arm: str
) -> list[Trajectory]:
    """What the teacher's runs of the same tasks, or skills, made of failed runs; in the ledger."""
    kept = await off(course.place.ledger.trajectories, env=ENV, arm=arm, limit=-1)
    done = {one.task: one for one in kept}
    tasks = {task.id: task for task in course.env.tasks("train")}
    way = {one.task: one for one in shown}
    for one in failed:
        if one.task in done:
            continue
        box = course.place.toolbox()
        found = await off(joined, one, way[one.task], course.env, tasks[one.task])
        if found is None:
            found = await off(take_over, one, course.env, tasks[one.task], box)
        if found is not None:
            done[one.task] = found.model_copy(update={"arm": arm})
            await off(course.place.ledger.add_trajectory, done[one.task])
    told(f"{arm}: a way out of {len(done)} of {len(failed)} failures")
    return list(done.values())


def weak_first(failed: Sequence[Trajectory], tasks: Sequence[Task], *, most: int) -> list[Task]:
    """At most so many tasks, of each type a share that grows with how often it was lost."""
    lost = Counter(one.task_type for one in failed)
    kinds = {task.tags[0] for task in tasks}
    whole = sum(lost[kind] + 1 for kind in kinds)
    left = {kind: round(most * (lost[kind] + 1) / whole) for kind in sorted(kinds)}
    kept = []
    for task in tasks:
        if left[task.tags[0]] > 0:
            left[task.tags[0]] -= 1
            kept.append(task)
    return kept[:most]


async def trained(course: Course, found: list[Row], *, name: str, parent: str, plan: Plan) -> None:
    """A student from rows, registered; nothing where it is there."""
    registry = Registry(course.place.settings.home / "adapters")
    if name in {one.id for one in registry.listed().adapters}:
        return
    random.Random(plan.seed).shuffle(found)
    trainer = LoraTrainer(base=course.base, plan=plan, told=told, base_sha256=course.sha256)
    begin = registry.weights(parent) if parent else b""
    done = await off(trainer.train, by_rarity(found), out=course.folder / name, parent=begin)
    adapter = Adapter(
        id=name,
        base=BASE,
        licence=LICENCE,
        rows=done.manifest.rows_sha256,
        parents=(parent,) if parent else (),
        manifest=done.manifest,
        tags=tuple(sorted({row.metadata.task_type for row in found})),
    )
    registry.add(adapter, weights=done.weights)
    if name not in students(course.place.ledger):
        enlist(course.place.ledger, adapter, runs=done.manifest.sources)
    told(
        f"{name}: {done.manifest.rows} rows, {done.manifest.tokens} tokens, "
        f"{done.manifest.seconds:.0f} s"
    )


async def answers(settings: Settings, bare: ModelSettings) -> list[Row]:
    """The base's own answers to everyday questions, asked once in a home."""
    async with AsyncExitStack() as stack:

        async def opened() -> Model:
            model = await resolve(bare, home=settings.home)
            stack.push_async_callback(model.close)
            return model

        return await rehearsed_once(settings.home, EMBEDDED, opened, told=told)


async def go(asked: argparse.Namespace) -> None:
    """All of it."""
    settings = load(model={"parallel": asked.workers})
    file = find(EMBEDDED, home=settings.home)
    if file is None:
        raise Missing("no model is installed", repair="journeyman models pull smollm2-135m")
    base = prepared(file, cache=settings.home / "cache" / "bases")
    async with home(settings) as place:
        env = await place.env(ENV, workers=asked.workers)
        course = Course(
            place=place,
            env=env,
            folder=settings.home / "training",
            base=base,
            sha256=sha256_of(file),
            workers=asked.workers,
        )
        tasks = list(env.tasks("train"))
        shown, rest = tasks[: asked.tasks], tasks[asked.tasks :]
        bare = ModelSettings(parallel=asked.workers)
        runs = await played(course, shown, model=bare, skills=True, arm="teacher")
        spoken = await answers(settings, bare)
        found = [*solved(runs, most=asked.rows), *spoken]
        await trained(course, found, name=f"{ENV}-0", parent="", plan=FIRST)
        for number in range(1, asked.rounds + 1):
            before = f"{ENV}-{number - 1}"
            own = rest[(number - 1) * asked.played : number * asked.played]
            student = ModelSettings(adapter=before, parallel=asked.workers)
            runs = await played(course, own, model=student, skills=False, arm=f"own-{before}")
            failed = [one for one in runs if one.score and not one.score.passed]
            again = [task for task in own if task.id in {one.task for one in failed}]
            shown = await played(course, again, model=bare, skills=True, arm="teacher")
            out = await ways_out(course, failed, shown, arm=f"{ARM}-{before}")
            beyond = rest[asked.rounds * asked.played :]
            more = weak_first(failed, beyond, most=asked.more)
            shown = await played(course, more, model=bare, skills=True, arm="teacher")
            fresh = [*solved(runs, most=len(runs)), *solved(shown, most=len(shown)), *spoken]
            fresh += [taught(one) for one in out for _ in range(OFTEN)]
            await trained(course, fresh, name=f"{ENV}-{number}", parent=before, plan=LATER)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.distill.course")
    parser.add_argument("--tasks", type=int, default=900, help="train tasks that skills solve")
    parser.add_argument("--rows", type=int, default=800, help="rows of round 0")
    parser.add_argument("--rounds", type=int, default=2, help="rounds on its own runs")
    parser.add_argument("--played", type=int, default=150, help="train tasks of each such round")
    parser.add_argument("--more", type=int, default=200, help="further demonstrations of each")
    parser.add_argument("--workers", type=int, default=2, help="episodes at once")
    asyncio.run(go(parser.parse_args()))


if __name__ == "__main__":
    main()
