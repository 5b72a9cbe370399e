"""Failed runs under other goals that they did reach, and new goals out of mastered ones.

Paper: Colas et al. 2023, Augmenting Autotelic Agents with Large Language Models (LMA3), arXiv
2305.12487 (row `lma3`). What differs: a goal is taken for reached only if the environment scores
it so, where the paper asks a model; the words of goals are those of train tasks in the same place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from agent.crossing import off
from agent.models.types import Message, Model, Sampling
from agent.proposers.types import attempt, story
from agent.transcript import prompt
from envs.errors import one_line
from envs.types import Env, Frozen, Step, Task
from memory.text import normal, strip_marked
from memory.types import Trajectory, Usage
from skills.calling import calls
from skills.showing import action_of
from skills.types import Call, Shown, Skill

TRIED = 8
"""Goals that are tried on one run, at most; each is an episode."""
ASKED = 24
"""Goals that a model may choose from."""
REPLY = 300
"""Most tokens of a reply."""
PARTS = 3
"""Most parts of a new goal."""


class Goal(Frozen):
    """A goal that is reached by reaching others, one after the other."""

    words: str
    """What is asked."""
    parts: tuple[Task, ...]
    """Train tasks of one place; their scores are its check."""
    calls: tuple[Call, ...]
    """For each part, an active skill that reaches it."""


class Relabeller:
    """Says which other goals a failed train run reached; each is confirmed by playing it.

    With a model it says which goals to try, without one those come first whose words were acted
    on. Tried are goals of train tasks in the same place (`Task.key`); in environments in which
    every task has a place of its own there are none.
    """

    def __init__(self, env: Env, *, model: Model | None = None, most: int = TRIED) -> None:
        self._env = env
        self._model = model
        self._most = most

    async def relabel(self, run: Trajectory) -> tuple[list[Shown], Usage]:
        """Ways that end where the other goal was reached; none for a run that solved its own."""
        solved = run.score is not None and run.score.passed
        if solved or run.error or run.split != "train" or not attempt(run):
            return [], Usage()
        tasks = await off(candidates, self._env, run)
        usage = Usage()
        if self._model is not None and tasks:
            tasks, usage = await _named(self._model, run, tasks[:ASKED])
        found: list[Shown] = []
        for task in tasks[: self._most]:
            way = await off(reached, self._env, run, task)
            found += [way] if way else []
        return found, usage


def candidates(env: Env, run: Trajectory) -> list[Task]:
    """Train tasks in the place of a run with another goal, those come first that it acted on.

    Words that tell goals apart have to occur in what was done or seen.
    """
    place = _place(run.task_key)
    near = {one.key: one for one in env.tasks("train") if _place(one.key) == place}
    near.pop(run.task_key, None)
    words = {key: set(normal(one.goal).split()) for key, one in near.items()}
    count = Counter(word for mine in words.values() for word in mine)
    steps = attempt(run)
    done = set(normal(" ".join(one.action for one in steps)).split())
    seen = done | set(normal(" ".join(one.observation for one in steps)).split())
    ranked: list[tuple[int, str]] = []
    for key, mine in words.items():
        own = {word for word in mine if count[word] < len(near)} or mine
        if own <= seen:
            ranked.append((-len(own & done), key))
    return [near[key] for _, key in sorted(ranked)]


def reached(env: Env, run: Trajectory, task: Task) -> Shown | None:
    """The run's last attempt up to where it reaches `task`; None where it does not.

    The very same actions are played in a fresh episode of `task`, whose score decides. Before the
    action that decides, the world has to answer as it did in the run: else it is another one.
    """
    episode = env.open(task)
    actions: list[str] = []
    steps: list[Step] = []
    try:
        for past in attempt(run):
            step = episode.step(action_of(past.action))
            actions.append(past.action)
            steps.append(step.model_copy(update={"reward": None, "info": {}}))
            score = episode.score()
            if score is not None and score.passed:
                first = episode.first.model_copy(update={"reward": None, "info": {}})
                return Shown(
                    task=task, first=first, actions=tuple(actions), steps=tuple(steps), run=run.id
                )
            if step.terminated or step.truncated or step.observation != past.observation:
                return None
    finally:
        episode.close()
    return None


async def new_goals(
    tasks: Sequence[Task], skills: Sequence[Skill], *, model: Model | None = None, most: int = 4
) -> tuple[list[Goal], Usage]:
    """Goals whose parts are all mastered: an active skill answers to each, in one place.

    With a model it says which parts, and words the goal; what it names that is not mastered is
    left out, and a goal of fewer than two parts is none.
    """
    able = [one for one in skills if one.status == "active"]
    by_place: dict[str, list[Task]] = {}
    for task in tasks:
        if task.split == "train" and calls(able, task.goal):
            by_place.setdefault(_place(task.key), []).append(task)
    goals: list[Goal] = []
    usage = Usage()
    for known in (one for one in by_place.values() if len(one) > 1):
        if len(goals) >= most:
            break
        chosen, words = known[:2], ""
        if model is not None:
            chosen, words, spent = await _set(model, known)
            usage += spent
        if len(chosen) > 1:
            words = words or ", then ".join(task.goal.rstrip(".") for task in chosen) + "."
            way = tuple(calls(able, task.goal)[0] for task in chosen)
            goals.append(Goal(words=words, parts=tuple(chosen), calls=way))
    return goals, usage


def mastered(goal: Goal, skills: Sequence[Skill]) -> bool:
    """Whether an active skill answers to every part of a goal now."""
    able = [one for one in skills if one.status == "active"]
    return len(goal.parts) > 1 and all(calls(able, part.goal) for part in goal.parts)


def holds(env: Env, goal: Goal, actions: Sequence[str]) -> bool:
    """Whether actions reach a goal: played in each part's own task, the environment says so."""
    return all(_passes(env, part, actions) for part in goal.parts)


