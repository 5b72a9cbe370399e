"""Skills for a place that is new: propose what is missing, practise it, write it down, test it.

Paper: Zheng et al. 2025, SkillWeaver, arXiv 2504.07079 (row `skillweaver`). What differs: what is
proposed are the kinds of goals of train tasks that no active skill answers to, in place of what a
model thinks of on seeing a page; a skill is tested on tasks that it was not written from, by the
environment's own score, where the paper keeps what raises no exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agent.crossing import off
from agent.synthesis import Learned, Told, Writer, learned
from envs.types import Frozen, Task
from memory.types import Trajectory
from skills.calling import calls
from skills.showing import replayed
from skills.trials import Bounds, Ground
from skills.types import Shown

Play = Callable[[Task], Awaitable[Trajectory]]
"""Has the agent play a train task; what it remembers and which model it asks is its affair."""


class Proposal(Frozen):
    """A kind of goal that no skill answers to yet."""

    kind: str
    """Its tasks' first tag; where they have none, the goal itself."""
    tasks: tuple[Task, ...]
    """Train tasks of that kind, each key once."""


class Practice(Frozen):
    """What became of one proposal."""

    kind: str
    """What was practised."""
    runs: tuple[str, ...] = ()
    """Ids of the runs that were played."""
    solved: int = 0
    """How many of them solved their task, and hold when they are played again."""
    learned: Learned | None = None
    """What was written from them; None where nothing was solved."""


def proposals(ground: Ground) -> list[Proposal]:
    """Kinds of goals that the library does not answer to, those with most tasks first."""
    active = ground.library.all(env=ground.env.name, status="active")
    open_: dict[str, dict[str, Task]] = {}
    for task in ground.env.tasks("train"):
        if not calls(active, task.goal):
            kind = task.tags[0] if task.tags else task.goal
            open_.setdefault(kind, {}).setdefault(task.key, task)
    order = sorted(open_.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Proposal(kind=kind, tasks=tuple(found.values())) for kind, found in order]


async def weave(
    ground: Ground,
    writer: Writer,
    play: Play,
    *,
    kinds: int = 4,
    tries: int = 4,
    bounds: Bounds = Bounds(),
    told: Told = lambda _line: None,
) -> list[Practice]:
    """One round: for each of `kinds` proposals, `tries` runs, then code out of those that held.

    What was written for one proposal may be called by the next. Raises what the writer raises.
    """
    done: list[Practice] = []
    for proposal in (await off(proposals, ground))[:kinds]:
        told(f"practises: {proposal.kind}")
        runs = [await play(task) for task in proposal.tasks[:tries]]
        ways = await off(_holding, ground, runs)
        practice = Practice(
            kind=proposal.kind, runs=tuple(one.id for one in runs), solved=len(ways)
        )
        if ways:
            outcome = await learned(ground, writer, ways, bounds=bounds, told=told)
            practice = practice.model_copy(update={"learned": outcome})
        done.append(practice)
    return done


def _holding(ground: Ground, runs: Sequence[Trajectory]) -> list[Shown]:
    """The solved ones, played again; those that went otherwise are left out."""
    ways = (replayed(ground.env, run) for run in runs)
    return [way for way in ways if way is not None]
