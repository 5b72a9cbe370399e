"""The agent as it is and as it would be with a change: two crews that a gate plays.

Runs of both are kept in the real ledger; what is only proposed stands nowhere but in a fork that is
gone with the comparison. Where a fork is needed both sides recall from one, so that they differ by
the change alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from agent.applied import applied
from agent.mechanisms import seen_through
from agent.replay import forked
from agent.runner import Crew
from agent.skilled import Toolbox
from envs.types import Env
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.lenses import Bounds, Lensed, Recall
from memory.query import Query
from memory.recall import Memory
from memory.types import Change, Recalled
from skills.finding import Finder
from skills.library import Library
from skills.sandbox import Sandbox
from skills.types import Skill


@contextmanager
def both(crew: Crew, env: Env, changes: Sequence[Change]) -> Iterator[tuple[Crew, Crew]]:
    """The crew as the ledger has it, and as it would be with `changes`. Raises `Refused`,
    `StoreError` where these don't fit.
    """
    ledger = crew.memory.ledger
    now = replace(crew, settings=applied(crew.settings, ledger, env.name))
    then = replace(crew, settings=applied(crew.settings, ledger, env.name, tried=changes))
    lessons = [one for one in changes if one.kind == "lesson"]
    skills = [one for one in changes if one.kind == "skill"]
    with ExitStack() as open_:
        if lessons:
            sides = [open_.enter_context(forked(crew.memory, some)) for some in ((), lessons)]
            now = replace(now, memory=_recalling(crew, sides[0]))
            then = replace(then, memory=_recalling(crew, sides[1]))
        if skills:
            sandbox = open_.enter_context(Sandbox())
            boxes = [
                open_.enter_context(_toolbox(crew.memory, sandbox, some)) for some in ((), skills)
            ]
            now, then = replace(now, skills=boxes[0]), replace(then, skills=boxes[1])
        yield now, then


def _recalling(crew: Crew, fork: Memory) -> Memory:
    """The crew's memory, with what is recalled taken from a fork."""
    seen = seen_through(fork, crew.settings.learning)

    def recall(query: Query, bounds: Bounds) -> tuple[Recalled, ...]:
        return seen.recall(
            query,
            budget_tokens=bounds.budget_tokens,
            floor=bounds.floor,
            most=bounds.most,
            guard=bounds.guard,
            **bounds.more,
        )

    def lens(_memory: Memory, _recall: Recall) -> Recall:
        return recall

    return Lensed(crew.memory, lenses=[lens])


@contextmanager
def _toolbox(memory: Memory, sandbox: Sandbox, changes: Sequence[Change]) -> Iterator[Toolbox]:
    """Skills as they stand with `changes` on top, in a ledger of their own that is then gone."""
    with tempfile.TemporaryDirectory(prefix="journeyman-skills-") as folder:
        ledger = Ledger(Path(folder) / "ledger.db")
        try:
            ledger.apply(*map(_copied, reversed(Library(memory.ledger).all())))
            ledger.apply(*changes)
            shelf = Library(ledger)
            yield Toolbox(shelf, sandbox, Finder(shelf, ListIndex(memory.index.embedder)))
        finally:
            ledger.close()


def _copied(skill: Skill) -> Change:
    body = skill.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="skill", target=skill.id, op="add", reason="forked", after=body)
