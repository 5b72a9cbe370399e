"""What the ledger's exposures say of lessons: effects, and the chances of the next tosses.

Nothing here is stored: all of it follows from exposures and outcomes, and can be computed again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from envs.types import Frozen
from memory.effects import (
    SPREAD,
    Forecasts,
    cases,
    chance,
    episodes_needed,
    measure,
    paired,
    pool,
    window,
)
from memory.families import JOIN
from memory.ledger import Ledger
from memory.rows import parse
from memory.types import Effect, Exposure, Measured

ENDED = ("done", "failed")
"""States of a run that will not change any more."""
NONE = Effect()
"""Nothing is known."""


class Setting(Frozen):
    """What an effect holds for: with another model it starts afresh."""

    model: str = ""
    """Model that is told."""
    adapter: str = ""
    """Adapter of that model."""
    policy: str = ""
    """Hash of the configuration."""


_READ = (
    "SELECT exposures.seq, exposures.body, exposures.time, outcome, runs.status FROM exposures "
    "LEFT JOIN outcomes ON outcomes.episode = exposures.episode "
    "LEFT JOIN runs ON runs.id = exposures.episode "
)


class Effects:
    """Effects of lessons, as measured so far in one ledger. Safe to use from several threads.

    It reads what came since it was asked last, and keeps what it computed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.RLock()
        self._seen = 0
        self._forecasts: dict[str, Forecasts] = {}
        self._expected: dict[str, float] = {}
        self._rows: dict[str, dict[int, Exposure]] = {}
        self._last = 0
        self._going: set[str] = set()
        self._told: dict[str, Effect] = {}

    def of(self, lesson: str, *, setting: Setting | None = None) -> Effect:
        """What showing a lesson does, over its latest episodes with one unit, version and setting.

        With `setting` over those of that. A lesson that nobody was shown has no effect.
        """
        with self._lock:
            found = self._current(lesson, setting)
            effect = self._effect(found)
            if effect.verdict != "can't tell":
                return effect
            tossed = cases(found, expected=self._expected)
            return effect.model_copy(update={"needed": episodes_needed(tossed)})

    def all(self) -> dict[str, Effect]:
        """The effects of all lessons that ever came up, by id; without `needed`."""
        with self._lock:
            self._catch_up()
            return {lesson: self._whole(lesson) for lesson in self._rows}

    def places(self) -> dict[str, int]:
        """In which order lessons came up for the first time, from 0; it never changes."""
        with self._lock:
            self._catch_up()
            first = sorted((min(rows), lesson) for lesson, rows in self._rows.items())
            return {lesson: place for place, (_, lesson) in enumerate(first)}

    def unit(self, members: Sequence[str], *, setting: Setting | None = None) -> Effect:
        """What showing a unit of near-duplicates does, over the episodes that tossed it as one."""
        name = JOIN.join(sorted(members))
        with self._lock:
            found = [
                one
                for id_ in members
                for one in self._current(id_, setting)
                if unit_of(one) == name
            ]
            return self._effect(sorted(found, key=lambda one: one.time))

    def chance(self, members: Sequence[str], *, setting: Setting) -> float:
        """Probability of showing a unit in the next episode; one half before anything is known."""
        return self.unit(members, setting=setting).chance

    def worth(self, ids: Iterable[str]) -> Mapping[str, tuple[float, float]]:
        """Mean and standard deviation of what each lesson is believed to do; for ranking alone.

        Before it came up anywhere: 0, and the spread that effects are taken to have.
        """
        with self._lock:
            self._catch_up()
            return {id_: believed(together(self._whole(id_))) for id_ in ids}

    def expected(self) -> Mapping[str, float]:
        """Forecast of success for each finished train episode, from those before it."""
        with self._lock:
            for seq, run, env, kind, key, _, won in self._ledger.outcomes(after=self._seen):
                ahead = self._forecasts.setdefault(env, Forecasts())
                self._expected[run] = ahead.next(won, kind=kind, key=key)
                self._seen = seq
            return self._expected

    def _catch_up(self) -> None:
        """Reads what came up since, and how the runs ended that were going on."""
        found = self._ledger.ask(
            f"{_READ} WHERE exposures.seq > ? ORDER BY exposures.seq", self._last
        )
        for episode in tuple(self._going):
            found += self._ledger.ask(f"{_READ} WHERE exposures.episode = ?", episode)
        for seq, body, time, outcome, status in found:
            update = {"time": time, "outcome": None if outcome is None else bool(outcome)}
            one = parse(Exposure, body).model_copy(update=update)
            self._rows.setdefault(one.lesson, {})[seq] = one
            self._last = max(self._last, seq)
            if status in ENDED:
                self._going.discard(one.episode)
                self._told.pop(one.lesson, None)
            else:
                self._going.add(one.episode)

    def _whole(self, lesson: str) -> Effect:
        """The effect of a lesson, computed once after each of its runs."""
        if lesson not in self._told and lesson in self._rows:
            self._told[lesson] = self._effect(current(self._of(lesson)))
        return self._told.get(lesson, NONE)

    def _of(self, lesson: str) -> list[Exposure]:
        rows = self._rows.get(lesson, {})
        return [rows[seq] for seq in sorted(rows)]

    def _current(self, id_: str, setting: Setting | None) -> list[Exposure]:
        self._catch_up()
        found = self._of(id_)
        if setting is not None:
            wanted = (setting.model, setting.adapter, setting.policy)
            found = [one for one in found if (one.model, one.adapter, one.policy) == wanted]
        return current(found)

    def _effect(self, found: Sequence[Exposure]) -> Effect:
        if not found:
            return Effect()
        tossed = cases(found, expected=self.expected())
        measured, replayed = measure(tossed), paired(differences(found))
        both = pool(measured, replayed)
        last = found[-1]
        return Effect(
            **measured.model_dump(),
            shrunk=believed(both)[0],
            chance=chance(both),
            unit=unit_of(last),
            version=last.version,
            model=last.model,
            adapter=last.adapter,
            policy=last.policy,
            since=found[0].time,
            replayed=replayed if replayed.shown else None,
        )


