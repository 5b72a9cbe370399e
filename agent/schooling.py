"""Who does the work of rounds in an open home: players, the trainer, the gate, promotions.

All of it may be asked for twice: runs are found in the ledger by their arm, a trained student in
the registry by its name, a promotion by who answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count, islice, repeat
from pathlib import Path
from threading import Event

from agent.contest import HELD_OUT, Ground, Seen, Side, Watch, apart, kept_apart
from agent.crossing import off
from agent.gate import Decision, gate, size_of
from agent.gathering import Batch
from agent.home import Home
from agent.models.students import student, weights_of
from agent.models.types import Model
from agent.once import once
from agent.promotion import BASE, best_before, current, enlist, promote, rollback, students
from agent.rehearsing import rehearsed_once
from agent.roundlog import Held, held_by
from agent.runner import Crew, Spec
from agent.transcript import prompt
from distill.adapters import Adapter, Registry
from distill.filters import distinct, sifted
from distill.plan import PLANS
from distill.recipes import Given, lines, recipe
from distill.rows import Pair, Row, told_first
from distill.rows_taint import stains, untainted
from distill.training import Trained, Trainer
from envs.errors import Refused
from envs.types import Env, Task
from memory.types import Trajectory

OFTEN = 3
"""Times that an answer of the base is learnt along at most, in each epoch."""


@dataclass(frozen=True)
class Ways:
    """How a school works."""

    open: Callable[[str], Awaitable[Model]]
    """A student's model by its id; `base` is the bare base."""
    trainer: Callable[[str], Trainer]
    """Who trains, by the id of the student that it begins from; empty: from the base."""
    base: str
    """Name of the base model."""
    licence: str
    """Its licence (SPDX)."""
    recipe: str = "sft"
    """Name of the recipe of rows."""
    judged: int = 60
    """Val tasks that the gate plays."""
    held: int = 60
    """Val tasks that are held out from the gate."""
    families: Sequence[Ground] = ()
    """Tasks of earlier environments, that must not be lost."""
    watch: Watch = field(default=lambda _seen: None)
    """Sees how far plays and the gate are."""
    rehearse: bool = False
    """Whether the base's own answers to everyday questions are learnt along: without them a student
    of commands forgets how to talk, and the gate refuses it (`agent/rehearsing.py`)."""
    told: Callable[[str], None] = field(default=lambda _line: None)
    """Hears how far these answers are."""


