"""Which lessons a rule would retire, and why. Decides only; `Memory.apply_prune` does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from envs.errors import Refused
from envs.types import Frozen
from memory.clock import seconds_of
from memory.types import Change, Lesson, LessonKind, Status

DAY = 86400.0


class PruneRule(Frozen):
    """Conditions that all have to hold. Pinned and retired lessons never fit."""

    status: Status | None = None
    """Only lessons in this state."""
    kind: LessonKind | None = None
    """Only lessons of this kind."""
    env: str | None = None
    """Only lessons of this environment."""
    contains: str | None = None
    """Only lessons with these words in text or situation, in either case."""
    unused_days: float | None = None
    """Only lessons neither shown nor added for so many days."""
    keep: int | None = None
    """Of those that fit all else, the newest so many stay."""


class PruneItem(Frozen):
    """One lesson that would go."""

    lesson: Lesson
    """As it stood when the plan was made."""
    why: str
    """The conditions that it met, in words."""


class PrunePlan(Frozen):
    """What a rule would retire. Nothing has happened yet."""

    rule: PruneRule
    """The rule."""
    items: tuple[PruneItem, ...] = ()
    """What would go, newest first."""


def plan(
    lessons: Sequence[Lesson],
    rule: PruneRule,
    *,
    last_used: Mapping[str, str],
    seconds: float,
    also: Callable[[Lesson], str] | None = None,
) -> PrunePlan:
    """The lessons (given newest first) that `rule` would retire at time `seconds`.

    `also` is one more condition: it returns why a lesson should go, or an empty string. Raises
    `Refused` for a rule without any condition, which would fit everything.
    """
    if rule == PruneRule() and also is None:
        raise Refused("a rule without conditions", repair="name one, for example unused_days")
    found: list[PruneItem] = []
    for lesson in lessons:
        if lesson.pinned or lesson.status == "retired":
            continue
        why = _why(lesson, rule, used=last_used.get(lesson.id, ""), seconds=seconds)
        if why is None:
            continue
        more = also(lesson) if also else None
        if more != "":
            found.append(PruneItem(lesson=lesson, why="; ".join([*why, *([more] if more else [])])))
    if rule.keep is not None:
        found = [
            item.model_copy(
                update={
                    "why": "; ".join(filter(None, [item.why, f"not of the newest {rule.keep}"]))
                }
            )
            for item in found[rule.keep :]
        ]
    return PrunePlan(rule=rule, items=tuple(found))


def _why(lesson: Lesson, rule: PruneRule, *, used: str, seconds: float) -> list[str] | None:
    why: list[str] = []
    for field, value in (
        ("status", lesson.status),
        ("kind", lesson.kind),
        ("env", lesson.scope.env),
    ):
        wanted = getattr(rule, field)
        if wanted is not None:
            if wanted != value:
                return None
            why.append(f"{field} is {value or 'any'}")
    if rule.contains is not None:
        if rule.contains.casefold() not in f"{lesson.text}\n{lesson.situation}".casefold():
            return None
        why.append(f"contains {rule.contains!r}")
    if rule.unused_days is not None:
        days = (seconds - seconds_of(used)) / DAY if used else float("inf")
        if days < rule.unused_days:
            return None
        why.append(f"not shown for {days:.1f} days")
    return why


def retirement(item: PruneItem, *, actor: str, batch: str) -> Change:
    """The change that retires what a plan names; it is refused where that was altered since."""
    before = item.lesson.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="lesson",
        target=item.lesson.id,
        op="status",
        reason=f"pruned: {item.why}",
        before=before,
        after={**before, "status": "retired"},
        actor=actor,
        batch=batch,
    )
