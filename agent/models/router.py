"""Sends a task to the student where that is good enough, and up to the larger model where not.

The rule, in words. The student gets a task when it is believed to succeed there often enough, and
when having it try first is the cheaper way: its try, and the larger model's besides whenever it
fails *and that is seen*, against the larger model at once. "Often enough" goes by the lower end of
the belief, one standard deviation below its mean, so that two lucky runs are no record. Failures
that nobody sees cost no second try, and leave a task undone: they are what the floor is there for.
A type of task that the student has hardly tried goes to it in a bounded share of cases, by chance,
or else nothing would ever be learned of it; otherwise it goes up.

The belief is a Beta distribution over success at a type of task, drawn towards the student's mean
in that environment by the weight of `PRIOR` tasks. It is made of ended runs on train tasks of this
very student (another version of the adapter is another model), each different task counted once;
a run that was begun again counts as not won. Costs are means of what runs took: US dollars, or
seconds of waiting where the larger model has no price. No run on val, test, seen or unseen tasks
is looked at.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

from agent.models.types import Model
from agent.settings import ModelSettings, RouterSettings
from envs.types import Frozen, Task
from memory.ledger import Ledger
from memory.types import REPLAY, Trajectory

PRIOR = 4.0
"""Tasks that the environment's mean weighs in the belief about one of its types."""
Side = Literal["student", "larger"]
Unit = Literal["usd", "s"]


class Routed(Frozen):
    """A decision, with the numbers that it came from."""

    by: Literal["router"] = "router"
    """Who notes this in a trajectory."""
    to: Side
    """Who gets the task."""
    model: str
    """Its name."""
    why: str
    """In a line, for people."""
    env: str
    """Environment of the task."""
    task_type: str
    """Its first tag."""
    explored: bool = False
    """The student got it by chance, to be known."""
    tried: int
    """Different train tasks of this type that the student has ended."""
    won: float
    """Of those, how many it solved; a task that was played several times is a fraction."""
    success: float
    """Mean of the belief about its success here."""
    low: float
    """Lower end of that belief."""
    seen: float
    """Share of its failures here that anybody could see."""
    first: float | None
    """Expected cost with the student first; None where not enough is known."""
    at_once: float | None
    """Expected cost of the larger model at once; None where nothing is known of it."""
    unit: Unit
    """What costs are counted in."""
    after: str = ""
    """Run of the student that was seen to fail, for one that takes it up from its beginning."""


class _Run(Frozen):
    """What is kept of an ended run on a train task."""

    model: str
    task_type: str
    key: str
    won: bool
    seen: bool
    cost: float
    seconds: float
    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class _Record:
    """Runs of one model at one type of task, or at all of an environment."""

    tried: int
    won: float
    lost: int
    seen: int


