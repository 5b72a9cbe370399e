"""What becomes of a memory over ten thousand episodes: entries, duplicates, recall time, disk.

Episodes are scripted from ALFWorld's train games: real goals and plans, observations in the game's
wording; tasks come back as work does (few often, many seldom). Each is written as the runner does:
recall before the first action, exposures, drafts through `Memory.plan`, one transaction, the index.
Drafts are the workflow of the plain reflector and, as a model would, where the thing was found, in
one of several wordings. Nothing is left to chance that is not derived from the episode's number, so
a run that was stopped goes on from what the ledger holds.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.reflector import lesson_from
from agent.state import Attempt, Seen
from bench.memory.episodes import walkthrough
from bench.memory.helpful import kind_of
from bench.memory.million import size
from bench.memory.rows import Times, keep, read, times_of
from envs.alfworld import ROOT, Alfworld
from envs.types import Frozen, Score, Task
from memory.admission import NEIGHBOURS, kin
from memory.embed import Embedder
from memory.essence import essential, way_told
from memory.families import alike
from memory.index import Index
from memory.ledger import Ledger
from memory.life import Bounds, live
from memory.query import Query, searched
from memory.recall import Memory, render
from memory.text import estimate_tokens
from memory.types import SHOWABLE, Exposure, Lesson, StepRecord, Trajectory
from memory.vectors import ListIndex

BEGAN = 1_700_000_000.0
"""When the first episode took place, by the clock of this experiment."""
APART = 600.0
"""Seconds between episodes, by that clock."""
TIDY = 100
"""Episodes between two looks at the rule of capacity."""
POINTS = (30, 100, 300, 1000, 2000, 3000, 5000, 7000, 10_000)
"""Episodes after which the memory is looked at."""
WORDINGS = (
    "The {thing} was in the {place}; look there first.",
    "Look for the {thing} in the {place} first.",
    "First look inside the {place} for a {thing}.",
    "A {thing} can be found in the {place}, so look there first.",
)
SITUATION = "looking for a {thing}"
Told = Callable[[str], None]


class Point(Frozen):
    """A memory after so many episodes."""

    arm: str
    """Which rule it was kept by."""
    episodes: int
    """Episodes so far."""
    tasks: int
    """Different tasks among them."""
    drafted: int
    """Lessons that were drafted so far."""
    entries: int
    """Lessons that may be shown."""
    retired: int
    """Lessons that were retired."""
    duplicates: int
    """Of those that may be shown, how many say what another says (by admission's own rule)."""
    alike: int
    """How many have another of their kind that is close by cosine alone (see `families.ALIKE`);
    plans that differ in numbers are such, and are kept."""
    recall: Times
    """One recall, the embedding left out."""
    write: Times
    """Plan, transaction and index of one episode, since the point before."""
    tidied: Times | None = None
    """One call of the rule, since the point before."""
    ledger: int
    """Bytes of the ledger."""
    index: int
    """Bytes of the index."""
    recalled: tuple[float, int] = (0.0, 0)
    """Tokens that recall adds to a prompt: the mean of 50 tasks, and the most."""


class Known:
    """Vectors by text: those that come again cost nothing; the time of new ones is taken off."""

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner
        self.name, self.dimensions = inner.name, inner.dimensions
        self.spent = 0.0
        """Seconds spent embedding."""
        self._known: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder`."""
        began = time.perf_counter()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self.inner.embed(new), strict=True))
        rows = [self._known[text] for text in texts]
        self.spent += time.perf_counter() - began
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)


class Script:
    """Which task comes when, and how it goes."""

    def __init__(
        self, tasks: Sequence[Task], plans: dict[str, list[str]], *, seed: int = 0
    ) -> None:
        siblings: dict[str, list[Task]] = {}
        for task in tasks:
            siblings.setdefault(task.key, []).append(task)
        self._plans = plans
        self._seed = seed
        self._kinds = [siblings[key] for key in sorted(siblings)]
        random.Random(f"order {seed}").shuffle(self._kinds)
        self._weights = [1 / (rank + 10) for rank in range(len(self._kinds))]

    def task(self, number: int) -> Task:
        """The task of an episode: often one of few, seldom one of many (Zipf)."""
        rng = random.Random(f"{self._seed}/{number}")
        return rng.choice(rng.choices(self._kinds, self._weights)[0])

    def attempt(self, number: int) -> Attempt:
        """The episode as the reflector sees it: the plan, once in three with a detour."""
        task = self.task(number)
        rng = random.Random(f"{self._seed}/{number}/way")
        plan = list(self._plans[task.id])
        if rng.random() < 1 / 3:
            plan = [f"go to drawer {rng.randint(1, 4)}", *plan]
        steps = tuple(
            StepRecord(index=index, action=action, observation=seen(action))
            for index, action in enumerate(plan)
        )
        first = f"You are in the middle of a room. Your task is to: {task.goal}"
        last = Seen(observation=steps[-1].observation)
        return Attempt(task=task, number=0, first=first, steps=steps, last=last)

    def drafts(self, number: int, attempt: Attempt) -> list[Lesson]:
        """The workflow, and where the thing was."""
        rng = random.Random(f"{self._seed}/{number}/words")
        way = essential(attempt.steps)
        drafts = [
            lesson_from(
                attempt,
                kind="workflow",
                text=way_told(attempt.task.goal, [step.action for step in way]),
                situation=attempt.task.goal,
                span=(way[0].index, way[-1].index),
                quote=way[-1].observation,
            )
        ]
        taken = next((step for step in attempt.steps if step.action.startswith("take ")), None)
        if taken is not None:
            what, _, place = taken.action.removeprefix("take ").partition(" from ")
            thing = kind_of(what)
            drafts.append(
                lesson_from(
                    attempt,
                    kind="fact",
                    text=rng.choice(WORDINGS).format(thing=thing, place=kind_of(place)),
                    situation=SITUATION.format(thing=thing),
                    span=(taken.index, taken.index),
                    quote=taken.observation,
                )
            )
        return drafts


def seen(action: str) -> str:
    """What the game answers to an action of a plan, without what lies there."""
    verb, _, rest = action.partition(" ")
    match verb:
        case "go":
            return f"You arrive at {rest.removeprefix('to ')}."
        case "take":
            what, _, place = rest.partition(" from ")
            return f"You pick up the {what} from the {place}."
        case "move":
            what, _, place = rest.partition(" to ")
            return f"You move the {what} to the {place}."
        case "use":
            return f"You turn on the {rest}."
        case _:
            what, _, place = rest.partition(" with ")
            return (
                f"You {verb} the {what} using the {place}." if place else f"You {verb} the {what}."
            )


def script(data: Path, *, cache: Path) -> Script:
    """All train games in `data`."""
    root = data if data.name == ROOT else data / ROOT
    env = Alfworld(data, cache=cache)
    tasks = [task for task in env.tasks("train") if task.split == "train"]
    return Script(tasks, {task.id: walkthrough(root, task) for task in tasks})


class Rule(NamedTuple):
    """What keeps a memory small."""

    tidy: Callable[[Memory], object]
    """Retires what has to go."""
    every: int = 1
    """Called after so many episodes."""


def capacity(most: int) -> Rule:
    """Retires what is over `most`, the oldest first (`Memory.prune(keep=...)`)."""

    def tidy(memory: Memory) -> None:
        plan = memory.prune(env="alfworld", keep=most)
        if plan.items:
            memory.apply_prune(plan)

    return Rule(tidy, TIDY)


def lived(bounds: Bounds) -> Rule:
    """What the runner does after each training run (see `memory/life.py`)."""
    return Rule(lambda memory: live(memory, bounds))


def grow(
    arm: str,
    script: Script,
    folder: Path,
    *,
    embedder: Embedder,
    episodes: int,
    rule: Rule | None,
    told: Told = lambda _text: None,
    listed: bool = False,
) -> list[Point]:
    """Plays on from what is in `folder` up to `episodes`, and gives back all points.

    `listed`: vectors are kept in memory while it plays, and the index is built at the points, to be
    weighed. Most of an episode's time is Chroma's, which writes each lesson to disk by itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = [BEGAN]
    known = Known(embedder)
    ledger = Ledger(folder / "ledger.db", clock=lambda: now[0])
    index = ListIndex(known) if listed else Index(folder / "index", known)
    memory = Memory(ledger, index, clock=lambda: now[0])
    try:
        memory.sync()
        writes: list[float] = []
        tidied: list[float] = []
        for number in range(ledger.count()["trajectories"], episodes):
            now[0] = BEGAN + APART * number
            writes.append(_episode(memory, script, number, known))
            if rule is not None and (number + 1) % rule.every == 0:
                began = time.perf_counter()
                rule.tidy(memory)
                tidied.append((time.perf_counter() - began) * 1e3)
            if number + 1 in POINTS or number + 1 == episodes:
                point = _look(arm, memory, script, folder, episodes=number + 1, writes=writes)
                point = point.model_copy(update={"tidied": times_of(tidied) if tidied else None})
                keep(point, folder / f"point-{number + 1}.json")
                told(
                    f"{arm}: {point.episodes} episodes, {point.entries} entries, "
                    f"{point.duplicates} duplicates, recall {point.recall.p50:.1f} ms"
                )
                writes, tidied = [], []
    finally:
        memory.close()
    kept = [read(Point, path) for path in folder.glob("point-*.json")]
    return sorted((one for one in kept if one), key=lambda one: one.episodes)


def _episode(memory: Memory, script: Script, number: int, known: Known) -> float:
    """One episode, recalled for and written down; milliseconds of the writing."""
    attempt = script.attempt(number)
    task, run = attempt.task, f"e{number:06d}"
    query = Query(goal=task.goal, observation=attempt.first, env="alfworld", task_key=task.key)
    found = memory.recall(query, budget_tokens=256, floor=0.35, most=3, guard=True)
    memory.ledger.expose(
        *(
            Exposure(
                episode=run,
                lesson=item.lesson,
                version=item.version,
                first_step=0,
                shown=True,
                same_task=item.same_task,
                similarity=item.similarity,
            )
            for item in found
        )
    )
    trajectory = Trajectory(
        id=run,
        env="alfworld",
        task=task.id,
        task_key=task.key,
        task_type=task.tags[0],
        split="train",
        goal=task.goal,
        first_observation=attempt.first,
        steps=attempt.steps,
        score=Score(value=1.0, passed=True),
        stop="done",
    )
    lessons = [
        lesson.model_copy(update={"source": lesson.source.model_copy(update={"trajectory": run})})
        for lesson in script.drafts(number, attempt)
    ]
    began, spent = time.perf_counter(), known.spent
    changes = memory.plan(lessons, reason=f"drafted after run {run}", evidence=(run,))
    memory.ledger.add_trajectory(trajectory, changes=changes)
    memory.sync()
    return (time.perf_counter() - began - (known.spent - spent)) * 1e3


def _look(
    arm: str,
    memory: Memory,
    script: Script,
    folder: Path,
    *,
    episodes: int,
    writes: Sequence[float],
) -> Point:
    known = memory.index.embedder
    spans: list[float] = []
    told: list[int] = []
    for number in range(50):
        attempt = script.attempt(episodes + number)
        query = Query(goal=attempt.task.goal, observation=attempt.first, env="alfworld")
        began, spent = time.perf_counter(), known.spent if isinstance(known, Known) else 0.0
        found = memory.recall(query, budget_tokens=256, floor=0.35, most=3, guard=True)
        told.append(estimate_tokens(render(found)) if found else 0)
        waited = known.spent - spent if isinstance(known, Known) else 0.0
        spans.append((time.perf_counter() - began - waited) * 1e3)
    lessons = memory.ledger.lessons(limit=-1)
    shown = {one.id: one for one in lessons if one.status in SHOWABLE}
    twins = 0
    for one in shown.values():
        found = memory.index.search(searched(one), most=NEIGHBOURS)
        others = [shown[id_] for id_, _ in found if id_ in shown and id_ != one.id]
        twins += kin(one, others, known).twin is not None
    return Point(
        arm=arm,
        episodes=episodes,
        tasks=len({script.task(number).key for number in range(episodes)}),
        drafted=sum(len(script.drafts(n, script.attempt(n))) for n in range(episodes)),
        entries=len(shown),
        retired=len(lessons) - len(shown),
        duplicates=twins,
        alike=_alike(list(shown.values()), known),
        recall=times_of(spans),
        write=times_of(writes),
        ledger=size(folder, "ledger.db*"),
        index=_weighed(memory, folder),
        recalled=(sum(told) / len(told), max(told)),
    )


def _weighed(memory: Memory, folder: Path) -> int:
    """Bytes of the index; one in memory is written down for it."""
    if not isinstance(memory.index, ListIndex):
        return size(folder / "index", "**/*")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        whole = Memory(memory.ledger, Index(Path(place), memory.index.embedder))
        whole.rebuild()
        whole.index.close()
        return size(Path(place), "**/*")


def _alike(lessons: Sequence[Lesson], embedder: Embedder) -> int:
    count = 0
    for kind in sorted({one.kind for one in lessons}):
        texts = [one.text for one in lessons if one.kind == kind]
        leaders = alike(embedder.embed(texts))
        count += len(texts) - len(set(leaders))
    return count
