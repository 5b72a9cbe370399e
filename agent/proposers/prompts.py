"""The solver's instructions, evolved by GEPA on train tasks under a bound of episodes.

Source: Agrawal et al. 2025, GEPA: Reflective Prompt Evolution Can Outperform Reinforcement
Learning, arXiv 2507.19457; the library `gepa`, with our agent behind its adapter and the model that
puts lessons into words as its reflector. What it calls its validation set are train tasks too: the
val tasks are the gate's, and neither the search nor the reflector sees them.

GEPA keeps its state in the folder of the round, and runs are found in the ledger, so a search that
was killed goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from agent.applied import applied, proposed
from agent.crossing import off
from agent.evolving_desk import Desk, specs, spent
from agent.evolving_savings import fewer
from agent.models.types import Model, Sampling
from agent.once import once
from agent.proposers.types import story, won
from agent.runner import Crew
from agent.transcript import instruction, prompt_name
from envs.errors import Missing
from envs.types import Task
from memory.text import strip_marked
from memory.types import Change, Trajectory

T = TypeVar("T")
TRAIN = 6
"""Tasks that reflections draw from."""
SCORED = 6
"""Other train tasks by which candidates are chosen."""
BATCH = 3
"""Runs that one reflection sees."""
WORDS = 600
"""Most tokens that the reflector may write."""


class _Found(NamedTuple):
    """What a search came to."""

    best: str
    """Instructions."""
    before: float
    """Share of the scored tasks that was solved under the first instructions."""
    after: float
    """The same under the best."""
    alike: tuple[str, ...]
    """Others under which as many were solved as under the first."""


class Prompts:
    """Proposes other instructions for the solver, or none."""

    paper = "Agrawal et al. 2025, GEPA, arXiv 2507.19457"
    does = "rewrites the solver's instructions from what runs show, and keeps what solves more"

    def __init__(self, desk: Desk, *, reflector: Callable[[], Awaitable[Model]]) -> None:
        self._desk = desk
        self._reflector = reflector

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Instructions that solved more train tasks than those that stand, or as many for a fifth
        less, if GEPA finds some.

        Raises `Missing` where the library is not installed, and `ModelError`.
        """
        desk = self._desk
        ledger = desk.crew.memory.ledger
        learned = await off(applied, desk.crew.settings, ledger, desk.env.name)
        name = prompt_name(learned, model=desk.crew.model.name)
        if name == "student":
            desk.note = "a student is asked as it was taught"
            return ()
        if name in desk.crew.settings.prompts:
            desk.note = f"the prompt {name} was written by a person"
            return ()
        train, scored = _tasks(desk, trajectories)
        if not train or not scored:
            desk.note = "there are too few train tasks"
            return ()
        seed = instruction(learned, model=desk.crew.model.name)
        crew = replace(desk.crew, settings=learned)
        adapter = Adapter(desk, crew, name=name, loop=asyncio.get_running_loop())
        reflect = self._reflect(adapter, await self._reflector())
        found = await off(self._searched, adapter, seed, reflect, (train, scored))
        best, reason = found.best, f"GEPA: {found.after:.0%} of {len(scored)} train tasks"
        if best.strip() != seed.strip() and found.after > found.before:
            reason += f", {found.before:.0%} before"
        else:
            best, saved = await _cheapest(adapter, seed, found.alike, scored)
            if not saved:
                told = f"{found.before:.0%} of {len(scored)}"
                desk.note = f"nothing that GEPA wrote solved more ({told})"
                return ()
            reason += f" as before, {saved}"
        seen = await off(ledger.trajectories, env=desk.env.name, arm=desk.name, limit=-1)
        return (
            await off(
                proposed, "prompt", name, strip_marked(best).strip(),
                env=desk.env.name, ledger=ledger, reason=reason,
                evidence=tuple(dict.fromkeys(run.id for run in (*trajectories, *reversed(seen)))),
            ),
        )  # fmt: skip

    def _searched(
        self, adapter: Adapter, seed: str, reflect: Any, tasks: tuple[list[Task], list[Task]]
    ) -> _Found:
        """The best instructions, and what they reached on the scored tasks."""
        try:
            from gepa.api import optimize
            from gepa.core.adapter import EvaluationBatch
        except ImportError as error:
            raise Missing("GEPA is not installed", repair="pip install 'gepa>=0.1.4'") from error
        adapter.batch_type = EvaluationBatch
        found = optimize(
            seed_candidate={adapter.name: seed},
            trainset=tasks[0],
            valset=tasks[1],
            adapter=adapter,
            reflection_lm=reflect,
            reflection_minibatch_size=BATCH,
            max_metric_calls=self._desk.bounds.episodes,
            run_dir=str(self._desk.folder / "gepa"),
            logger=_Told(self._desk),
            seed=int(hashlib.sha256(self._desk.name.encode()).hexdigest()[:8], 16),
        )
        reached = found.val_aggregate_scores
        texts = [one[adapter.name] for one in found.candidates]
        alike = [text for text, share in zip(texts, reached, strict=True) if share == reached[0]]
        return _Found(texts[found.best_idx], reached[0], reached[found.best_idx], tuple(alike[1:]))

    def _reflect(self, adapter: Adapter, model: Model) -> Callable[[Any], str]:
        def asked(text: Any) -> str:
            messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
            reply = adapter.wait(
                model.reply(messages, sampling=Sampling(max_tokens=WORDS, temperature=0.7, seed=1))
            )
            self._desk.usage += reply.usage
            return reply.text

        return asked


