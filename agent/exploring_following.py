"""Ways that are known, gone for other tasks, with what differs from page to page made good.

What is wanted may lie on another page of a table than it did for the task that the way is from; and
what is called after what it shows is called otherwise, but has a label of the goal beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from envs.pages import PageAction
from envs.types import Env, Step, Task
from skills.pages import understood
from skills.showing import walked
from skills.types import Shown

TURNS_MOST = 10
"""How often pages are turned at most."""


def followed(
    env: Env, task: Task, actions: Sequence[str], *, turns: frozenset[str], least: float
) -> Shown | None:
    """The way that these actions come to here; None where it does not solve the task. `turns` are
    actions by which pages were turned before.
    """
    return walked(env, task, actions, least=least, pick=Follower(turns).pick)


class Follower:
    """Says what is done next on one way."""

    def __init__(self, turns: frozenset[str]) -> None:
        self._turns = turns
        self._turned = 0

    def pick(self, seen: Step, rest: Sequence[str]) -> tuple[str, int]:
        """The next action, and how many of the rest it takes the place of."""
        there = seen.admissible or ()
        past = next((n for n, line in enumerate(rest) if line not in self._turns), 0)
        wanted = _meant(rest[past], there)
        if wanted:
            return wanted, past + 1
        turn = next((line for line in there if line in self._turns), "")
        if turn and self._turned < TURNS_MOST:
            self._turned += 1
            return turn, 0
        return rest[0], 1


def _meant(line: str, there: Sequence[str]) -> str:
    """The line, or the one that does the same to what has the same label; empty: none is there."""
    one = understood(line)
    if line in there or one is None:
        return line if line in there else ""
    label = _labelled(one)
    alike = [other for other in there if (o := understood(other)) and _labelled(o) == label]
    return alike[0] if label and len(alike) == 1 else ""


def _labelled(action: PageAction) -> tuple[str, ...]:
    """What is done to what has no role, but for its name; empty where no words beside it tell."""
    plain = action.role == "item" and action.near
    return (action.verb, action.near, str(action.nth), action.value) if plain else ()
