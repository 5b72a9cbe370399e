"""Which train tasks come next, and why: what is not covered yet, then what can be learned from.

A curriculum is asked for `n` tasks with how tasks ended so far, and keeps nothing itself: the same
tasks, seed and history give the same choice, so it needs no state of its own to survive a restart.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, sqrt
from typing import Protocol, runtime_checkable

from pydantic import Field

from envs.errors import Refused, clip
from envs.types import Frozen, Task
from memory.ledger import Ledger
from memory.types import Trajectory


class Tried(Frozen):
    """How a train task ended; of a run, what a curriculum needs."""

    kind: str
    """Type of the task: its first tag."""
    key: str
    """`Task.key`."""
    won: bool
    """Whether it was solved; a crash was not."""
    task: str = ""
    """Id of the task, where it is known."""
    run: str = ""
    """Id of the run."""


class Chosen(Frozen):
    """A task that comes next."""

    task: Task
    """The task."""
    why: str
    """What speaks for its type, in words."""


@runtime_checkable
class Curriculum(Protocol):
    """Chooses among train tasks of one environment."""

    def next(self, n: int, history: Sequence[Tried]) -> Sequence[Task]:
        """Up to `n` tasks, each key once; `history` is oldest first."""
        ...

    def explain(self, n: int, history: Sequence[Tried]) -> Sequence[Chosen]:
        """The same tasks, each with the reason."""
        ...


def history(ledger: Ledger, env: str) -> list[Tried]:
    """How train tasks of an environment ended, oldest first. Raises `StoreError`."""
    return [
        Tried(kind=kind, key=key, won=won, run=run)
        for _, run, _, kind, key, _, won in ledger.outcomes(env=env)
    ]


def tried(runs: Iterable[Trajectory]) -> list[Tried]:
    """The same of runs: those of train tasks that were scored or broke."""
    return [
        Tried(
            kind=run.task_type,
            key=run.task_key,
            won=bool(run.score and run.score.passed) and not run.error,
            task=run.task,
            run=run.id,
        )
        for run in runs
        if run.split == "train" and (run.score is not None or run.error)
    ]


def kind_of(task: Task) -> str:
    """Type of a task."""
    return task.tags[0] if task.tags else ""


def told(chosen: Sequence[Chosen]) -> str:
    """A choice in one line for the journal: how many of each type, and why."""
    if not chosen:
        return "no tasks are left to choose from"
    kinds = Counter((kind_of(one.task) or "tasks", one.why) for one in chosen)
    return "; ".join(f"{count} {clip(kind)}: {why}" for (kind, why), count in kinds.items())


class Pool:
    """Train tasks by type, one of each key, in an order that only the seed and their ids decide.

    Raises `Refused` for a task of another split: what is held out is never learned from.
    """

    def __init__(self, tasks: Sequence[Task], *, seed: int = 0) -> None:
        strays = [task for task in tasks if task.split != "train"]
        if strays:
            raise Refused(
                f"a curriculum takes train tasks, and {clip(strays[0].id)} is of {strays[0].split}",
                repair="hand in the train split",
            )
        self._seed = seed
        self._kinds: dict[str, dict[str, Task]] = {}
        for task in sorted(tasks, key=lambda one: self.place(one.id)):
            self._kinds.setdefault(kind_of(task), {}).setdefault(task.key, task)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Types of tasks, in the order of the seed."""
        return tuple(sorted(self._kinds, key=self.place))

    def place(self, name: str) -> str:
        """By which things are ordered."""
        return hashlib.sha256(f"{self._seed}|{name}".encode()).hexdigest()

    def drawn(self, quota: Mapping[str, int], history: Sequence[Tried]) -> list[Task]:
        """So many of each type: what was tried least, of that what was solved least.

        A type with too few tasks leaves room to the others in turn.
        """
        tries, wins = Counter[str](), Counter[str]()
        for one in history:
            tries[one.key] += 1
            wins[one.key] += one.won
        queues = {
            kind: sorted(known.values(), key=lambda task: (tries[task.key], wins[task.key]))
            for kind, known in self._kinds.items()
        }
        found: list[Task] = []
        for kind, count in quota.items():
            taken, queues[kind] = queues[kind][:count], queues[kind][count:]
            found += taken
        short = sum(quota.values()) - len(found)
        while short > 0 and any(queues.values()):
            for kind in (one for one in self.kinds if queues[one]):
                if short > 0:
                    found.append(queues[kind].pop(0))
                    short -= 1
        return found


def shared(n: int, weights: Mapping[str, float]) -> dict[str, int]:
    """`n` in whole parts as near to these weights as can be; the larger remainder gets the rest.

    >>> shared(4, {"a": 3.0, "b": 1.0})
    {'a': 3, 'b': 1}
    """
    total = sum(weights.values())
    if not total:
        return {}
    exact = {name: n * weight / total for name, weight in weights.items()}
    parts = {name: int(part) for name, part in exact.items()}
    left = n - sum(parts.values())
    for name in sorted(exact, key=lambda one: parts[one] - exact[one])[:left]:
        parts[name] += 1
    return {name: part for name, part in parts.items() if part}


