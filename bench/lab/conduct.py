"""Conducts an experiment: hands out cells, writes rows as they come, ends cleanly, and resumes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from agent.settings import BudgetSettings, MemorySettings, Settings, SolverSettings
from bench.lab.plan import Plan, Stream
from bench.lab.pool import Pool
from bench.lab.table import Table, packed
from bench.lab.types import Cell, Row
from bench.lab.worker import Order, Result
from envs.errors import InternalError, JourneymanError
from envs.types import Frozen

DEATHS = 3
"""So many deaths of worker processes in a row, with no cell done between, and it is given up."""


class Limits(Frozen):
    """What a call may spend; what it began is finished. None is no limit."""

    seconds: float | None = None
    """Wall-clock seconds of this call."""
    tokens: int | None = None
    """Tokens of the whole table."""
    cost: float | None = None
    """US dollars of the whole table."""
    cells: int | None = None
    """Cells of this call."""


class Done(Frozen):
    """How a call ended."""

    played: int
    """Cells that it played."""
    left: int
    """Cells that are still to be played."""
    why: str
    """Why it ended: `all played`, or the limit."""


Watch = Callable[[Row | None, int, int], None]
"""Told of each row, with the number of cells done and of all; of None at the beginning."""


class Lane:
    """Cells that are played in this order, each when what it builds on is done."""

    def __init__(self, cells: Sequence[tuple[int, Cell]], *, learn: Sequence[Cell]) -> None:
        self._cells = deque(cells)
        self._learn = learn
        self._learned = 0

    @property
    def rank(self) -> int:
        """How far along its task set the next cell is."""
        return self._cells[0][0]

    def due(self, done: set[str]) -> bool:
        """Whether its next cell can be played now."""
        if not self._cells:
            return False
        while self._learned < len(self._learn) and self._learn[self._learned].id in done:
            self._learned += 1
        return self._cells[0][1].learned <= self._learned

    def take(self) -> Cell:
        """Its next cell."""
        return self._cells.popleft()[1]


def lanes(stream: Stream, done: set[str], wanted: Callable[[Cell], bool]) -> list[Lane]:
    """The stream's train cells in order, and its measured cells task set by task set."""

    def left(cell: Cell) -> bool:
        return cell.id not in done and wanted(cell)

    learn = [(n, cell) for n, cell in enumerate(stream.learn) if left(cell)]
    found = [Lane(learn, learn=stream.learn)]
    sets: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in stream.measure:
        sets.setdefault((cell.task.env, cell.task.split, cell.learned), []).append(cell)
    for cells in sets.values():
        still = [(number, cell) for number, cell in enumerate(cells) if left(cell)]
        found.append(Lane(still, learn=stream.learn))
    return found


class Conductor:
    """One call of an experiment. `starting` is what arms keep before they learned anything."""

    def __init__(
        self,
        plan: Plan,
        table: Table,
        pool: Pool,
        *,
        settings: Settings,
        session: str,
        limits: Limits = Limits(),
        starting: Mapping[str, dict[str, Any]] | None = None,
        wanted: Callable[[Cell], bool] = lambda _cell: True,
    ) -> None:
        self._plan, self._table, self._pool = plan, table, pool
        self._settings = settings
        self._session = session
        self._limits = limits
        self._starting = starting or {}
        self._done = table.done()
        self._spent = table.spent()
        cells = [cell for cell in plan.cells if wanted(cell)]
        self._total = len(cells)
        self._count = sum(cell.id in self._done for cell in cells)
        self._streams = {(stream.arm.name, stream.seed): stream for stream in plan.streams}
        self._lanes = [lane for s in plan.streams for lane in lanes(s, self._done, wanted)]

    def run(self, watch: Watch = lambda _row, _done, _all: None) -> Done:
        """Plays what is left. Raises what stopped it; rows that came before are kept."""
        began, played, deaths = time.monotonic(), 0, 0
        flying: dict[Future[Result], Cell] = {}
        broken: JourneymanError | None = None
        watch(None, self._count, self._total)
        while True:
            why = "" if broken else self._over(played + len(flying), began)
            while not why and not broken and len(flying) < self._pool.count:
                cell = self._next()
                if cell is None:
                    break
                flying[self._pool.submit(self.order(cell))] = cell
                why = self._over(played + len(flying), began)
            if not flying:
                break
            try:
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                self._pool.close()
                raise
            for future in done:
                cell = flying.pop(future)
                try:
                    self._write(cell, future.result())
                    played, deaths = played + 1, 0
                    watch(self._table.row(cell.id), self._count, self._total)
                except BrokenProcessPool:
                    deaths += 1
                    self._pool.close()
                    self._lanes.append(Lane([(0, cell)], learn=()))
                    if deaths >= DEATHS * self._pool.count:
                        broken = InternalError(
                            f"worker processes died {deaths} times at {cell.task.id}",
                            repair="free memory or lower --workers, and call it again",
                        )
                except JourneymanError as error:
                    broken = broken or error
        if broken is not None:
            raise broken
        left = self._total - self._count
        return Done(played=played, left=left, why=why if left else "all played")

    def _over(self, begun: int, began: float) -> str:
        spent, limits = self._spent, self._limits
        bounds = (
            ("seconds", limits.seconds, time.monotonic() - began),
            ("tokens", limits.tokens, spent["tokens"]),
            ("cost", limits.cost, spent["cost"]),
            ("cells", limits.cells, begun),
        )
        return next((name for name, most, now in bounds if most is not None and now >= most), "")

    def _next(self) -> Cell | None:
        """The cell that is due first: task by task over all arms, so that arms stay level."""
        due = [lane for lane in self._lanes if lane.due(self._done)]
        return min(due, key=lambda lane: lane.rank).take() if due else None

    def order(self, cell: Cell) -> Order:
        """The order of a cell, with what its arm keeps by then."""
        experiment = self._plan.experiment
        stream = self._streams[cell.arm, cell.seed]
        model = experiment.models.get(stream.arm.model)
        earlier = [one for one in stream.learn if one.learned < cell.learned]
        return Order(
            cell=cell,
            arm=stream.arm,
            model=model,
            settings=_common(self._settings, model),
            note_tokens=experiment.note_tokens,
            steps=experiment.steps,
            state=self._state(cell),
            played={one.id: one.task.key for one in earlier},
            session=self._session,
        )

    def _state(self, cell: Cell) -> bytes:
        kept = self._table.state(cell.arm, cell.seed, cell.learned)
        if kept is None:
            kept = packed(self._starting.get(cell.arm, {}))
            self._table.keep(cell.arm, cell.seed, cell.learned, kept)
        return kept

    def _write(self, cell: Cell, result: Result) -> None:
        self._table.add(
            result.row,
            result.transcript,
            state=result.state,
            after=cell.learned + 1,
            flags=result.flags,
        )
        self._spent["tokens"] += result.row.prompt_tokens + result.row.completion_tokens
        self._spent["cost"] += result.row.cost
        self._done.add(cell.id)
        self._count += 1


def _common(settings: Settings, model: Any) -> Settings:
    """What all arms share: the user's folders, and the house's defaults for all behaviour."""
    return settings.model_copy(
        update={
            "solver": SolverSettings(),
            "memory": MemorySettings(),
            "budget": BudgetSettings(),
            "verifier": None,
            "reflector": None,
            **({"model": model} if model is not None else {}),
        }
    )