class School:
    """The seams of rounds (`agent.gathering.Seams`) for one environment of a home.

    Students play by their weights, without recall; skills as the settings have them.
    """

    def __init__(self, place: Home, env: Env, ways: Ways) -> None:
        self._place = place
        self._env = env
        self._ways = ways
        self._home = place.settings.home
        self._registry = Registry(self._home / "adapters")
        self._models: dict[str, Model] = {}

    async def play(self, batch: Batch) -> Sequence[Trajectory]:
        """See `Seams`: each sample of a batch is an arm of its own."""
        crew = await self._crew(batch.student, temperature=batch.temperature)
        runs: list[Trajectory] = []
        for sample in range(batch.samples):
            runs += await self._played(crew, batch.tasks, arm=f"{batch.arm}/{sample}")
        return runs

    def rows(self, runs: Sequence[Trajectory]) -> Iterable[Row | Pair]:
        """Rows by the recipe, under the student's instruction: each way once, nothing tainted, and
        none of a task that the gate or the hold-out could play.
        """
        held_out = {task.key for task in self._env.tasks("val")}
        made = lines(self._ways.recipe, runs, given=Given(held_out_keys=held_out))
        kept, _ = sifted(made, [untainted(stains(self._place.ledger)), distinct()])
        told = [told_first(line, prompt("student")) for line in kept]
        return [line for line in told if isinstance(line, Row | Pair)]

    async def train(self, rows: Sequence[Row | Pair], *, parent: str, name: str, out: Path) -> str:
        """Trains, registers and notes in the ledger; gives an adapter of that name back."""
        ledger, listed = self._place.ledger, await off(self._registry.listed)
        adapter = next((one for one in listed.adapters if one.id == name), None)
        if adapter is None:
            begin = await off(self._weights, parent) if parent else b""
            trainer = self._ways.trainer(parent)
            spoken = await self._spoken(most=len(rows)) if self._ways.rehearse else []
            whole = [*rows, *spoken]
            trained = await _until_cancelled(trainer, whole, out=out, parent=begin)
            wanted = Adapter(
                id=name,
                base=self._ways.base,
                licence=self._ways.licence,
                rows=trained.manifest.rows_sha256,
                manifest=trained.manifest.model_copy(update={"recipe": self._ways.recipe}),
                parents=(parent,) if parent else (),
                tags=tuple(sorted({row.metadata.task_type for row in rows} - {""})),
            )
            adapter = await off(self._registry.add, wanted, weights=trained.weights)
        if name not in await off(students, ledger):
            runs = sorted({row.metadata.trajectory for row in rows} - {""})
            await off(enlist, ledger, adapter, runs=runs)
        return name

    async def judge(self, champion: str, challenger: str) -> Decision:
        """The gate, on val tasks that are not held out."""
        sides = [await self._side(champion), await self._side(challenger)]
        ground = apart(
            self._env, held=self._ways.held, judged=self._ways.judged, salt=sides[1].label
        )
        weights = await off(self._weights, challenger)
        return await gate(
            sides[0],
            sides[1],
            ground,
            families=self._ways.families,
            size=size_of(weights),
            best=await off(best_before, self._place.ledger),
            watch=self._ways.watch,
        )

    async def measure(self, student: str) -> Held:
        """Success on the tasks that are held out from the gate, greedily."""
        crew = await self._crew(student, temperature=0.0)
        return await self.held(crew, student, arm=f"{HELD_OUT}/{await off(self._label, student)}")

    async def held(self, crew: Crew, student: str, *, arm: str) -> Held:
        """Success of any crew on these tasks: also of a prompted teacher."""
        runs = await self._played(crew, self._held(), arm=arm)
        return await off(held_by, student, runs)

    async def promote(self, challenger: str, decision: Decision) -> None:
        """Has it answer, or notes the refusal; neither twice."""
        ledger = self._place.ledger
        now = await off(current, ledger)
        if now is not None and now.id == challenger:
            return
        noted = await off(ledger.changes, target=challenger, kind="adapter", limit=-1)
        if not decision.promote and any(one.decision == "rejected" for one in noted):
            return
        over = now.id if now else BASE
        adapter = await off(self._registry.get, challenger)
        await off(promote, ledger, adapter, decision, home=self._home, over=over)

    async def back(self, student: str, *, reason: str) -> None:
        """Undoes promotions one by one. Raises `Refused` where that student never answered."""
        ledger = self._place.ledger
        while (now := await off(current, ledger)) is not None and now.id != student:
            await off(rollback, ledger, home=self._home, reason=reason, actor="rule:rounds")
        if student and now is None:
            raise Refused(
                f"no promotion of {student} is left to go back to",
                repair=f"journeyman models promote {student}",
            )

    async def close(self) -> None:
        """Ends the models that were opened here."""
        for model in self._models.values():
            await model.close()
        self._models.clear()

    async def _spoken(self, *, most: int) -> list[Row]:
        """As many answers of the base to everyday questions, asked once in a home, each at most
        `OFTEN` times; none beside pairs, which train by comparing.
        """
        if PLANS[recipe(self._ways.recipe).trains].loss == "dpo":
            return []
        opens, told = partial(self._model, BASE), self._ways.told
        rows = await rehearsed_once(self._home, self._ways.base, opens, told=told)
        return list(islice(chain.from_iterable(repeat(rows, OFTEN)), most))

    def _held(self) -> tuple[Task, ...]:
        """The same val tasks for all rounds; at most half of them all."""
        return kept_apart(self._env, n=self._ways.held)

    async def _side(self, who: str) -> Side:
        return Side(await off(self._label, who), await self._crew(who, temperature=0.0))

    def _label(self, who: str) -> str:
        return f"{who}@{student(who, home=self._home).weights[:8]}" if who else BASE

    def _weights(self, who: str) -> bytes:
        return weights_of(student(who, home=self._home))

    async def _crew(self, student: str, *, temperature: float) -> Crew:
        who = student or BASE
        crew = await self._place.crew()
        solver = crew.settings.solver.model_copy(update={"temperature": temperature, "retries": 0})
        chosen = crew.settings.model.model_copy(
            update={"base_url": "", "file": "", "name": "", "adapter": student}
        )
        settings = crew.settings.model_copy(update={"solver": solver, "model": chosen})
        return replace(crew, model=await self._model(who), settings=settings)

    async def _model(self, who: str) -> Model:
        if who not in self._models:
            self._models[who] = await self._ways.open(who)
        return self._models[who]

    async def _played(self, crew: Crew, tasks: Sequence[Task], *, arm: str) -> list[Trajectory]:
        """One run at each task under an arm: found, taken up again, or new."""
        at_once = max(1, crew.settings.model.parallel)
        specs = [_spec(task, arm) for task in tasks]
        new = count(1)

        def heard(_run: Trajectory) -> None:
            self._ways.watch(Seen(stage=arm, done=next(new), most=len(specs)))

        return await once(crew, self._env, specs, at_once=at_once, heard=heard)


async def _until_cancelled(
    trainer: Trainer, rows: Sequence[Row | Pair], *, out: Path, parent: bytes
) -> Trained:
    """Trains in a thread, which ends soon after this was cancelled (by Ctrl-C, for example)."""
    stop = Event()
    try:
        return await off(trainer.train, rows, out=out, parent=parent, stop=stop.is_set)
    except asyncio.CancelledError:
        stop.set()
        raise


def _spec(task: Task, arm: str) -> Spec:
    return Spec(
        task=task,
        seed=task.seed,
        arm=arm,
        learn=False,
        recall=False,
        guard=True,
        chance=f"{arm}/{task.id}/{task.seed}",
    )
