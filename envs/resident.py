"""Houses whose residents keep things in places of their own, and tell them to whoever asks.

Commands are ALFWorld's, and one more: `ask Ada where the tea is kept`, which costs a step. Where
things are is hidden, differs from house to house, and stays the same in a house. An episode is too
short to search the house; it is long enough for who asks first, or remembers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from envs.errors import EnvError, Refused, UnknownName
from envs.types import Action, Limits, Score, Split, Step, Task, ToolSpec

RESIDENTS: dict[Split, tuple[str, ...]] = {
    "train": ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn"),
    "val": ("Gus", "Hal", "Ida"),
    "test": ("Jo", "Kim", "Lea"),
}
THINGS = ("tea", "candle", "scissors", "soap", "map", "whistle")
PLACES = tuple(f"{kind} {number}" for kind in ("shelf", "drawer", "box") for number in (1, 2, 3, 4))
TARGETS = ("table", "bed", "bench")
STEPS = 6


class ResidentEpisode:
    """One errand in one house."""

    tools: Sequence[ToolSpec] = ()

    def __init__(self, task: Task, *, kept: dict[str, str], seed: int) -> None:
        self.task = task
        _, self._thing, self._target, self._owner = task.tags
        self._kept = kept
        self._here = ""
        self._holds = ""
        self._done = False
        self._count = 0
        self._order = random.Random(f"{task.key}/{seed}").sample(PLACES, len(PLACES))
        seen = ", ".join(f"a {place}" for place in (*PLACES, *TARGETS))
        self.first = self._step(f"You are in {self._owner}'s house. You see {seen}. {task.goal}")

    def _admissible(self) -> tuple[str, ...]:
        actions = [f"go to {place}" for place in (*self._order, *TARGETS) if place != self._here]
        things = [] if self._holds else [t for t, p in self._kept.items() if p == self._here]
        actions += [f"take {thing} from {self._here}" for thing in things]
        if self._holds and self._here in TARGETS:
            actions.append(f"put {self._holds} on {self._here}")
        actions += [f"ask {self._owner} where the {thing} is kept" for thing in THINGS]
        return tuple(actions)

    def _step(self, observation: str) -> Step:
        return Step(
            observation=observation,
            admissible=self._admissible(),
            terminated=self._done,
            truncated=not self._done and self._count >= self.task.limits.steps,
            reward=float(self._done),
        )

    def step(self, action: Action) -> Step:
        """One of the admissible commands; anything else does nothing, and costs a step too."""
        if self._done or self._count >= self.task.limits.steps:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        if action.text not in self._admissible():
            return self._step("Nothing happens.")
        verb, _, rest = action.text.partition(" ")
        if verb == "ask":
            thing = rest.partition(" where the ")[2].removesuffix(" is kept")
            return self._step(f'{self._owner} says: "I keep the {thing} at {self._kept[thing]}."')
        if verb == "go":
            self._here = rest.removeprefix("to ")
            inside = [t for t, place in self._kept.items() if place == self._here]
            inside = [thing for thing in inside if thing != self._holds]
            seen = ", ".join(f"a {thing}" for thing in inside) or "nothing"
            return self._step(f"You arrive at {self._here}. There you see {seen}.")
        if verb == "take":
            self._holds = rest.partition(" from ")[0]
            return self._step(f"You pick up the {self._holds} from {self._here}.")
        what, self._holds = self._holds, ""
        self._done = (what, self._here) == (self._thing, self._target)
        return self._step(f"You put the {what} on {self._here}.")

    def score(self) -> Score:
        """1 when the thing lies where it was wanted."""
        return Score(value=float(self._done), passed=self._done)

    def close(self) -> None:
        """Nothing to free."""

    def demonstrate(self) -> tuple[Action, ...]:
        """The shortest way from the beginning, by one who knows where things are."""
        if self.task.split != "train":
            raise Refused(f"no demonstration on {self.task.split}", repair="use a train task")
        place = self._kept[self._thing]
        lines = (
            f"go to {place}",
            f"take {self._thing} from {place}",
            f"go to {self._target}",
            f"put {self._thing} on {self._target}",
        )
        return tuple(Action(text=line) for line in lines)


class Resident:
    """Eighteen errands in each house; splits have different houses."""

    name = "resident"

    def __init__(self, *, secret: int = 0) -> None:
        self._secret = secret

    def tasks(self, split: Split) -> Sequence[Task]:
        """By house, then by thing."""
        return tuple(
            Task(
                id=f"{split}/{owner}/{thing}-{target}",
                env=self.name,
                goal=f"Put the {thing} on the {target}.",
                key=f"put {thing} on {target} | {owner}'s house",
                split=split,
                seed=number,
                limits=Limits(steps=STEPS),
                tags=("errand", thing, target, owner),
            )
            for owner in RESIDENTS.get(split, ())
            for number, (target, thing) in enumerate((b, a) for b in TARGETS for a in THINGS)
        )

    def open(self, task: Task, *, seed: int | None = None) -> ResidentEpisode:
        """Seeds change the order in which places are listed, never where things are kept."""
        if len(task.tags) != 4 or task.tags[1] not in THINGS:
            raise UnknownName("errand", task.id, (one.id for one in self.tasks("train")))
        places = random.Random(f"{self._secret}/{task.tags[3]}").sample(PLACES, len(THINGS))
        kept: dict[str, str] = dict(zip(THINGS, places, strict=True))
        return ResidentEpisode(task, kept=kept, seed=task.seed if seed is None else seed)

    def close(self) -> None:
        """Nothing to free."""
