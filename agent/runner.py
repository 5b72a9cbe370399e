"""Runs one task through the graph and records it whole, whatever happens."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psutil
from pydantic import Field

from agent.applied import applied
from agent.crossing import off
from agent.graph import Graph
from agent.kit import Event, Kit, Notebook, Reflector, Strategy, Verifier
from agent.models.router import Fork
from agent.models.swap import held
from agent.models.types import Message, Model
from agent.player import Player, Stage
from agent.reflector import quoted
from agent.settings import Settings, StoreSettings
from agent.skilled import Toolbox, cut_off
from agent.state import State, attempt_of, begun, steps_of, verdicts_of
from agent.transcript import conversation
from agent.worker import worker
from distill.rows_synthetic import tag_of
from envs.errors import EnvError, JourneymanError, boundary
from envs.types import Env, Frozen, Score, Task
from memory.life import Bounds, live
from memory.recall import Memory
from memory.types import Lesson, Run, StepRecord, Trajectory, Usage
from skills.demoting import watch
from skills.library import Library
from skills.showing import action_of


class Spec(Frozen):
    """What is needed to run a task, and to take it up again after a crash."""

    task: Task
    """What is asked."""
    seed: int = 0
    """Seed of the episode and of the solver's chance."""
    arm: str = "default"
    """Arm of an experiment."""
    thread: str = ""
    """Conversation, for chat."""
    user: str = ""
    """Whose memory is consulted, for chat."""
    recall: bool = True
    """Consult memory."""
    skills: bool = True
    """Offer skills, where the crew has some."""
    learn: bool = True
    """Write lessons, where the split allows it."""
    guard: bool = False
    """Keep from a task what earlier attempts at it left behind."""
    history: tuple[Message, ...] = ()
    """The conversation before, for chat."""
    brief: str = ""
    """What stands before the solver during the whole run besides its instructions."""
    chance: str = ""
    """Seed of the solver's chance; empty: the episode's."""
    forced: dict[str, bool] = Field(default_factory=dict)
    """Lessons that are shown, or kept out, on purpose: a replay."""
    pair: str = ""
    """What the two plays of a replay have in common."""
    routed: dict[str, Any] = Field(default_factory=dict)
    """Who was chosen to play it, and why (`models.router.Routed`); empty: there is no choice."""
    config: str = ""
    """Hash of the configuration it was begun with."""
    started: float = 0.0
    """When the process that runs it was started (seconds since the epoch)."""
    worker: str = ""
    """Folder that it runs from, where several share a ledger (see `agent/worker.py`)."""


@dataclass(frozen=True)
class Crew:
    """Who does the work; the same for many runs."""

    settings: Settings
    """How everything is set."""
    graph: Graph
    """The compiled graph."""
    memory: Memory
    """Ledger and index."""
    model: Model
    """The solver's model."""
    strategy: Strategy
    """How the solver chooses."""
    verifier: Verifier
    """Who judges."""
    reflector: Reflector
    """Who learns."""
    skills: Toolbox | None = None
    """Skills that may be called; None: there are none."""
    fork: Fork | None = None
    """Two models, one of which is chosen for each task; None: `model` plays all."""
    emit: Callable[[Event], None] = field(default=lambda _event: None)
    """Who watches."""


def new_id() -> str:
    """Id of a run."""
    return f"r{uuid.uuid4().hex[:12]}"


