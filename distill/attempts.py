"""Attempts of a run one by one, and an attempt in the words in which reflectors are told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envs.errors import clip
from envs.types import Frozen
from memory.text import strip_marked
from memory.types import StepRecord, Trajectory, Verdict

TOLD = 30
"""Most steps that are told; the latest count."""
SEEN = 200
"""Most characters of an observation."""


class Tried(Frozen):
    """One attempt of a run."""

    number: int
    """Counted from 0."""
    steps: tuple[StepRecord, ...]
    """What was done."""
    verdict: Verdict
    """What the verifier thought; never the score."""
    advice: str = ""
    """The reflection that was written when it had failed, for the attempt after it."""


def attempts(trajectory: Trajectory) -> Iterator[Tried]:
    """The attempts of a run that have a verdict, in order; none of a run that broke."""
    if trajectory.error:
        return
    advice = trajectory.reflections
    for number, verdict in enumerate(trajectory.verdicts):
        steps = tuple(step for step in trajectory.steps if step.attempt == number)
        said = advice[number] if number < len(advice) else ""
        yield Tried(number=number, steps=steps, verdict=verdict, advice=said)


def story(goal: str, first: str, steps: Sequence[StepRecord], verdict: Verdict) -> str:
    """An attempt as text: what was asked, what stood there, what was done, how it ended.

    A step is a line, `[index] action -> what came back`; recalled text is left out.
    """
    lines = [f"[{s.index}] {s.action} -> {clip(s.observation, most=SEEN)}" for s in steps[-TOLD:]]
    outcome = f"Outcome: {'accepted' if verdict.accepted else 'failed'}. {verdict.critique}"
    return strip_marked("\n\n".join([f"Task: {goal}", first, "\n".join(lines), outcome]))
