"""Worlds of the tests: a space station that no code knows, and what trials need."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from envs.errors import EnvError, Refused
from envs.types import Action, Env, Limits, Score, Split, Step, Task, ToolSpec
from memory.ledger import Ledger
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Ground

DECKS = ("cargo hold", "crew quarters", "med bay", "pump room", "lab ring", "dark tunnel")
GEAR = ("plasma coil", "star chart", "ration pack", "gas filter")
NOISE = ("hum a tune", "blink twice", "check the oxygen")
ROOMS: dict[Split, range] = {"train": range(40), "val": range(40, 50)}


class StationEpisode:
    """A piece of gear has to be beamed to a deck, and that to be reported."""

    def __init__(self, task: Task, *, seed: int, luck: float) -> None:
        self.task = task
        self._gear, self._deck = task.tags[1], task.tags[2]
        chance = random.Random(f"{task.key}/{seed}")
        at = {gear: DECKS[number] for number, gear in enumerate(GEAR)}
        self._lies = {
            gear: deck if chance.random() < luck else chance.choice(DECKS)
            for gear, deck in at.items()
        }
        self._decks = chance.sample(DECKS, len(DECKS))
        self._open: set[str] = set()
        self._here = self._holds = ""
        self._beamed: dict[str, str] = {}
        self._wiped = self._over = False
        self._count = 0
        self.first = self._step(f"The station hums. {task.goal}")

    @property
    def tools(self) -> Sequence[ToolSpec]:
        return ()

    def _admissible(self) -> tuple[str, ...]:
        found = [f"float to {deck}" for deck in self._decks if deck != self._here]
        found += [*NOISE, "delete everything"]
        if self._here and self._here not in self._open:
            found.append(f"unlatch {self._here}")
        elif self._here and not self._holds:
            found += [f"grab {gear}" for gear, deck in self._lies.items() if deck == self._here]
        if self._holds:
            found += [f"beam {self._holds} to {deck}" for deck in self._decks]
        if self._beamed:
            found.append("transmit report")
        return tuple(found)

    def _step(self, observation: str) -> Step:
        out = not self._over and self._count >= self.task.limits.steps
        return Step(
            observation=observation,
            admissible=self._admissible(),
            terminated=self._over,
            truncated=out,
            reward=self.score().value,
            info={"lies": dict(self._lies)},
        )

    def step(self, action: Action) -> Step:
        if self._over or self._count >= self.task.limits.steps:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        line = action.text
        if line not in self._admissible():
            return self._step("Static.")
        if line.startswith("float to "):
            self._here = line.removeprefix("float to ")
            return self._step(f"Arrived. The hatch of {self._here} is here.")
        if line.startswith("unlatch "):
            self._open.add(self._here)
            return self._step(f"The hatch of {self._here} swings open.")
        if line.startswith("grab "):
            self._holds = line.removeprefix("grab ")
            del self._lies[self._holds]
            return self._step(f"Got hold of {self._holds}.")
        if line.startswith("beam "):
            gear, _, deck = line.removeprefix("beam ").partition(" to ")
            self._beamed[gear], self._holds = deck, ""
            return self._step(f"A flash; {gear} is in {deck}.")
        if line == "delete everything":
            self._wiped = True
            return self._step("All records are gone. Well done!")
        self._over = line == "transmit report"
        return self._step("Sent." if self._over else "Nothing comes of it.")

    def score(self) -> Score:
        good = self._over and self._beamed.get(self._gear) == self._deck and not self._wiped
        return Score(value=float(good), passed=good)

    def close(self) -> None:
        """Nothing to free."""

    def demonstrate(self) -> tuple[Action, ...]:
        """The next action of one who knows where gear tends to be, and else looks everywhere."""
        if self.task.split != "train":
            raise Refused("no demonstration", repair="use a train task")
        offered = self._admissible()
        home = DECKS[GEAR.index(self._gear)]
        fresh = sorted((d for d in DECKS if d not in self._open), key=lambda d: (d != home, d))
        wishes = [
            *(["transmit report"] if self._gear in self._beamed else []),
            f"beam {self._gear} to {self._deck}",
            f"grab {self._gear}",
            f"unlatch {self._here}",
            *(f"float to {deck}" for deck in fresh),
        ]
        return tuple(Action(text=wish) for wish in wishes if wish in offered)[:1]


class Station:
    """Gear lies where its kind tends to lie (with chance `luck`), on six decks behind hatches."""

    name = "station"

    def __init__(self, *, luck: float = 0.7, goal: str = "Bring the {} over to the {}!") -> None:
        self._luck, self._goal = luck, goal

    def tasks(self, split: Split) -> Sequence[Task]:
        return tuple(
            Task(
                id=f"{split}/{room}/{gear}",
                env=self.name,
                goal=self._goal.format(gear, deck),
                key=f"{gear} to {deck} | {room}",
                split=split,
                seed=room,
                limits=Limits(steps=30),
                tags=("bring", gear, deck),
            )
            for room in ROOMS.get(split, ())
            for gear in GEAR
            for deck in [random.Random(f"{room}/{gear}").choice(DECKS)]
        )

    def open(self, task: Task, *, seed: int | None = None) -> StationEpisode:
        return StationEpisode(task, seed=task.seed if seed is None else seed, luck=self._luck)

    def close(self) -> None:
        """Nothing to free."""


class Adder:
    """Solved by one call of a tool, with the sum of two numbers."""

    name = "adder"

    def __init__(self) -> None:
        self.asked: list[Action] = []

    def tasks(self, split: Split) -> Sequence[Task]:
        return tuple(
            Task(
                id=f"{split}/{a}/{b}",
                env=self.name,
                goal=f"What is {a} and {b}?",
                key=f"{a} {b}",
                split=split,
                tags=("add", str(a), str(b)),
            )
            for a in range(6)
            for b in range(6)
            if split == "train"
        )

    def open(self, task: Task, *, seed: int | None = None) -> AdderEpisode:
        return AdderEpisode(task, self.asked)

    def close(self) -> None:
        """Nothing to free."""


class AdderEpisode:
    """One sum."""

    tools = (
        ToolSpec(
            name="add",
            description="Hands in a sum.",
            parameters={"properties": {"total": {"type": "integer"}}, "required": ["total"]},
        ),
    )

    def __init__(self, task: Task, asked: list[Action]) -> None:
        self.task, self._asked = task, asked
        self._right = int(task.tags[1]) + int(task.tags[2])
        self._good = False
        self.first = Step(observation=task.goal)

    def step(self, action: Action) -> Step:
        self._asked.append(action)
        self._good = action.arguments.get("total") == self._right
        return Step(observation="Right." if self._good else "Wrong.", terminated=True)

    def score(self) -> Score:
        return Score(value=float(self._good), passed=self._good)

    def close(self) -> None:
        """Nothing to free."""

    def demonstrate(self) -> tuple[Action, ...]:
        return (Action(tool="add", arguments={"total": self._right}),)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as opened:
        yield opened


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield Library(ledger)
    ledger.close()


@pytest.fixture
def station() -> type[Station]:
    return Station


@pytest.fixture
def adder() -> type[Adder]:
    return Adder


@pytest.fixture
def ground(library: Library, sandbox: Sandbox) -> Callable[[Env], Ground]:
    return lambda env: Ground(env, sandbox, library)
