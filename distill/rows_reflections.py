"""Reflections that turned a failure into a success, as training rows.

After "Reflect, Retry, Reward" (Bensal et al. 2025, arXiv 2505.24726; catalogue row
reflect-retry-reward): only the reflection is rewarded, and only where the retry with it in context
succeeded. Here that is a row whose only weighted turn is the reflection; the paper optimises the
same signal with GRPO. Success is the verdict on the retry, what any player sees, not the score.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from distill.attempts import attempts, story
from distill.rows import Row, origin_of, quotes
from envs.types import Frozen
from memory.text import normal
from memory.types import Trajectory


class Outcome(Frozen):
    """A reflection, and what came of the retry with it."""

    trajectory: str
    """Id of the run."""
    env: str
    """Environment."""
    task_key: str
    """`Task.key`."""
    attempt: int
    """The attempt that had failed."""
    reflection: str
    """What was to be done better."""
    helped: bool | None
    """Whether the retry was accepted; None where the verifier could not tell."""


class Standing(Frozen):
    """How a reflection did, over all retries with it."""

    won: int = 0
    """Accepted retries."""
    lost: int = 0
    """Rejected retries."""

    @property
    def raised(self) -> bool:
        """Whether it counts more than one that was never tried."""
        return self.won > self.lost


def outcomes(trajectories: Iterable[Trajectory]) -> Iterator[Outcome]:
    """Every reflection with the outcome of its retry, in order."""
    for run in trajectories:
        for failed, retried in pairwise(attempts(run)):
            if failed.advice:
                yield Outcome(
                    trajectory=run.id,
                    env=run.env,
                    task_key=run.task_key,
                    attempt=failed.number,
                    reflection=failed.advice,
                    helped=retried.verdict.accepted,
                )


def standings(found: Iterable[Outcome]) -> dict[str, Standing]:
    """By the words of a reflection (`memory.text.normal`) how it did; undecided ones count not."""
    counts: dict[str, Standing] = {}
    for one in found:
        if one.helped is not None:
            old = counts.get(normal(one.reflection), Standing())
            won, lost = old.won + one.helped, old.lost + (not one.helped)
            counts[normal(one.reflection)] = Standing(won=won, lost=lost)
    return counts


def rows(
    trajectories: Iterable[Trajectory],
    *,
    instruction: str,
    held_out_keys: Collection[str] = (),
) -> Iterator[Row]:
    """A row for each reflection of a train task whose retry was accepted, each wording once.

    `instruction` is what the reflector's system message says. Left out are other splits, held-out
    tasks, and rows in which a recalled lesson stands word for word.
    """
    seen = set[tuple[str, str]]()
    for run in trajectories:
        if run.split != "train" or run.task_key in held_out_keys:
            continue
        for failed, retried in pairwise(attempts(run)):
            key = (run.task_key, normal(failed.advice))
            if not failed.advice or retried.verdict.accepted is not True or key in seen:
                continue
            told = story(run.goal, run.first_observation, failed.steps, failed.verdict)
            messages = (
                {"role": "system", "content": instruction},
                {"role": "user", "content": told},
                {"role": "assistant", "content": failed.advice, "weight": 1},
            )
            if not quotes(messages[2:], run.steps):
                seen.add(key)
                origin = origin_of(run, steps=len(failed.steps), rebuilt=True, made="reflection")
                yield Row(messages=messages, metadata=origin)