def together(effect: Effect) -> Measured:
    """Tosses and replays as one estimate; for ranking alone."""
    return pool(effect, effect.replayed or Measured())


def evidence(effect: Effect, which: Literal["helps", "worthless"]) -> float:
    """Logarithm of the e-value of tosses and replays together: the mean of the two, as each is one.

    Without replays that of the tosses alone, and the other way about.
    """
    tossed, replayed = effect.shown + effect.withheld > 0, effect.replayed
    one = effect.log_helps if which == "helps" else effect.log_worthless
    if replayed is None:
        return one
    other = replayed.log_helps if which == "helps" else replayed.log_worthless
    return float(np.logaddexp(one, other) - math.log(2)) if tossed else other


def current(exposures: Sequence[Exposure]) -> list[Exposure]:
    """Those on train tasks that tell of the lesson as it stands (see `window`)."""
    train = [one for one in exposures if one.split == "train"]
    return window(train) if train else []


def unit_of(exposure: Exposure) -> str:
    """What was tossed: the lesson, or its family of near-duplicates."""
    return exposure.unit or exposure.lesson


def differences(exposures: Iterable[Exposure]) -> list[int]:
    """Of tasks played twice: success with the lesson less success without; whole pairs alone.

    A play that has no outcome yet, or a lesson that goes back to the task, is left out.
    """
    pairs: dict[str, dict[bool, bool]] = {}
    for one in exposures:
        if one.pair and one.outcome is not None and not one.same_task:
            pairs.setdefault(one.pair, {})[one.shown] = one.outcome
    return [int(both[True]) - int(both[False]) for both in pairs.values() if len(both) == 2]


def believed(measured: Measured) -> tuple[float, float]:
    """Mean and standard deviation of the effect, drawn towards 0 by what effects are like."""
    if measured.estimate is None or not measured.error:
        return 0.0, SPREAD
    weight = SPREAD**2 / (SPREAD**2 + measured.error**2)
    return weight * measured.estimate, math.sqrt(weight) * measured.error
