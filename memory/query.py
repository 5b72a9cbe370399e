"""What recall is asked, and which lessons can be an answer."""

from __future__ import annotations

from envs.errors import clip
from envs.types import Frozen
from memory.clock import seconds_of
from memory.types import SHOWABLE, Lesson

GOAL, SEEN, DONE = 600, 400, 3
"""Characters of the goal and of the observation, and actions, that a query looks at."""


class Query(Frozen):
    """The situation before an action."""

    goal: str
    """What is asked."""
    observation: str = ""
    """What was seen last."""
    recent: tuple[str, ...] = ()
    """Latest actions, oldest first."""
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


def situations(query: Query) -> tuple[str, ...]:
    """The texts to search for: the goal, and the goal with latest actions and observation."""
    goal = clip(query.goal, most=GOAL)
    now = [*query.recent[-DONE:], query.observation[:SEEN]]
    if not any(part.strip() for part in now):
        return (goal,)
    return goal, "\n".join([goal, *(clip(part, most=SEEN) for part in now)])


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
