"""Guards that go by `Task.key` and lineage: what may be learned from, and what may be shown.

All of them look at data alone and raise `Leak`, or tell `Finding`s. What an arm might reach for
while it works is the business of `acting.py` and `sealed.py`, what stands in a prompt that of
`contamination.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from bench.arms.types import Note
from bench.lab.acting import Leak
from envs.errors import clip
from envs.types import Frozen, Task
from memory.types import Lesson, Trajectory

GENERATED = frozenset({"household", "toy"})
"""Environments whose tasks are made from their seed; in others all tasks have the same one."""
NONE: frozenset[str] = frozenset()


class Finding(Frozen):
    """What a check has to say."""

    kind: Literal["problem", "note"]
    """A problem is a leak; a note is for the reader of the report."""
    text: str
    """One line."""


def refuse(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The notes among `findings`. Raises `Leak` with all problems, where there are any."""
    told = tuple(findings)
    problems = [finding.text for finding in told if finding.kind == "problem"]
    if problems:
        raise Leak("; ".join(problems), repair="choose other tasks for the experiment")
    return tuple(finding.text for finding in told)


def place_of(task: Task) -> str:
    """Where a task takes place: the part of its key after the bar; empty where it has none."""
    return task.key.rpartition(" | ")[2] if " | " in task.key else ""


def check_splits(learn: Sequence[Task], measured: Sequence[Task]) -> list[Finding]:
    """Whether what is learned from and what is measured on are apart; empty `learn`: none learns.

    Problems: something other than `train` is learned from; `train` is measured on though arms
    learn; a key, a place or (in generated environments) a seed stands on both sides. ALFWorld's
    split `seen` is by definition made of train rooms, so there an overlap is a note.
    """
    findings = [
        *_many("problem", [t for t in learn if t.split != "train"], "is learned from, not `train`"),
        *_repeats(measured),
    ]
    if not learn:
        return findings
    trained = [task for task in measured if task.split == "train"]
    findings += _many("problem", trained, "is measured on and of `train`, from which arms learn")
    keys = {task.key for task in learn}
    places = {(_family(task), place_of(task)) for task in learn} - {(_family(t), "") for t in learn}
    seeds = {(task.env, task.seed) for task in learn if _family(task) in GENERATED}
    rest = [task for task in measured if task.split != "train"]
    for official in (False, True):
        side = [task for task in rest if (task.split == "seen") is official]
        kind: Literal["problem", "note"] = "note" if official else "problem"
        same = [task for task in side if task.key in keys]
        near = [t for t in side if t.key not in keys and (_family(t), place_of(t)) in places]
        seeded = [task for task in side if (task.env, task.seed) in seeds]
        findings += _many(kind, same, "has the key of a task that is learned from")
        findings += _many(kind, near, "is in a room that is learned from")
        findings += _many(kind, seeded, "has a seed that is learned from")
    return findings


def check_learning(task: Task) -> None:
    """Raises `Leak` when something other than a `train` task is about to be learned from."""
    if task.split != "train":
        raise Leak(
            f"task {task.id!r} of {task.split} is about to be learned from",
            repair="learn from `train` only",
        )


def keep_apart(
    notes: Sequence[Note], task: Task, *, learned: Mapping[str, str] | None = None
) -> tuple[Note, ...]:
    """The notes that do not go back to `task`, by their keys and by those of their runs."""
    known = learned or {}
    return tuple(
        note
        for note in notes
        if task.key not in note.task_keys and all(known.get(run) != task.key for run in note.runs)
    )


def check_notes(
    notes: Iterable[Note],
    *,
    task: Task,
    learned: Mapping[str, str],
    fixed: frozenset[str] = NONE,
) -> None:
    """Raises `Leak` unless every note is accounted for by train runs of this arm and seed.

    `learned` maps the id of each train run so far to its task key. `fixed` names runs (given
    demonstrations) and notes (constant texts) that belong to the arm from the start.
    """
    for note in notes:
        if note.id in fixed:
            _not_from(task, f"note {note.id!r}", note.task_keys)
            continue
        what, named = f"note {note.id!r}", set(note.task_keys)
        _known_runs(what, note.runs, learned=learned, fixed=fixed)
        theirs = _keys(note.runs, learned)
        _nothing_hidden(what, theirs - named)
        if fixed.isdisjoint(note.runs) and (extra := sorted(named - theirs)):
            raise Leak(
                f"{what} goes back to the task {clip(extra[0])!r} by no run that it names",
                repair="keep all runs when notes are merged or edited",
            )
        _not_from(task, what, named)


