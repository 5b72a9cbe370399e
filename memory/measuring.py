"""What the ledger's exposures say of lessons: effects, and the chances of the next tosses.

Nothing here is stored: all of it follows from exposures and outcomes, and can be computed again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence

from envs.types import Frozen
from memory.effects import (
    SPREAD,
    Cases,
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
from memory.types import Effect, Exposure, Measured


class Setting(Frozen):
    """What an effect holds for: with another model it starts afresh."""

    model: str = ""
    """Model that is told."""
    adapter: str = ""
    """Adapter of that model."""
    policy: str = ""
    """Hash of the configuration."""


class Effects:
    """Effects of lessons, as measured so far in one ledger. Safe to use from several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen = 0
        self._forecasts: dict[str, Forecasts] = {}
        self._expected: dict[str, float] = {}

    def of(self, lesson: str, *, setting: Setting | None = None) -> Effect:
        """What showing a lesson does, over its latest episodes with one unit, version and setting.

        With `setting` over those of that. A lesson that nobody was shown has no effect.
        """
        return self._effect(self._current(lesson, setting))

    def all(self) -> dict[str, Effect]:
        """The effects of all lessons that ever came up, by id."""
        grouped: dict[str, list[Exposure]] = {}
        for one in self._ledger.exposures():
            grouped.setdefault(one.lesson, []).append(one)
        return {id_: self._effect(current(found)) for id_, found in grouped.items()}

    def chance(self, unit: Sequence[str], *, setting: Setting) -> float:
        """Probability of showing a unit in the next episode; one half before anything is known."""
        name = JOIN.join(sorted(unit))
        found = [one for id_ in unit for one in self._current(id_, setting) if unit_of(one) == name]
        return self._effect(sorted(found, key=lambda one: one.time)).chance

    def worth(self, ids: Iterable[str]) -> Mapping[str, tuple[float, float]]:
        """Mean and standard deviation of what each lesson is believed to do; for ranking alone.

        Before it came up anywhere: 0, and the spread that effects are taken to have.
        """
        return {id_: believed(self.of(id_)) for id_ in ids}

    def expected(self) -> Mapping[str, float]:
        """Forecast of success for each finished train episode, from those before it."""
        with self._lock:
            for seq, run, env, kind, key, _, won in self._ledger.outcomes(after=self._seen):
                ahead = self._forecasts.setdefault(env, Forecasts())
                self._expected[run] = ahead.next(won, kind=kind, key=key)
                self._seen = seq
            return self._expected

    def _current(self, id_: str, setting: Setting | None) -> list[Exposure]:
        found = self._ledger.exposures(lesson=id_)
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
            needed=_needed(tossed, measured),
            unit=unit_of(last),
            version=last.version,
            model=last.model,
            adapter=last.adapter,
            policy=last.policy,
            since=found[0].time,
            replayed=replayed if replayed.shown else None,
        )


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


def _needed(tossed: Cases, measured: Measured) -> int | None:
    return episodes_needed(tossed) if measured.verdict == "can't tell" else None
