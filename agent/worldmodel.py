"""A learned model of an environment: what an action led to, counted from runs that were played.

A graph of (state, action) -> next observation. Where this very state was never seen, one that
differs in its numbers alone counts; where not that either, what the action did everywhere, if it
always did the same. What was seen too rarely, or came out differently, is not known.

Source: Fang et al. 2025, WebEvolver, arXiv 2504.21024 (catalogue row `webevolver`). What differs:
the paper trains a language model to write the next page; here what happened is counted, and a model
is asked (by `agent/lookahead.py`) only about pairs that nobody has tried.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from agent.steering import words_of
from distill.attempts import attempts
from distill.rows_synthetic import tag_of
from envs.types import Frozen
from memory.essence import IDLE
from memory.text import normal
from memory.types import Trajectory

Level = Literal["state", "kind", "action"]
LEAST: dict[Level, float] = {"state": 0.6, "kind": 0.75, "action": 0.9}
"""Share of the commonest outcome from which it is believed."""
LATEST = 50
"""Latest outcomes of a pair that are counted."""
BRANCHES = 12
"""Most actions that are looked into at each further step."""
FADES = 0.9
"""What a step's delay leaves of a value."""
_NUMBER = re.compile(r"\d+")


class Transition(Frozen):
    """One step that was really made."""

    goal: str
    """What was asked."""
    task_key: str
    """`Task.key`."""
    before: str
    """What stood there."""
    action: str
    """What was done."""
    after: str
    """What came back."""
    ended: bool = False
    """The episode ended by itself with it."""
    won: bool | None = None
    """Whether that was the goal, as learnt when the run was over; None: not known."""


class Predicted(Frozen):
    """What an action is expected to lead to."""

    observation: str
    """What will stand there."""
    share: float
    """Share of the outcomes so far that were this one."""
    seen: int
    """How many outcomes that is a share of."""
    level: Level
    """How close to this very state they were made."""
    ended: bool = False
    """It ends the episode."""
    worth: float = 0.0
    """Of an end: 1 the goal is reached, -1 it is not, 0 not known."""


class Accuracy(Frozen):
    """How well held-out steps are foretold."""

    asked: int
    """Steps."""
    known: int
    """Of these, steps of which something was foretold."""
    right: int
    """Of these, steps that came out letter by letter so."""

    @property
    def share(self) -> float | None:
        """Right ones among the known; None without any."""
        return self.right / self.known if self.known else None


def transitions(runs: Iterable[Trajectory]) -> list[Transition]:
    """The steps of train runs. Runs that broke or were imagined are left out."""
    found: list[Transition] = []
    for run in runs:
        if run.split != "train" or tag_of(env=run.env, arm=run.arm) == "imagined":
            continue
        for tried in attempts(run):
            before, last = run.first_observation, tried.number == run.attempts - 1
            for number, step in enumerate(tried.steps, start=1):
                ended = last and run.stop == "done" and number == len(tried.steps)
                won = run.score.passed if ended and run.score is not None else None
                found.append(
                    Transition(
                        goal=run.goal,
                        task_key=run.task_key,
                        before=before,
                        action=step.action,
                        after=step.observation,
                        ended=ended,
                        won=won,
                    )
                )
                before = place_after(before, step.observation)
    return found


def place_after(before: str, observation: str) -> str:
    """What tells where one is: the latest observation that is more than "nothing happens"."""
    return before if observation.startswith(IDLE) else observation


