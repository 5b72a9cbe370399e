"""Where a student passed by what it was sent for, the way that a teacher went from that very spot.

A failed run and a solved one of the same task often stand once at the same place and see the same:
there the student went on, and the teacher took what it had come for. So the failed run is played
again up to there, and then what the teacher did from there; the environment says whether that
solves it. What came before is only seen, what the teacher did is learnt.
Source: Yuan et al. 2025, Agent-R: Training Language Model Agents to Reflect via Iterative
Self-Training, arXiv 2501.11425 (both ways cut and put together at the mistake), here joined where
both see the same, and with no words between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from uuid import uuid4

from envs.types import Action, Env, Episode, Task
from memory.clock import iso
from memory.types import StepRecord, Trajectory

TRIED = 12
"""Joints that are played at most."""


def joints(failed: Sequence[StepRecord], solved: Sequence[StepRecord]) -> Iterator[tuple[int, int]]:
    """Numbers of steps after which both saw the same and went on differently.

    The shortest rest of the solved way first, and among those the earliest in the failed one: there
    the mistake is nearest.
    """
    found = [
        (len(solved) - there, here, there)
        for here in range(1, len(failed))
        for there in range(1, len(solved))
        if failed[here - 1].observation == solved[there - 1].observation
        and failed[here].action != solved[there].action
    ]
    for _, here, there in sorted(found):
        yield here, there


def joined(failed: Trajectory, solved: Trajectory, env: Env, task: Task) -> Trajectory | None:
    """The failed run of a train task, ended by what a solved one did; None where nothing fits.

    The environment scores it as any run, within the task's own limit of steps.
    """
    if task.split != "train" or failed.score is None or failed.score.passed:
        return None
    if solved.task_key != failed.task_key or solved.score is None or not solved.score.passed:
        return None
    for number, (here, there) in enumerate(joints(failed.steps, solved.steps)):
        if number == TRIED:
            return None
        began = iso(time.time())
        episode = env.open(task, seed=failed.seed)
        try:
            steps = _played(episode, failed.steps[:here], solved.steps[there:], by=solved.id)
            score = episode.score()
        finally:
            episode.close()
        if score is not None and score.passed and len(steps) > here:
            update = {
                "id": f"t{uuid4().hex[:12]}",
                "arm": "joined",
                "steps": tuple(steps),
                "messages": (),
                "verdicts": (),
                "score": score,
                "stop": "done",
                "attempts": 1,
                "began": began,
                "ended": iso(time.time()),
            }
            return failed.model_copy(update=update)
    return None


def _played(
    episode: Episode, own: Sequence[StepRecord], rest: Sequence[StepRecord], *, by: str
) -> list[StepRecord]:
    """What came of these actions; those of the rest name the run that they come from."""
    steps: list[StepRecord] = []
    for number, step in enumerate((*own, *rest)):
        seen = episode.step(Action(text=step.action))
        skill = by if number >= len(own) else ""
        steps.append(
            StepRecord(
                index=number,
                attempt=0,
                action=step.action,
                observation=seen.observation,
                skill=skill,
            )
        )
        if seen.terminated or seen.truncated:
            break
    return steps
