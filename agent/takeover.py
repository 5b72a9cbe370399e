"""Where a student got lost, a skill takes over: the way out of its own mistakes, to learn from.

A student that imitates a teacher has only seen the teacher's states; in its own it repeats itself.
So a failed run is played again up to where it began to go in circles, and the best proven skill for
the goal goes on from there. What it then does is learnt, what came before is only seen.
Source: Ross et al. 2011, A Reduction of Imitation Learning and Structured Prediction to No-Regret
Online Learning (DAgger), arXiv 1011.0686, with skills as the expert and one takeover a run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import uuid4

from agent.skilled import Toolbox
from agent.transcript import prompt
from distill.rows import Row, origin_of
from distill.rows_turns import retold
from envs.types import Action, Env, Episode, Step, Task
from memory.clock import iso
from memory.types import StepRecord, Trajectory
from skills.types import Call

ARM = "takeover"
"""Arm of the runs that come of it."""
LEAST = 2
"""Steps of the student that are kept at least."""


def lost_at(steps: Sequence[StepRecord]) -> int:
    """How many steps were made when it did and saw the same a second time; half of all if never."""
    known: set[tuple[str, str]] = set()
    for number, step in enumerate(steps):
        if (step.action, step.observation) in known:
            return max(LEAST, number)
        known.add((step.action, step.observation))
    return max(LEAST, len(steps) // 2)


def take_over(failed: Trajectory, env: Env, task: Task, toolbox: Toolbox) -> Trajectory | None:
    """The failed run of a train task, ended by a skill; None where that doesn't solve it.

    The environment scores it as any run, within the task's own limit of steps.
    """
    if task.split != "train" or failed.score is None or failed.score.passed:
        return None
    began = iso(time.time())
    episode = env.open(task, seed=failed.seed)
    try:
        seen, steps = episode.first, list[StepRecord]()
        kept = failed.steps[: lost_at(failed.steps)]
        for step in kept:
            seen = episode.step(Action(text=step.action))
            steps.append(_record(len(steps), step.action, seen, skill=""))
            if seen.terminated or seen.truncated:
                return None
        offers = toolbox.offers(task.goal, task.env.partition(":")[0], seen.admissible or ())
        if not offers or offers[0].similarity < 1.0:
            return None
        _played(episode, seen, steps, toolbox, task.goal, offers[0].call)
        score = episode.score()
    finally:
        episode.close()
    if score is None or not score.passed or len(steps) <= len(kept):
        return None
    return failed.model_copy(
        update={
            "id": f"t{uuid4().hex[:12]}",
            "arm": ARM,
            "steps": tuple(steps),
            "messages": (),
            "verdicts": (),
            "score": score,
            "stop": "done",
            "attempts": 1,
            "began": began,
            "ended": iso(time.time()),
        }
    )


def taught(run: Trajectory) -> Row:
    """A run that was taken over, as a row: the skill's actions are learnt, the others only seen."""
    turns = retold(run, run.steps)
    weights = iter([float(bool(step.skill)) for step in run.steps])
    messages = [
        {**turn, "weight": next(weights)} if turn["role"] == "assistant" else turn for turn in turns
    ]
    head = {"role": "system", "content": prompt("student")}
    origin = origin_of(run, steps=len(run.steps), rebuilt=True, made="spliced")
    return Row(messages=(head, *messages), metadata=origin)


def _played(
    episode: Episode,
    seen: Step,
    steps: list[StepRecord],
    toolbox: Toolbox,
    goal: str,
    call: Call,
) -> None:
    """Plays a skill from where the episode stands, step by step; `steps` grows."""
    past = [(Action(text=""), seen)]
    while not (seen.terminated or seen.truncated):
        then = toolbox.proceed(call, goal, (), past)
        if not isinstance(then, Action):
            return
        seen = episode.step(then)
        past.append((then, seen))
        steps.append(_record(len(steps), then.text, seen, skill=str(call)))


def _record(index: int, action: str, seen: Step, *, skill: str) -> StepRecord:
    return StepRecord(
        index=index, attempt=0, action=action, observation=seen.observation, skill=skill
    )