def now() -> str:
    """ISO time, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def run(crew: Crew, env: Env, spec: Spec, *, run_id: str = "") -> Trajectory:
    """One run from its beginning. A run that breaks is recorded as failed, never raised.

    Where the student of a fork was seen to fail and that is set, the larger model's run follows,
    and is what comes back.
    """
    run_id, crew = run_id or new_id(), await _as_learned(crew, spec)
    if crew.fork is not None and not (spec.thread or spec.pair or spec.routed):
        routed = await off(crew.fork.choose, spec.task, spec.seed)
        spec = spec.model_copy(update={"routed": routed})
    spec = spec.model_copy(
        update={
            "config": crew.settings.hash(),
            "started": psutil.Process().create_time(),
            "worker": await off(worker, crew.settings),
        }
    )
    began = now()
    await off(crew.memory.ledger.begin_run, _row(run_id, spec, began))
    stage = _stage(env, spec)
    try:
        chosen = _chosen(crew, spec)
        done = await _guarded(chosen, stage, spec, run_id=run_id, began=began, past=None)
    finally:
        await stage.close()
    up = crew.fork.up(spec.routed, done) if crew.fork is not None else {}
    return await run(crew, env, spec.model_copy(update={"routed": up})) if up else done


async def _as_learned(crew: Crew, spec: Spec) -> Crew:
    """The crew with the prompts and settings that stand for this environment."""
    settings = await off(applied, crew.settings, crew.memory.ledger, spec.task.env)
    return replace(crew, settings=settings)


def _chosen(crew: Crew, spec: Spec) -> Crew:
    """The crew with the model that plays this run."""
    if crew.fork is None or not spec.routed:
        return crew
    side = spec.routed["to"]
    settings = crew.settings.model_copy(update={"model": crew.fork.settings[side]})
    return replace(crew, model=crew.fork.models[side], settings=settings)


async def resume(crew: Crew, env: Env, run_id: str) -> Trajectory:
    """Takes up an interrupted run where its last checkpoint left it, or records it as failed."""
    row = await off(crew.memory.ledger.run, run_id)
    spec = Spec.model_validate(row.spec)
    crew = await _as_learned(crew, spec)
    past = await crew.graph.state(run_id)
    spec = spec.model_copy(update={"started": psutil.Process().create_time()})
    await off(crew.memory.ledger.begin_run, _row(run_id, spec, row.began))
    stage = _stage(env, spec)
    try:
        chosen = _chosen(crew, spec)
        return await _guarded(chosen, stage, spec, run_id=run_id, began=row.began, past=past)
    finally:
        await stage.close()


def interrupted(runs: Sequence[Run], *, here: str = "") -> list[Run]:
    """Runs that are said to be going on, by processes of this worker (`here`) that are gone."""
    return [
        run
        for run in runs
        if run.status == "running" and run.spec.get("worker", "") == here and not _alive(run)
    ]


def _alive(run: Run) -> bool:
    try:
        started = psutil.Process(run.pid).create_time()
    except psutil.Error:
        return False
    return abs(started - float(run.spec.get("started", 0.0))) < 2.0


def _row(run_id: str, spec: Spec, began: str) -> Run:
    return Run(
        id=run_id,
        env=spec.task.env,
        task=spec.task.id,
        goal=spec.task.goal,
        status="running",
        pid=os.getpid(),
        spec=spec.model_dump(mode="json"),
        began=began,
        updated=now(),
    )


def _stage(env: Env, spec: Spec) -> Stage:
    return Stage(lambda: env.open(spec.task, seed=spec.seed))


def _as_shown(spec: Spec, stage: Stage) -> Spec:
    """With the goal that the open episode has: of some pages it is not known before."""
    if stage.episode is None or stage.episode.task.goal == spec.task.goal:
        return spec
    task = spec.task.model_copy(update={"goal": stage.episode.task.goal})
    return spec.model_copy(update={"task": task})


async def _guarded(
    crew: Crew, stage: Stage, spec: Spec, *, run_id: str, began: str, past: State | None
) -> Trajectory:
    error = ""
    state: State = past or {}
    with held(crew.model) as model:  # a run is played to its end by the model that began it
        crew = replace(crew, model=model)
        try:
            with boundary(f"run {run_id}"):
                state = await _play(crew, stage, spec, run_id=run_id, past=past)
        except JourneymanError as broken:
            error = str(broken)
            state = await crew.graph.state(run_id) or state
        return await _record(crew, stage, spec, state, run_id=run_id, began=began, error=error)


async def _play(crew: Crew, stage: Stage, spec: Spec, *, run_id: str, past: State | None) -> State:
    player = Player(stage)
    if past:
        done = [(action_of(step.action), step.observation) for step in steps_of(past)]
        await player.restore(done)
        start: State | None = None
    else:
        start = begun(await player.begin())
    seed = spec.chance or spec.seed or f"{run_id}/{len(past.get('steps', ())) if past else 0}"
    spec = _as_shown(spec, stage)
    kit = Kit(
        run=run_id,
        task=spec.task,
        player=player,
        model=crew.model,
        strategy=crew.strategy,
        verifier=crew.verifier,
        reflector=crew.reflector,
        settings=crew.settings.model_copy(update={"store": StoreSettings()}),  # no way to scores
        memory=Notebook(crew.memory) if spec.recall else None,
        skills=crew.skills if spec.skills else None,
        learn=spec.learn
        and crew.settings.memory.learn
        and spec.task.split == "train"
        and tag_of(env=spec.task.env, arm=spec.arm) is None,
        tosses=crew.settings.memory.withhold and not spec.thread and not spec.pair,
        forced=spec.forced,
        pair=spec.pair,
        guard=spec.guard,
        history=spec.history,
        user=spec.user,
        brief=spec.brief,
        emit=crew.emit,
        rng=random.Random(seed),
    )
    return await crew.graph.run(run_id, kit, state=start)


async def _record(
    crew: Crew,
    stage: Stage,
    spec: Spec,
    state: State,
    *,
    run_id: str,
    began: str,
    error: str,
) -> Trajectory:
    score: Score | None = None
    spec = _as_shown(spec, stage)
    if not error:
        try:
            score = await stage.score()
        except EnvError as broken:
            error = str(broken)
    lessons = [] if error else _lessons(state, spec, run_id)
    changes = await off(
        crew.memory.plan, lessons, reason=f"drafted after run {run_id}", evidence=(run_id,)
    )
    trajectory = _trajectory(crew, spec, state, run_id=run_id, began=began).model_copy(
        update={
            "score": score,
            "error": error,
            "stop": "error" if error else _stop(state),
            "lessons": tuple(change.target for change in changes),
        }
    )
    written = await off(crew.memory.ledger.add_trajectory, trajectory, changes=changes)
    if any(change.decision == "applied" for change in written):
        await off(crew.memory.sync)
    await _judge(crew, spec, trajectory)
    await crew.graph.forget(run_id)
    return trajectory


async def _judge(crew: Crew, spec: Spec, trajectory: Trajectory) -> None:
    """After a training run: lessons and skills are moved by what was measured.

    See `memory/life.py` and `skills/demoting.py`.
    """
    bounds = crew.settings.memory
    learned = spec.task.split == "train" and spec.learn and bounds.learn
    if bounds.life and learned and not spec.pair:
        within = Bounds(capacity=bounds.capacity, unused=bounds.unused)
        await off(live, crew.memory, within)
        called = [one["call"]["skill"] for one in trajectory.calls]
        if called:
            shelf = Library(crew.memory.ledger, effects=crew.memory.effects)
            await off(watch, shelf, crew.memory.ledger, called)


def _lessons(state: State, spec: Spec, run_id: str) -> list[Lesson]:
    attempt = attempt_of(state, spec.task) if state else None
    drafts = [Lesson(**draft) for draft in state.get("drafts", ())]
    return [
        lesson.model_copy(
            update={"source": lesson.source.model_copy(update={"trajectory": run_id})}
        )
        for lesson in drafts
        if attempt is not None and quoted(lesson, attempt)
    ]


def _stop(state: State) -> str:
    ended = "done" if state.get("seen", {}).get("terminated") else "limit"
    return state.get("stop", "") or ended


def _trajectory(crew: Crew, spec: Spec, state: State, *, run_id: str, began: str) -> Trajectory:
    task, answer = spec.task, state.get("answer", "")
    said: list[Message] = [{"role": "user", "content": task.goal}]
    if answer:
        said.append({"role": "assistant", "content": answer})
    elif state and not spec.thread:
        said = conversation(state, crew.settings, model=crew.model.name)
    return Trajectory(
        id=run_id,
        env=task.env,
        task=task.id,
        task_key=task.key,
        task_type=task.tags[0] if task.tags else "",
        split=task.split,
        goal=task.goal,
        seed=spec.seed,
        arm=spec.arm,
        thread=spec.thread,
        model=crew.model.name,
        config=spec.config,
        first_observation=state.get("first", ""),
        steps=tuple(StepRecord(**step) for step in state.get("steps", ())),
        messages=tuple(said),
        verdicts=verdicts_of(state),
        usage=Usage(**state.get("usage", {})),
        attempts=state.get("attempt", 0) + 1 + bool(spec.routed.get("after")),
        reflections=tuple(state.get("reflections", ())),
        calls=(*state.get("called", ()), *cut_off(state)),
        notes=(*([spec.routed] if spec.routed else ()), *state.get("notes", ())),
        began=began,
        ended=now(),
    )
