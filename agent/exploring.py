"""Exploring: what could be done here is tried on train tasks until some of it works, and again.

For each kind of goal that no skill answers to, whole ways are tried in the order of their chances
(the product of the weights that a guide gives their actions), each in a fresh episode that goes on
as far as it leads; what the environment scores as solved is a way. A way is shortened to what it
needs, and tried on the next tasks with what these ask for in the place of what the first one did.
Only train tasks are played, and only some of each kind, so that trials have others.

Paper: Zheng et al. 2025, SkillWeaver, arXiv 2504.07079 (row `skillweaver`): propose, practise,
write, test. What differs: practice counts by the environment's score and not by the absence of
errors, and a guide may be a model or none (`agent/exploring_guides.py`).
Search in the order of chances: Orseau et al. 2018, Single-Agent Policy Tree Search With Guarantees.
"""

from __future__ import annotations

import heapq
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from agent.crossing import off
from agent.exploring_following import followed
from agent.exploring_guides import Guide
from envs.errors import EnvError
from envs.types import Action, Env, Episode, Frozen, Step, Task
from skills.pages_turning import shape, turns_of
from skills.showing import walked
from skills.types import Shown

Told = Callable[[str], None]
Clock = Callable[[], float]
BREADTH = 12
"""Actions of one moment that are kept for later, likeliest first."""
ALIKE = 0.5
"""Share of words that two goals have in common, before a way to one is tried for the other."""
FULL = 0.999
"""Score of a way: some pages pass what is right in part, which is no way to learn from."""
FAILURES = 3
"""Episodes in a row that the environment may break off."""


class Effort(Frozen):
    """How much is tried."""

    ways: int = 3
    """Tasks of each kind that a way is looked for; the others are left for trials."""
    tries: int = 5
    """Tasks of each kind that are played at most."""
    episodes: int = 40
    """Episodes for one task."""
    steps: int = 8
    """Actions of one way."""
    seconds: float | None = None
    """Seconds for one kind of goal; later only the ways that are known are tried on its tasks."""


class Explored(Frozen):
    """What became of one kind of goal."""

    kind: str
    """First tag of its tasks."""
    tasks: int = 0
    """Tasks that were tried."""
    episodes: int = 0
    """Episodes that were played."""
    ways: tuple[Shown, ...] = ()
    """Ways that solved a task."""


@dataclass
class Spot:
    """Where an explorer is in an episode."""

    goal: str
    seen: Step
    done: list[str] = field(default_factory=list)
    before: frozenset[str] = frozenset()


async def explore(
    env: Env,
    guide: Guide,
    kinds: Sequence[tuple[str, Sequence[Task]]],
    *,
    effort: Effort = Effort(),
    clock: Clock = time.monotonic,
    told: Told = lambda _line: None,
) -> list[Explored]:
    """Looks for ways through train tasks of each kind. Raises `EnvError` where the environment
    keeps failing.
    """
    found: list[Explored] = []
    for kind, tasks in kinds:
        ways: list[Shown] = []
        tried = episodes = 0
        end = math.inf if effort.seconds is None else clock() + effort.seconds
        for task in tasks[: effort.tries]:
            late = clock() >= end
            if most_alike(ways) >= effort.ways or (late and not ways):
                break
            way, played = await _solved(
                env, guide, task, ways, effort=effort, late=lambda end=end: clock() >= end
            )
            tried, episodes = tried + 1, episodes + played
            if way is not None:
                more, played = await off(carried, env, way, ways)
                episodes += played
                ways = [*more, way]
                told(f"{kind}: {'; '.join(way.actions)}")
            elif not ways and tried >= 2:
                break
        told(f"{kind}: {len(ways)} of {tried} tasks solved in {episodes} episodes")
        found.append(Explored(kind=kind, tasks=tried, episodes=episodes, ways=tuple(ways)))
    return found


def carried(env: Env, way: Shown, past: Sequence[Shown]) -> tuple[list[Shown], int]:
    """Earlier ways, each gone as the new one goes where that solves its task too; with episodes.

    What was found later had to do without what stood open at first by luck.
    """
    kept: list[Shown] = []
    played = 0
    turns = turns_of([*past, way])
    for one in past:
        actions = rebound(way, one.task)
        again = None
        if actions is not None and shape(actions, turns) != shape(one.actions, turns):
            played += 1
            again = followed(env, one.task, actions, turns=turns, least=FULL)
        kept.append(again or one)
    return kept, played


def most_alike(ways: Sequence[Shown]) -> int:
    """How many ways do the same to elements of the same roles, for goals that are alike."""
    turns = turns_of(ways)
    return max((sum(_alike(one, other, turns) for other in ways) for one in ways), default=0)


def _alike(one: Shown, other: Shown, turns: frozenset[str]) -> bool:
    same = shape(one.actions, turns) == shape(other.actions, turns)
    return same and rebound(one, other.task) is not None


async def _solved(
    env: Env,
    guide: Guide,
    task: Task,
    ways: Sequence[Shown],
    *,
    effort: Effort,
    late: Callable[[], bool],
) -> tuple[Shown | None, int]:
    """A way through a task: one that is known, with this task's words, or one that is found."""
    played = 0
    turns = turns_of(ways)
    for past in ways:
        actions = rebound(past, task)
        if actions is not None:
            played += 1
            way = await off(followed, env, task, actions, turns=turns, least=FULL)
            if way is not None:
                return way, played
    if ways and late():
        return None, played
    actions, more = await search(env, guide, task, effort=effort, late=late)
    played += more
    if not actions:
        return None, played
    way, more = await off(shortened, env, task, actions)
    return way, played + more


