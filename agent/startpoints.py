"""Which states in the middle of episodes to begin at: those from where it can go either way.

Paper: Jiang et al. 2025, Bootstrapping Task Spaces for Self-Improvement (ExIt), arXiv 2509.04575
(row `exit`): partial histories are picked by how much outcomes vary from there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple

from agent.curriculum import Chosen, Tried
from agent.proposers.types import attempt
from envs.errors import EnvError, Refused
from envs.midway import Start, met
from envs.types import Action, Env, Frozen, Task
from memory.types import StepRecord, Trajectory
from skills.showing import action_of, line_of, replayed
from skills.types import Shown

PRIOR = 2.0
"""How many plays the success over all runs counts in the estimate of one state."""


class Scored(Frozen):
    """A start, and how runs went from there."""

    start: Start
    """The state."""
    won: int = 0
    """Runs through it that solved the task."""
    played: int = 0
    """Runs through it."""
    chance: float = 0.5
    """Estimated success from there; few plays are drawn towards the success over all runs."""

    @property
    def worth(self) -> float:
        """How informative it is, from 0 to 1/2: the standard deviation of an outcome from there."""
        return sqrt(self.chance * (1 - self.chance))

    def after(self, *, won: int, played: int) -> Scored:
        """The same with plays that came since."""
        past = self.chance * (self.played + PRIOR) + won
        return self.model_copy(
            update={
                "won": self.won + won,
                "played": self.played + played,
                "chance": past / (self.played + played + PRIOR),
            }
        )


class _Node(NamedTuple):
    run: Trajectory
    steps: tuple[StepRecord, ...]
    won: int
    played: int


def mined(
    env: Env, runs: Iterable[Trajectory], *, most: int = 32, each: int = 2, deepest: int = 40
) -> list[Scored]:
    """The states that runs of train tasks went through, the most informative first.

    Runs share a state that came to it by the same actions and observations. Of a stretch on which
    nothing was decided the end is kept; of a task at most `each`, of at most `deepest` actions.
    A state that can't be reached again is left out. `most` bounds the episodes that are played.
    """
    worlds = {task.id: task for task in env.tasks("train")}
    own = [run for run in runs if run.split == "train" and run.task in worlds and run.score]
    won = sum(_won(run) for run in own)
    overall = (won + 1) / (len(own) + 2)
    ranked = sorted(
        ((_scored(node, overall), node) for node in _ends(own, deepest=deepest)),
        key=lambda pair: (-pair[0], -len(pair[1].steps), pair[1].run.id),
    )
    found: list[Scored] = []
    taken: Counter[str] = Counter()
    for _, node in ranked:
        if len(found) >= most:
            break
        if taken[node.run.task_key] >= each:
            continue
        start = _start(env, worlds[node.run.task], node)
        if start is not None:
            taken[node.run.task_key] += 1
            chance = (node.won + PRIOR * overall) / (node.played + PRIOR)
            found.append(Scored(start=start, won=node.won, played=node.played, chance=chance))
    return found


class FromStarts:
    """A curriculum over starts: the most informative first, by all plays so far."""

    def __init__(self, tasks: Sequence[Task], scored: Sequence[Scored], *, seed: int = 0) -> None:
        """`tasks` are those of `Midway`, or of an environment that holds them."""
        self._tasks = {task.id: task for task in tasks}
        self._scored = [one for one in scored if one.start.id in self._tasks]
        self._seed = seed

    def next(self, n: int, history: Sequence[Tried]) -> Sequence[Task]:
        """See `Curriculum`; a start may share its key with another."""
        return [one.task for one in self.explain(n, history)]

    def explain(self, n: int, history: Sequence[Tried]) -> Sequence[Chosen]:
        """See `Curriculum`; `history` has to name tasks by their ids."""
        now = self.scored(history)
        first = sorted(now, key=lambda one: (-one.worth, self._place(one.start.id)))
        return [
            Chosen(
                task=self._tasks[one.start.id],
                why=f"{one.won} of {one.played} solved from there, "
                f"outcomes vary by {one.worth:.2f} of 0.50",
            )
            for one in first[:n]
        ]

    def scored(self, history: Sequence[Tried]) -> list[Scored]:
        """Starts with what their own runs came to since."""
        by_task: dict[str, list[bool]] = {}
        for one in history:
            by_task.setdefault(one.task, []).append(one.won)
        ended = [by_task.get(one.start.id, []) for one in self._scored]
        return [
            one.after(won=sum(outcomes), played=len(outcomes))
            for one, outcomes in zip(self._scored, ended, strict=True)
        ]

    def _place(self, name: str) -> str:
        return hashlib.sha256(f"{self._seed}|{name}".encode()).hexdigest()


def whole(env: Env, start: Start, run: Trajectory) -> Shown | None:
    """A solved run from a start as a way through its task from the beginning, played to see.

    None where that does not solve the task: skills and rows are made of whole ways only.
    """
    steps = attempt(run)
    last = run.attempts - 1
    past = [
        StepRecord(index=number, attempt=last, action=line_of(action), observation=answer)
        for number, (action, answer) in enumerate(zip(start.actions, start.answers, strict=True))
    ]
    update = {"task": start.task, "seed": start.seed, "steps": (*past, *steps)}
    return replayed(env, run.model_copy(update=update)) if _won(run) else None


def _won(run: Trajectory) -> bool:
    return bool(run.score and run.score.passed) and not run.error


def _ends(runs: Sequence[Trajectory], *, deepest: int) -> list[_Node]:
    """States that runs went through, of each undecided stretch the last."""
    seen: dict[str, _Node] = {}
    children: dict[str, set[str]] = {}
    for run in runs:
        mark = hashlib.sha256(f"{run.task}|{run.seed}".encode()).hexdigest()
        steps = attempt(run)
        for depth, step in enumerate(steps[: min(deepest, len(steps) - 1)], start=1):
            parent, line = mark, f"{mark}|{step.action}|{step.observation}"
            mark = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
            old = seen.get(mark)
            won, played = (old.won, old.played) if old else (0, 0)
            first = old.run if old else run
            seen[mark] = _Node(first, steps[:depth], won + _won(run), played + 1)
            children.setdefault(parent, set()).add(mark)
    return [
        node
        for mark, node in seen.items()
        if not any(seen[one][2:] == node[2:] for one in children.get(mark, ()))
    ]


def _scored(node: _Node, overall: float) -> float:
    chance = (node.won + PRIOR * overall) / (node.played + PRIOR)
    return chance * (1 - chance)


def _start(env: Env, world: Task, node: _Node) -> Start | None:
    actions: list[Action] = [action_of(step.action) for step in node.steps]
    seen = [step.observation for step in node.steps]
    try:
        return met(env, world, actions, seed=node.run.seed, seen=seen, run=node.run.id)
    except (Refused, EnvError):
        return None
