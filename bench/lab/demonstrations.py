"""Solved train tasks for arms that are given examples: the environment's expert shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.arms.worked import example_text
from envs.types import Action, Demonstrates, Env, Task

LONGEST = 25
"""Most steps of a demonstration; longer ones are searches, which show little."""
TRIED = 12
"""Train tasks of a type that are tried before it goes without an example."""
EACH = 2
"""Examples of a type: the second serves tasks that are the first one's own."""
Told = Callable[[str], None]


def demonstrated(env: Env, task: Task) -> tuple[str, list[tuple[str, str]], bool]:
    """First observation, (action, observation) of each step, and whether the expert solved it.

    Raises `Refused` unless the task is of `train`; unsolved where there is no expert.
    """
    episode = env.open(task)
    steps: list[tuple[str, str]] = []
    try:
        seen = episode.first
        first = seen.observation
        while not (seen.terminated or seen.truncated) and len(steps) < LONGEST:
            shown = episode.demonstrate() if isinstance(episode, Demonstrates) else ()
            if not shown:
                break
            seen = episode.step(Action(text=shown[0].text))
            steps.append((shown[0].text, seen.observation))
        score = episode.score()
        return first, steps, bool(score and score.passed)
    finally:
        episode.close()


def examples(
    env: Env,
    kinds: Sequence[str],
    *,
    think: bool,
    tokens: int,
    told: Told = lambda _text: None,
) -> dict[str, list[dict[str, str]]]:
    """For each type of task up to `EACH` examples (none where the expert solves no task in so
    few steps), in the shape that `WorkedExample.load` takes.

    The first train tasks of the type, in the environment's order, that the expert solves in
    `LONGEST` steps. `tokens` is the prompt budget of one.
    """
    found: dict[str, list[dict[str, str]]] = {kind: [] for kind in kinds}
    for kind in kinds:
        tried = [task for task in env.tasks("train") if task.tags[:1] == (kind,)][:TRIED]
        for task in tried:
            first, steps, solved = demonstrated(env, task)
            if solved:
                text = example_text(task, first, steps, think=think, tokens=tokens)
                example = {"id": f"demo:{task.id}", "task_key": task.key, "text": text}
                found[kind].append(example)
            if len(found[kind]) == EACH:
                break
        told(f"{env.name}: {len(found[kind])} example(s) of {kind}")
    return found


def starting(
    envs: Mapping[str, Env],
    tasks: Sequence[Task],
    *,
    think: bool,
    tokens: int,
    known: Mapping[str, Any] | None = None,
    told: Told = lambda _text: None,
) -> dict[str, Any]:
    """What an arm that is given examples keeps at its start, for all environments together.

    `known` is what it kept before the experiment grew: what is there stays as it is.
    """
    together: dict[str, Any] = dict((known or {}).get("examples", {}))
    for name, env in envs.items():
        asked = {task.tags[0] for task in tasks if task.env == name and task.tags}
        kinds = sorted(kind for kind in asked if f"{name}/{kind}" not in together)
        for kind, some in examples(env, kinds, think=think, tokens=tokens, told=told).items():
            together[f"{name}/{kind}"] = some
    return {"examples": together}
