"""Whole episodes to recall beside lessons: solved train runs, shown as the steps that mattered.

Nothing of an episode is copied: its own index holds ids by goal and first observation, and what is
shown is read from the ledger and cut to the budget at that moment. So what is purged there is gone
here, and the index is rebuilt like the one of lessons. Runs of conversations are left out: they are
one person's. `withdrawal` keeps an episode from being recalled; it is a change like others, and can
be undone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from envs.errors import UnknownName, clip, one_line
from memory import rows
from memory.essence import NEXT, essential
from memory.index import Damaged, VectorIndex
from memory.ledger import Ledger
from memory.query import Query
from memory.ranking import Candidate
from memory.text import estimate_tokens
from memory.types import REPLAY, Change, Recalled, Source, StepRecord, Trajectory

logger = logging.getLogger(__name__)
FIRST, SEEN = 400, 60
"""Characters of the first observation by which an episode is found, and of others when shown."""
FETCH = 8
"""Fetched for each episode asked for."""
BATCH = 256
"""Episodes read and put into the index at once."""


class _Place(NamedTuple):
    env: str
    task_key: str


class Episodes:
    """Solved train runs of a ledger, found by meaning. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, index: VectorIndex) -> None:
        self._ledger = ledger
        self._index = index
        self._lock = threading.RLock()
        self._known: dict[str, _Place] = {}
        self._withdrawn: set[str] = set()
        self._seen = self._heard = 0

    def sync(self) -> int:
        """Brings the index up to the ledger; how many episodes were put in."""
        with self._lock:
            self._listen()
            fresh = self._ledger.outcomes(after=self._seen)
            for seq, run, env, _, key, _, won in fresh:
                self._seen = seq
                if won:
                    self._known[run] = _Place(_room(env), key)
            try:
                index = self._index
                mine = (index.origin, index.generation) == (self._ledger.origin, self._seen)
                return 0 if mine else self._catch_up()
            except Damaged as error:
                logger.warning("%s; it is built anew from the ledger", error.message)
                return self.rebuild()

    def rebuild(self) -> int:
        """Builds the index anew from the ledger; returns how many episodes it holds."""
        with self._lock:
            self.clear()
            return self.sync()

    def clear(self) -> None:
        """Empties the index; it is filled anew when it is next asked."""
        with self._lock:
            self._known.clear()
            self._withdrawn.clear()
            self._seen = self._heard = 0
            self._index.clear()

    def stands(self, run: str) -> bool:
        """Whether `run` is one that may be recalled."""
        return bool(standing_episodes(self._ledger, "run", run))

    def sweep(self) -> int:
        """See `VectorIndex.sweep`."""
        return self._index.sweep()

    def close(self) -> None:
        """Closes the index."""
        self._index.close()

    def found(
        self, query: Query, *, floor: float, most: int, guard: bool, budget_tokens: int
    ) -> list[Candidate]:
        """At most `most` episodes close to goal and first observation, that fit the budget."""
        self.sync()
        text = searched_by(query.goal, query.first)
        shelf, fetch = [_room(query.env)], most * FETCH
        while True:
            near = self._near(text, most=fetch, shelves=shelf)
            close = [(id_, similar) for id_, similar in near if similar >= floor]
            fits = [(i, s) for i, s in close if self._fits(i, query, guard=guard)]
            if len(fits) >= most * 2 or len(close) < fetch:
                break
            fetch *= 4
        made = (self._shown(i, s, query, budget_tokens=budget_tokens) for i, s in fits)
        return _first(made, most)

    def _near(self, text: str, *, most: int, shelves: Sequence[str]) -> list[tuple[str, float]]:
        try:
            return self._index.search(text, most=most, shelves=shelves)
        except Damaged as error:
            logger.warning("%s; it is built anew from the ledger", error.message)
            self.rebuild()
            return self._index.search(text, most=most, shelves=shelves)

    def _fits(self, run: str, query: Query, *, guard: bool) -> bool:
        place = self._known.get(run)
        return (
            place is not None
            and run not in self._withdrawn
            and run != query.run
            and not (guard and place.task_key == query.task_key)
        )

    def _shown(
        self, run: str, similarity: float, query: Query, *, budget_tokens: int
    ) -> Candidate | None:
        try:
            trajectory = self._ledger.trajectory(run)
        except UnknownName:
            return None
        text = told(trajectory, tokens=budget_tokens)
        if not text:
            return None
        steps = essential(_last(trajectory))
        item = Recalled(
            lesson=run,
            version=1,
            text=text,
            similarity=similarity,
            tokens=estimate_tokens(f"- [{run}] {text}"),
            source=Source(
                trajectory=run,
                first_step=steps[0].index,
                last_step=steps[-1].index,
                task_keys=(trajectory.task_key,),
            ),
            same_task=trajectory.task_key == query.task_key,
        )
        return Candidate(item=item, score=similarity, episode=True)

    def _listen(self) -> None:
        """Hears of episodes withdrawn and given back since the last time."""
        query = (
            "SELECT seq, target, body FROM changes WHERE seq > ? AND kind = 'setting' "
            "AND decision = 'applied' ORDER BY seq"
        )
        (top,) = self._ledger.ask("SELECT max(seq) FROM changes")[0]
        if (top or 0) == self._heard:
            return
        for _, target, body in self._ledger.ask(query, self._heard):
            if target.startswith(NAME):
                stands = rows.parse(Change, body).after is not None
                (self._withdrawn.add if stands else self._withdrawn.discard)(target[len(NAME) :])
        self._heard = top or 0

    def _catch_up(self) -> int:
        index, ledger = self._index, self._ledger
        if index.origin != ledger.origin or index.generation > self._seen:
            if index.origin or index.generation:
                index.clear()
            begun = 0
        else:
            begun = index.generation
        won = [row[1] for row in ledger.outcomes(after=begun) if row[6]]
        added = 0
        for first in range(0, len(won), BATCH):
            shelves: dict[str, list[tuple[str, str]]] = {}
            for trajectory in self._read(won[first : first + BATCH]):
                text = searched_by(trajectory.goal, trajectory.first_observation)
                shelves.setdefault(_room(trajectory.env), []).append((trajectory.id, text))
            for shelf, items in shelves.items():
                index.add(items, shelf=shelf)
                added += len(items)
        index.mark(origin=ledger.origin, generation=self._seen)
        return added

    def _read(self, runs: Sequence[str]) -> Iterator[Trajectory]:
        for run in runs:
            try:
                trajectory = self._ledger.trajectory(run)
            except UnknownName:
                continue
            if recallable(trajectory):
                yield trajectory


