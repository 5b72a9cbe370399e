"""A cabinet of drawers: instant, deterministic, and learnable. For tests and first steps.

Each kind of thing has its home in a drawer of one colour, the same in every room, and an episode
is too short to open all drawers. So a player without memory wins about half of the time, and one
who remembers where spoons are kept wins always.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from envs.errors import EnvError, Refused, UnknownName
from envs.types import Action, Limits, Score, Split, Step, Task, ToolSpec

COLOURS = ("red", "blue", "green", "white", "black", "yellow")
THINGS = ("spoon", "key", "candle", "stamp", "battery", "ribbon")
ROOMS: dict[Split, range] = {"train": range(60), "val": range(60, 90), "test": range(90, 120)}
STEPS = 5


class ToyEpisode:
    """One search for one thing."""

    def __init__(self, task: Task, *, homes: dict[str, str], seed: int) -> None:
        self.task = task
        self._thing = task.tags[1]
        self._homes = homes
        self._open = ""
        self._holds = ""
        self._given = False
        self._count = 0
        self._order = random.Random(f"{task.key}/{seed}").sample(COLOURS, len(COLOURS))
        drawers = ", ".join(f"a {colour} drawer" for colour in self._order)
        self.first = self._step(f"You stand before a cabinet with {drawers}. {task.goal}")

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """None: actions are text."""
        return ()

    def _admissible(self) -> tuple[str, ...]:
        actions = [f"open {colour} drawer" for colour in self._order]
        inside = [thing for thing, home in self._homes.items() if home == self._open]
        actions += [f"take {thing}" for thing in inside if thing != self._holds]
        if self._holds:
            actions.append(f"give {self._holds}")
        return tuple(actions)

    def _step(self, observation: str) -> Step:
        return Step(
            observation=observation,
            admissible=self._admissible(),
            terminated=self._given,
            truncated=not self._given and self._count >= self.task.limits.steps,
            reward=float(self._given),
        )

    def step(self, action: Action) -> Step:
        """`open COLOUR drawer`, `take THING`, `give THING`."""
        if self._given or self._count >= self.task.limits.steps:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        if action.text not in self._admissible():
            return self._step("Nothing happens.")
        verb, what = action.text.split()[:2]
        if verb == "open":
            self._open = what
            inside = [thing for thing, home in self._homes.items() if home == what]
            seen = f"a {inside[0]}" if inside and inside[0] != self._holds else "nothing"
            return self._step(f"You open the {what} drawer. In it you see {seen}.")
        if verb == "take":
            self._holds = what
            return self._step(f"You take the {what}.")
        if what == self._thing:
            self._given = True
            return self._step(f"Thank you for the {what}.")
        return self._step(f"I did not ask for the {what}.")

    def score(self) -> Score:
        """1 when the right thing was given."""
        return Score(value=float(self._given), passed=self._given)

    def close(self) -> None:
        """Nothing to free."""

    def demonstrate(self) -> tuple[Action, ...]:
        """The shortest way from here."""
        if self.task.split != "train":
            raise Refused(f"no demonstration on {self.task.split}", repair="use a train task")
        home = self._homes[self._thing]
        lines = (f"open {home} drawer", f"take {self._thing}", f"give {self._thing}")
        done = 3 if self._given else 2 if self._holds == self._thing else self._open == home
        return tuple(Action(text=line) for line in lines[done:])


class Toy:
    """360 train tasks, 180 each of val and test: every thing in every room."""

    name = "toy"

    def __init__(self, *, secret: int = 0) -> None:
        homes = random.Random(secret).sample(COLOURS, len(COLOURS))
        self._homes: dict[str, str] = dict(zip(THINGS, homes, strict=True))

    def tasks(self, split: Split) -> Sequence[Task]:
        """Rooms of the splits are disjoint."""
        return tuple(
            Task(
                id=f"{split}/{room}/{thing}",
                env=self.name,
                goal=f"Bring me the {thing}.",
                key=f"bring {thing} | room {room}",
                split=split,
                seed=room,
                limits=Limits(steps=STEPS),
                tags=("bring", thing),
            )
            for room in ROOMS.get(split, ())
            for thing in random.Random(room).sample(THINGS, len(THINGS))
        )

    def open(self, task: Task, *, seed: int | None = None) -> ToyEpisode:
        """Seeds change the order of the drawers, never where things are kept."""
        if len(task.tags) < 2 or task.tags[1] not in self._homes:
            raise UnknownName("toy task", task.id, (known.id for known in self.tasks("train")))
        return ToyEpisode(task, homes=self._homes, seed=task.seed if seed is None else seed)

    def close(self) -> None:
        """Nothing to free."""
