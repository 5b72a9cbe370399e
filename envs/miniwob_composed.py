"""Compositions of MiniWoB++'s tasks: several pages one after the other, under one instruction.

In the manner of CompWoB (Furuta et al. 2023, arXiv 2311.18751), with its two ways to ask: in the
order in which things are to be done (even seeds), and the other way round (odd seeds: "B. But
before that: A"). The 20 compositions are made of train tasks, on seeds that `miniwob` does not
list, and all of them are `test`. Unlike most of CompWoB's, a page shows one task at a time: when
it has given its reward the next one comes up, without its own instruction, and what did not earn
a reward ends the episode.

`python -m envs.miniwob_composed` writes down what the pages ask for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from envs.browser import Browser
from envs.errors import EnvError, JourneymanError, UnknownName
from envs.miniwob import ACTIONS_MOST, HERE, STEPS, MiniWob, MiniWobEpisode
from envs.miniwob_goals import instruction
from envs.pages import parse, unique, words_of
from envs.types import Action, Limits, Score, Split, Step, Task, ToolSpec

NAME = "miniwob:composed"
SEEDS = 4
"""Seeds of each composition that are listed: 0 to 3."""
FIRST_SEED = 1000
"""The pages of a composition's seed 0 are played with this seed."""
_COMPOSITIONS = """
click-dialog login-user
click-dialog-2 enter-text
click-checkboxes login-user
enter-text login-user
enter-password click-checkboxes
enter-date enter-time
focus-text enter-text
click-collapsible-nodelay click-checkboxes
login-user click-collapsible-2-nodelay
click-checkboxes-transfer enter-password
enter-text-2 click-dialog-2
login-user-popup enter-text
navigate-tree login-user
choose-date-easy enter-text-dynamic
click-dialog enter-text login-user
click-checkboxes enter-password click-dialog-2
enter-text enter-text-dynamic enter-password
focus-text-2 login-user click-checkboxes
click-dialog click-collapsible-nodelay login-user
enter-date enter-time enter-text-2
"""
COMPOSITIONS = {
    "_".join(line.split()): tuple(line.split()) for line in _COMPOSITIONS.strip().splitlines()
}
"""Pages of each composition, in the order in which they are done."""


class Part(Protocol):
    """What a composition needs of the episode of one page."""

    task: Task
    first: Step

    def step(self, action: Action) -> Step:
        """One action."""
        ...

    def score(self) -> Score:
        """Its score so far, with `raw`."""
        ...

    def shot(self) -> bytes:
        """A picture."""
        ...

    def close(self) -> None:
        """Gives the page back."""
        ...


