"""What a round of self-training plays, and the rows that come of it.

Train tasks are played by the student as it is served, several times each; those that no sample
solved are explored and not trained on; what passed becomes rows, beside older ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from agent.crossing import off
from agent.gate import Decision
from agent.roundlog import Bounds, Gathered, Held, Learned, Round
from agent.stages import read_rows
from distill.coverage import Coverage, coverage, sharpened, trainable
from distill.mixing import Mixed, mixed
from distill.monitor import Retuned, candidate, figures, retuned
from distill.rows import Pair, Row, write_jsonl
from envs.errors import Refused
from envs.types import Frozen, Task
from memory.types import Trajectory


class Batch(Frozen):
    """Runs that are wanted. Those of them that are there already are not played again."""

    tasks: tuple[Task, ...]
    """What is played."""
    student: str
    """Who plays: id of an adapter; empty: the base model."""
    arm: str
    """Name of these runs."""
    samples: int
    """Runs at each task."""
    temperature: float
    """Of the solver's replies."""


class Seams(Protocol):
    """Everything that costs time. What has been done already is given back and not done again."""

    async def play(self, batch: Batch) -> Sequence[Trajectory]:
        """The runs of a batch, ended, scored and in the ledger."""
        ...

    def rows(self, runs: Sequence[Trajectory]) -> Iterable[Row | Pair]:
        """A recipe."""
        ...

    async def train(self, rows: Sequence[Row | Pair], *, parent: str, name: str, out: Path) -> str:
        """Trains from `parent` (empty: the base), registers as `name`, and gives that back."""
        ...

    async def judge(self, champion: str, challenger: str) -> Decision:
        """The gate."""
        ...

    async def measure(self, student: str) -> Held:
        """Held-out success."""
        ...

    async def promote(self, challenger: str, decision: Decision) -> None:
        """Writes the change, applied or rejected, and has the new student answer."""
        ...

    async def back(self, student: str, *, reason: str) -> None:
        """Takes promotions back until this student answers."""
        ...


@dataclass(frozen=True)
class Course:
    """What is to be learned, by whom, and where it is kept."""

    name: str
    """Of these rounds; their students are called `NAME-N`."""
    tasks: Sequence[Task]
    """Train tasks."""
    seams: Seams
    """Who does the work."""
    folder: Path
    """Where stages are kept."""
    bounds: Bounds = field(default_factory=Bounds)
    """How rounds are made."""
    student: str = ""
    """Who begins; empty: the base model."""
    demonstrations: Sequence[Row | Pair] = ()
    """Rows of a teacher; where there are some, round 0 trains on them."""
    teacher: Held | None = None
    """The prompted teacher's held-out success, to stand beside the student's."""
    told: Callable[[str], None] = lambda _line: None
    """Where progress goes, a line at a time."""

    def place(self, number: int) -> Path:
        """Folder of a round."""
        return self.folder / f"round-{number}"


async def gather(course: Course, learned: Learned, number: int, student: str) -> Gathered:
    """Plays a round and puts its rows together; they are in `rows.jsonl` when this ends."""
    bounds, seams = course.bounds, course.seams
    if number == 0:
        tuning = bounds.tuning
        mix = Mixed(rows=tuple(course.demonstrations), fresh=0, replayed=0, others=0, left_out=0)
        return await _written(course, Gathered(tuning=tuning), mix, number)
    own = [one for one in learned.rounds if one.gathered.figures]
    next_ = _next_tuning(own, bounds)
    tuning = next_.tuning
    carried = own[-1].gathered.uncovered if own else frozenset()
    tasks = drawn(course.tasks, number=number, bounds=bounds, carried=carried)
    arm = f"{course.name}/round-{number}"
    first = Batch(
        tasks=tuple(tasks),
        student=student,
        arm=arm,
        samples=tuning.samples,
        temperature=tuning.temperature,
    )
    runs = list(await seams.play(first))
    found = coverage(runs, keys=[task.key for task in tasks])
    course.told(f"round {number}: {found.said()}")
    explored = await _explored(course, first, found)
    _served(student, [*runs, *explored])
    marks = [candidate(run) for run in runs]
    solved = _selected([*runs, *explored], threshold=tuning.threshold)
    wide = coverage([*runs, *explored], keys=[task.key for task in tasks])
    offered = await off(lambda: list(trainable(seams.rows(solved), wide)))
    mix = await off(_mix, course, offered, solved, number)
    anchors = {task.key for task in _ordered(course.tasks, bounds)[: bounds.anchors]}
    before = _only(own[-1].gathered.coverage, anchors) if own else None
    told = Gathered(
        models=tuple(sorted({run.model for run in (*runs, *explored)})),
        tuning=tuning,
        reasons=next_.reasons,
        figures=figures(marks, threshold=tuning.threshold, tasks=len(tasks)),
        coverage=found,
        explored=coverage(explored),
        sharpened=sharpened(before, _only(found, anchors)) if before else None,
    )
    return await _written(course, told, mix, number)


