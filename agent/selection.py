"""Which of several runs at the same task to keep, by what any player saw of them; never the score.

Verdicts come first. Among equally verified runs the one that thought least where it should have
acted is kept, as in "The Danger of Overthinking" (Cuadron et al. 2025, arXiv 2502.08235; catalogue
row overthinking): less of it went with more success and lower cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.overthinking import overthinking
from agent.runner import Crew, Spec, run
from envs.errors import UserError
from envs.types import Env
from memory.types import Trajectory

RANKS: dict[bool | None, int] = {True: 0, None: 1, False: 2}
"""Accepted before undecided before rejected."""


async def best_of(crew: Crew, env: Env, spec: Spec, *, n: int, weigh: bool = True) -> Trajectory:
    """Plays the task `n` times, each with a chance of its own, and returns the run to keep.

    All runs are recorded. It acts `n` times where others act once: never compare it with a single
    run, and set a temperature, or all runs are the same. Raises `UserError` for `n` below 1.
    """
    runs = [
        await run(crew, env, spec.model_copy(update={"chance": f"{spec.chance or spec.seed}/{i}"}))
        for i in range(n)
    ]
    return best(runs, weigh=weigh)


def best(candidates: Sequence[Trajectory], *, weigh: bool = True) -> Trajectory:
    """The run to keep; of equals the first. Without `weigh` overthinking does not count.

    Runs that broke come last. Raises `UserError` without candidates.
    """
    if not candidates:
        raise UserError("there is no run to choose from", repair="give at least one")
    return min(candidates, key=lambda run: (*verified(run), _thought(run) if weigh else 0.0))


def verified(run: Trajectory) -> tuple[bool, int, float]:
    """How well a run is verified: broken, rank of its last verdict, less its confidence."""
    verdict = run.verdicts[-1] if run.verdicts else None
    if verdict is None:
        return bool(run.error), RANKS[None], 0.0
    sure = verdict.confidence if verdict.accepted is not False else -verdict.confidence
    return bool(run.error), RANKS[verdict.accepted], -sure


def _thought(run: Trajectory) -> float:
    return overthinking(run).score
