"""One call of an experiment from beginning to end: plan, manifest, table, workers, guards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from agent.locking import locked
from agent.settings import Settings
from agent.worlds import open_env
from bench.arms.registry import kind_of
from bench.lab.audit import contaminated, suspicious
from bench.lab.conduct import Conductor, Done, Limits, Watch, common
from bench.lab.demonstrations import starting
from bench.lab.given_lessons import starting_lessons
from bench.lab.given_pages import explored_skills
from bench.lab.given_rivals import no_exception, replays, rival_skills
from bench.lab.given_skills import starting_skills
from bench.lab.manifest import check_same, grown, manifest
from bench.lab.onray import pool_of
from bench.lab.plan import Plan, check, planned, seeds_of
from bench.lab.table import FILE, Table, packed, unpacked
from bench.lab.types import FOLDER, Cell, Experiment, Row, keyless
from envs.errors import UnknownName, UserError
from envs.types import Env, Frozen

WORKED = "worked"
"""The kind of arm that is given examples."""
SKILLED: dict[str, Callable[..., dict[str, Any]]] = {
    "skills": starting_skills,
    "explored": explored_skills,
    "explored-chance": explored_skills,
    "taught": starting_lessons,
    "taught-random": starting_lessons,
    "voyager": partial(rival_skills, keep=no_exception),
    "asi": partial(rival_skills, keep=replays),
}
"""Kinds of arms that are given skills, and who makes them."""


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
    check(experiment)
    folder = folder_of(settings, experiment.name)
    with ExitStack() as stack:
        known = _known(folder)
        whole = grown(known, experiment)
        asked = _narrowed(experiment, call).model_copy(update={"seeds": whole.seeds})
        envs = _opened(asked, settings, stack)
        plan = planned(asked, envs)
        now = manifest(keyless(asked), common(settings), plan.tasks, command=call.command)
        now["cells"] = len(plan.cells) if asked == whole else None
        now["claims"] = [claim.model_dump(mode="json") for claim in experiment.claims]
        table = stack.enter_context(closing(Table(folder)))
        stack.enter_context(_alone(folder, experiment.name))
        changed = check_same(table.sessions(), now, known=known, experiment=experiment)
        for note in (*plan.notes, *changed):
            told(note)
        table.begin(keyless(whole), now)
        given = _given(plan, table, envs, told)
        pool = stack.enter_context(closing(pool_of(call.backend, call.workers, call.address)))
        conductor = Conductor(
            plan,
            table,
            pool,
            settings=settings,
            session=now["id"],
            limits=call.limits,
            starting=given,
            wanted=_wanted(experiment, plan),
        )
        done = conductor.run(watch)
        table.flag("", *contaminated(table), *suspicious(table))
        return done


def again(experiment: Experiment, cell: str, settings: Settings) -> tuple[Row, Row]:
    """Plays one cell anew, alone; its row in the table, and the row that came now.

    Raises `UserError` where the table has no such cell, and what `conduct` raises.
    """
    with ExitStack() as stack:
        table = stack.enter_context(
            closing(Table(folder_of(settings, experiment.name), write=False))
        )
        known = table.row(cell)
        whole = grown(table.experiment(), experiment)
        within = Call(arms=(known.arm,), sets=(known.set,) if known.phase == "measure" else ())
        asked = _narrowed(whole, within)
        plan = planned(asked, _opened(asked, settings, stack))
        wanted = next((one for one in plan.cells if one.id == cell), None)
        if wanted is None:
            raise UserError(
                f"cell {cell} of arm {known.arm!r} is no part of the experiment any more",
                repair="go back to the tasks and checkpoints that it was played with",
            )
        pool = stack.enter_context(closing(pool_of("processes", 1)))
        first = _first_states(plan, table)
        conductor = Conductor(
            plan,
            table,
            pool,
            settings=settings,
            session=known.session,
            starting={arm: unpacked(body) for arm, body in first.items()},
        )
        return known, pool.submit(conductor.order(wanted)).result().row


def _known(folder: Path) -> Experiment | None:
    """The experiment of the table in `folder`, if there is one."""
    if not (folder / FILE).exists():
        return None
    with closing(Table(folder)) as table:
        return table.experiment()


def _alone(folder: Path, name: str) -> AbstractContextManager[None]:
    """One process at a time plays an experiment."""
    return locked(
        folder / "playing.lock",
        busy=f"experiment {name!r} is being played by another process",
        repair="wait for it, or give this one another name",
    )


def opened(experiment: Experiment, settings: Settings) -> dict[str, Env]:
    """The environments of an experiment, by name; the caller closes them."""
    learns = [asked for asked in (experiment.learn,) if asked is not None]
    names = dict.fromkeys(asked.env for asked in (*experiment.measure, *learns))
    return {name: open_env(name, settings) for name in names}


def _opened(experiment: Experiment, settings: Settings, stack: ExitStack) -> dict[str, Env]:
    envs = opened(experiment, settings)
    for env in envs.values():
        stack.callback(env.close)
    return envs


def _narrowed(experiment: Experiment, call: Call) -> Experiment:
    """Of an experiment what is called for, so that nothing else has to be there: neither the
    models of other arms nor the games of other task sets. Raises `UnknownName`.
    """
    arms = [arm.name for arm in experiment.arms]
    sets = [asked.name for asked in experiment.measure]
    for what, asked, known in (("arm", call.arms, arms), ("task set", call.sets, sets)):
        for name in asked:
            if name not in known:
                raise UnknownName(what, name, known)
    if not call.arms and not call.sets:
        return experiment
    within = call.sets or tuple(sets)
    chosen = tuple(
        arm.model_copy(update={"sets": tuple(name for name in arm.sets if name in within)})
        for arm in experiment.arms
        if arm.name in (call.arms or arms) and (not arm.sets or set(arm.sets) & set(within))
    )
    if not chosen:
        raise UserError(
            f"none of these arms plays {', '.join(within)}", repair="name other arms or task sets"
        )
    return experiment.model_copy(
        update={
            "arms": chosen,
            "measure": tuple(asked for asked in experiment.measure if asked.name in within),
            "learn": experiment.learn if any(kind_of(arm).learns for arm in chosen) else None,
            "compare": (),
            "claims": (),
            "baseline": "",
        }
    )


def _wanted(experiment: Experiment, plan: Plan) -> Callable[[Cell], bool]:
    """The seeds that are asked for; an arm without chance has one, which it keeps."""
    steady = {arm.name for arm in experiment.arms if len(seeds_of(plan.experiment, arm)) < 2}
    return lambda cell: cell.seed in experiment.seeds or cell.arm in steady


def _given(
    plan: Plan, table: Table, envs: dict[str, Env], told: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """What arms keep before the first cell: examples for those that are given any."""
    given: dict[str, dict[str, Any]] = {}
    known = _first_states(plan, table)
    made: dict[tuple[bool, bytes], dict[str, Any]] = {}
    skills: dict[Callable[..., dict[str, Any]], dict[str, Any]] = {}
    for stream in plan.streams:
        arm = stream.arm
        if arm.kind not in (WORKED, *SKILLED) or arm.name in given:
            continue
        think, before = bool(arm.options.get("think", True)), known.get(arm.name, b"")
        kept = unpacked(before) if before else None
        if arm.kind in SKILLED:
            maker = SKILLED[arm.kind]
            if maker not in skills:
                skills[maker] = maker(envs, known=kept or _made_by(maker, table), told=told)
            given[arm.name] = skills[maker]
        elif (think, before) not in made:
            tokens = plan.experiment.note_tokens
            made[think, before] = starting(
                envs, plan.tasks, think=think, tokens=tokens, known=kept, told=told
            )
        if arm.kind == WORKED:
            given[arm.name] = made[think, before]
        if given[arm.name] != kept:
            table.keep(arm.name, stream.seed, 0, packed(given[arm.name]))
    return given


def _made_by(make: Callable[..., dict[str, Any]], table: Table) -> dict[str, Any] | None:
    """What the same maker gave to another arm before, so that all its arms have the same."""
    experiment = table.experiment()
    for arm in experiment.arms if experiment else ():
        for seed in experiment.seeds if experiment and SKILLED.get(arm.kind) is make else ():
            body = table.state(arm.name, seed, 0)
            if body is not None:
                return unpacked(body)
    return None


def _first_states(plan: Plan, table: Table) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for stream in plan.streams:  # kept once, with the first seed that was played
        body = table.state(stream.arm.name, stream.seed, 0)
        if body is not None:
            found.setdefault(stream.arm.name, body)
    return found