def check_lessons(
    lessons: Iterable[Lesson], learned: Mapping[str, str], *, fixed: frozenset[str] = NONE
) -> None:
    """Raises `Leak` unless every lesson, through all that it replaces, goes back to `learned`.

    `lessons` are all that the memory holds, retired ones included, since ancestors are looked up
    among them. `fixed` names lessons and runs that were there from the start.
    """
    known = {lesson.id: lesson for lesson in lessons}
    for lesson in known.values():
        if lesson.id in fixed:
            continue
        what, run = f"lesson {lesson.id!r}", lesson.source.trajectory
        keys = set(lesson.source.task_keys)
        if run or not lesson.supersedes:
            _known_runs(what, (run,) if run else (), learned=learned, fixed=fixed)
        inherited = _keys((run,), learned)
        for id_ in lesson.supersedes:
            if id_ in known:
                inherited |= set(known[id_].source.task_keys)
            elif id_ not in fixed:
                raise Leak(
                    f"{what} replaces {id_!r}, which is not there to be followed",
                    repair="pass retired lessons too, or drop the lesson",
                )
        _nothing_hidden(what, inherited - keys)
        if run not in fixed:
            _all_learned(what, keys, learned)


def check_recalled(
    trajectory: Trajectory,
    *,
    learned: Mapping[str, str],
    fixed: frozenset[str] = NONE,
) -> None:
    """Raises `Leak` when memory showed the run a lesson from its own task, or from no train run."""
    shown = (item for step in trajectory.steps for item in step.recalled)
    for item in {(one.lesson, one.version): one for one in shown}.values():
        what = f"recalled lesson {item.lesson!r}"
        if item.same_task or trajectory.task_key in item.source.task_keys:
            raise Leak(
                f"{what} goes back to the very task {clip(trajectory.task_key)!r} of run "
                f"{trajectory.id}",
                repair="run with `Spec.guard`",
            )
        if item.lesson in fixed or item.source.trajectory in fixed:
            continue
        _all_learned(what, item.source.task_keys, learned)
        if item.source.trajectory:
            _known_runs(what, (item.source.trajectory,), learned=learned, fixed=fixed)


def _known_runs(
    what: str, runs: Sequence[str], *, learned: Mapping[str, str], fixed: frozenset[str]
) -> None:
    strange = next((run for run in runs if run not in learned and run not in fixed), None)
    if strange is not None:
        raise Leak(
            f"{what} goes back to run {clip(strange)!r}, no train run of this arm and seed",
            repair="learn from finished train runs only, and name them",
        )
    if not runs and learned:
        raise Leak(
            f"{what} does not say which runs it goes back to",
            repair="name its runs, or declare it as fixed",
        )


def _nothing_hidden(what: str, lost: set[str]) -> None:
    if lost:
        raise Leak(
            f"{what} hides that it goes back to the task {clip(min(lost))!r}",
            repair="keep all task keys when notes or lessons are merged or edited",
        )


def _not_from(task: Task, what: str, keys: Iterable[str]) -> None:
    if task.key in keys:
        raise Leak(
            f"{what} goes back to the very task {clip(task.key)!r} that is played",
            repair="pass notes through `keep_apart`",
        )


def _all_learned(what: str, keys: Iterable[str], learned: Mapping[str, str]) -> None:
    played = set(learned.values())
    if strange := sorted(set(keys) - played):
        raise Leak(
            f"{what} goes back to the task {clip(strange[0])!r}, which was not learned from",
            repair="learn from finished train runs only",
        )


def _keys(runs: Iterable[str], learned: Mapping[str, str]) -> set[str]:
    return {learned[run] for run in runs if run in learned}


def _family(task: Task) -> str:
    return task.env.partition(":")[0]


def _many(kind: Literal["problem", "note"], tasks: Sequence[Task], what: str) -> list[Finding]:
    """One finding for all tasks of an environment and split, naming the first."""
    sets: dict[str, list[Task]] = {}
    for task in tasks:
        sets.setdefault(f"{task.env}/{task.split}", []).append(task)
    return [
        Finding(
            kind=kind,
            text=f"{name}: {clip(found[0].id)!r}"
            + (f" and {len(found) - 1} more" if len(found) > 1 else "")
            + f" {what}",
        )
        for name, found in sets.items()
    ]


def _repeats(measured: Sequence[Task]) -> list[Finding]:
    """How many distinct tasks a set has, where that is fewer than it has games."""
    sets: dict[str, list[Task]] = {}
    for task in measured:
        sets.setdefault(f"{task.env}/{task.split}", []).append(task)
    return [
        Finding(
            kind="note",
            text=f"{name}: {len(tasks)} games are {distinct} distinct tasks (goal and room)",
        )
        for name, tasks in sets.items()
        if (distinct := len({task.key for task in tasks})) < len(tasks)
    ]
