"""What has to be played, and in which order: arms x tasks x seeds."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.arms.registry import NO_MODEL, kind_of
from bench.lab.acting import Leak
from bench.lab.guards import check_splits, refuse
from bench.lab.sealed import forbidden
from bench.lab.types import ArmSpec, Cell, Experiment, Tasks
from envs.errors import UnknownName, UserError
from envs.types import Env, Frozen, Task


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
    _check(experiment)
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


def seeds_of(experiment: Experiment, arm: ArmSpec) -> tuple[int, ...]:
    """All seeds for arms in which chance has a part; else the first, which would repeat."""
    kind = kind_of(arm)
    return experiment.seeds if kind.chance or kind.learns else experiment.seeds[:1]


def _stream(
    experiment: Experiment,
    arm: ArmSpec,
    seed: int,
    *,
    train: Sequence[Task],
    sets: Mapping[str, Sequence[Task]],
) -> Stream:
    order = list(train) if kind_of(arm).learns else []
    random.Random(f"{experiment.name}/{seed}").shuffle(order)  # the same order for all arms

    def cell(task: Task, phase: str, learned: int) -> Cell:
        return Cell.model_validate(
            {
                "experiment": experiment.name,
                "arm": arm.name,
                "seed": seed,
                "phase": phase,
                "learned": learned,
                "task": task,
            }
        )

    learn = [cell(task, "learn", number) for number, task in enumerate(order)]
    points = sorted({min(point, len(order)) for point in experiment.checkpoints or (len(order),)})
    wanted = [tasks[: arm.n] for name, tasks in sets.items() if not arm.sets or name in arm.sets]
    if not learn:
        points = [0]
    measure = [cell(t, "measure", point) for point in points for tasks in wanted for t in tasks]
    return Stream(arm=arm, seed=seed, learn=tuple(learn), measure=tuple(measure))


def _tasks(asked: Tasks, envs: Mapping[str, Env]) -> tuple[Task, ...]:
    tasks = tuple(envs[asked.env].tasks(asked.split))[: asked.n]
    if not tasks:
        raise UserError(
            f"{asked.env} has no {asked.split} tasks", repair="name another split or environment"
        )
    return tasks


def _check(experiment: Experiment) -> None:
    names = [arm.name for arm in experiment.arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise UserError(
            f"experiment {experiment.name!r} has "
            + (f"two arms {twice[0]!r}" if twice else "none"),
            repair="give each arm a name of its own",
        )
    if Path(experiment.name).name != experiment.name or not experiment.seeds:
        raise UserError(
            f"experiment {experiment.name!r} with seeds {experiment.seeds!r}",
            repair="its name is that of a folder, and it has one seed or more",
        )
    for arm in experiment.arms:
        kind = kind_of(arm)
        reaches = [] if kind.knows_key else forbidden(sys.modules[kind.__module__])
        if reaches:
            raise Leak(
                f"arm {arm.name!r} may reach the answer key: {'; '.join(reaches[:3])}",
                repair="take that out of its module; it learns from what it is told",
            )
        if arm.kind not in NO_MODEL and arm.model not in experiment.models:
            raise UnknownName(f"model of arm {arm.name!r}", arm.model, experiment.models)
        if kind.learns and experiment.learn is None:
            raise UserError(
                f"arm {arm.name!r} learns, and there is nothing to learn from",
                repair="set Experiment.learn",
            )
        sets = [asked.name for asked in experiment.measure]
        unknown = [name for name in arm.sets if name not in sets]
        if unknown:
            raise UnknownName(f"task set of arm {arm.name!r}", unknown[0], sets)
    for one, other in experiment.compare:
        for name in (one, other):
            if name not in names:
                raise UnknownName("arm of a comparison", name, names)
    if experiment.baseline and experiment.baseline not in names:
        raise UnknownName("baseline", experiment.baseline, names)