class ComposedEpisode:
    """One attempt at one composition; all its pages are loaded when it begins."""

    def __init__(self, task: Task, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._at = 0
        self._count = 0
        self._over = False
        goals = [part.task.goal for part in parts]
        self.task = task.model_copy(update={"goal": combined(goals, odd=is_odd(task))})
        self._words = unique(word for goal in goals for word in words_of(goal))
        self.first = self._shown(self.task.goal, self._parts[0])

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """None: actions are text."""
        return ()

    def step(self, action: Action) -> Step:
        """One action on the page that is up."""
        if self._over or self._count >= self.task.limits.steps:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        part = self._parts[self._at]
        step = part.step(action)
        if step.terminated:
            self._at += part.score().passed
            self._over = self._at == len(self._parts) or not part.score().passed
            if self._over:
                return step
            step = self._shown(step.observation, self._parts[self._at])
        cut = self._count >= self.task.limits.steps
        return step.model_copy(update={"admissible": self._more(step), "truncated": cut})

    def score(self) -> Score:
        """Passed when every page gave a reward above 0; `value` is the least of these rewards."""
        every = [part.score() for part in self._parts]
        passed = all(one.passed for one in every)
        return Score(
            value=min(one.value for one in every) if passed else 0.0,
            passed=passed,
            parts={f"raw {number}": one.parts["raw"] for number, one in enumerate(every, 1)},
            note="" if passed else f"{sum(one.passed for one in every)} of {len(every)} pages done",
        )

    def shot(self) -> bytes:
        """The page that is up as a PNG; empty once it is closed."""
        return self._parts[min(self._at, len(self._parts) - 1)].shot()

    def close(self) -> None:
        """Gives all pages back."""
        for part in self._parts:
            part.close()

    def _shown(self, told: str, part: Part) -> Step:
        """The first sight of a page, with `told` in the place of its own instruction."""
        seen = part.first.observation.removeprefix(part.task.goal).strip("\n")
        first = part.first.model_copy(update={"observation": f"{told}\n\n{seen}"})
        return first.model_copy(update={"admissible": self._more(first)})

    def _more(self, step: Step) -> tuple[str, ...]:
        """What can be done, with the words of the whole instruction to be filled in."""
        known = step.admissible or ()
        found: list[str] = []
        for action in (parse(text) for text in known if text.startswith("fill ")):
            found += (str(action.model_copy(update={"value": word})) for word in self._words)
        return unique([*known, *found])[: max(ACTIONS_MOST, len(known))]


class Composed:
    """The 20 compositions, with `seeds` pages of each listed; any other seed can be opened."""

    def __init__(
        self,
        *,
        executable: Path | str = "",
        seeds: int = SEEDS,
        steps: int = STEPS,
        browser: Browser | None = None,
    ) -> None:
        self.name = NAME
        self._seeds = seeds
        self._steps = steps
        most = steps * max(map(len, COMPOSITIONS.values()))
        self.pages = MiniWob(executable=executable, steps=most, browser=browser)

    def tasks(self, split: Split) -> Sequence[Task]:
        """Of `test` every composition once, then every one with the next seed; else none."""
        if split != "test":
            return ()
        return tuple(self.task(name, seed=seed) for seed in range(self._seeds) for name in names())

    def task(self, name: str, *, seed: int = 0) -> Task:
        """One composition by its name, as `enter-text_login-user`. Raises `UnknownName`."""
        if name not in COMPOSITIONS:
            raise UnknownName("composition of miniwob", name, COMPOSITIONS)
        pages, goals = COMPOSITIONS[name], goals_by_name().get(name, [])
        known_goals = goals[seed] if 0 <= seed < len(goals) else []
        goal = combined(known_goals or [f"What {page} asks." for page in pages], odd=seed % 2 == 1)
        return Task(
            id=f"{NAME}/test/{name}-{seed}",
            env=NAME,
            goal=goal,
            key=f"{name} | {goal}" if known_goals else f"{name}-{seed}",
            split="test",
            seed=seed,
            limits=Limits(steps=self._steps * len(pages)),
            tags=(name, f"{len(pages)} pages", "reversed" if seed % 2 else "in order"),
        )

    def open(self, task: Task, *, seed: int | None = None) -> ComposedEpisode:
        """Begins an attempt. Raises `Missing` without a browser or the pages."""
        name = task.id.rpartition("/")[2].rpartition("-")[0]
        number = task.seed if seed is None else seed
        task = task.model_copy(update={"seed": number, "key": self.task(name, seed=number).key})
        parts: list[MiniWobEpisode] = []
        try:
            for page in COMPOSITIONS[name]:
                part = self.pages.open(self.pages.task(page, seed=FIRST_SEED + number))
                parts.append(part)
            return ComposedEpisode(task, parts)
        except JourneymanError:
            for part in parts:
                part.close()
            raise

    def close(self) -> None:
        """Ends pages, server and browser, unless the browser was passed in."""
        self.pages.close()


def combined(goals: Sequence[str], *, odd: bool) -> str:
    """One instruction for several, in order of what is to be done; `odd` tells the last first."""
    plain = [" ".join(goal.split()) for goal in goals]
    if odd:
        return " But before that: ".join(reversed(plain))
    return " And then: ".join(plain)


def is_odd(task: Task) -> bool:
    """Whether its instruction tells the last thing first."""
    return task.seed % 2 == 1


def names() -> tuple[str, ...]:
    """The compositions, in order."""
    return tuple(COMPOSITIONS)


@cache
def goals_by_name() -> dict[str, list[list[str]]]:
    """What the pages of each composition ask for, seed by seed; what the pages themselves say."""
    with suppress(OSError):
        return json.loads((HERE / "miniwob_composed_goals.json").read_text("utf-8"))
    return {}


def asked(env: MiniWob, *, seeds: int = SEEDS) -> dict[str, list[list[str]]]:
    """What the pages of each composition ask for under its first `seeds` seeds."""
    return {
        name: [
            [instruction(env, page, seed=FIRST_SEED + seed) for page in pages]
            for seed in range(seeds)
        ]
        for name, pages in COMPOSITIONS.items()
    }


if __name__ == "__main__":
    world = MiniWob()
    try:
        found = asked(world)
    finally:
        world.close()
    text = json.dumps(found, ensure_ascii=False, indent=0, sort_keys=True)
    (HERE / "miniwob_composed_goals.json").write_text(text + "\n", "utf-8")
    sys.stdout.write(f"instructions of {len(found)} compositions\n")
