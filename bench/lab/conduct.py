"""Conducts an experiment: hands out cells, writes rows as they come, ends cleanly, and resumes."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from agent.settings import (
    BudgetSettings,
    MemorySettings,
    ModelSettings,
    Settings,
    SolverSettings,
)
from bench.lab.plan import Plan, Stream
from bench.lab.pool import Pool, WorkerDied
from bench.lab.table import Table, packed
from bench.lab.types import Cell, Row
from bench.lab.worker import Order, Result
from envs.errors import InternalError, JourneymanError, StoreError
from envs.types import Frozen

DEATHS = 3
"""So many workers may die of one cell before the call is given up."""


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
        self._again: deque[Cell] = deque()
        self._deaths: Counter[str] = Counter()

    def run(self, watch: Watch = lambda _row, _done, _all: None) -> Done:
        """Plays what is left. Raises what stopped it; rows that came before are kept."""
        began, before = time.monotonic(), self._count
        flying: dict[Future[Result], Cell] = {}
        broken: JourneymanError | None = None
        watch(None, self._count, self._total)
        while True:
            why = self._over(self._count - before + len(flying), began)
            while not why and not broken and len(flying) < self._pool.count:
                cell = self._next()
                if cell is None:
                    break
                flying[self._pool.submit(self.order(cell))] = cell
                why = self._over(self._count - before + len(flying), began)
            if not flying:
                break
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                cell = flying.pop(future)
                try:
                    self._write(cell, future.result(), watch)
                except WorkerDied as error:
                    broken = broken or self._died(cell, error)
                except JourneymanError as error:
                    broken = broken or error
        if broken is not None:
            raise broken
        left = self._total - self._count
        if left and not why:
            raise InternalError(
                f"{left} cells wait for train cells that nobody plays", repair="report this line"
            )
        return Done(played=self._count - before, left=left, why=why if left else "all played")

    def order(self, cell: Cell) -> Order:
        """The order of a cell, with what its arm keeps by then.

        Raises `StoreError` where a learning arm's state is not there.
        """
        experiment, stream = self._plan.experiment, self._streams[cell.arm, cell.seed]
        model = experiment.models.get(stream.arm.model)
        shared = common(self._settings, model)
        earlier = [one for one in stream.learn if one.learned < cell.learned]
        return Order(
            cell=cell,
            arm=stream.arm,
            model=shared.model if model else None,
            settings=shared,
            note_tokens=experiment.note_tokens,
            steps=experiment.steps,
            state=self._state(cell),
            played={one.id: one.task.key for one in earlier},
            session=self._session,
        )

    def _over(self, begun: int, began: float) -> str:
        limits = self._limits
        bounds = (
            ("seconds", limits.seconds, time.monotonic() - began),
            ("tokens", limits.tokens, self._spent["tokens"]),
            ("cost", limits.cost, self._spent["cost"]),
            ("cells", limits.cells, begun),
        )
        return next((name for name, most, now in bounds if most is not None and now >= most), "")

    def _next(self) -> Cell | None:
        """The cell that is due first: task by task over all arms, so that arms stay level."""
        if self._again:
            return self._again.popleft()
        due = [lane for lane in self._lanes if lane.due(self._done)]
        return min(due, key=lambda lane: lane.rank).take() if due else None

    def _state(self, cell: Cell) -> bytes:
        kept = self._table.state(cell.arm, cell.seed, cell.learned)
        if kept is None and cell.learned:
            raise StoreError(
                f"what arm {cell.arm!r} kept after {cell.learned} train tasks is not in the table",
                repair="move the folder of the experiment away, and play it again",
            )
        return packed(self._starting.get(cell.arm, {})) if kept is None else kept

    def _died(self, cell: Cell, error: WorkerDied) -> JourneymanError | None:
        """What ends the call, where a cell has killed worker after worker; else it comes again."""
        self._deaths[cell.id] += 1
        if self._deaths[cell.id] < DEATHS:
            self._again.append(cell)
            return None
        return InternalError(
            f"{DEATHS} workers died of task {cell.task.id!r} as arm {cell.arm!r} (cell {cell.id})",
            repair=f"{error.repair}, or leave the arm out; calling it again goes on",
        )

    def _write(self, cell: Cell, result: Result, watch: Watch) -> None:
        row = result.row
        self._table.add(
            row, result.transcript, state=result.state, after=cell.learned + 1, flags=result.flags
        )
        self._spent["tokens"] += row.prompt_tokens + row.completion_tokens
        self._spent["cost"] += row.cost
        self._done.add(cell.id)
        self._count += 1
        watch(row, self._count, self._total)


def common(settings: Settings, model: ModelSettings | None = None) -> Settings:
    """What all arms share: the user's folders, and the house's defaults for all behaviour.

    But one: every lesson that is found is shown, in training too, so that an arm's memory is whole.

    A model's server without a key of its own gets the user's, where it is the user's server.
    """
    if model is not None and model.base_url == settings.model.base_url and not model.api_key:
        model = model.model_copy(update={"api_key": settings.model.api_key})
    return settings.model_copy(
        update={
            "solver": SolverSettings(),
            "memory": MemorySettings(withhold=False),
            "budget": BudgetSettings(),
            "verifier": None,
            "reflector": None,
            "judge": False,
            "selfcheck": False,
            **({"model": model} if model is not None else {}),
        }
    )
