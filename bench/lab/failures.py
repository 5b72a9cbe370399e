"""Kinds of failure, told from a transcript by rules that any reader can check."""

from __future__ import annotations

from collections import Counter

from agent.loops import IDLE, LOOKS, MOVES
from bench.lab.types import Failure
from memory.types import StepRecord, Trajectory

LATE = 20
"""The last steps of an attempt, by which it is told what it was at."""
OFTEN = 3
"""So many times the same action with the same answer is a loop."""


def failure(run: Trajectory) -> Failure:
    """Why `run` did not solve its task; empty when it did.

    - `crashed`: it broke; `budget`: it was stopped by a budget other than the task's own limit;
    - `idle`: most of its last steps were not understood or only looked;
    - `looping`: some action with the same answer came up three times in its last steps;
    - `searching`: it never took anything; `unfinished`: it took things and did not get there.
    """
    if run.score is not None and run.score.passed:
        return ""
    if run.error:
        return "crashed"
    if run.stop.startswith("budget"):
        return "budget"
    last = run.steps[-1].attempt if run.steps else 0
    steps = [step for step in run.steps if step.attempt == last]
    late = steps[-LATE:]
    if not late or sum(_idle(step) for step in late) > len(late) / 2:
        return "idle"
    if max(Counter((s.action, s.observation) for s in late).values()) >= OFTEN:
        return "looping"
    deeds = [s for s in steps if not _idle(s) and not s.action.startswith((*MOVES, *OPENS))]
    return "unfinished" if deeds else "searching"


OPENS = ("open ", "close ")


def _idle(step: StepRecord) -> bool:
    return step.observation.startswith(IDLE) or step.action.startswith(LOOKS)
