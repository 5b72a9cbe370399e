"""What has to be played, and in which order: arms x tasks x seeds."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Mapping, Sequence
from inspect import signature
from itertools import chain
from types import ModuleType

from bench.arms.expert import Expert
from bench.arms.registry import kind_of, needs_model
from bench.arms.types import Arm
from bench.lab.acting import Leak
from bench.lab.claims import check_claims
from bench.lab.guards import check_splits, refuse
from bench.lab.sealed import forbidden
from bench.lab.types import ArmSpec, Cell, Due, Experiment, Phase, Tasks
from envs.errors import UnknownName, UserError, one_line
from envs.types import Env, Frozen, Task

NAME = re.compile(r"\w[\w .+-]{0,99}")


class Stream(Frozen):
    """What one arm with one seed learns from, in order."""

    arm: ArmSpec
    """The arm."""
    seed: int
    """Varies the order of the tasks and all sampling."""
    learn: tuple[Cell, ...]
    """Train cells, played one after the other; empty for arms that do not learn."""
    measure: tuple[Cell, ...]
    """Measured cells; each is due when `Cell.learned` train cells are done."""


class Plan(Frozen):
    """All cells of an experiment."""

    experiment: Experiment
    """What is asked."""
    streams: tuple[Stream, ...]
    """One for each arm and seed."""
    tasks: tuple[Task, ...]
    """Every task, once."""
    notes: tuple[str, ...]
    """What the reader of the report has to know about the splits."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them."""
        return tuple(cell for stream in self.streams for cell in (*stream.learn, *stream.measure))


def planned(experiment: Experiment, envs: Mapping[str, Env]) -> Plan:
    """The plan. Raises `UserError` for what does not fit together, `Leak` for mixed-up splits."""
    check(experiment)
    sets = {asked.name: _tasks(asked, envs) for asked in experiment.measure}
    learning = any(kind_of(arm).learns for arm in experiment.arms)
    train = _tasks(experiment.learn, envs) if experiment.learn and learning else ()
    measured = [task for tasks in sets.values() for task in tasks]
    notes = refuse(check_splits(train, measured))
    streams = [
        _stream(experiment, arm, seed, train=train, sets=sets)
        for arm in experiment.arms
        for seed in seeds_of(experiment, arm)
    ]
    tasks = tuple({(t.env, t.split, t.id): t for t in (*train, *measured)}.values())
    return Plan(experiment=experiment, streams=tuple(streams), tasks=tasks, notes=notes)


def asked_for(experiment: Experiment) -> int | None:
    """How many cells it has where its environments have as many tasks as it asks for.

    None where that depends on how many types of task there are.
    """
    if experiment.order == "types" and not experiment.checkpoints:
        return None
    total = 0
    for arm in experiment.arms:
        learns = kind_of(arm).learns and experiment.learn is not None
        train = experiment.learn.n if learns and experiment.learn else 0
        points = len({min(point, train) for point in experiment.checkpoints} or {train})
        asked = [one for one in experiment.measure if not arm.sets or one.name in arm.sets]
        measured = sum(min(arm.n or one.n, one.n) for one in asked)
        total += len(seeds_of(experiment, arm)) * (train + measured * (points if learns else 1))
    return total


def due(experiment: Experiment) -> dict[tuple[str, str], Due]:
    """What each arm plays of each task set, where environments have all tasks that are asked for.

    At its last checkpoint: what it is measured on before counts for its curve alone.
    """
    found = {}
    for arm in experiment.arms:
        learns = kind_of(arm).learns and experiment.learn is not None
        train = experiment.learn.n if learns and experiment.learn else 0
        last = min(max(experiment.checkpoints, default=train), train)
        seeds = len(seeds_of(experiment, arm))
        for one in experiment.measure:
            if not arm.sets or one.name in arm.sets:
                found[arm.name, one.name] = Due(
                    tasks=min(arm.n or one.n, one.n), seeds=seeds, learned=last
                )
    return found


def seeds_of(experiment: Experiment, arm: ArmSpec) -> tuple[int, ...]:
    """All seeds for arms in which chance has a part; else the first, which would repeat."""
    kind = kind_of(arm)
    return experiment.seeds if kind.chance or kind.learns else experiment.seeds[:1]


def ordered(experiment: Experiment, train: Sequence[Task], seed: int) -> list[Task]:
    """Train tasks as `experiment.order` says, by the seed alone: the same for all arms."""
    rng = random.Random(f"{experiment.name}/{seed}")
    tasks = list(train)
    rng.shuffle(tasks)
    if experiment.order == "types":
        kinds = sorted({_kind(task) for task in tasks})
        rng.shuffle(kinds)
        tasks.sort(key=lambda task: kinds.index(_kind(task)))
    return tasks


