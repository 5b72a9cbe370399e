"""Whether a prompt holds what belongs to a held-out task: its layout, word by word.

First observations are compared by runs of `WORDS` words. What also stands in train tasks or in the
fixed prompts says nothing and is left out; a held-out text is recognised by what is left. Later
observations are not compared: "you arrive at drawer 4, the drawer 4 is closed" is true of half of
all rooms. A paraphrase, a part of a layout that other rooms have too, or a single fact ("the mug is
in drawer 3") is not found: against these stand the guards by lineage.

Measured with random play on 30 train and 40 val and test tasks: whole transcripts of train tasks
and of the task played itself gave no hit, in ALFWorld and in real-sized households. A planted first
observation was found 40 times of 40 in both, its first half 35 and 13 times. With 60 train houses,
7 of 120 held-out ones can't be found at all (`Held.alike`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from envs.types import Frozen, Task
from memory.text import normal

WORDS = 8
"""Length of what is compared: about three places of a room with their numbers."""
LEAST = 4
"""Fewer runs of words in common are chance, where a task has as many of its own."""


class Hit(Frozen):
    """A held-out task that a prompt tells of."""

    task: str
    """Its id."""
    key: str
    """Its `Task.key`."""
    shared: int
    """Runs of words of its own that stand in the prompt."""
    of: int
    """Runs of words of its own."""
    words: str
    """The first of them."""

    @property
    def text(self) -> str:
        """One line."""
        return (
            f"the prompt tells of the held-out task {self.task!r}: {self.shared} of {self.of} "
            f"passages, such as {self.words!r}"
        )


@dataclass(frozen=True)
class Held:
    """What is characteristic of held-out texts."""

    tasks: tuple[Task, ...]
    """The tasks, in order."""
    own: tuple[frozenset[str], ...]
    """Runs of words of each that stand in no common text."""
    where: dict[str, tuple[int, ...]]
    """Numbers of the tasks for each run of words."""

    @property
    def alike(self) -> tuple[Task, ...]:
        """Tasks that nothing tells from common texts, so that they can't be found."""
        return tuple(t for t, runs in zip(self.tasks, self.own, strict=True) if not runs)


def fingerprints(texts: Iterable[tuple[Task, str]], *, common: Iterable[str] = ()) -> Held:
    """What gives held-out tasks away; `texts` are pairs of task and first observation.

    `common` is what an arm may know: the first observations of all tasks that are learned from or
    demonstrated. Without them half of all generated houses look like a held-out one, as lists of
    places recur (what lies where does not). The agent's own prompts are added to it.
    """
    usual: set[str] = set()
    for text in (*prompts(), *common):
        usual.update(passages(text))
    tasks: list[Task] = []
    own: list[frozenset[str]] = []
    where: dict[str, list[int]] = {}
    for number, (task, text) in enumerate(texts):
        tasks.append(task)
        own.append(frozenset(passages(text)) - usual)
        for run in own[-1]:
            where.setdefault(run, []).append(number)
    return Held(tuple(tasks), tuple(own), {run: tuple(some) for run, some in where.items()})


def overlap(prompt: str, held: Held, *, own: str | None = None) -> list[Hit]:
    """Held-out tasks that `prompt` tells of, the surest first.

    `own` is the key of the task that is played: what it shows itself may stand in its prompt, and
    so may what other tasks have in common with it.
    """
    allowed = frozenset[str]().union(
        *(runs for task, runs in zip(held.tasks, held.own, strict=True) if task.key == own)
    )
    shared: dict[int, list[str]] = {}
    for run in dict.fromkeys(passages(prompt)):
        if run in held.where and run not in allowed:
            for number in held.where[run]:
                shared.setdefault(number, []).append(run)
    hits: list[Hit] = []
    for number, runs in shared.items():
        task, of = held.tasks[number], len(held.own[number] - allowed)
        if task.key != own and len(runs) >= min(LEAST, of):
            hit = Hit(task=task.id, key=task.key, shared=len(runs), of=of, words=runs[0])
            hits.append(hit)
    return sorted(hits, key=lambda hit: (-hit.shared / hit.of, hit.task))


def passages(text: str) -> Iterator[str]:
    """Every `WORDS` words that follow each other, letters and digits only, lower case."""
    words = normal(text).split()
    for start in range(len(words) - WORDS + 1):
        yield " ".join(words[start : start + WORDS])


@cache
def prompts() -> tuple[str, ...]:
    """The fixed prompts of the agent."""
    files = resources.files("agent.prompts").iterdir()
    return tuple(sorted(file.read_text("utf-8") for file in files if file.name.endswith(".md")))