def rebound(way: Shown, task: Task) -> list[str] | None:
    """The actions of a way with what another goal asks for; None where the goals are not alike.

    >>> # put the [camping lantern] on the list -> put the [blanket] on the list
    """
    old, new = _words(way.task.goal), _words(task.goal)
    matcher = SequenceMatcher(None, [w.casefold() for w in old], [w.casefold() for w in new], False)
    if way.task.goal == task.goal:
        return list(way.actions)
    if matcher.ratio() < ALIKE:
        return None
    swaps: dict[str, str] = {}
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        if kind != "replace":
            return None
        swaps["".join(old[a:b]).strip()] = "".join(new[c:d]).strip()
        if b - a == d - c:
            swaps |= {o: n for o, n in zip(old[a:b], new[c:d], strict=True) if o.strip()}
    pieces = sorted((one for one in swaps if one), key=len, reverse=True)
    if not pieces:
        return None
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, pieces))})(?!\w)", re.IGNORECASE)
    lower = {one.casefold(): other for one, other in swaps.items()}

    def swapped(match: re.Match[str]) -> str:
        if match[0] in swaps:
            return swaps[match[0]]
        other = lower[match[0].casefold()]
        return other[:1].upper() + other[1:] if match[0][:1].isupper() else other

    return [pattern.sub(swapped, action) for action in way.actions]


def _words(text: str) -> list[str]:
    """Words, times of day among them, and what is between them."""
    return re.findall(r"(?:[\w@.'/-]|(?<=\d):(?=\d))*\w|\W+?", text)


def shortened(env: Env, task: Task, actions: Sequence[str]) -> tuple[Shown | None, int]:
    """The way without what it does not need, found by leaving out one action after the other.

    With it the number of episodes; None where it does not solve the task again.
    """
    best = walked(env, task, actions, least=FULL)
    played = 1
    at = 0
    while best is not None and len(best.actions) > 1 and at < len(best.actions):
        fewer = [*best.actions[:at], *best.actions[at + 1 :]]
        way = walked(env, task, fewer, least=FULL)
        played += 1
        if way is None:
            at += 1
        else:
            best = way
    return best, played


async def search(
    env: Env,
    guide: Guide,
    task: Task,
    *,
    effort: Effort,
    late: Callable[[], bool] = lambda: False,
) -> tuple[tuple[str, ...], int]:
    """Actions that solve a task, and how many episodes it took; no actions where none were found.

    Once it is `late` no further attempt is begun.

    Raises `EnvError` when the environment fails `FAILURES` times in a row.
    """
    frontier: list[tuple[float, int, tuple[str, ...]]] = [(0.0, 0, ())]
    known: set[str] = set()
    played = failed = 0
    while frontier and played < effort.episodes and not (played and late()):
        cost, _, prefix = heapq.heappop(frontier)
        played += 1
        try:
            episode = await off(env.open, task)
            try:
                way = await _rolled_out(
                    episode, guide, prefix, cost, frontier=frontier, known=known, most=effort.steps
                )
            finally:
                await off(episode.close)
            failed = 0
        except EnvError:
            failed += 1
            if failed >= FAILURES:
                raise
            continue
        if way:
            return way, played
    return (), played


async def _rolled_out(
    episode: Episode,
    guide: Guide,
    prefix: Sequence[str],
    cost: float,
    *,
    frontier: list[tuple[float, int, tuple[str, ...]]],
    known: set[str],
    most: int,
) -> tuple[str, ...]:
    """Goes `prefix`, then on where it is likeliest, to the end or to where others have been.

    What else could have been done is put on the frontier.
    """
    spot = Spot(goal=episode.task.goal, seen=episode.first)
    for line in prefix:
        if line not in (spot.seen.admissible or ()):
            return ()
        if await _stepped(episode, spot, line):
            return tuple(spot.done)
        if _over(spot.seen):
            return ()
    while len(spot.done) < most:
        # A page may begin with what the last action came to, which is not where one is.
        mark = spot.seen.observation.partition("\n")[2] if spot.done else spot.seen.observation
        if mark in known:
            return ()
        known.add(mark)
        weights = await guide.weigh(spot)
        total = sum(weights.values())
        ranked = sorted(weights, key=lambda line: -weights[line])[:BREADTH]  # ties: as it is read
        if not ranked or total <= 0:
            return ()
        costs = {line: cost - math.log(weights[line] / total) for line in ranked if weights[line]}
        for rank, line in enumerate(ranked[1:]):
            if line in costs:
                order = len(known) * BREADTH + rank
                heapq.heappush(frontier, (costs[line], order, (*spot.done, line)))
        cost = costs[ranked[0]]
        if await _stepped(episode, spot, ranked[0]):
            return tuple(spot.done)
        if _over(spot.seen):
            return ()
    return ()


async def _stepped(episode: Episode, spot: Spot, line: str) -> bool:
    """Does one action; whether the task is solved now."""
    spot.before = frozenset(spot.seen.admissible or ())
    spot.seen = await off(episode.step, Action(text=line))
    spot.done.append(line)
    score = episode.score()
    return bool(score and score.passed and score.value >= FULL)


def _over(step: Step) -> bool:
    return step.terminated or step.truncated
