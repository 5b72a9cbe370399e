"""What a kind of reflection is worth: retries with it against retries without, on the same tasks.

After "Self-Reflection in LLM Agents: Effects on Problem-Solving Performance" (Renze & Guven 2024,
arXiv 2405.06682; catalogue row self-reflection-types): tasks that fail are tried once more with
each kind of reflection, and with none (`retry`: the agent knows only that it failed). The tasks are
the same, so the test is paired: McNemar's exact one, with Holm's correction for so many kinds. All
of this is `oracle_retry`: the environment tells that an attempt failed; never compare it with runs
that were not told.

What differs: attempts in an environment in place of multiple-choice questions, and no kind knows
the answer. Memory is neither consulted nor written. Every kind plays the first attempt anew; where
that one came out otherwise the pair is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import get_args

from scipy.stats import binomtest

from agent.kit import Reflector
from agent.reflectors.kinds import Kinds
from agent.runner import Crew, Spec, run
from agent.settings import Reflection
from bench.stats.differences import bonett_price, holm
from envs.errors import UnknownName, UserError
from envs.types import Env, Frozen, Task
from memory.types import Trajectory

WHAT = "what each kind of reflection adds to a retry, on the same failed tasks"
PAPER = "Renze & Guven 2024, Self-Reflection in LLM Agents, arXiv 2405.06682"
WITHOUT: Reflection = "retry"
KINDS: tuple[Reflection, ...] = tuple(
    kind for kind in get_args(Reflection) if kind not in ("default", WITHOUT)
)
"""All kinds that write something."""


class Gain(Frozen):
    """A kind of reflection against none."""

    kind: Reflection
    """Which."""
    n: int
    """Failed tasks that both tried once more after the same first attempt."""
    solved: int
    """Of those, solved by the retry with this kind."""
    without: int
    """Solved by the retry without."""
    gained: int
    """Solved with it alone."""
    lost: int
    """Solved without it alone."""
    gain: float | None
    """Share solved with less share solved without; None for no tasks."""
    low: float
    """Lower end of the 95 % interval (Bonett & Price)."""
    high: float
    """Upper end."""
    p: float
    """McNemar's exact test, two-sided."""
    p_holm: float
    """The same, corrected for all kinds of the report."""
    dropped: int
    """Tasks whose first attempt came out otherwise."""


class Report(Frozen):
    """Kinds of reflection on the same failed tasks."""

    model: str
    """The solver's."""
    env: str
    """Where."""
    tasks: int
    """Tasks that were played."""
    failed: int
    """Of those, failed at the first attempt, and so tried once more."""
    gains: tuple[Gain, ...]
    """One for each kind."""


async def compare(
    crew: Crew,
    env: Env,
    tasks: Sequence[Task],
    *,
    kinds: Sequence[Reflection] = KINDS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Plays the tasks with one retry, without reflection and with each kind.

    Raises `UnknownName` for a kind that there is not, `UserError` without tasks.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownName("kind of reflection", kind, KINDS)
    if not tasks:
        raise UserError("there are no tasks to play", repair="choose another split, or n")
    total, done = len(tasks) * (1 + len(kinds)), 0
    plain: list[tuple[Task, Trajectory]] = []
    for task in tasks:
        plain.append((task, await _played(crew, env, task, WITHOUT)))
        done += 1
        progress(done, total)
    failed = [(task, base) for task, base in plain if not base.error and base.attempts > 1]
    counts: list[tuple[Reflection, list[tuple[bool, bool]], int]] = []
    for kind in kinds:
        found: list[tuple[bool, bool]] = []
        for task, base in failed:
            again = await _played(crew, env, task, kind)
            if _first(again) == _first(base) and again.attempts > 1:
                found.append((_solved(again), _solved(base)))
            done += 1
            progress(done, total)
        counts.append((kind, found, len(failed) - len(found)))
    chances = [_mcnemar(found) for _, found, _ in counts]
    gains = tuple(
        _gain(kind, found, dropped, p=p, corrected=corrected)
        for (kind, found, dropped), p, corrected in zip(counts, chances, holm(chances), strict=True)
    )
    return Report(
        model=crew.model.name, env=env.name, tasks=len(tasks), failed=len(failed), gains=gains
    )


async def _played(crew: Crew, env: Env, task: Task, kind: Reflection) -> Trajectory:
    """One run with one retry after this kind of reflection, without memory."""
    solver = crew.settings.solver.model_copy(update={"retries": 1})
    reflector: Reflector = Kinds(crew.model, kind, inner=crew.reflector)
    own = replace(
        crew,
        settings=crew.settings.model_copy(update={"solver": solver}),
        reflector=reflector,
    )
    seed = f"{task.id}/{task.seed}"
    spec = Spec(
        task=task, seed=task.seed, chance=seed, arm=f"reflection:{kind}", recall=False, learn=False
    )
    return await run(own, env, spec)


def _first(trajectory: Trajectory) -> list[str]:
    """What the first attempt did."""
    steps = takewhile(lambda step: step.attempt == 0, trajectory.steps)
    return [step.action for step in steps]


def _solved(trajectory: Trajectory) -> bool:
    """By the score, else the verdict; a crash is not solved."""
    if trajectory.error:
        return False
    if trajectory.score is not None:
        return trajectory.score.passed
    return bool(trajectory.verdicts) and trajectory.verdicts[-1].accepted is True


def _mcnemar(found: Sequence[tuple[bool, bool]]) -> float:
    gained, lost = found.count((True, False)), found.count((False, True))
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def _gain(
    kind: Reflection,
    found: Sequence[tuple[bool, bool]],
    dropped: int,
    *,
    p: float,
    corrected: float,
) -> Gain:
    gained, lost = found.count((True, False)), found.count((False, True))
    low, high = bonett_price(gained, lost, len(found))
    return Gain(
        kind=kind,
        n=len(found),
        solved=sum(with_it for with_it, _ in found),
        without=sum(base for _, base in found),
        gained=gained,
        lost=lost,
        gain=(gained - lost) / len(found) if found else None,
        low=low,
        high=high,
        p=p,
        p_holm=corrected,
        dropped=dropped,
    )
