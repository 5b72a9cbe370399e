"""What recall is asked, and which lessons can be an answer."""

from __future__ import annotations

import zlib
from collections.abc import Collection

from envs.errors import clip
from envs.types import Frozen
from memory.clock import seconds_of
from memory.types import SHOWABLE, Lesson, Scope, Trust

GOAL, SEEN, DONE = 600, 400, 3
"""Characters of the goal and of the observation, and actions, that a query looks at."""
DRAWERS = 64
"""Shelves over which the lessons of single users are spread, for each environment."""


class Query(Frozen):
    """The situation before an action."""

    goal: str
    """What is asked."""
    observation: str = ""
    """What was seen last."""
    first: str = ""
    """What was seen before the first action; episodes are found by it."""
    recent: tuple[str, ...] = ()
    """Latest actions, oldest first."""
    inventory: str = ""
    """What is carried, in words; empty: nothing, or not known."""
    env: str = ""
    """Environment."""
    task_type: str = ""
    """First tag of the task."""
    task_key: str = ""
    """`Task.key`, for the guard."""
    user: str = ""
    """User or tenant."""
    project: str = ""
    """Body of work."""
    run: str = ""
    """Id of the run, from which chance is drawn: the same run gets the same answer."""


def situations(query: Query) -> tuple[str, ...]:
    """The texts to search for: the goal; and the goal with what is carried, done and seen."""
    goal = clip(query.goal, most=GOAL)
    carried = query.inventory.strip()
    held = [f"You are carrying: {clip(carried, most=SEEN)}."] if carried else []
    parts = [*held, *query.recent[-DONE:], query.observation[:SEEN]]
    now = [part for part in parts if part.strip()]
    if not now:
        return (goal,)
    return goal, "\n".join([goal, *(clip(part, most=SEEN) for part in now)])


def searched(lesson: Lesson) -> str:
    """The words by which a lesson is found."""
    return lesson.situation.strip() or lesson.text


def shelf_of(lesson: Lesson) -> str:
    """Where a lesson stands: its environment, and a place apart for users' and for pages' words.

    So what may not be shown to most does not crowd out what may, and needs no filter.
    """
    return _shelf(lesson.scope.env, lesson.scope.user, web=lesson.trust == "web")


def shelves_of(query: Query, trust: Collection[Trust]) -> tuple[str, ...]:
    """The shelves on which answers to `query` stand."""
    return tuple(
        _shelf(env, user, web=web)
        for env in dict.fromkeys((query.env, ""))
        for user in dict.fromkeys((query.user, ""))
        for web in (False, True)
        if not web or "web" in trust
    )


def beside(scope: Scope) -> tuple[str, ...]:
    """The shelves on which lessons of this scope stand."""
    return tuple(_shelf(scope.env, scope.user, web=web) for web in (False, True))


def _shelf(env: str, user: str, *, web: bool) -> str:
    drawer = f"|user {zlib.crc32(user.encode('utf-8', 'replace')) % DRAWERS}" if user else ""
    return f"{env}{drawer}{'|web' if web else ''}"


def applies(lesson: Lesson, query: Query, *, now: float) -> bool:
    """Whether `lesson` may be shown at time `now`: by its status, scope and time of validity."""
    scope = lesson.scope
    return (
        lesson.status in SHOWABLE
        and scope.env in ("", query.env)
        and scope.task_type in ("", query.task_type)
        and scope.user in ("", query.user)
        and scope.project in ("", query.project)
        and (not lesson.valid_from or seconds_of(lesson.valid_from) <= now)
        and (not lesson.valid_to or now < seconds_of(lesson.valid_to))
    )


def wrote(query: Query, lesson: Lesson) -> bool:
    """Whether `lesson` goes back to an attempt at the very task of `query`."""
    return bool(query.task_key) and query.task_key in lesson.source.task_keys
