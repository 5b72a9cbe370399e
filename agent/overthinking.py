"""How much a run thought where it should have acted, told from its transcript by rules.

The three patterns of "The Danger of Overthinking" (Cuadron et al. 2025, arXiv 2502.08235; catalogue
row overthinking), with a score from 0 (acts and looks) to 10 as there. What differs: in the paper a
model reads the trajectory and gives the score; here rules count words and steps, so that any reader
can check them and the same run always has the same score. They go by what was done and what came
back, never by how a thought is worded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from agent.loops import IDLE, LOOKS
from agent.verifier import called
from envs.types import Frozen
from memory.types import StepRecord, Trajectory

LONG = 100
"""Words of one thought; what goes beyond is thought in place of a look."""
LITTLE = 60
"""Words of thought in a whole run; less cannot be paralysis."""
MOST = 0.5
"""Share of the words that were thought in vain, from which on it is paralysis."""
BURST = 3
"""Actions in a row that were not understood: a plan carried on without regard to the answers."""
TAIL = 5
"""Steps at the end that only look or do nothing: it has stopped trying."""
BRIEF = 20
"""Words of a thought up to which it is a remark, not time spent thinking."""
CLOSING = frozenset({"reply", "finish", "submit", "done", "stop", "give up", "give_up", "quit"})
"""Tools and commands by which a run ends itself."""
PLAYED = re.compile(r"^\s*(observation|obs)\s*\d*\s*:", re.IGNORECASE | re.MULTILINE)
"""A thought in which the solver plays the environment's part."""
PLANNED = re.compile(r"^\s*(>|action\s*\d*\s*:)", re.IGNORECASE | re.MULTILINE)
"""Commands that are written into a thought."""


class Overthinking(Frozen):
    """What was found in a run."""

    score: float = Field(ge=0.0, le=10.0)
    """0: acts and looks; 10: lives in its thoughts."""
    paralysis: bool
    """Analysis paralysis: thinks on and on while nothing new comes to be known."""
    rogue: bool
    """Rogue actions: does several things at once without waiting for what comes back."""
    premature: bool
    """Premature disengagement: ends or gives up on the strength of its thoughts alone."""
    reasons: tuple[str, ...] = ()
    """What each flag rests on, in a line."""


def overthinking(run: Trajectory) -> Overthinking:
    """The score of a run, over all its attempts, and the patterns that make it.

    The score is 10 (1 - (1-p)(1-r)(1-d)): p is the share of words thought in vain (more than a
    remark in a step that brought nothing new, or beyond `LONG`), r the share of rogue steps and at
    least 0.4 where there is one, d is 0.6 for a premature end.
    """
    words, vain = _words(run.steps)
    p = vain / max(words, LITTLE)
    wild = _rogue(run.steps)
    r = max(0.4, len(wild) / len(run.steps)) if wild else 0.0
    why = _premature(run)
    reasons = []
    if p >= MOST:
        reasons.append(f"paralysis: {vain} of {words} words of thought brought nothing new")
    if wild:
        reasons.append(f"rogue: steps {', '.join(map(str, wild))} did not wait for an answer")
    if why:
        reasons.append(f"premature: {why}")
    rest = (1 - p) * (1 - r) * (0.4 if why else 1.0)
    return Overthinking(
        score=round(10 * (1 - rest), 1),
        paralysis=p >= MOST,
        rogue=bool(wild),
        premature=bool(why),
        reasons=tuple(reasons),
    )


def _words(steps: Sequence[StepRecord]) -> tuple[int, int]:
    """Words of thought, and those of them in vain."""
    words = vain = 0
    known: set[tuple[int, str]] = set()
    for step in steps:
        count = len(step.thought.split())
        seen = (step.attempt, step.observation)
        news = seen not in known and not _idle(step)
        known.add(seen)
        words += count
        if news:
            vain += max(0, count - LONG)
        elif count > BRIEF:
            vain += count
    return words, vain


def _rogue(steps: Sequence[StepRecord]) -> list[int]:
    """Indices of steps that did more than one thing, or went on without regard to the answers."""
    found: set[int] = set()
    row: list[int] = []
    for step in steps:
        lines = [] if called(step)[0] else step.action.strip().splitlines()
        if len(lines) > 1 or PLAYED.search(step.thought) or len(PLANNED.findall(step.thought)) > 1:
            found.add(step.index)
        row = [*row, step.index] if _refused(step) else []
        if len(row) >= BURST:
            found.update(row)
    return sorted(found)


def _premature(run: Trajectory) -> str:
    """Why its end was premature; empty when it was not."""
    last = run.steps[-1].attempt if run.steps else 0
    steps = [step for step in run.steps if step.attempt == last]
    verdict = run.verdicts[-1] if run.verdicts else None
    if not steps or (verdict is not None and verdict.accepted):
        return ""
    end, before = steps[-1], steps[:-1]
    if (called(end)[0] or end.action.strip().lower()) in CLOSING:
        if before and _refused(before[-1]):
            return "it ended itself upon an error"
        if not before and len(end.thought.split()) > LONG:
            return "it ended itself after long thought without having looked"
        if verdict is not None and verdict.accepted is False and verdict.evidence:
            return "it ended itself against what it had been shown"
        return ""
    tail = steps[-TAIL:]
    gone = len(tail) == TAIL and all(
        _idle(step) and len(step.thought.split()) <= BRIEF for step in tail
    )
    return f"its last {TAIL} steps only looked on" if gone else ""


def _refused(step: StepRecord) -> bool:
    return step.observation.startswith(IDLE) or "error:" in step.observation


def _idle(step: StepRecord) -> bool:
    return _refused(step) or step.action.startswith(LOOKS)