class InOrder:
    """Every task once, then again: what it is without a curriculum."""

    def __init__(self, tasks: Sequence[Task], *, seed: int = 0) -> None:
        self._pool = Pool(tasks, seed=seed)
        self._sizes = {
            kind: float(sum(kind_of(t) == kind for t in tasks)) for kind in self._pool.kinds
        }

    def next(self, n: int, history: Sequence[Tried]) -> Sequence[Task]:
        """See `Curriculum`."""
        return self._pool.drawn(shared(n, self._sizes), history)

    def explain(self, n: int, history: Sequence[Tried]) -> Sequence[Chosen]:
        """See `Curriculum`."""
        return [Chosen(task=task, why="as many as there are") for task in self.next(n, history)]


class Bounds(Frozen):
    """How the frontier is drawn."""

    patience: int = Field(default=12, ge=1)
    """Tries after which a type that was never solved is no longer preferred."""
    half: float = Field(default=20, gt=0)
    """Tries of a type after which an outcome counts half."""
    prior: float = Field(default=2.0, gt=0)
    """How many tries the success over all types counts, where it is mixed into that of a type."""


class Kind(Frozen):
    """What is known of a type of task."""

    name: str
    """The type."""
    tried: int = 0
    """Runs."""
    won: int = 0
    """Of these, solved."""
    chance: float = 0.5
    """Estimated success in the next run: late outcomes count more, few ones are drawn towards the
    success over all types."""

    @property
    def spread(self) -> float:
        """How much outcomes vary, from 0 to 1/2: the standard deviation of one."""
        return sqrt(self.chance * (1 - self.chance))

    def __str__(self) -> str:
        if not self.tried:
            return "never tried"
        if not self.won:
            return f"never solved in {self.tried} tries"
        return (
            f"{self.won} of {self.tried} solved, about {self.chance:.0%} by now; "
            f"outcomes vary by {self.spread:.2f} of 0.50"
        )


class Frontier:
    """Uncovered types first, then those whose outcomes vary most.

    Types that were never tried come first, then those never solved, in at most half of the room
    where others can be learned from; the rest goes to types by the variance of their outcomes,
    which is largest at a success of one half. No type is ever left out for good.
    """

    def __init__(self, tasks: Sequence[Task], *, seed: int = 0, bounds: Bounds = Bounds()) -> None:
        self._pool = Pool(tasks, seed=seed)
        self._bounds = bounds

    def next(self, n: int, history: Sequence[Tried]) -> Sequence[Task]:
        """See `Curriculum`."""
        return [one.task for one in self.explain(n, history)]

    def explain(self, n: int, history: Sequence[Tried]) -> Sequence[Chosen]:
        """See `Curriculum`."""
        known = self.kinds(history)
        quota = self._quota(n, known)
        tasks = self._pool.drawn(quota, history)
        why = {kind.name: str(kind) for kind in known}
        return [Chosen(task=task, why=why[kind_of(task)]) for task in tasks]

    def kinds(self, history: Sequence[Tried]) -> list[Kind]:
        """What is known of every type."""
        bounds = self._bounds
        outcomes: dict[str, list[bool]] = {kind: [] for kind in self._pool.kinds}
        for one in history:
            if one.kind in outcomes:
                outcomes[one.kind].append(one.won)
        late = {kind: _late(ended, bounds.half) for kind, ended in outcomes.items()}
        won, seen = (sum(part) for part in zip(*late.values(), strict=True)) if late else (0, 0)
        overall = (won + bounds.prior / 2) / (seen + bounds.prior)
        return [
            Kind(
                name=kind,
                tried=len(ended),
                won=sum(ended),
                chance=(late[kind][0] + bounds.prior * overall) / (late[kind][1] + bounds.prior),
            )
            for kind, ended in outcomes.items()
        ]

    def _quota(self, n: int, kinds: Sequence[Kind]) -> dict[str, int]:
        fresh = [one for one in kinds if not one.tried]
        stuck = [one for one in kinds if one.tried and not one.won]
        first = [*fresh, *(one for one in stuck if one.tried < self._bounds.patience)]
        rest = [one for one in kinds if one not in first]
        room = min(n, ceil(n / 2)) if rest else n
        quota: dict[str, int] = {}
        for number in range(room if first else 0):
            name = first[number % len(first)].name
            quota[name] = quota.get(name, 0) + 1
        left = n - sum(quota.values())
        return {**quota, **shared(left, {one.name: one.spread**2 for one in rest})}


def _late(ended: Sequence[bool], half: float) -> tuple[float, float]:
    """Wins and tries of a type, each counted the less the more tries came after it."""
    won = seen = 0.0
    for age, good in enumerate(reversed(ended)):
        weight = 0.5 ** (age / half)
        won, seen = won + weight * good, seen + weight
    return won, seen
