"""States in the middle of train episodes as tasks: first, all that led there is done again.

Paper: Jiang et al. 2025, Bootstrapping Task Spaces for Self-Improvement (ExIt), arXiv 2509.04575
(row `exit`). What differs: a state is reached by playing its history again, which any environment
of the seam can, and is compared with what stood there; one that comes out otherwise is no start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from envs.errors import EnvError, Refused, UnknownName, one_line
from envs.types import Action, Env, Episode, Frozen, Score, Split, Step, Task, ToolSpec

OWN = "own"
"""Tag of tasks that the agent made for itself."""


class Start(Frozen):
    """A state in the middle of an episode, by the way that led there. Carries no answer."""

    task: str
    """Id of the train task."""
    seed: int = 0
    """Seed of the episode."""
    actions: tuple[Action, ...]
    """What was done until then."""
    answers: tuple[str, ...]
    """What came back, one for each action."""
    sight: str
    """Digest of all that a player saw on the way, and of what stood open at its end."""
    run: str = ""
    """Id of the run that it was met in."""

    @property
    def id(self) -> str:
        """The same for the same way through the same episode."""
        lines = [self.task, str(self.seed), *(one.model_dump_json() for one in self.actions)]
        mark = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
        return f"{self.task}@{len(self.actions)}-{mark}"


def met(
    env: Env,
    task: Task,
    actions: Sequence[Action],
    *,
    seed: int,
    seen: Sequence[str] | None = None,
    run: str = "",
) -> Start:
    """The state that these actions lead to; `seen` are the observations that they once brought.

    Raises `Refused` where an episode can't begin there: not of `train`, over by then, another way.
    """
    if task.split != "train":
        raise Refused(f"{task.id} is of {task.split}", repair="starts are made of train tasks only")
    if not actions:
        raise Refused("no action leads to the beginning", repair="play the task itself")
    episode = env.open(task, seed=seed)
    try:
        steps = _replay(episode, actions)
    finally:
        episode.close()
    if steps is None:
        raise Refused(
            f"{task.id} is over within {len(actions)} actions", repair="cut the way earlier"
        )
    if seen is not None and [step.observation for step in steps[1:]] != list(seen):
        raise Refused(f"{task.id} goes another way than it did", repair="use a newer run")
    return Start(
        task=task.id,
        seed=seed,
        actions=tuple(actions),
        answers=tuple(step.observation for step in steps[1:]),
        sight=_sight(steps),
        run=run,
    )


class Midway:
    """Starts as an environment, `midway:ENV`. All its tasks are for training."""

    def __init__(self, env: Env, starts: Sequence[Start]) -> None:
        """`env` stays open for others. Raises `UnknownName` for a start of no train task of it."""
        self.name = f"midway:{env.name}"
        self._env = env
        worlds = {task.id: task for task in env.tasks("train")} if starts else {}
        for one in starts:
            if one.task not in worlds:
                raise UnknownName("train task", one.task, worlds)
        self._known = {one.id: (one, worlds[one.task]) for one in starts}

    def tasks(self, split: Split) -> Sequence[Task]:
        """One for each start. Goal and key are those of its task, so every guard knows it."""
        if split != "train":
            return ()
        return tuple(
            world.model_copy(
                update={
                    "id": name,
                    "env": self.name,
                    "seed": start.seed,
                    "tags": (*(world.tags or ("midway",)), OWN, "midway"),
                }
            )
            for name, (start, world) in self._known.items()
        )

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """An episode that begins there; `seed` is the start's own, whatever is asked for.

        Raises `EnvError` where the world does not come out as it was.
        """
        del seed  # one state, whatever chance is asked for
        if task.id not in self._known:
            raise UnknownName("start", task.id, self._known)
        start, world = self._known[task.id]
        steps = task.limits.steps + len(start.actions)
        limits = task.limits.model_copy(update={"steps": steps})
        inner = self._env.open(world.model_copy(update={"limits": limits}), seed=start.seed)
        past = _replay(inner, start.actions)
        if past is None or _sight(past) != start.sight:
            inner.close()
            raise EnvError(
                f"start {task.id} is not what it was: its world goes another way now",
                repair="undo the change that made it",
            )
        return MidwayEpisode(task, inner, start, past=past)

    def close(self) -> None:
        """Nothing of its own to free."""


class MidwayEpisode:
    """An attempt from a start on; scored as the task itself is."""

    def __init__(self, task: Task, inner: Episode, start: Start, *, past: Sequence[Step]) -> None:
        self.task = task
        self._inner = inner
        lines = [past[0].observation, "Until now:"]
        for action, step in zip(start.actions, past[1:], strict=True):
            lines.append(f"> {_line(action)}\n{one_line(step.observation)}")
        self.first = past[-1].model_copy(update={"observation": "\n".join(lines)})

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """Those of its task."""
        return self._inner.tools

    def step(self, action: Action) -> Step:
        """Does one action."""
        return self._inner.step(action)

    def score(self) -> Score | None:
        """As its task scores what was done before and since."""
        return self._inner.score()

    def close(self) -> None:
        """Closes the episode within."""
        self._inner.close()


def _line(action: Action) -> str:
    """An action on one line."""
    if action.tool is None:
        return action.text
    return action.model_dump_json(include={"tool", "arguments"})


def _replay(episode: Episode, actions: Sequence[Action]) -> list[Step] | None:
    """All steps, the first included; None where it is over before or with the last."""
    steps = [episode.first]
    for action in actions:
        steps.append(episode.step(action))
        if steps[-1].terminated or steps[-1].truncated:
            return None
    return steps


def _sight(steps: Sequence[Step]) -> str:
    lines = [*(step.observation for step in steps), *(steps[-1].admissible or ())]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
