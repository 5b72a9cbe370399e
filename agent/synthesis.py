"""Skills out of what was solved: ways through train tasks, whoever went them, to tried programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from agent.crossing import off
from envs.errors import Refused
from envs.types import Env, Frozen
from memory.episodes import withdrawn
from memory.ledger import Ledger
from memory.types import REPLAY, Usage
from skills.admitting import Outcome, admit
from skills.induction import induce
from skills.pages import of_pages
from skills.pages_induction import induce_pages
from skills.pages_writing import written_pages
from skills.showing import by_type, demonstrated, replayed
from skills.trials import Bounds, Ground
from skills.types import Draft, Shown, Skill
from skills.writing import written

Whose = Literal["own", "expert"]
Told = Callable[[str], None]
TELL = 10
"""Ways between two lines of progress."""
TRIED = 4
"""How often the share of its type an expert is asked for tasks at which it mostly fails."""


class Writer(Protocol):
    """Writes drafts of skills from ways through tasks; each comes behind what it calls."""

    name: str

    async def write(
        self, ways: Sequence[Shown], known: Sequence[Skill]
    ) -> tuple[list[Draft], Usage]:
        """Drafts, and what writing them consumed; `known` are skills that may be called."""
        ...


class Induction:
    """Writes skills by laying ways over each other; asks no model (`skills/induction.py`)."""

    name = "induction"

    async def write(
        self,
        ways: Sequence[Shown],
        known: Sequence[Skill],  # noqa: ARG002
    ) -> tuple[list[Draft], Usage]:
        """Programs of all wordings that at least two ways share."""
        if any(of_pages(way.actions) for way in ways):
            return await off(lambda: written_pages(induce_pages(ways), taken=set())), Usage()
        induced = await off(induce, ways)
        return await off(lambda: written(induced, count=len(ways))), Usage()


class Learned(Frozen):
    """What became of ways."""

    ways: int
    """How many there were."""
    drafts: int
    """How many drafts were written from them."""
    outcomes: tuple[Outcome, ...] = ()
    """What became of the drafts."""
    usage: Usage = Usage()
    """What writing consumed."""


def together(done: Sequence[Learned]) -> Learned:
    """What became of all of them."""
    return Learned(
        ways=sum(one.ways for one in done),
        drafts=sum(one.drafts for one in done),
        outcomes=tuple(outcome for one in done for outcome in one.outcomes),
        usage=sum((one.usage for one in done), Usage()),
    )


async def learned(
    ground: Ground,
    writer: Writer,
    ways: Sequence[Shown],
    *,
    bounds: Bounds = Bounds(),
    told: Told = lambda _line: None,
) -> Learned:
    """Writes skills from ways and admits those that pass their trials; `Refused` without ways."""
    if not ways:
        raise Refused(
            "there are no solved train runs to write skills from",
            repair="run train tasks first, or take the expert's ways (--from expert)",
        )
    known = ground.library.all(env=ground.env.name, status="active")
    drafts, usage = await writer.write(ways, known)
    told(f"{len(drafts)} drafts from {len(ways)} ways")
    outcomes = await off(admit, ground, drafts, ways, by=writer.name, bounds=bounds, told=told)
    return Learned(ways=len(ways), drafts=len(drafts), outcomes=tuple(outcomes), usage=usage)


def ways_of(
    env: Env, ledger: Ledger, *, whose: Whose, most: int, told: Told = lambda _line: None
) -> list[Shown]:
    """Ways through train tasks: the expert's, or the latest solved runs, each played again.

    Runs that were forgotten are left out.
    An expert that often fails at a type of task is asked for more of that type.
    """
    found: list[Shown] = []
    if whose == "expert":
        return _expert(env, most=most, told=told)
    runs = ledger.trajectories(env=env.name, split="train", limit=-1)
    solved = [
        one
        for one in runs
        if one.score and one.score.passed and one.arm != REPLAY and not withdrawn(ledger, one.id)
    ]
    for number, run in enumerate(solved[:most], start=1):
        way = replayed(env, run)
        found += [way] if way else []
        if number % TELL == 0 or number == min(most, len(solved)):
            told(f"own: {number} of {min(most, len(solved))} runs played again, {len(found)} hold")
    return found


def _expert(env: Env, *, most: int, told: Told) -> list[Shown]:
    """As many ways of each type; a type is given up after `TRIED` times its share of tasks."""
    left = by_type(env.tasks("train"))
    share = -(-most // max(1, len(left)))
    found: dict[str, list[Shown]] = {name: [] for name in left}
    tried = dict.fromkeys(left, 0)
    while sum(map(len, found.values())) < most:
        open_ = [name for name in left if left[name] and tried[name] < TRIED * share]
        if not open_:
            break
        name = min(open_, key=lambda one: (len(found[one]), tried[one], one))
        way = demonstrated(env, left[name].pop(0))
        tried[name] += 1
        found[name] += [way] if way else []
        asked = sum(tried.values())
        if asked % TELL == 0:
            told(f"expert: {asked} tasks shown, {sum(map(len, found.values()))} of {most} ways")
    return [way for some in found.values() for way in some]
