"""The rows of an experiment as a report reads them: by arm, by set, at the last checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.lab.types import Experiment, Row
from bench.stats.differences import first_attempts

RETRYING = frozenset({"reflexion", "resampling"})
"""Kinds of arms that begin a measured episode again."""


@dataclass(frozen=True)
class Results:
    """An experiment with what was played of it."""

    experiment: Experiment
    rows: tuple[Row, ...]

    @cached_property
    def measured(self) -> tuple[Row, ...]:
        """Rows that count: measured, and of learning arms those after the last checkpoint."""
        rows = [row for row in self.rows if row.phase == "measure"]
        last: dict[str, int] = {}
        for row in rows:
            last[row.arm] = max(last.get(row.arm, 0), row.learned)
        return tuple(row for row in rows if row.learned == last[row.arm])

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Arms with measured rows, in the order of the experiment."""
        return self._ordered([spec.name for spec in self.experiment.arms], self.measured)

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """Task sets with measured rows, in the order of the experiment."""
        planned = [tasks.name for tasks in self.experiment.measure]
        there = {row.set for row in self.measured}
        return tuple([s for s in planned if s in there] + sorted(there - set(planned)))

    @cached_property
    def retried(self) -> frozenset[str]:
        """Arms that may begin an episode again: never held against those that do not.

        Told by their kind, so that it holds before the first retry is played, and by the measured
        rows. Retries on train tasks alone (ExpeL) are learning.
        """
        meant = {spec.name for spec in self.experiment.arms if spec.kind in RETRYING}
        return frozenset(meant | {row.arm for row in self.measured if row.attempts > 1})

    @cached_property
    def single(self) -> tuple[str, ...]:
        """Arms of one episode."""
        return tuple(arm for arm in self.arms if arm not in self.retried)

    @cached_property
    def again(self) -> tuple[str, ...]:
        """Arms with retries."""
        return tuple(arm for arm in self.arms if arm in self.retried)

    def of(self, arm: str, *, within: str = "", first: bool = False) -> list[Row]:
        """Measured rows of an arm, in one task set or in all; `first`: by the first attempt."""
        rows = [r for r in self.measured if r.arm == arm and (not within or r.set == within)]
        return list(first_attempts(rows)) if first else rows

    def label(self, arm: str) -> str:
        """Name of an arm with its model: `ReAct (1.5B)`."""
        model = next((s.model for s in self.experiment.arms if s.name == arm), "")
        return f"{arm} ({model})" if model and model.lower() not in arm.lower() else arm

    def common(self, within: str) -> frozenset[str]:
        """Tasks of a set that every arm with rows there has played."""
        played = [{r.task for r in self.of(arm, within=within)} for arm in self.arms]
        some = [tasks for tasks in played if tasks]
        return frozenset(set.intersection(*some)) if some else frozenset()

    def _ordered(self, names: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
        there = {row.arm for row in rows}
        return tuple([n for n in names if n in there] + sorted(there - set(names)))
