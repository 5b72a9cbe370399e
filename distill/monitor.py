"""What a round of self-training is watched by, and how the next one is altered when it shrinks.

Source: Zeng et al. 2024, B-STaR, arXiv 2412.17256 (catalogue row `b-star`): over rounds a model
finds fewer different solutions, and the reward tells good from bad less well; sampling and
selection have to follow. Two figures are kept. *Exploration*: different verified solutions a task.
*Exploitation*: of what the reward selects, the share that the environment passes. Directions, all
bounded by `Limits`:

    fell past its limit   temperature   samples a task   threshold of the reward
    exploration           up            up               as it was
    exploitation          as it was     as it was        up
    both                  as it was     up               up

What differs from the paper: it looks for the best settings on a grid by its balance score, which is
kept here as a figure; here a step is made in a known direction, so that a log can be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from pydantic import Field

from distill.rows_turns import attempted
from envs.types import Frozen
from memory.types import Trajectory


class Tuning(Frozen):
    """How solutions are drawn and selected in a round."""

    temperature: float = Field(default=0.7, ge=0)
    """Of the solver's replies; 0 is greedy."""
    samples: int = Field(default=4, ge=1)
    """Runs at each task."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Least reward of a run that is selected."""


class Limits(Frozen):
    """When a figure has fallen too far, and how far the answer to that may go."""

    exploration: float = Field(default=0.75, ge=0)
    """Least exploration, as a share of the first round's."""
    exploitation: float = Field(default=0.9, ge=0, le=1)
    """Least exploitation."""
    warmer: float = Field(default=0.2, gt=0)
    """Step of the temperature."""
    hottest: float = Field(default=1.3, gt=0)
    """Highest temperature."""
    more: int = Field(default=2, ge=1)
    """Step of the samples."""
    most: int = Field(default=12, ge=1)
    """Most samples a task."""
    stricter: float = Field(default=0.1, gt=0)
    """Step of the threshold."""
    strictest: float = Field(default=0.95, le=1)
    """Highest threshold."""


class Candidate(Frozen):
    """One drawn solution."""

    task_key: str
    """`Task.key`."""
    way: tuple[str, ...]
    """Its actions; two runs with the same are the same solution."""
    reward: float = Field(ge=0, le=1)
    """What the verifier gave, without the answer key."""
    passed: bool
    """What the environment says."""


class Figures(Frozen):
    """A round in figures."""

    tasks: int
    """Tasks with at least one run."""
    samples: int
    """Runs at them."""
    passed: int
    """Of those, runs that the environment passed."""
    exploration: float
    """Different verified solutions a task, on average over all tasks."""
    selected: int
    """Runs whose reward reached the threshold."""
    exploitation: float | None
    """Of those selected, the share that passed; None where none was selected."""
    separation: float | None
    """Mean reward of runs that passed less that of the others; None where one kind is missing."""
    balance: float
    """The paper's score, on average over tasks: min(distinct verified and selected / wanted, 1)
    times the share of the selected that these make up."""


class Retuned(Frozen):
    """Settings for the next round, and why they are what they are."""

    tuning: Tuning
    """How to draw and select."""
    reasons: tuple[str, ...] = ()
    """What fell, and what follows; empty: nothing did."""


def candidate(run: Trajectory) -> Candidate:
    """A run as a candidate: the verifier's last verdict is the reward, the score decides.

    A run that was rejected, or about which the verifier could not tell, has no reward.
    """
    verdict = run.verdicts[-1] if run.verdicts else None
    accepted = verdict is not None and verdict.accepted is True
    return Candidate(
        task_key=run.task_key,
        way=tuple(step.action for step in attempted(run)),
        reward=verdict.confidence if accepted and verdict is not None else 0.0,
        passed=bool(run.score and run.score.passed) and not run.error,
    )


def figures(
    found: Iterable[Candidate], *, threshold: float, wanted: int = 4, tasks: int | None = None
) -> Figures:
    """Exploration and exploitation of a round.

    `wanted` is how many different solutions of a task are enough; `tasks`, where given, is how many
    were to be played, so that those without a run count as unsolved.
    """
    groups = _by_task(found)
    runs = [one for group in groups.values() for one in group]
    chosen = [one for one in runs if one.reward >= threshold]
    good = [one.reward for one in runs if one.passed]
    bad = [one.reward for one in runs if not one.passed]
    count = max(tasks or 0, len(groups))
    different = sum(len(_ways(group)) for group in groups.values())
    balance = sum(_balance(group, threshold, wanted) for group in groups.values())
    return Figures(
        tasks=count,
        samples=len(runs),
        passed=len(good),
        exploration=different / count if count else 0.0,
        selected=len(chosen),
        exploitation=sum(one.passed for one in chosen) / len(chosen) if chosen else None,
        separation=sum(good) / len(good) - sum(bad) / len(bad) if good and bad else None,
        balance=balance / count if count else 0.0,
    )


def retuned(tuning: Tuning, rounds: Sequence[Figures], *, limits: Limits = Limits()) -> Retuned:
    """Settings for the round after the last of `rounds` (oldest first), by the table above."""
    if not rounds:
        return Retuned(tuning=tuning)
    last, least = rounds[-1], rounds[0].exploration * limits.exploration
    narrow = last.exploration < least or last.exploration == 0
    loose = last.exploitation is not None and last.exploitation < limits.exploitation
    new, reasons = tuning, []
    if narrow:
        new = new.model_copy(
            update={"samples": max(new.samples, min(limits.most, new.samples + limits.more))}
        )
        why = f"exploration {last.exploration:.2f} is below {least:.2f}"
        reasons.append(f"{why}: {tuning.samples} samples become {new.samples}")
    if narrow and not loose:
        hotter = max(new.temperature, min(limits.hottest, new.temperature + limits.warmer))
        new = new.model_copy(update={"temperature": round(hotter, 6)})
        reasons.append(f"temperature {tuning.temperature:g} becomes {new.temperature:g}")
    if loose:
        up = max(new.threshold, min(limits.strictest, new.threshold + limits.stricter))
        new = new.model_copy(update={"threshold": round(up, 6)})
        reasons.append(
            f"exploitation {last.exploitation:.2f} is below {limits.exploitation:.2f}: "
            f"threshold {tuning.threshold:g} becomes {new.threshold:g}"
        )
    return Retuned(tuning=new, reasons=tuple(reasons))


def _by_task(found: Iterable[Candidate]) -> Mapping[str, list[Candidate]]:
    ordered = sorted(found, key=lambda one: one.task_key)
    return {key: list(group) for key, group in groupby(ordered, key=lambda one: one.task_key)}


def _ways(group: Iterable[Candidate]) -> set[tuple[str, ...]]:
    return {one.way for one in group if one.passed}


def _balance(group: Sequence[Candidate], threshold: float, wanted: int) -> float:
    chosen = [one for one in group if one.reward >= threshold]
    different = len(_ways(chosen))
    return min(different / wanted, 1.0) * different / len(chosen) if chosen else 0.0
