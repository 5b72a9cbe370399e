"""Several train tasks of one place as one task: what is done is done in each, and each has to pass.

Its check is that of the tasks themselves: nobody's word is taken for it (row `lma3`, arXiv
2305.12487: goals that consist of mastered ones).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from envs.errors import EnvError, Refused, UnknownName
from envs.types import Action, Env, Episode, Frozen, Limits, Score, Split, Step, Task, ToolSpec


class Several(Frozen):
    """A goal that is reached by reaching others. Carries no answer."""

    words: str
    """What is asked."""
    parts: tuple[str, ...]
    """Ids of train tasks of one place; two or more."""

    @property
    def id(self) -> str:
        """The same for the same parts."""
        return f"S{hashlib.sha256('|'.join(self.parts).encode()).hexdigest()[:12]}"


class SeveralTasks:
    """Goals of several parts as an environment, `several:ENV`. All of them are for training."""

    def __init__(self, env: Env, goals: Sequence[Several]) -> None:
        """`env` stays open for others. Raises `Refused` for fewer parts than two, `UnknownName`."""
        self.name = f"several:{env.name}"
        self._env = env
        self._known = {one.id: one for one in goals}
        worlds = {task.id: task for task in env.tasks("train")} if goals else {}
        for one in goals:
            if len(set(one.parts)) < 2:
                raise Refused(f"goal {one.id} has fewer than two parts", repair="name two tasks")
            for part in one.parts:
                if part not in worlds:
                    raise UnknownName("train task", part, worlds)
        self._parts = {one.id: [worlds[part] for part in one.parts] for one in goals}

    def tasks(self, split: Split) -> Sequence[Task]:
        """One for each goal, with room for the steps of all its parts."""
        if split != "train":
            return ()
        return tuple(
            Task(
                id=goal.id,
                env=self.name,
                goal=goal.words,
                key=f"{goal.words} | {place_of(self._parts[goal.id][0].key)}",
                split="train",
                seed=self._parts[goal.id][0].seed,
                limits=Limits(steps=sum(part.limits.steps for part in self._parts[goal.id])),
                tags=("several", "own"),
            )
            for goal in self._known.values()
        )

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """Opens all parts, each with its own seed unless one is given."""
        if task.id not in self._known:
            raise UnknownName("goal", task.id, self._known)
        longer = {"limits": task.limits}
        parts = [part.model_copy(update=longer) for part in self._parts[task.id]]
        return SeveralEpisode(task, [self._env.open(part, seed=seed) for part in parts])

    def close(self) -> None:
        """Nothing of its own to free."""


class SeveralEpisode:
    """One attempt: every action is done in all parts that are not reached yet."""

    def __init__(self, task: Task, parts: Sequence[Episode]) -> None:
        self.task = task
        self._parts = list(parts)
        self._left = {number: part.first for number, part in enumerate(parts)}
        self._over = False
        first = parts[0].first
        text = first.observation.replace(parts[0].task.goal, task.goal)
        if task.goal not in text:
            text = f"{text}\n{task.goal}"
        self.first = self._step(text)

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """Those of its parts, which are of one environment."""
        return self._parts[0].tools

    def step(self, action: Action) -> Step:
        """Does one action; what comes back is what the part says that it brought nearest its end.

        A part that ends without having passed cuts the attempt off.
        """
        if self._over:
            raise EnvError("the episode is over", repair="open the task again")
        reached: list[Step] = []
        lost = False
        for number in list(self._left):
            step = self._parts[number].step(action)
            self._left[number] = step
            if self._passed(number):
                reached.append(step)
                del self._left[number]
            elif step.terminated or step.truncated:
                lost = True
        seen = reached or list(self._left.values())
        self._over = lost or not self._left
        return self._step(seen[0].observation)

    def score(self) -> Score:
        """The share of its parts that were reached; passed when all are."""
        share = 1 - len(self._left) / len(self._parts)
        return Score(value=share, passed=not self._left)

    def close(self) -> None:
        """Closes all parts."""
        for part in self._parts:
            part.close()

    def _passed(self, number: int) -> bool:
        score = self._parts[number].score()
        return score is not None and score.passed

    def _step(self, observation: str) -> Step:
        offers = [step.admissible for step in self._left.values()]
        listed = [one for one in offers if one is not None]
        common = set(listed[0]).intersection(*listed[1:]) if listed else set[str]()
        return Step(
            observation=observation,
            admissible=tuple(one for one in listed[0] if one in common) if listed else None,
            terminated=not self._left,
            truncated=bool(self._left) and self._over,
        )


def place_of(key: str) -> str:
    """The place in a key, `goal | place`; all of it where none is named."""
    return key.partition("|")[2].strip() or key