def points_of(experiment: Experiment, order: Sequence[Task]) -> list[int]:
    """After how many of `order` an arm is measured."""
    if experiment.checkpoints:
        return sorted({min(point, len(order)) for point in experiment.checkpoints})
    if experiment.order == "types":
        ends = [n for n in range(1, len(order)) if _kind(order[n]) != _kind(order[n - 1])]
        return sorted({0, *ends, len(order)})
    return [len(order)]


def _kind(task: Task) -> str:
    return task.tags[0] if task.tags else ""


def _stream(
    experiment: Experiment,
    arm: ArmSpec,
    seed: int,
    *,
    train: Sequence[Task],
    sets: Mapping[str, Sequence[Task]],
) -> Stream:
    order = ordered(experiment, train, seed) if kind_of(arm).learns else []

    def cell(task: Task, phase: Phase, learned: int) -> Cell:
        return Cell(
            experiment=experiment.name,
            arm=arm.name,
            seed=seed,
            phase=phase,
            learned=learned,
            task=task,
        )

    learn = [cell(task, "learn", number) for number, task in enumerate(order)]
    points = points_of(experiment, order) if order else [0]
    wanted = [tasks[: arm.n] for name, tasks in sets.items() if not arm.sets or name in arm.sets]
    measure = [cell(t, "measure", point) for point in points for tasks in wanted for t in tasks]
    return Stream(arm=arm, seed=seed, learn=tuple(learn), measure=tuple(measure))


def _tasks(asked: Tasks, envs: Mapping[str, Env]) -> tuple[Task, ...]:
    tasks = tuple(envs[asked.env].tasks(asked.split))[: asked.n]
    if not tasks:
        raise UserError(
            f"{asked.env} has no {asked.split} tasks", repair="name another split or environment"
        )
    return tasks


def check(experiment: Experiment) -> None:
    """Raises `UserError` for what does not fit together in it, `Leak` for arms that may reach a
    key. Opens no environment.
    """
    if not NAME.fullmatch(experiment.name):
        raise UserError(
            f"an experiment named {experiment.name!r}",
            repair="its name becomes that of a folder: letters, digits, blanks, . _ -",
        )
    sets = [asked.name for asked in experiment.measure]
    names = [arm.name for arm in experiment.arms]
    for what, there in (("arm", names), ("task set", sets), ("seed", experiment.seeds)):
        twice = [one for one in there if list(there).count(one) > 1]
        if twice or not there:
            raise UserError(
                f"experiment {experiment.name!r} has "
                + (f"{what} {twice[0]!r} twice" if twice else f"no {what}"),
                repair=f"give it one {what} or more, each once",
            )
    for arm in experiment.arms:
        _check_arm(experiment, arm, sets)
    for name in (*chain.from_iterable(experiment.compare), experiment.baseline or names[0]):
        if name not in names:
            raise UnknownName("arm of a comparison, or baseline,", name, names)
    check_claims(experiment)


def _check_arm(experiment: Experiment, arm: ArmSpec, sets: Sequence[str]) -> None:
    kind = kind_of(arm)
    try:
        signature(kind).bind(None, **arm.options)
    except TypeError as error:
        takes = ", ".join(list(signature(kind).parameters)[1:]) or "none"
        raise UserError(
            f"arm {arm.name!r}: options {arm.options!r} don't fit: {one_line(str(error))}",
            repair=f"{arm.kind!r} takes {takes}",
        ) from error
    reaches = [] if kind is Expert else [found for one in _own(kind) for found in forbidden(one)]
    if kind.knows_key and kind is not Expert:
        reaches = ["it says that it knows the key, which only the environment's expert may"]
    if reaches:
        raise Leak(
            f"arm {arm.name!r} may reach the answer key: {'; '.join(reaches[:3])}",
            repair="take that out of its module; it learns from what it is told",
        )
    if arm.model not in experiment.models and (arm.model or needs_model(arm)):
        raise UnknownName(f"model of arm {arm.name!r}", arm.model, experiment.models)
    if kind.learns and experiment.learn is None:
        raise UserError(
            f"arm {arm.name!r} learns, and there is nothing to learn from",
            repair="set Experiment.learn",
        )
    unknown = [name for name in arm.sets if name not in sets]
    if unknown:
        raise UnknownName(f"task set of arm {arm.name!r}", unknown[0], sets)


def _own(kind: type[Arm]) -> list[ModuleType]:
    """The modules that an arm's class and its ancestors are written in."""
    classes = [one for one in kind.__mro__ if issubclass(one, Arm)]
    return list({one.__module__: sys.modules[one.__module__] for one in classes}.values())