async def _explored(course: Course, first: Batch, found: Coverage) -> list[Trajectory]:
    """Further, hotter samples at tasks that were never solved."""
    bounds = course.bounds
    left = tuple(task for task in first.tasks if task.key in found.uncovered)
    if not left or not bounds.explore:
        return []
    update: dict[str, Any] = {
        "tasks": left,
        "arm": f"{first.arm}/explore",
        "samples": bounds.explore,
        "temperature": first.temperature + bounds.hotter,
    }
    return list(await course.seams.play(first.model_copy(update=update)))


def drawn(
    tasks: Sequence[Task], *, number: int, bounds: Bounds, carried: Iterable[str] = ()
) -> list[Task]:
    """Tasks of a round: the anchors, what the round before left unsolved, and others in turn.

    One task of each key; what was left fills at most half of what the anchors leave.
    """
    ordered = _ordered(tasks, bounds)
    anchors, rest = ordered[: bounds.anchors], ordered[bounds.anchors :]
    room = max(0, bounds.tasks - len(anchors))
    wanted = frozenset(carried)
    again = [task for task in rest if task.key in wanted][: room // 2]
    others = [task for task in rest if task not in again]
    at = (number - 1) * room % max(1, len(others))
    turned = [*others[at:], *others[:at]][: room - len(again)]
    return [*anchors, *again, *turned][: bounds.tasks]


def _ordered(tasks: Sequence[Task], bounds: Bounds) -> list[Task]:
    def place(task: Task) -> str:
        return hashlib.sha256(f"{bounds.seed}|{task.id}".encode()).hexdigest()

    by_key: dict[str, Task] = {}
    for task in sorted(tasks, key=place):
        by_key.setdefault(task.key, task)
    return list(by_key.values())


def _next_tuning(own: Sequence[Round], bounds: Bounds) -> Retuned:
    if not own:
        return Retuned(tuning=bounds.tuning)
    seen = [one.gathered.figures for one in own if one.gathered.figures]
    return retuned(own[-1].gathered.tuning, seen, limits=bounds.limits)


def _served(student: str, runs: Sequence[Trajectory]) -> None:
    """Raises `Refused` unless the student itself played: its rows would be another's."""
    others = sorted({run.model for run in runs if student not in run.model and not run.error})
    if others:
        raise Refused(
            f"student {student} was to play, and {others[0]} answered",
            repair="unset what names another model (model.base_url, model.file), and go on",
        )


def _selected(runs: Sequence[Trajectory], *, threshold: float) -> list[Trajectory]:
    """Runs without those that passed with less reward than the threshold.

    Failures stay, since some recipes learn from them.
    """
    marked = [(run, candidate(run)) for run in runs]
    return [run for run, mark in marked if not mark.passed or mark.reward >= threshold]


def _only(found: Coverage, keys: Iterable[str]) -> Coverage:
    wanted = frozenset(keys)
    return Coverage(tasks=tuple(one for one in found.tasks if one.task_key in wanted))


def _mix(
    course: Course, offered: Sequence[Row | Pair], runs: Sequence[Trajectory], number: int
) -> Mixed:
    """Rows of a round beside those of the rounds before it, each marked with its round."""
    bounds = course.bounds
    passed = {run.id for run in runs if candidate(run).passed}
    known = {row.metadata.trajectory for row in offered}
    older: dict[tuple[str, str], Row | Pair] = {}
    for before in range(number):
        file = course.place(before) / "rows.jsonl"
        for row in read_rows(file) if file.is_file() else ():
            if row.metadata.trajectory not in known:
                older.setdefault((row.metadata.trajectory, row.metadata.made), row)
    marked = [
        row.model_copy(update={"metadata": row.metadata.model_copy(update={"round": number})})
        for row in offered
    ]
    seed = f"{bounds.seed}/{number}"
    return mixed(marked, list(older.values()), verified=passed, shares=bounds.shares, seed=seed)


async def _written(course: Course, gathered: Gathered, mix: Mixed, number: int) -> Gathered:
    written = await off(write_jsonl, course.place(number) / "rows.jsonl", mix.rows)
    update = {
        "rows": len(mix.rows),
        "fresh": mix.fresh,
        "replayed": mix.replayed,
        "left_out": mix.left_out,
        "sha256": written.sha256,
    }
    return gathered.model_copy(update=update)
