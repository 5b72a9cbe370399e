"""Which of the lessons that were found are shown, and what is noted of it.

Retrieve, fit the token budget, toss, show what is left without filling up: one toss for each run
and lesson, noted before anything is shown, so that a run that is taken up again keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envs.types import Frozen, Split
from memory.effects import Allotted, allot
from memory.families import ALIKE, units
from memory.measuring import Setting
from memory.recall import Memory
from memory.types import SHOWABLE, Exposure, Lesson, Recalled

KINDRED = 16
"""How many of the closest lessons are looked at for near-duplicates."""
FAMILY = 12
"""Most lessons that are tossed together."""


class Occasion(Frozen):
    """The run in which lessons come up."""

    run: str
    """Its id."""
    step: int = 0
    """Step at which they come up."""
    split: Split = "train"
    """Split of its task."""
    setting: Setting = Setting()
    """What the effect will hold for."""
    tosses: bool = False
    """Withhold lessons by chance, to measure what they do."""
    forced: Mapping[str, bool] = {}
    """Lessons that are shown, or withheld, on purpose: a replay."""
    pair: str = ""
    """What the two plays of a replay have in common."""


def decide(memory: Memory, found: Sequence[Recalled], at: Occasion) -> tuple[Exposure, ...]:
    """Decides for lessons that come up for the first time in a run, and notes it, all or none.

    Tossed are lessons on train tasks that do not go back to the very task and are not pinned.
    What was noted before for this run counts, whatever the chances are now.
    """
    if not found:
        return ()
    noted = {one.lesson: one for one in memory.ledger.exposures(episode=at.run)}
    fresh = [item for item in found if item.lesson not in noted]
    made = _decided(memory, fresh, at)
    memory.ledger.expose(*made)
    noted |= {one.lesson: one for one in made}
    return tuple(noted[item.lesson] for item in found)


def unit_of(memory: Memory, lesson: Lesson) -> tuple[str, ...]:
    """The lesson and its near-duplicates, sorted: those that hide each other's effect.

    A chain of pairs whose situations and texts are both close joins them, within one scope.
    """
    family = {lesson.id: lesson}
    ahead = [lesson]
    while ahead and len(family) < FAMILY:
        one = ahead.pop(0)
        for other in _alike(memory, one):
            if other.id not in family and len(family) < FAMILY:
                family[other.id] = other
                ahead.append(other)
    return tuple(sorted(family))


def _decided(memory: Memory, found: Sequence[Recalled], at: Occasion) -> list[Exposure]:
    said = {one.lesson: one for one in _tossed(memory, found, at)}
    return [
        Exposure(
            episode=at.run,
            lesson=item.lesson,
            version=item.version,
            first_step=at.step,
            shown=said[item.lesson].shown,
            probability=said[item.lesson].probability,
            unit=said[item.lesson].unit,
            pair=at.pair if item.lesson in at.forced else "",
            split=at.split,
            same_task=item.same_task,
            similarity=item.similarity,
            model=at.setting.model,
            adapter=at.setting.adapter,
            policy=at.setting.policy,
        )
        for item in found
    ]


def _tossed(memory: Memory, found: Sequence[Recalled], at: Occasion) -> list[Allotted]:
    """Tosses, and what is settled without one: forced, pinned, of this very task, no training."""
    families: dict[str, tuple[str, ...]] = {}
    settled: list[Allotted] = []
    standing = memory.standing() if found and at.tosses else {}
    for item in found:
        lesson = standing.get(item.lesson)  # None: a whole episode
        free = at.tosses and at.split == "train" and not item.same_task
        if free and item.lesson not in at.forced and not (lesson and lesson.pinned):
            families[item.lesson] = unit_of(memory, lesson) if lesson else (item.lesson,)
        else:
            shown = at.forced.get(item.lesson, True)
            settled.append(Allotted(lesson=item.lesson, shown=shown, probability=float(shown)))
    named = units(families.values())
    chances = {
        named[id_]: memory.effects.chance(family, setting=at.setting)
        for id_, family in families.items()
    }
    return [*settled, *allot(list(families), run=at.run, chances=chances, units=named)]


def _alike(memory: Memory, lesson: Lesson) -> list[Lesson]:
    found = memory.near(lesson, most=KINDRED)
    close = [id_ for id_, similarity in found if similarity >= ALIKE and id_ != lesson.id]
    standing = memory.standing() if close else {}
    others = [standing[id_] for id_ in close if id_ in standing]
    others = [one for one in others if one.status in SHOWABLE and one.scope == lesson.scope]
    if not others:
        return []
    vectors = memory.index.embedder.embed([lesson.text, *(one.text for one in others)])
    near = vectors[1:] @ vectors[0] >= ALIKE
    return [one for one, is_near in zip(others, near, strict=True) if is_near]
