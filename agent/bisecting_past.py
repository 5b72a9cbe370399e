"""Earlier states of the agent, to play in: what its changes left, in a copy that is thrown away.

Changes of every kind count: lessons, skills, prompts, settings, and which student answers. The copy
is one ledger that is moved from state to state; the agent's own is only read.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.crossing import off
from agent.graph import Graph, opened
from agent.home import Home, checkpoints
from agent.models.types import Model
from agent.promotion import BASE, current
from agent.runner import Crew
from agent.settings import Settings, StoreSettings
from memory.asof import place_of, states
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.rows import parse
from memory.types import SHOWABLE, Change

Key = tuple[str, str]
"""Kind and id of what changes alter."""
States = dict[Key, dict[str, Any]]
"""What stands."""
Students = Callable[[str], Awaitable[Model]]
"""Opens a student by its id, or the bare base."""


class Past:
    """The states between two moments, as far as they differ for one environment.

    State 0 is that of the first moment; step k, one of `steps`, leads to state k.
    """

    def __init__(self, ledger: Ledger, *, good: str, bad: str, env: str) -> None:
        """Raises `Refused` for no moments."""
        first = place_of(ledger, good)
        last = place_of(ledger, bad)
        self.room = env.partition(":")[0]
        self._base: States = states(ledger, first)
        query = (
            "SELECT body FROM changes WHERE seq > ? AND seq <= ? AND decision = 'applied' "
            "ORDER BY seq"
        )
        applied = [parse(Change, body) for (body,) in ledger.ask(query, first, last)]
        self.all = len(applied)
        """Changes between the moments, of every environment."""
        self._applied = applied
        self._ends: list[int] = [0]
        self.steps: list[Change] = []
        """Those that may matter here."""
        for place, change in enumerate(applied, start=1):
            if self._matters(change):
                self.steps.append(change)
                self._ends.append(place)

    def at(self, state: int) -> States:
        """All that stands in a state."""
        found = dict(self._base)
        for change in self._applied[: self._ends[state]]:
            key = (change.kind, change.target)
            if change.after is None:
                found.pop(key, None)
            else:
                found[key] = change.after
        return found

    def digest(self, state: int) -> str:
        """What tells states apart: a hash of all that stands."""
        parts = sorted(self.at(state).items())
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _matters(self, change: Change) -> bool:
        """Whether a task here can tell that it was made; in doubt it can."""
        before, after = change.before or {}, change.after or {}
        if change.kind == "lesson":
            here = [one for one in (before, after) if _shown(one, self.room)]
            return bool(here) and _worded(before) != _worded(after)
        if change.kind == "skill":
            rooms = {str(one.get("env", "")).partition(":")[0] for one in (before, after) if one}
            return not rooms or bool(rooms & {"", self.room})
        if change.kind == "adapter":
            return "active" in (before.get("status"), after.get("status"))
        return change.target.partition("/")[0] in ("", self.room)  # see `agent/applied.py`


def _shown(state: dict[str, Any], room: str) -> bool:
    scope = (state.get("scope") or {}).get("env", "")
    return state.get("status") in SHOWABLE and scope in ("", room)


def _worded(state: dict[str, Any]) -> tuple[object, ...]:
    """What of a lesson decides who gets to see it."""
    names = ("text", "situation", "scope", "valid_from", "valid_to", "trust", "supersedes")
    shown = state.get("status") in SHOWABLE
    return (shown, *(json.dumps(state.get(name)) for name in names)) if shown else ()


class Player:
    """Gives the crew of any state, with a memory of its own that is moved there."""

    def __init__(
        self,
        place: Home,
        past: Past,
        *,
        memory: Memory,
        graph: Graph,
        settings: Settings,
        students: Students | None,
    ) -> None:
        self._place = place
        self._past = past
        self._memory = memory
        self._graph = graph
        self._settings = settings
        self._students = students
        self._homes: dict[str, Home] = {}
        self._now: States = {}

    async def crew(self, state: int) -> Crew:
        """Who plays as the agent was then; it holds until the next one is asked for."""
        await off(self._move, self._past.at(state))
        name = await off(self._student)
        if name not in self._homes:
            same = self._students is None or name == await off(_answers, self._place.ledger)
            opens = None if same else self._students
            models = {"model": await (opens(name) if opens else self._place.model())}
            if self._settings.reflector is not None:
                models["reflector"] = await self._place.model("reflector")
            given = {"memory": self._memory, "graph": self._graph, "models": models}
            self._homes[name] = Home(self._settings, **given)
        return await self._homes[name].crew()

    async def close(self) -> None:
        """Ends what was begun for states."""
        for home in self._homes.values():
            await home.close()

    def _student(self) -> str:
        return _answers(self._memory.ledger) if self._students else BASE

    def _move(self, wanted: States) -> None:
        changes = [self._step(key, None) for key in self._now if key not in wanted]
        changes += [
            self._step(key, state) for key, state in wanted.items() if self._now.get(key) != state
        ]
        if changes:
            self._memory.write(*changes)
        self._now = wanted

    def _step(self, key: Key, state: dict[str, Any] | None) -> Change:
        op = "remove" if state is None else "add"
        if state is not None and key in self._now:
            same = all(self._now[key].get(name) == state.get(name) for name in ("text", "scope"))
            op = "status" if key[0] != "lesson" or same else "edit"
        raw = {"id": "", "kind": key[0], "target": key[1], "op": op, "after": state}
        return Change.model_validate({**raw, "reason": "as it was then"})


@asynccontextmanager
async def player(place: Home, past: Past, *, students: Students | None) -> AsyncIterator[Player]:
    """Opens the copy; when it is left, the copy is gone.

    `students` opens who answered then; None: the settings name the model, whoever was promoted.
    """
    with tempfile.TemporaryDirectory(prefix="journeyman-past-") as folder:
        alone = {"home": Path(folder), "store": StoreSettings()}
        router = place.settings.router.model_copy(update={"use": False})
        settings = place.settings.model_copy(update={**alone, "router": router})
        ledger = Ledger(Path(folder) / "ledger.db")
        memory = Memory(ledger, ListIndex(place.memory.index.embedder))
        try:
            async with opened(checkpoints(settings)) as graph:
                made = Player(
                    place, past, memory=memory, graph=graph, settings=settings, students=students
                )
                try:
                    yield made
                finally:
                    await made.close()
        finally:
            await off(memory.close)


def _answers(ledger: Ledger) -> str:
    """Id of the student that answers, or the bare base."""
    found = current(ledger)
    return found.id if found else BASE
