"""Tutorials become demonstrations: a text that tells how is played, and counts if it got there.

Each of its steps is turned into one of the actions that are possible where it stands, the episode
of a train task is played with them, and the environment scores it like any run. What fails to
parse into an action, and what does not reach the goal, is refused with the reason. A demonstration
is a run of the arm `synthetic:tutorial`; its words are the environment's, none of the text's.

Source: Ou et al. 2024, Synatra, arXiv 2409.15637 (catalogue row `synatra`). What differs: the paper
has a model write whole trajectories with made-up pages, and trains on them as they are; here the
actions are real ones and have to work. Without a model the action that shares most words with the
step, and those of the goal, is taken.
"""

from __future__ import annotations

import re
import time
from uuid import uuid4

from agent.crossing import off
from agent.models.types import Message, Model
from agent.reflectors.types import Asker, one_of
from agent.steering import words_of
from agent.transcript import prompt
from distill.rows_synthetic import TUTORIAL_ARM
from envs.errors import ModelError, Refused, clip, one_line
from envs.types import Action, Env, Episode, Frozen, Step, Task
from memory.clock import iso
from memory.text import strip_marked
from memory.types import StepRecord, Trajectory, Usage, Verdict

NONE = "none"
MOST = 60
"""Most steps of a tutorial, and most actions that a model chooses from."""
_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*+]|step \d+[:.])\s+(.+)$", re.IGNORECASE | re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Demonstrated(Frozen):
    """What became of a tutorial at one task."""

    task: str
    """Id of the task."""
    run: Trajectory | None = None
    """The demonstration, scored by the environment; None where it is refused."""
    refused: str = ""
    """Why, in a line."""
    usage: Usage = Usage()
    """What the model cost."""


def instructions(text: str) -> tuple[str, ...]:
    """The steps of a tutorial: its numbered or marked lines, else its sentences.

    >>> instructions("Open the box. Take the key.")
    ('Open the box.', 'Take the key.')
    """
    plain = strip_marked(text)
    items = _ITEM.findall(plain) or _SENTENCE.split(one_line(plain))
    return tuple(clip(one_line(item), most=300) for item in items if item.strip())[:MOST]


async def demonstrate(
    text: str, env: Env, task: Task, *, model: Model | None = None, name: str = "text"
) -> Demonstrated:
    """Plays a train task by a tutorial. Raises `Refused` for other splits and texts of no steps."""
    if task.split != "train":
        raise Refused(f"no demonstration on {task.split}", repair="use a train task")
    told = instructions(text)
    if not told:
        raise Refused("the text tells no steps", repair="write them one a line, numbered")
    began = iso(time.time())
    episode = await off(env.open, task)
    try:
        steps, wrong, usage = await _followed(told, episode, task, model)
        score = await off(episode.score)
        ended = steps and (score is not None and score.passed)
        if wrong or not ended:
            why = wrong or f"its {len(steps)} actions do not reach the goal"
            return Demonstrated(task=task.id, refused=why, usage=usage)
        run = Trajectory(
            id=f"t{uuid4().hex[:12]}",
            env=env.name,
            task=task.id,
            task_key=task.key,
            task_type=task.tags[0] if task.tags else "",
            split=task.split,
            goal=task.goal,
            seed=task.seed,
            arm=TUTORIAL_ARM,
            model=f"tutorial {clip(name, most=60)}",
            first_observation=episode.first.observation,
            steps=tuple(steps),
            verdicts=(Verdict(accepted=True, confidence=1.0, source="environment"),),
            score=score,
            usage=usage,
            stop="done",
            notes=({"by": "tutorial", "source": name, "steps": list(told)},),
            began=began,
            ended=iso(time.time()),
        )
        return Demonstrated(task=task.id, run=run, usage=usage)
    finally:
        await off(episode.close)


async def _followed(
    told: tuple[str, ...], episode: Episode, task: Task, model: Model | None
) -> tuple[list[StepRecord], str, Usage]:
    """What was done by the tutorial, what speaks against it, and what it cost."""
    seen, steps, usage = episode.first, list[StepRecord](), Usage()
    for number, line in enumerate(told, start=1):
        if seen.terminated or seen.truncated:
            break
        if not seen.admissible:
            return steps, "the environment does not list its actions", usage
        if model is None:
            action = _likest(line, task.goal, seen.admissible)
        else:
            action, spent = await _chosen(model, line, task.goal, seen)
            usage += spent
        if action == NONE:
            continue
        if action not in seen.admissible:
            return steps, f"no action does step {number}: {clip(line)!r}", usage
        seen = await off(episode.step, Action(text=action))
        steps.append(StepRecord(index=len(steps), action=action, observation=seen.observation))
    return steps, "", usage


def _likest(line: str, goal: str, choices: tuple[str, ...]) -> str:
    """The action that shares most words with a step, then with the goal; empty for none."""
    step, wanted = words_of(line), words_of(goal)

    def fit(choice: str) -> tuple[int, int]:
        words = words_of(choice)
        return len(words & step), len(words & wanted)

    best = max(choices, key=fit)
    return best if fit(best)[0] else ""


async def _chosen(model: Model, line: str, goal: str, seen: Step) -> tuple[str, Usage]:
    """What a model takes for the step; it can name nothing but what is possible, or none."""
    ask, choices = Asker(model, most=1), (*(seen.admissible or ())[:MOST], NONE)
    content = strip_marked(
        f"Task: {goal}\nNow: {clip(seen.observation, most=1500)}\nStep of the tutorial: {line}"
    )
    messages: list[Message] = [
        {"role": "system", "content": prompt("tutorial")},
        {"role": "user", "content": content},
    ]
    try:
        return str((await ask.ask(messages, action=one_of(choices)))["action"]), ask.usage
    except ModelError:
        return "", Usage(calls=1)
