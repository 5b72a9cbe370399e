"""Where a student got lost, a skill takes over: the way out of its own mistakes, to learn from.

A student that imitates a teacher has only seen the teacher's states; in its own it repeats itself.
So a failed run is played again up to where it began to go in circles, and the best proven skill for
the goal goes on from there. Where that finds no way out (a student that holds the wrong thing has
no hand free for the right one), it is tried from ever earlier places, at last from the beginning.
What the skill then does is learnt, what came before is only seen.
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
from distill.rows_turns import attempted, retold
from envs.errors import EnvError
from envs.types import Action, Env, Episode, Score, Step, Task
from memory.clock import iso
from memory.types import StepRecord, Trajectory
from skills.types import Call

ARM = "takeover"
"""Arm of the runs that come of it."""
LEAST = 2
"""Steps of the student that are kept at least where it got lost."""
PLACES = 8
"""Most places of a run that are tried; each is a game from its beginning."""


def lost_at(steps: Sequence[StepRecord]) -> int:
    """How many steps were made when it did and saw the same a second time; half of all if never."""
    known: set[tuple[str, str]] = set()
    for number, step in enumerate(steps):
        if (step.action, step.observation) in known:
            return max(LEAST, number)
        known.add((step.action, step.observation))
    return max(LEAST, len(steps) // 2)


def places(steps: Sequence[StepRecord], *, most: int = PLACES) -> tuple[int, ...]:
    """Steps of the student to keep, place by place: where it got lost, ever fewer, none.

    >>> steps = [StepRecord(index=n, action=f"go {n}", observation="") for n in range(30)]
    >>> places(steps, most=4)
    (15, 10, 5, 0)
    """
    last = min(lost_at(steps), len(steps))
    count = min(most, last + 1)
    if count < 2:
        return (last,)
    return tuple(round(last * (count - 1 - n) / (count - 1)) for n in range(count))


def take_over(failed: Trajectory, env: Env, task: Task, toolbox: Toolbox) -> Trajectory | None:
    """The failed run of a train task, ended by a skill; None where no place leads to a solution.

    The environment scores it as any run, within the task's own limit of steps.
    """
    if task.split != "train" or failed.score is None or failed.score.passed:
        return None
    offers = toolbox.offers(task.goal, task.env.partition(":")[0], ())
    if not offers or offers[0].similarity < 1.0:
        return None
    began = iso(time.time())
    own = attempted(failed)
    for kept in places(own):
        steps: list[StepRecord] = []
        episode = env.open(task, seed=failed.seed)
        try:
            call = offers[0].call
            score = _rescued(episode, own[:kept], steps, toolbox, call)
        except EnvError:
            continue
        finally:
            episode.close()
        if score is not None and score.passed:
            return _told(failed, steps, score, began=began)
    return None


def _rescued(
    episode: Episode,
    kept: Sequence[StepRecord],
    steps: list[StepRecord],
    toolbox: Toolbox,
    call: Call,
) -> Score | None:
    """Plays the student's steps and then the skill; the score, if the skill had anything to do."""
    seen = episode.first
    for step in kept:
        seen = episode.step(Action(text=step.action))
        steps.append(_record(len(steps), step.action, seen, skill=""))
        if seen.terminated or seen.truncated:
            return None
    _played(episode, seen, steps, toolbox, call)
    return episode.score() if len(steps) > len(kept) else None


def _told(
    failed: Trajectory, steps: Sequence[StepRecord], score: Score, *, began: str
) -> Trajectory:
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
    origin = origin_of(run, steps=len(run.steps), rebuilt=True, made="spliced", outcome=True)
    return Row(messages=(head, *messages), metadata=origin)


def _played(
    episode: Episode,
    seen: Step,
    steps: list[StepRecord],
    toolbox: Toolbox,
    call: Call,
) -> None:
    """Plays a skill from where the episode stands, step by step; `steps` grows."""
    past = [(Action(text=""), seen)]
    while not (seen.terminated or seen.truncated):
        then = toolbox.proceed(call, episode.task.goal, (), past)
        if not isinstance(then, Action):
            return
        seen = episode.step(then)
        past.append((then, seen))
        steps.append(_record(len(steps), then.text, seen, skill=str(call)))


def _record(index: int, action: str, seen: Step, *, skill: str) -> StepRecord:
    return StepRecord(
        index=index, attempt=0, action=action, observation=seen.observation, skill=skill
    )
