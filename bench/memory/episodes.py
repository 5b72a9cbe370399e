"""Past episodes and moments in others, from ALFWorld's train games: no room is in two parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from bench.memory.helpful import Facts, Phase, facts_of, helpful, phases
from bench.memory.rows import keep, read
from envs.alfworld import ROOT, Alfworld
from envs.errors import Missing
from envs.types import Action, Frozen, Task
from memory.essence import essential
from memory.types import StepRecord

Part = Literal["past", "dev", "held"]
SHARES: tuple[tuple[Part, float], ...] = (("past", 0.6), ("dev", 0.2), ("held", 0.2))
"""Parts of the rooms of each kind: those of past episodes, and those of both halves of queries."""
QUERIES = 100
"""Games of a half that are asked about, one for each task key."""
Told = Callable[[str], None]


class Past(Frozen):
    """One past episode, as memory holds it."""

    id: str
    """Task id."""
    key: str
    """`Task.key`."""
    goal: str
    """What was asked: the situation by which it is found."""
    way: str
    """The steps that led there: what is shown."""
    facts: Facts
    """What decides whether it helps."""


class Moment(Frozen):
    """A step in another episode, before which memory is asked."""

    id: str
    """Task id and step."""
    key: str
    """`Task.key`."""
    goal: str
    """What is asked."""
    observation: str
    """What was seen last."""
    recent: tuple[str, ...]
    """Actions so far, oldest first."""
    carried: str
    """What is in the hand."""
    phase: Phase
    """What comes next."""
    facts: Facts
    """What decides what helps."""


class RetrievalSet(Frozen):
    """Past episodes, and moments in two halves that share no room with them or each other."""

    past: tuple[Past, ...]
    """What memory holds, one for each task key."""
    dev: tuple[Moment, ...]
    """May be tuned on."""
    held: tuple[Moment, ...]
    """May only be reported."""

    def digest(self) -> str:
        """Names the set: the same games give the same one."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def grades(self, moment: Moment) -> dict[str, int]:
        """Grade of each past episode that helps at all, by id."""
        found = {one.id: helpful(moment.facts, moment.phase, one.facts) for one in self.past}
        return {id_: grade for id_, grade in found.items() if grade}


def parts(rooms: Sequence[int]) -> dict[int, Part]:
    """The part of each room, by hash, each kind of room cut alike."""
    found: dict[int, Part] = {}
    for hundred in sorted({room // 100 for room in rooms}):
        some = sorted({room for room in rooms if room // 100 == hundred}, key=_order)
        start = 0.0
        for part, share in SHARES:
            stop = start + share * len(some)
            found |= dict.fromkeys(some[round(start) : round(stop)], part)
            start = stop
    return found


def build(
    data: Path, *, cache: Path, games: int = QUERIES, told: Told = lambda _text: None
) -> RetrievalSet:
    """The set out of the train games in `data`. Replays are kept in `cache`, so it can go on.

    Raises `Missing` where the games, or the packages that play them, are not there.
    """
    root = data if data.name == ROOT else data / ROOT
    env = Alfworld(data, cache=cache)
    try:
        tasks = [task for task in env.tasks("train") if task.split == "train"]
        where = parts([room_of(task) for task in tasks])
        keys: set[str] = set()
        said: set[tuple[str, str]] = set()
        past: list[Past] = []
        asked: dict[Part, list[Task]] = {"dev": [], "held": []}
        for task in sorted(tasks, key=lambda task: _order(task.id)):
            part = where[room_of(task)]
            if task.key in keys or (part != "past" and len(asked[part]) >= games):
                continue
            keys.add(task.key)
            if part == "past":
                one = _past(task, walkthrough(root, task))
                if (one.goal, one.way) not in said:  # no memory holds the very same twice
                    said.add((one.goal, one.way))
                    past.append(one)
            else:
                asked[part].append(task)
        halves: dict[Part, list[Moment]] = {"dev": [], "held": []}
        for part, some in asked.items():
            for number, task in enumerate(some):
                halves[part] += _moments(env, task, walkthrough(root, task), cache=cache)
                if number % 20 == 0:
                    told(f"retrieval set, {part}: {number + 1} of {len(some)} games replayed")
    finally:
        env.close()
    return RetrievalSet(past=tuple(past), dev=tuple(halves["dev"]), held=tuple(halves["held"]))


def walkthrough(root: Path, task: Task) -> list[str]:
    """The plan in the game's file."""
    path = root / "train" / task.id / "game.tw-pddl"
    found = json.loads(path.read_text("utf-8")).get("walkthrough") or []
    if not found:
        raise Missing(f"no walkthrough in {path}", repair="run `journeyman envs fetch alfworld`")
    return list(found)


def room_of(task: Task) -> int:
    """Number of the room, from the task's tags."""
    return int(task.tags[1].partition(":")[2])


class _Replay(Frozen):
    seen: tuple[str, ...]
    """First observation, and the one after each step."""
    won: bool
    """Whether the plan solved the game."""


def _past(task: Task, plan: Sequence[str]) -> Past:
    steps = [StepRecord(index=i, action=one, observation="") for i, one in enumerate(plan)]
    way = " > ".join(step.action for step in essential(steps))
    return Past(id=task.id, key=task.key, goal=task.goal, way=way, facts=facts_of(task.id, plan))


def _moments(env: Alfworld, task: Task, plan: Sequence[str], *, cache: Path) -> list[Moment]:
    replay = _replayed(env, task, plan, cache=cache)
    facts = facts_of(task.id, plan)
    if not replay.won:
        return []
    return [
        Moment(
            id=f"{task.id}@{step}",
            key=task.key,
            goal=task.goal,
            observation=replay.seen[step],
            recent=tuple(plan[:step]),
            carried=carried(plan[:step]),
            phase=phase,
            facts=facts,
        )
        for step, phase in phases(facts, plan)
    ]


def carried(actions: Sequence[str]) -> str:
    """What is in the hand after `actions`: the last thing taken and not put down."""
    for action in reversed(actions):
        if action.startswith("move "):
            return ""
        if action.startswith("take "):
            return action.removeprefix("take ").partition(" from ")[0]
    return ""


def _replayed(env: Alfworld, task: Task, plan: Sequence[str], *, cache: Path) -> _Replay:
    path = cache / "replays" / f"{hashlib.sha256(task.id.encode()).hexdigest()[:16]}.json"
    kept = read(_Replay, path)
    if kept is not None:
        return kept
    episode = env.open(task)
    try:
        seen = [episode.first.observation]
        for action in plan:
            step = episode.step(Action(text=action))
            seen.append(step.observation)
            if step.terminated or step.truncated:
                break
        score = episode.score()
    finally:
        episode.close()
    replay = _Replay(seen=tuple(seen), won=bool(score and score.passed))
    keep(replay, path)
    return replay


def _order(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()
