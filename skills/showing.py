"""Ways through tasks that skills are written from: an expert's, or runs of the agent played again.

A stored run holds what was done and observed, not what else could have been done; it is played
again in a fresh episode, which also shows that it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from envs.types import Action, Demonstrates, Env, Episode, Step, Task
from memory.types import Trajectory
from skills.types import Author, Shown

Pick = Callable[[Step, Sequence[str]], tuple[str, int]]
"""From what is seen and what is still to be done: the next action, and how much that is of it."""


def demonstrated(env: Env, task: Task) -> Shown | None:
    """The expert's way through a train task; None where there is no expert, or it fails.

    Raises `Refused` unless the task is of `train`.
    """
    episode = env.open(task)
    actions: list[str] = []
    steps: list[Step] = []
    try:
        seen = episode.first
        while not _over(seen):
            advice = episode.demonstrate() if isinstance(episode, Demonstrates) else ()
            if not advice:
                break
            actions.append(line_of(advice[0]))
            seen = episode.step(advice[0])
            steps.append(_plain(seen))
        if not _solved(episode):
            return None
        return _shown(episode, task, actions, steps, author="expert")
    finally:
        episode.close()


def replayed(env: Env, trajectory: Trajectory) -> Shown | None:
    """The last attempt of a solved train run, played again; None where it goes otherwise now."""
    known = {task.id: task for task in env.tasks("train")}
    task = known.get(trajectory.task)
    if task is None or not (trajectory.score and trajectory.score.passed):
        return None
    last = max((step.attempt for step in trajectory.steps), default=0)
    past = [step for step in trajectory.steps if step.attempt == last]
    episode = env.open(task, seed=trajectory.seed)
    actions, steps = [], []
    try:
        seen = episode.first
        for step in past:
            if _over(seen):
                return None
            seen = episode.step(action_of(step.action))
            if seen.observation != step.observation:
                return None
            actions.append(step.action)
            steps.append(_plain(seen))
        if not _solved(episode):
            return None
        return _shown(episode, task, actions, steps, author="own", run=trajectory.id)
    finally:
        episode.close()


def walked(
    env: Env,
    task: Task,
    actions: Iterable[str],
    *,
    author: Author = "own",
    least: float = 0.0,
    pick: Pick = lambda _seen, rest: (rest[0], 1),
) -> Shown | None:
    """The way of these actions, gone in a fresh episode; None where it does not solve the task, or
    not with a score of at `least` so much. `pick` may put others in their place.
    """
    rest = list(actions)
    episode = env.open(task)
    done: list[str] = []
    steps: list[Step] = []
    try:
        seen = episode.first
        while rest and not _over(seen):
            line, taken = pick(seen, rest)
            rest = rest[taken:]
            seen = episode.step(action_of(line))
            done.append(line)
            steps.append(_plain(seen))
        solved = _solved(episode, least=least)
        return _shown(episode, task, done, steps, author=author) if solved else None
    finally:
        episode.close()


def by_type(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Tasks with keys of their own, by type, in a fixed order."""
    rows: dict[str, dict[str, Task]] = {}
    for task in tasks:
        rows.setdefault(task.tags[0] if task.tags else "", {}).setdefault(task.key, task)
    return {name: list(row.values()) for name, row in sorted(rows.items())}


def by_chance(tasks: Iterable[Task], *, most: int) -> list[Task]:
    """`most` tasks with keys of their own, spread over their types in turn, in a fixed order."""
    queues = list(by_type(tasks).values())
    chosen: list[Task] = []
    while len(chosen) < most and any(queues):
        chosen += [queue.pop(0) for queue in queues if queue]
    return chosen[:most]


def line_of(action: Action) -> str:
    """An action on one line, as runs keep it: the command, or the call as JSON."""
    if action.tool is None:
        return action.text
    return action.model_dump_json(include={"tool", "arguments"})


def action_of(line: str) -> Action:
    """An action as it was written down: a command, or the call of a tool as JSON."""
    if line.startswith('{"tool":'):
        return Action.model_validate_json(line)
    return Action(text=line)


def _shown(
    episode: Episode,
    task: Task,
    actions: Sequence[str],
    steps: Sequence[Step],
    *,
    author: Author,
    run: str = "",
) -> Shown:
    return Shown(
        task=task,
        first=_plain(episode.first),
        actions=tuple(actions),
        steps=tuple(steps),
        author=author,
        run=run,
    )


def _plain(step: Step) -> Step:
    """What a player sees, and nothing besides."""
    return step.model_copy(update={"reward": None, "info": {}})


def _over(step: Step) -> bool:
    return step.terminated or step.truncated


def _solved(episode: Episode, *, least: float = 0.0) -> bool:
    score = episode.score()
    return bool(score and score.passed and score.value >= least)