class WorldModel:
    """Foretells what an action leads to, and what may be done there."""

    def __init__(self, seen: Iterable[Transition]) -> None:
        self._outcomes: dict[tuple[Level, str, str], list[Transition]] = {}
        self._ways: dict[str, dict[str, None]] = {}
        self._counts: Counter[str] = Counter()
        self.size = 0
        """Steps that it was learnt from."""
        texts: set[str] = set()
        for one in seen:
            self.size += 1
            for level, state in _states(one.before):
                self._outcomes.setdefault((level, state, one.action), []).append(one)
            for place in (one.before, _kind(one.before)):
                self._ways.setdefault(place, {})[one.action] = None
            texts.add(one.after)
        for text in texts:
            self._counts.update(words_of(text))
        self._texts = len(texts)

    def predict(
        self, before: str, action: str, *, goal: str = "", without: str = ""
    ) -> Predicted | None:
        """What the action leads to; None: not known. `without` leaves out what one task taught."""
        for level, state in _states(before):
            known = self._outcomes.get((level, state, action), ())
            found = [one for one in known if not without or one.task_key != without][-LATEST:]
            if level == "action" and len({one.before for one in found}) < 2:
                continue
            if found:
                after, count = Counter(one.after for one in found).most_common(1)[0]
                if count / len(found) < LEAST[level]:
                    return None
                ends = [one for one in found if one.after == after and one.ended]
                return Predicted(
                    observation=after,
                    share=count / len(found),
                    seen=len(found),
                    level=level,
                    ended=2 * len(ends) > count,
                    worth=_worth(ends, goal),
                )
        return None

    def actions(self, observation: str) -> tuple[str, ...]:
        """What was done in that state before, then what in those that differ in numbers alone."""
        own, like = self._ways.get(observation, {}), self._ways.get(_kind(observation), {})
        return tuple(own | like)

    def nearness(self, goal: str, observation: str) -> float:
        """How much of the goal is in sight, 0 to 1: its words, rare ones above common ones."""
        weights = {
            word: math.log(1 + self._texts / self._counts[word])
            for word in words_of(goal)
            if self._counts[word]
        }
        seen = words_of(observation)
        total = sum(weights.values())
        return sum(w for word, w in weights.items() if word in seen) / total if total else 0.0

    def ahead(
        self, before: str, action: str, *, goal: str, depth: int, without: str = ""
    ) -> tuple[float, Predicted | None]:
        """What doing it is worth, so many steps on, and what it leads to.

        From -2 (certain to end without the goal) over 0 (nothing is known) to 2 (certain to end
        with it); what merely brings the goal in sight is worth up to 1.
        """
        memo: dict[tuple[str, str, int], float] = {}

        def worth(place: str, done: str, left: int) -> float:
            key = (place, done, left)
            if key not in memo:
                memo[key] = 0.0  # a way in circles is worth nothing
                memo[key] = self._valued(place, done, goal, without, left, worth)
            return memo[key]

        return worth(before, action, depth), self.predict(
            before, action, goal=goal, without=without
        )

    def _valued(
        self,
        before: str,
        action: str,
        goal: str,
        without: str,
        left: int,
        worth: Callable[[str, str, int], float],
    ) -> float:
        told = self.predict(before, action, goal=goal, without=without)
        if told is None:
            return 0.0
        if told.ended and told.worth:
            return told.share * 2 * told.worth
        if place_after(before, told.observation) == before:
            return 0.0
        near = self.nearness(goal, told.observation)
        if told.ended or left <= 1:
            return told.share * near
        ways = self.actions(told.observation)[:BRANCHES]
        then = FADES * max((worth(told.observation, one, left - 1) for one in ways), default=0.0)
        return told.share * (max(near, then) if then >= 0 else then)


def accuracy(model: WorldModel, held: Sequence[Transition]) -> Accuracy:
    """How well `model` foretells steps that it was not learnt from."""
    told = [(one, model.predict(one.before, one.action)) for one in held]
    known = [(one, what) for one, what in told if what is not None]
    return Accuracy(
        asked=len(held),
        known=len(known),
        right=sum(what.observation == one.after for one, what in known),
    )


def held_out(
    runs: Sequence[Trajectory], *, share: int = 5
) -> tuple[list[Transition], list[Transition]]:
    """Steps to learn from, and those of every `share`-th task (by key), held out whole."""
    keys = sorted({run.task_key for run in runs})
    apart = frozenset(keys[::share])
    steps = transitions(runs)
    return (
        [one for one in steps if one.task_key not in apart],
        [one for one in steps if one.task_key in apart],
    )


def _states(observation: str) -> tuple[tuple[Level, str], ...]:
    return (("state", observation), ("kind", _kind(observation)), ("action", ""))


def _kind(observation: str) -> str:
    return _NUMBER.sub("#", observation.casefold())


def _worth(ends: Sequence[Transition], goal: str) -> float:
    """What such an end is worth for a goal: as it was for this goal, else as for all others."""
    judged = [one for one in ends if one.won is not None]
    own = [one for one in judged if normal(one.goal) == normal(goal)]
    if own:
        return 2 * sum(bool(one.won) for one in own) / len(own) - 1
    outcomes = {bool(one.won) for one in judged}
    if len({one.goal for one in judged}) < 2 or len(outcomes) > 1:
        return 0.0
    return 1.0 if True in outcomes else -1.0