NAME = "episode "
"""Begins the target of a change that withdraws an episode; the run's id follows."""


def withdrawal(run: str, *, reason: str, actor: str, batch: str = "") -> Change:
    """The change by which the episode of a run is not recalled any more."""
    return Change(
        id="",
        kind="setting",
        target=f"{NAME}{run}",
        op="add",
        reason=reason,
        after={"recalled": False},
        evidence=(run,),
        actor=actor,
        batch=batch,
    )


def standing_episodes(ledger: Ledger, kind: str, source: str) -> tuple[str, ...]:
    """Episodes of a source (`run` or `task`) that are recalled so far."""
    if kind not in ("run", "task"):
        return ()
    column = "id" if kind == "run" else "task_key"
    query = f"SELECT id, body FROM trajectories WHERE {column} = ? ORDER BY seq"  # noqa: S608
    return tuple(
        run
        for run, body in ledger.ask(query, source)
        if recallable(rows.parse(Trajectory, body)) and not withdrawn(ledger, run)
    )


def withdrawn(ledger: Ledger, run: str) -> bool:
    """Whether an episode is kept from being recalled."""
    found = ledger.changes(target=f"{NAME}{run}", kind="setting", limit=-1)
    applied = [change for change in found if change.decision == "applied"]
    return bool(applied) and applied[0].after is not None


def recallable(trajectory: Trajectory) -> bool:
    """Whether it may be recalled: a solved train run, no conversation and no replay."""
    solved = trajectory.score is not None and trajectory.score.passed and not trajectory.error
    solved = solved and trajectory.arm != REPLAY
    return (
        trajectory.split == "train" and solved and not trajectory.thread and bool(trajectory.steps)
    )


def searched_by(goal: str, first: str) -> str:
    """The words by which an episode is found: goal and first observation."""
    return f"{goal}\n{first[:FIRST]}".strip()


def told(trajectory: Trajectory, *, tokens: int) -> str:
    """The essential steps of the last attempt, with what was seen where that fits `tokens`.

    Empty where not even the actions fit.
    """
    steps = essential(_last(trajectory))
    begin = f"Solved before, step by step: {one_line(trajectory.goal)}"
    seen = [f"{one.action} ({clip(one_line(one.observation), most=SEEN)})" for one in steps]
    for way in (seen, [one.action for one in steps]):
        text = f"{begin} {NEXT.join(way)}"
        if steps and estimate_tokens(f"- [{trajectory.id}] {text}") <= tokens:
            return text
    return ""


def _last(trajectory: Trajectory) -> list[StepRecord]:
    final = max((step.attempt for step in trajectory.steps), default=0)
    return [step for step in trajectory.steps if step.attempt == final]


def _room(env: str) -> str:
    return env.partition(":")[0]


def _first(made: Iterator[Candidate | None], most: int) -> list[Candidate]:
    kept: list[Candidate] = []
    for one in made:
        if one is not None:
            kept.append(one)
        if len(kept) == most:
            break
    return kept
