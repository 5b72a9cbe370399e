"""Which change broke a task: it is played again as of older states, by halves.

Plays learn nothing and go on in a copy (`agent/bisecting_past.py`); they are kept with the other
runs as evidence, and a search that was stopped finds them again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Literal

from agent.bisecting_past import Past, Player, Students, player
from agent.breaks import ALPHA, Search
from agent.crossing import off
from agent.home import Home
from agent.runner import Crew, Spec
from agent.runner import run as play
from envs.errors import Refused
from envs.types import Env, Frozen, Task
from memory import rows
from memory.intervals import newcombe
from memory.ledger import Ledger
from memory.types import REPLAY, Change, Trajectory

SEEDS = 16
"""Most plays of a state, unless another number is asked for."""


class Played(Frozen):
    """One play, and what is known after it."""

    state: int
    """Changes that were made by then, of those that are searched."""
    run: str
    """Its id."""
    won: bool
    """Whether it solved the task."""
    left: int
    """Changes that may still be the one."""


class Broke(Frozen):
    """What the search came to."""

    env: str
    """Environment."""
    task: str
    """Id of the task."""
    split: str
    """Its split."""
    verdict: Literal["found", "nothing", "can't tell"]
    """`nothing`: that the task fell at all is not shown."""
    change: Change | None = None
    """The one that broke it."""
    left: tuple[Change, ...] = ()
    """Where it can't tell: those that may have."""
    steps: int
    """Changes that were searched."""
    all: int
    """Changes in that time, with those that can't matter to this environment."""
    before: tuple[int, int]
    """Plays before the change (or at the good end) that solved the task, and all of them."""
    after: tuple[int, int]
    """The same after it (or at the bad end)."""
    certain: bool = False
    """Each state was played once, as chance plays no part."""
    alpha: float = ALPHA
    """Chance, at most, that a change is named which is not the one."""
    plays: tuple[Played, ...] = ()
    """In order."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Ids of the runs right before the change and right after it."""
        if self.change is None:
            return ()
        steps = [one.state for one in self.plays]
        low = max((s for s in steps if s < self._place()), default=0)
        high = min((s for s in steps if s >= self._place()), default=self.steps)
        return tuple(one.run for one in self.plays if one.state in (low, high))

    def _place(self) -> int:
        return self.found_at

    found_at: int = 0
    """Number of the change among those that were searched, counted from 1; 0: none."""

    def bound(self) -> str:
        """How sure it is, in words."""
        if self.certain:
            return "each state was played once: this holds where chance plays no part"
        return (
            f"such a search names a wrong change in {self.alpha:.0%} of all cases at most, "
            "however long it goes on"
        )

    def fall(self) -> str:
        """How far success fell from the one end to the other, in words."""
        (won, n), (later, m) = self.before, self.after
        text = f"{won} of {n} plays solved it before, {later} of {m} after"
        if self.certain or not (n and m):
            return text
        low, high = newcombe((won, later), (n, m))
        return f"{text}: it fell by {100 * low:+.0f} to {100 * high:+.0f} points (95 %)"


Watch = Callable[[Played, Search], None]
"""Hears of each play."""


def last_solved(ledger: Ledger, task: Task) -> Trajectory | None:
    """The newest run that solved this very task; replays don't count."""
    found = ledger.trajectories(env=task.env, task_key=task.key, limit=-1)
    solved = (one for one in found if one.task == task.id and one.score and one.score.passed)
    return next((one for one in solved if not one.error and one.arm != REPLAY), None)


async def bisect(
    place: Home,
    env: Env,
    task: Task,
    past: Past,
    *,
    most: int = SEEDS,
    certain: bool = False,
    students: Students | None = None,
    watch: Watch = lambda _play, _search: None,
) -> Broke:
    """Searches the steps of `past` for the one from which on `task` is solved less often.

    At most `most` plays of a state; `certain`: one of each, where chance plays no part. Raises
    `Refused` where there is nothing to search, and where a play breaks.
    """
    if not past.steps:
        raise Refused(
            f"no change between these moments can matter to {env.name}",
            repair="name an earlier one with --good (`journeyman history` lists them)",
        )
    search = Search(len(past.steps), most=most, certain=certain)
    plays: list[Played] = []
    async with player(place, past, students=students) as there:
        room = _Room(place, env, task, past, there)
        at_once = max(1, place.settings.model.parallel)
        while (state := search.next()) is not None:
            free = 1 if certain else min(at_once, most - search.played[state])
            for done in await room.play(state, first=search.played[state], count=free):
                won = bool(done.score and done.score.passed)
                search.told(state, won=won)
                left = len(search.left) if search.shown else search.steps
                plays.append(Played(state=state, run=done.id, won=won, left=left))
                watch(plays[-1], search)
    return _broke(task, past, search, plays, certain=certain)


class _Room:
    """Plays of one task in any state."""

    def __init__(self, place: Home, env: Env, task: Task, past: Past, player: Player) -> None:
        self._place = place
        self._env = env
        self._task = task
        self._past = past
        self._player = player

    async def play(self, state: int, *, first: int, count: int) -> list[Trajectory]:
        """Plays number `first` and those after it; old ones where they are kept."""
        crew = await self._player.crew(state)
        digest = await off(self._past.digest, state)
        jobs = [self._one(crew, digest, number) for number in range(first, first + count)]
        return list(await asyncio.gather(*jobs))

    async def _one(self, crew: Crew, digest: str, number: int) -> Trajectory:
        task, ledger = self._task, self._place.ledger
        parts = (task.env, task.id, digest, number, crew.model.name, self._place.settings.hash())
        mark = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
        run_id = f"r{mark[:12]}"
        known = await off(_known, ledger, run_id)
        if known is not None:
            return known
        seed = task.seed if number == 0 else int(mark[12:19], 16)
        spec = Spec(
            task=task,
            seed=seed,
            arm=REPLAY,
            learn=False,
            chance=f"{task.id}/{mark}",
            pair=f"bisect {digest}",
        )
        done = await play(crew, self._env, spec, run_id=run_id)
        if done.error:
            raise Refused(
                f"play {run_id} broke: {done.error}",
                repair="mend that; the same command goes on where this one ended",
            )
        await off(_kept, ledger, crew.memory.ledger, done)
        return done


def _known(ledger: Ledger, run_id: str) -> Trajectory | None:
    found = ledger.ask("SELECT body FROM trajectories WHERE id = ?", run_id)
    return rows.parse(Trajectory, found[0][0]) if found else None


def _kept(ledger: Ledger, copy: Ledger, done: Trajectory) -> None:
    ledger.begin_run(copy.run(done.id))
    ledger.add_trajectory(done)


def _broke(task: Task, past: Past, search: Search, plays: list[Played], *, certain: bool) -> Broke:
    last, at = search.steps, search.found
    verdict = "found" if at else "can't tell" if search.shown else "nothing"
    before, after = search.counts(0, 0), search.counts(last, last)
    if at:
        before, after = search.counts(0, at - 1), search.counts(at, last)
    return Broke(
        env=task.env,
        task=task.id,
        split=task.split,
        verdict=verdict,
        change=past.steps[at - 1] if at else None,
        found_at=at or 0,
        left=tuple(past.steps[k - 1] for k in search.left) if verdict == "can't tell" else (),
        steps=last,
        all=past.all,
        before=before,
        after=after,
        certain=certain,
        plays=tuple(plays),
    )