def _passes(env: Env, task: Task, actions: Sequence[str]) -> bool:
    episode = env.open(task)
    try:
        step = episode.first
        for line in actions:
            if step.terminated or step.truncated:
                break
            step = episode.step(action_of(line))
        score = episode.score()
        return score is not None and score.passed
    finally:
        episode.close()


async def _named(model: Model, run: Trajectory, tasks: Sequence[Task]) -> tuple[list[Task], Usage]:
    """The tasks whose goals a model says were reached; a goal of several tasks names them all."""
    goals = list(dict.fromkeys(one.goal for one in tasks))
    told = f"{story(run)}\n\nGoals:\n{'; '.join(goals)}"
    said, usage = await _asked(model, "relabel", told, {"goals": _some(goals, least=0)})
    named = dict.fromkeys(said.get("goals", []))
    return [one for goal in named for one in tasks if one.goal == goal], usage


async def _set(model: Model, known: Sequence[Task]) -> tuple[list[Task], str, Usage]:
    goals = {one.goal: one for one in known}
    schema = {"parts": _some(list(goals), least=2), "goal": {"type": "string", "maxLength": 200}}
    told = "Mastered goals:\n" + "\n".join(goals)
    said, usage = await _asked(model, "newgoal", told, schema)
    parts = list(dict.fromkeys(said.get("parts", [])))
    return [goals[one] for one in parts if one in goals], one_line(said.get("goal", "")), usage


async def _asked(
    model: Model, name: str, content: str, properties: dict[str, Any]
) -> tuple[dict[str, Any], Usage]:
    messages: list[Message] = [
        {"role": "system", "content": prompt(name)},
        {"role": "user", "content": strip_marked(content)},
    ]
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    reply = await model.reply(messages, schema=schema, sampling=Sampling(max_tokens=REPLY))
    return reply.data or {}, reply.usage


def _some(goals: Sequence[str], *, least: int) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"enum": list(goals)},
        "minItems": least,
        "maxItems": PARTS,
    }


def _place(key: str) -> str:
    """The place in a key, `goal | place`; all of it where none is named."""
    return key.partition("|")[2].strip() or key
