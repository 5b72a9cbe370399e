"""Plays cells. One `Worker` lives in each worker process and keeps open what is slow to open.

A cell is played on a ledger and checkpoints of its own, from the state that its arm was in; so the
order in which cells are played, and who plays them, changes nothing. Both are kept in memory, as a
cell that is cut off is played anew. Each worker serves a local model to itself: replies that share
a batch with others differ now and then (2 of 32, measured), and then a cell would not repeat.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agent.crossing import off
from agent.graph import Graph, opened
from agent.models.errors import Unreachable
from agent.models.resolve import resolve
from agent.models.types import Message, Model, Reply, Sampling
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import ModelSettings, Settings
from agent.solver import Greedy
from agent.verifier import Shown
from agent.worlds import open_env
from bench.arms.registry import made
from bench.arms.types import Arm, Desk, Note, Played
from bench.lab.acting import Acting, Leak, acting_as
from bench.lab.guards import (
    check_learning,
    check_lessons,
    check_notes,
    check_recalled,
    keep_apart,
)
from bench.lab.rows import fitted, row_of
from bench.lab.sealed import sealed, watched
from bench.lab.table import kept, packed, unpacked
from bench.lab.types import FOLDER, ArmSpec, Cell, Row
from envs.errors import ModelError
from envs.types import Env, Frozen, Task, ToolSpec
from memory.embed import Embedder, HashEmbedder, MiniLM
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory, Usage

IN_MEMORY = Path(":memory:")
"""What SQLite calls a database without a file."""


class Order(Frozen):
    """One cell to be played, with all that it takes."""

    cell: Cell
    """What."""
    arm: ArmSpec
    """By which arm."""
    model: ModelSettings | None
    """With which model; None for an arm that calls none."""
    settings: Settings
    """The settings that all arms share."""
    note_tokens: int
    """Prompt budget of notes."""
    steps: int | None
    """Most steps of an attempt."""
    state: bytes
    """What the arm keeps."""
    played: dict[str, str]
    """Task key of each train run that the arm has learned from, by run id."""
    session: str
    """Id of the manifest."""


class Result(Frozen):
    """What became of an order."""

    row: Row
    """Its row."""
    transcript: bytes
    """The trajectory, compressed."""
    state: bytes | None
    """What the arm keeps now; None where it learned nothing."""
    flags: tuple[str, ...] = ()
    """What guards found."""


class After(Frozen):
    """What learning from a run brought."""

    state: bytes | None
    """What the arm keeps; None for a measured cell."""
    spent: Usage = Usage()
    """What models were asked for it."""
    error: str = ""
    """Why nothing was learned, where the model failed."""


class Worker:
    """Plays orders one after the other; belongs to one event loop."""

    def __init__(self, *, env_workers: int = 1) -> None:
        self._env_workers = env_workers
        self._models: dict[str, Model] = {}
        self._envs: dict[str, Env] = {}
        self._embedder: Embedder | None = None
        self._graph: Graph | None = None
        self._stack = AsyncExitStack()

    async def play(self, order: Order) -> Result:
        """The cell from its beginning. A run that breaks becomes a row, and so does a model that
        fails while its arm writes notes or learns.

        Raises what says nothing of the arm (a server that can't be reached) and what has to be
        mended first (wrong options, a fault of an arm's own code); then there is no row.
        """
        began = time.perf_counter()
        model = Fresh(await self._model(order))
        env = await self._env(order)
        graph = await self._checkpoints(order.cell)
        memory = Memory(Ledger(IN_MEMORY), ListIndex(HashEmbedder()))
        try:
            crew = Crew(
                settings=order.settings,
                graph=graph,
                memory=memory,
                model=model,
                strategy=Greedy(),
                verifier=Shown(),
                reflector=Plain(),
            )
            result = await self._played(order, crew, env)
        finally:
            memory.close()
        if model.gone is not None:
            raise model.gone
        known = {"wall_s": time.perf_counter() - began, "session": order.session}
        return result.model_copy(update={"row": result.row.model_copy(update=known)})

    async def close(self) -> None:
        """Ends models and environments; may be called twice."""
        models, self._models = self._models, {}
        envs, self._envs = self._envs, {}
        for model in models.values():
            await model.close()
        for env in envs.values():
            await off(env.close)
        self._graph = None
        await self._stack.aclose()

    async def _played(self, order: Order, crew: Crew, env: Env) -> Result:
        who, learning = _acting(order), order.cell.phase == "learn"
        arm: Arm | None = None
        notes: Sequence[Note] = ()
        trajectory: Trajectory | None = None
        after = After(state=order.state if learning else None)
        flags: tuple[str, ...] = ()
        try:
            with acting_as(who):
                arm = self._arm(order, crew.model)
            notes = await self._notes(order, arm, who)
            with acting_as(who):
                ready = (arm.gather if learning else arm.crew)(crew)
            if arm.knows_key:
                stage = arm.env(env)
            else:
                ready, stage = watched(ready, who), sealed(env)
            spec = _spec(order, arm, notes)
            trajectory = await run(ready, stage, spec, run_id=order.cell.id)
            who.check()
            check_recalled(trajectory, learned=order.played, fixed=arm.fixed())
            if learning:
                after = await self._learned(order, arm, trajectory, who)
        except Leak as leak:
            flags = (str(leak),)
            trajectory = _stopped(trajectory, order, leak)
        except ModelError as error:  # of its notes: runs record theirs, and learning is apart
            trajectory = _stopped(trajectory, order, error)
        finally:
            if arm is not None:
                arm.close()
        row = row_of(
            order.cell, order.arm, trajectory, notes=notes, spent=after.spent, leak=bool(flags)
        )
        if after.error and not row.error:
            row = row.model_copy(update={"error": f"learned nothing: {after.error}"})
        return Result(row=row, transcript=kept(trajectory, notes), state=after.state, flags=flags)

    async def _notes(self, order: Order, arm: Arm, who: Acting) -> Sequence[Note]:
        task = order.cell.task
        with acting_as(who):
            offered, fixed = await arm.notes(task), arm.fixed()
        notes = fitted(keep_apart(offered, task, learned=order.played), most=order.note_tokens)
        check_notes(notes, task=task, learned=order.played, fixed=fixed)
        return notes

    async def _learned(self, order: Order, arm: Arm, trajectory: Trajectory, who: Acting) -> After:
        """Has the arm learn from a run; it keeps what it had where its model fails it."""
        task = order.cell.task
        check_learning(task)
        try:
            with acting_as(who):
                spent = await arm.learn(_told(trajectory, task))
        except ModelError as error:
            return After(state=order.state, error=str(error))
        with acting_as(who):
            lessons, dumped = tuple(arm.lessons()), arm.dump()
        check_lessons(lessons, {**order.played, order.cell.id: task.key})
        return After(state=packed(dumped), spent=spent)

    def _arm(self, order: Order, model: Model) -> Arm:
        cell = order.cell
        desk = Desk(
            settings=order.settings,
            model=model,
            rng=random.Random(f"{cell.seed}/{cell.id}"),
            embedder=self._texts,
            note_tokens=order.note_tokens,
        )
        arm = made(order.arm, desk)
        arm.load(unpacked(order.state))
        return arm

    def _texts(self) -> Embedder:
        if self._embedder is None:
            self._embedder = MiniLM()
        return self._embedder

    async def _model(self, order: Order) -> Model:
        if order.model is None:
            return NoModel()
        label = order.arm.model
        if label not in self._models:
            # Another number of threads adds up in another order, and the cell would not repeat.
            own = order.model.model_copy(
                update={"parallel": 1, "threads": order.model.threads or 1}
            )
            self._models[label] = await resolve(own, home=order.settings.home)
        return self._models[label]

    async def _checkpoints(self, cell: Cell) -> Graph:
        """The worker's graph, without anything that an earlier play of the cell left behind."""
        if self._graph is None:
            self._graph = await self._stack.enter_async_context(opened(IN_MEMORY))
        await self._graph.forget(cell.id)
        return self._graph

    async def _env(self, order: Order) -> Env:
        name = order.cell.task.env
        if name not in self._envs:
            self._envs[name] = await off(open_env, name, order.settings, workers=self._env_workers)
        return self._envs[name]


class Fresh(Model):
    """A model whose first reply takes nothing from the prefix cache, so that a cell repeats."""

    def __init__(self, inner: Model) -> None:
        self.name = inner.name
        self._inner = inner
        self._begun = False
        self.gone: Unreachable | None = None
        """Set once the server could not be reached: the cell then tells nothing of its arm."""

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """See `Model`."""
        if not self._begun:
            self._begun = True
            sampling = sampling.model_copy(update={"fresh": True})
        try:
            return await self._inner.reply(messages, tools=tools, schema=schema, sampling=sampling)
        except Unreachable as error:
            self.gone = error
            raise

    def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """See `Model`."""
        return self._inner.stream(messages, sampling=sampling)

    async def close(self) -> None:
        """The worker closes the inner one."""


class NoModel(Model):
    """For arms that call none."""

    name = "none"

    async def reply(self, *_: Any, **__: Any) -> Reply:
        """Raises `ModelError`."""
        raise ModelError("this arm was given no model", repair="name one: ArmSpec.model")

    def stream(self, *_: Any, **__: Any) -> AsyncGenerator[str, None]:
        """Raises `ModelError`."""
        raise ModelError("this arm was given no model", repair="name one: ArmSpec.model")

    async def close(self) -> None:
        """Nothing to do."""


def _acting(order: Order) -> Acting:
    """The arm at work, kept from the experiment's tables and from what environments cache."""
    home = order.settings.home
    return Acting(order.arm.name, hidden=(home / FOLDER, home / "cache"))


def _spec(order: Order, arm: Arm, notes: Sequence[Note]) -> Spec:
    cell, task = order.cell, order.cell.task
    if order.steps is not None and order.steps < task.limits.steps:
        limits = task.limits.model_copy(update={"steps": order.steps})
        task = task.model_copy(update={"limits": limits})
    return Spec(
        task=task,
        seed=task.seed,
        arm=order.arm.name,
        recall=arm.recalls,
        learn=arm.recalls and cell.phase == "learn",
        guard=True,
        brief="\n\n".join(note.text for note in notes),
        chance=f"{cell.seed}/{cell.id}",
    )


def _told(trajectory: Trajectory, task: Task) -> Played:
    """A finished run as its arm may see it: the score is that of a train task."""
    passed = bool(trajectory.score and trajectory.score.passed)
    return Played(task=task, trajectory=trajectory, passed=passed)


def _stopped(trajectory: Trajectory | None, order: Order, error: Leak | ModelError) -> Trajectory:
    """What is kept of a cell that was stopped: it counts as not scored."""
    task = order.cell.task
    known = trajectory or Trajectory(
        id=order.cell.id,
        env=task.env,
        task=task.id,
        task_key=task.key,
        task_type=task.tags[0] if task.tags else "",
        split=task.split,
        goal=task.goal,
        seed=task.seed,
        arm=order.arm.name,
    )
    return known.model_copy(update={"score": None, "error": str(error), "stop": "error"})