class Router:
    """Chooses between the student and the larger model, task by task. For threads, one at a time.

    Runs are told by the names of `student` and `larger` as they are when a task comes: those of
    servers are known after a request, and that of a student changes with its adapter.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: RouterSettings,
        *,
        student: Model,
        larger: Model,
    ) -> None:
        self._models = {"student": student, "larger": larger}
        self._ledger = ledger
        self._settings = settings
        self._runs: dict[str, dict[str, _Run]] = defaultdict(dict)

    def name(self, side: Side) -> str:
        """What a model is called just now."""
        return self._models[side].name

    def choose(self, task: Task, *, seed: int = 0) -> Routed:
        """Who gets `task`. The same ledger, task and seed give the same answer."""
        kind = task.tags[0] if task.tags else ""
        runs = self._read(task.env)
        own = [r for r in runs if r.model == self.name("student")]
        record, whole = _record(r for r in own if r.task_type == kind), _record(own)
        success, low = _belief(record, whole)
        seen = (whole.seen + 1) / (whole.lost + 1) if not record.lost else record.seen / record.lost
        unit, try_, up = self._costs(runs, kind)
        first = None if try_ is None or up is None else try_ + (1 - success) * seen * up
        rng = random.Random(f"router/{task.id}/{seed}")
        known = record.tried >= self._settings.known
        explored = not known and rng.random() < self._settings.explore
        to, why = self._rule(known, explored=explored, low=low, first=first, at_once=up)
        told = f"{kind or 'tasks'}: {record.won:g} of {record.tried} train tasks solved"
        return Routed(
            to=to,
            model=self.name(to),
            why=f"{told}; {why}" + (_priced(first, up, unit) if known else ""),
            env=task.env,
            task_type=kind,
            explored=explored,
            tried=record.tried,
            won=round(record.won, 3),
            success=round(success, 4),
            low=round(low, 4),
            seen=round(seen, 4),
            first=first,
            at_once=up,
            unit=unit,
        )

    def _rule(
        self, known: bool, *, explored: bool, low: float, first: float | None, at_once: float | None
    ) -> tuple[Side, str]:
        bounds = self._settings
        if not known:
            share = f"{bounds.explore:.0%} of the time"
            if explored:
                return "student", f"fewer than {bounds.known}, so it tries {share}: now"
            return "larger", f"fewer than {bounds.known}, so it tries {share}: not now"
        if low < bounds.floor:
            return "larger", f"success of at least {low:.2f} is below the floor {bounds.floor:.2f}"
        if first is not None and at_once is not None and first > at_once:
            return "larger", f"success of at least {low:.2f} will do, but trying first costs more"
        return "student", f"success of at least {low:.2f} reaches the floor {bounds.floor:.2f}"

    def _read(self, env: str) -> list[_Run]:
        """Ended train runs of an environment as the ledger has them now; each is read once."""
        kept = self._runs[env]
        there: dict[str, _Run] = {}
        for _, run, _, kind, key, _, won in self._ledger.outcomes(env=env):
            there[run] = kept.get(run) or _of(self._ledger.trajectory(run), kind, key, won=won)
        self._runs[env] = there
        return [one for one in there.values() if one.model]

    def _costs(self, runs: list[_Run], kind: str) -> tuple[Unit, float | None, float | None]:
        """(unit, cost of a run of the student, of the larger), of this type where it is known."""
        own, up = (
            [r for r in runs if r.model == name and r.task_type == kind]
            or [r for r in runs if r.model == name]
            for name in (self.name("student"), self.name("larger"))
        )
        prices = self._settings.larger
        priced = prices.price_in > 0 or prices.price_out > 0 or any(r.cost for r in up)
        if not priced:
            return "s", _mean(r.seconds for r in own), _mean(r.seconds for r in up)
        told = _mean(r.cost for r in up) or _mean(
            (r.prompt * prices.price_in + r.completion * prices.price_out) / 1e6 for r in own
        )
        return "usd", _mean(r.cost for r in own), told


@dataclass(frozen=True)
class Fork:
    """The two models that a crew has where there is a router."""

    router: Router
    """Who chooses."""
    models: Mapping[Side, Model]
    """Both of them."""
    settings: Mapping[Side, ModelSettings]
    """How each is set."""
    again: bool = False
    """What the student is seen to fail at is played again by the larger one."""

    def choose(self, task: Task, seed: int) -> dict[str, Any]:
        """The decision about a task, as `Spec.routed` keeps it."""
        return self.router.choose(task, seed=seed).model_dump(mode="json")

    def up(self, routed: Mapping[str, Any], done: Trajectory) -> dict[str, Any]:
        """The decision that follows on a run; empty where nothing does."""
        if not self.again or routed.get("to") != "student" or not seen_to_fail(done):
            return {}
        why = f"{self.router.name('student')} was seen to fail at it: {done.error or done.stop}"
        told = {"to": "larger", "model": self.router.name("larger"), "why": why, "after": done.id}
        return {**routed, **told, "explored": False}


def noted(trajectory: Trajectory) -> dict[str, Any]:
    """The decision by which a run's model was chosen, as it is kept; empty without a router."""
    return next((dict(note) for note in trajectory.notes if note.get("by") == "router"), {})


def seen_to_fail(trajectory: Trajectory) -> bool:
    """Whether anybody could see that a run failed, without its score.

    It broke, ended by a limit or a budget in place of by itself, or its verifier rejected it.
    """
    rejected = bool(trajectory.verdicts) and trajectory.verdicts[-1].accepted is False
    return bool(trajectory.error) or trajectory.stop != "done" or rejected


def _of(trajectory: Trajectory, kind: str, key: str, *, won: bool) -> _Run:
    """Replays have no model here: lessons were forced in or out of them."""
    usage = trajectory.usage
    return _Run(
        model="" if trajectory.arm == REPLAY else trajectory.model,
        task_type=kind,
        key=key,
        won=won and trajectory.attempts == 1,
        seen=seen_to_fail(trajectory),
        cost=usage.cost,
        seconds=usage.seconds,
        prompt=usage.prompt_tokens,
        completion=usage.completion_tokens,
    )


def _record(runs: Iterable[_Run]) -> _Record:
    by_key: dict[str, list[bool]] = defaultdict(list)
    lost = seen = 0
    for run in runs:
        by_key[run.key].append(run.won)
        lost += not run.won
        seen += not run.won and run.seen
    won = sum(sum(each) / len(each) for each in by_key.values())
    return _Record(tried=len(by_key), won=won, lost=lost, seen=seen)


def _belief(record: _Record, whole: _Record) -> tuple[float, float]:
    """Mean and lower end of the belief about success at a type, from its record and the rest's."""
    mean = (whole.won + 1) / (whole.tried + 2)
    won = mean * PRIOR + record.won
    lost = (1 - mean) * PRIOR + record.tried - record.won
    middle = won / (won + lost)
    return middle, max(0.0, middle - sqrt(middle * (1 - middle) / (won + lost + 1)))


def _mean(numbers: Iterable[float]) -> float | None:
    there = list(numbers)
    return sum(there) / len(there) if there else None


def _priced(first: float | None, at_once: float | None, unit: Unit) -> str:
    if first is None or at_once is None:
        return "; costs are not known yet"
    return f"; {first:.3g} {unit} with the student first, {at_once:.3g} {unit} at once"
