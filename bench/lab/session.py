"""One call of an experiment from beginning to end: plan, manifest, table, workers, guards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from agent.settings import Settings
from agent.worlds import open_env
from bench.lab.audit import contaminated, suspicious
from bench.lab.conduct import Conductor, Done, Limits, Watch
from bench.lab.demonstrations import starting
from bench.lab.manifest import check_same, manifest
from bench.lab.onray import pool_of
from bench.lab.plan import Plan, planned
from bench.lab.table import Table, packed, unpacked
from bench.lab.types import FOLDER, Cell, Experiment, Row
from envs.errors import UnknownName, UserError
from envs.types import Env, Frozen

WORKED = "worked"
"""The kind of arm that is given examples."""


class Call(Frozen):
    """How an experiment is called."""

    workers: int = 2
    """Worker processes; 0 plays in this one."""
    backend: str = "processes"
    """`processes` of this machine, or `ray`."""
    address: str = ""
    """Ray's cluster; empty: this machine."""
    arms: tuple[str, ...] = ()
    """Only these arms; empty: all."""
    sets: tuple[str, ...] = ()
    """Only these task sets; empty: all."""
    limits: Limits = Limits()
    """What it may spend."""
    command: str = ""
    """How to repeat it, for the manifest."""


def folder_of(settings: Settings, name: str) -> Path:
    """Where an experiment lies."""
    return settings.home / FOLDER / name


def conduct(
    experiment: Experiment,
    settings: Settings,
    call: Call,
    *,
    watch: Watch = lambda _row, _done, _all: None,
    told: Callable[[str], None] = lambda _text: None,
) -> Done:
    """Plays what is left of an experiment; its table lies in `folder_of(settings, name)`.

    Raises `UserError` for what does not fit together, `Leak` for mixed-up splits, and what stopped
    it otherwise (a model that can't be reached, a full disk); rows that came before are kept.
    """
    folder = folder_of(settings, experiment.name)
    table = Table(folder)
    lock = FileLock(folder / "playing.lock", timeout=0)
    envs = opened(experiment, settings)
    try:
        lock.acquire()
        plan = planned(experiment, envs)
        now = manifest(experiment, settings, plan.tasks, command=call.command)
        now["cells"] = len(plan.cells)
        known = table.experiment()
        changed = check_same(table.sessions(), now, known=known, experiment=experiment)
        for note in (*plan.notes, *changed):
            told(note)
        table.begin(experiment, now)
        given = _given(plan, table, envs, told)
        pool = pool_of(call.backend, call.workers, address=call.address)
        try:
            conductor = Conductor(
                plan,
                table,
                pool,
                settings=settings,
                session=now["id"],
                limits=call.limits,
                starting=given,
                wanted=_wanted(experiment, call),
            )
            done = conductor.run(watch)
        finally:
            pool.close()
        table.flag("", *contaminated(table), *suspicious(table))
        return done
    except Timeout as error:
        raise UserError(
            f"experiment {experiment.name!r} is being played by another process",
            repair="wait for it, or give this one another name",
        ) from error
    finally:
        lock.release()
        table.close()
        for env in envs.values():
            env.close()


def again(name: str, cell: str, settings: Settings) -> tuple[Row, Row]:
    """Plays one cell anew, alone; its row in the table, and the row that came now."""
    table = Table(folder_of(settings, name), write=False)
    experiment = table.experiment()
    if experiment is None:
        raise UnknownName("experiment", name, ())
    envs = opened(experiment, settings)
    pool = pool_of("processes", 1)
    try:
        plan = planned(experiment, envs)
        known = table.row(cell)
        wanted = next(one for one in plan.cells if one.id == cell)
        given = {arm: unpacked(body) for arm, body in _first_states(plan, table).items()}
        conductor = Conductor(
            plan, table, pool, settings=settings, session=known.session, starting=given
        )
        return known, pool.submit(conductor.order(wanted)).result().row
    finally:
        pool.close()
        table.close()
        for env in envs.values():
            env.close()


def opened(experiment: Experiment, settings: Settings) -> dict[str, Env]:
    """The environments of an experiment, by name."""
    learn: Sequence[Any] = [experiment.learn] if experiment.learn else []
    names = dict.fromkeys(asked.env for asked in (*experiment.measure, *learn))
    return {name: open_env(name, settings) for name in names}


def _wanted(experiment: Experiment, call: Call) -> Callable[[Cell], bool]:
    arms = [arm.name for arm in experiment.arms]
    sets = [asked.name for asked in experiment.measure]
    for what, asked, known in (("arm", call.arms, arms), ("task set", call.sets, sets)):
        for name in asked:
            if name not in known:
                raise UnknownName(what, name, known)

    def wanted(cell: Cell) -> bool:
        within = f"{cell.task.env}/{cell.task.split}"
        in_sets = not call.sets or cell.phase == "learn" or within in call.sets
        return in_sets and (not call.arms or cell.arm in call.arms)

    return wanted


def _given(
    plan: Plan, table: Table, envs: dict[str, Env], told: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """What arms keep before the first cell: examples for those that are given any."""
    given: dict[str, dict[str, Any]] = {}
    known = _first_states(plan, table)
    made: dict[bool, dict[str, Any]] = {}
    for arm in plan.experiment.arms:
        if arm.kind != WORKED:
            continue
        if arm.name in known:
            given[arm.name] = unpacked(known[arm.name])
            continue
        think = bool(arm.options.get("think", True))
        if think not in made:
            tokens = plan.experiment.note_tokens
            made[think] = starting(envs, plan.tasks, think=think, tokens=tokens, told=told)
        given[arm.name] = made[think]
        for stream in plan.streams:
            if stream.arm.name == arm.name:
                table.keep(arm.name, stream.seed, 0, packed(made[think]))
    return given


def _first_states(plan: Plan, table: Table) -> dict[str, bytes]:
    found = {s.arm.name: table.state(s.arm.name, s.seed, 0) for s in plan.streams}
    return {name: body for name, body in found.items() if body is not None}