class Adapter:
    """Our agent as GEPA sees it: instructions in, scores and stories out. Called from a thread."""

    propose_new_texts: Any = None
    """GEPA's own way of writing."""

    def __init__(
        self, desk: Desk, crew: Crew, *, name: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name = name
        self.batch_type: Any = None
        self._desk = desk
        self._crew = crew
        self._loop = loop

    def under(self, text: str) -> Crew:
        """The crew under these instructions."""
        prompts = {**self._crew.settings.prompts, self.name: text}
        settings = self._crew.settings.model_copy(update={"prompts": prompts})
        return replace(self._crew, settings=settings)

    async def again(self, text: str, tasks: Sequence[Task]) -> list[Trajectory]:
        """Runs under instructions that were scored: found in the ledger, and counted already."""
        desk = self._desk
        return await once(self.under(text), desk.env, specs(tasks, desk.name))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Has the loop do it, and waits."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def evaluate(
        self, batch: list[Task], candidate: dict[str, str], capture_traces: bool = False
    ) -> Any:
        """A run at each task under these instructions."""
        runs = self.wait(self._desk.play(self.under(candidate[self.name]), batch))
        return self.batch_type(
            outputs=[run.id for run in runs],
            scores=[float(won(run)) for run in runs],
            trajectories=runs if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002
        eval_batch: Any,
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What each run did, and whether that was enough."""
        told = [_record(run) for run in eval_batch.trajectories or ()]
        return dict.fromkeys(components_to_update, told)


async def _cheapest(
    adapter: Adapter, seed: str, alike: Sequence[str], tasks: Sequence[Task]
) -> tuple[str, str]:
    """Of instructions that solve as many those that cost least, and what they save, in words."""
    base = await adapter.again(seed, tasks)
    played = [(text, await adapter.again(text, tasks)) for text in dict.fromkeys(alike)]
    played.sort(key=lambda one: spent(one[1]).prompt_tokens + spent(one[1]).completion_tokens)
    saved = ((text, fewer(base, runs)) for text, runs in played if any(map(won, runs)))
    return next(((text, said) for text, said in saved if said), ("", ""))


class _Told:
    """GEPA's log: into its folder, not onto the screen."""

    def __init__(self, desk: Desk) -> None:
        self._path = desk.folder / "gepa.log"
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, message: str) -> None:
        """Keeps a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{message}\n")


def _record(run: Trajectory) -> dict[str, Any]:
    solved = "The task was solved." if won(run) else "The task was not solved."
    return {
        "Inputs": run.goal,
        "Generated Outputs": story(run, most=1500),
        "Feedback": f"{solved} It took {len(run.steps)} actions and ended by {run.stop!r}.",
    }


def _tasks(desk: Desk, trajectories: Sequence[Trajectory]) -> tuple[list[Task], list[Task]]:
    """Tasks of this round to reflect on, lost ones first; and other train tasks to choose by."""
    known = {task.id: task for task in desk.env.tasks("train")}
    lost_first = sorted(trajectories, key=won)
    mine = list(dict.fromkeys(known[run.task] for run in lost_first if run.task in known))[:TRAIN]
    keys = {task.key for task in mine}
    others = sorted(
        (task for task in known.values() if task.key not in keys),
        key=lambda one: hashlib.sha256(f"{desk.name}|{one.id}".encode()).hexdigest(),
    )
    by_key: dict[str, Task] = {}
    for task in others:
        by_key.setdefault(task.key, task)
    return mine, list(by_key.values())[:SCORED]
