"""The checker of the `Env` seam: run it on yours (`journeyman envs check NAME`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, zip_longest

from envs.errors import EnvError, JourneymanError, Refused, clip
from envs.types import SPLITS, Action, Demonstrates, Env, Episode, Frozen, Split, Step, Task

LEARNED_FROM: tuple[Split, ...] = ("train", "val", "test")


class Finding(Frozen):
    """One rule of the seam and whether it holds."""

    rule: str
    """The rule, as a fact."""
    holds: bool
    """Whether it does."""
    note: str = ""
    """What was seen instead."""


def check(env: Env, *, most: int = 2, seed: int = 0) -> list[Finding]:
    """Tries `most` tasks of each split; a finding for each rule, in a fixed order."""
    tasks: dict[Split, tuple[Task, ...]] = {split: tuple(env.tasks(split)) for split in SPLITS}
    found = list(_check_tasks(env, tasks))
    rng = random.Random(seed)
    sample = [task for split in SPLITS for task in tasks[split][:most]]
    for rule, test in RULES:
        note = next((f"{t.id}: {n}" for t in sample if (n := _try(test, env, t, rng))), "")
        found.append(Finding(rule=rule, holds=not note, note=note))
    return found


def _check_tasks(env: Env, tasks: dict[Split, tuple[Task, ...]]) -> Iterator[Finding]:
    everything = [task for split in SPLITS for task in tasks[split]]
    yield _finding("it has tasks", "" if everything else "no split has any")
    ids = [task.id for task in everything]
    yield _finding("task ids are unique", "" if len(ids) == len(set(ids)) else "some repeat")
    again = [task.id for split in SPLITS for task in env.tasks(split)]
    yield _finding("tasks come in the same order", "" if ids == again else "the order changed")
    wrong = [
        t.id for split in SPLITS for t in tasks[split] if t.split != split or t.env != env.name
    ]
    yield _finding("tasks carry their split and environment", ", ".join(wrong[:3]))
    shared = [
        key
        for number, one in enumerate(LEARNED_FROM)
        for other in LEARNED_FROM[number + 1 :]
        for key in {t.key for t in tasks[one]} & {t.key for t in tasks[other]}
    ]
    yield _finding("train, val and test share no key", ", ".join(shared[:3]))


def _finding(rule: str, note: str) -> Finding:
    return Finding(rule=rule, holds=not note, note=note)


def _try(
    test: Callable[[Env, Task, random.Random], str], env: Env, task: Task, rng: random.Random
) -> str:
    try:
        return test(env, task, rng)
    except JourneymanError as error:
        return str(error)


def _play(episode: Episode, actions: Sequence[Action]) -> list[Step]:
    steps = [episode.first]
    for action in actions:
        if steps[-1].terminated or steps[-1].truncated:
            break
        steps.append(episode.step(action))
    return steps


def _choose(step: Step, episode: Episode, rng: random.Random) -> Action:
    if step.admissible:
        return Action(text=rng.choice(step.admissible))
    if episode.tools:
        return Action(tool=rng.choice(list(episode.tools)).name)
    return Action(text="look")


def _wander(env: Env, task: Task, rng: random.Random) -> tuple[list[Action], list[Step]]:
    episode = env.open(task)
    steps, actions = [episode.first], list[Action]()
    while len(actions) < 12 and not (steps[-1].terminated or steps[-1].truncated):
        actions.append(_choose(steps[-1], episode, rng))
        steps.append(episode.step(actions[-1]))
    episode.close()
    return actions, steps


def same_again(env: Env, task: Task, rng: random.Random) -> str:
    """The same actions bring the same steps."""
    actions, steps = _wander(env, task, rng)
    episode = env.open(task)
    replayed = _play(episode, actions)
    episode.close()
    return _differs(actions, steps, replayed)


def _differs(actions: Sequence[Action], steps: Sequence[Step], replayed: Sequence[Step]) -> str:
    """Where a replay first went another way, and by what it can be told; nothing where it didn't.

    What a page shows for some time only (a notice that goes away) is the usual reason.
    """
    for number, (one, two) in enumerate(zip_longest(steps, replayed)):
        if one != two:
            after = f"after {str(actions[number - 1].text)!r}" if number else "at its beginning"
            lines = zip_longest(
                *(step.observation.split("\n") if step else () for step in (one, two))
            )
            apart = next(((a, b) for a, b in lines if a != b), ("", ""))
            told = " and then ".join(repr(clip(text or "", most=60)) for text in apart)
            return f"a replay of the same actions went another way {clip(after)}: {told}"
    return ""


def nonsense_is_survived(env: Env, task: Task, _rng: random.Random) -> str:
    """An action that means nothing is answered, not raised."""
    episode = env.open(task)
    for text in ("", "xyzzy \udcff ☃", "a" * 1_000_000):
        step = episode.step(Action(text=text))
        if step.terminated:
            return f"{text[:10]!r} ended the episode"
        if step.truncated:
            break
    episode.close()
    return ""


def nothing_done_nothing_won(env: Env, task: Task, _rng: random.Random) -> str:
    """An episode in which nothing was done does not score as passed."""
    episode = env.open(task)
    score = episode.score()
    episode.close()
    if score is not None and score.passed:
        return "an episode without actions scores as passed"
    return ""


def end_is_the_end(env: Env, task: Task, rng: random.Random) -> str:
    """It is truncated at its limit, and no step is possible after."""
    short = task.model_copy(update={"limits": task.limits.model_copy(update={"steps": 2})})
    episode = env.open(short)
    steps = _play(episode, [_choose(episode.first, episode, rng)] * 2)
    if not (steps[-1].truncated or steps[-1].terminated):
        return "not truncated at 2 steps"
    try:
        episode.step(Action(text="look"))
    except EnvError:
        return ""
    finally:
        episode.close()
        episode.close()
    return "a step after the end was taken"


def expert_only_on_train(env: Env, task: Task, _rng: random.Random) -> str:
    """`demonstrate`, where it exists, passes on train tasks and refuses elsewhere."""
    episode = env.open(task)
    try:
        if not isinstance(episode, Demonstrates):
            return ""
        actions = episode.demonstrate()
        if task.split != "train":
            return f"a demonstration on {task.split}"
        if not actions:
            return "the demonstration is empty"
        for _ in range(task.limits.steps):
            steps = _play(episode, actions)
            if steps[-1].terminated or steps[-1].truncated:
                break
            actions = episode.demonstrate()
        score = episode.score()
        if score is None or score.passed:
            return ""
        told = f" ({clip(score.note)})" if score.note else ""
        return f"what the expert shows does not pass{told}"
    except Refused:
        return "refused on train" if task.split == "train" else ""
    finally:
        episode.close()


def episodes_are_apart(env: Env, task: Task, rng: random.Random) -> str:
    """Two live episodes of a task do not disturb each other."""
    actions, steps = _wander(env, task, rng)
    one, two = env.open(task), env.open(task)
    seen = [one.first]
    for action, (before, _) in zip(actions, pairwise(steps), strict=False):
        if before.terminated or before.truncated:
            break
        seen.append(one.step(action))
        if len(seen) == 2:
            two.step(action)
    one.close()
    two.close()
    return "" if seen == steps[: len(seen)] else "a second live episode changed the first"


RULES: tuple[tuple[str, Callable[[Env, Task, random.Random], str]], ...] = (
    ("the same task, seed and actions give the same episode", same_again),
    ("nonsense, broken text and a megabyte are answered", nonsense_is_survived),
    ("doing nothing does not pass", nothing_done_nothing_won),
    ("an episode ends at its limit", end_is_the_end),
    ("experts show themselves on train only", expert_only_on_train),
    ("live episodes are independent", episodes_are_apart),
)
