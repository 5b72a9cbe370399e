"""When lessons were last of use, kept up by what came since it was asked last.

The same as `Ledger.last_used`, which reads the whole log; the rules of a lesson's life ask after
every training run, and must not take longer the more was lived through.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from memory.clock import steady
from memory.ledger import Ledger


class Uses:
    """Last uses of the lessons of one ledger. Safe to use from several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._changed = self._exposed = 0
        self._targets: list[str] = []
        self._times: list[str] = []
        self._shown: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._orderly = True

    def last(self) -> Mapping[str, str]:
        """The ISO time at which each lesson was last shown, or else added; of removed ones, too."""
        with self._lock:
            self._read_exposures()
            if self._read_changes() and not self._orderly:
                self._anew()
            return self._last

    def _read_exposures(self) -> None:
        query = "SELECT seq, lesson, time FROM exposures WHERE seq > ? AND shown = 1 ORDER BY seq"
        for seq, lesson, time in self._ledger.ask(query, self._exposed):
            self._exposed = seq
            self._shown[lesson] = max(time, self._shown.get(lesson, ""))
            self._last[lesson] = max(time, self._last.get(lesson, ""))

    def _read_changes(self) -> bool:
        """Whether there was something new. A time that goes back may alter those before it."""
        query = "SELECT seq, target, time FROM changes WHERE seq > ? ORDER BY seq"
        found = self._ledger.ask(query, self._changed)
        for seq, target, time in found:
            self._changed = seq
            self._orderly &= not self._times or self._times[-1] <= time
            self._targets.append(target)
            self._times.append(time)
            self._last.setdefault(target, time)
        return bool(found)

    def _anew(self) -> None:
        added: dict[str, str] = {}
        for target, time in zip(self._targets, steady(self._times), strict=True):
            added.setdefault(target, time)
        self._last = {id_: max(time, self._shown.get(id_, "")) for id_, time in added.items()}
