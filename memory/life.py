"""The life of a lesson: candidate, probation, active, retired or quarantined; by evidence.

A candidate whose quote stands in the steps that it names goes on probation; one whose quote does
not is quarantined. On probation it is shown and withheld by chance. What helps becomes active, what
does not add what its tokens are worth is retired, both by e-BH over the whole memory, so that of
all that is moved at most a tenth is moved wrongly, in expectation. What nobody needs (it came up in
no run for long, or there is no room) is retired too. Near-duplicates are judged as one, and retired
one at a time. Every move is a `Change`, with its evidence, that can be undone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from envs.errors import Refused, UnknownName
from envs.types import Frozen
from memory.clock import new_id
from memory.families import FALSE_SHARE, JOIN, ebh, first_to_go, share_out
from memory.ledger import Ledger
from memory.measuring import NONE, believed, evidence, together
from memory.recall import Memory
from memory.telling import points
from memory.types import LIFE, SHOWABLE, Change, Effect, Lesson, Source, Status, Trajectory

logger = logging.getLogger(__name__)
EPISODES = 20
"""Most trajectories that a move names as its evidence; the latest."""


class Bounds(Frozen):
    """How large memory may grow, and how long something may lie unused."""

    capacity: int = 2000
    """Most lessons of one environment that may be shown."""
    unused: int | None = 2000
    """Train episodes after which a lesson that never came up in them is retired; None: never."""
    share: float = FALSE_SHARE
    """Largest expected share of wrong moves among promotions, and among retirements."""


def judge(memory: Memory, bounds: Bounds | None = None) -> tuple[Change, ...]:
    """What evidence and bounds would move now, at most one move a lesson. Nothing is written."""
    bounds = bounds or Bounds()
    lessons = memory.standing()
    effects = memory.effects.all()
    batch = new_id("B", seconds=memory.ledger.now())
    moves: dict[str, Change] = {}
    for move in (
        *_admitted(memory.ledger, lessons.values(), batch),
        *_measured(memory, lessons, effects, bounds, batch),
        *_unused(memory, lessons.values(), bounds, batch),
        *_crowded(memory, lessons.values(), effects, bounds, batch),
    ):
        moves.setdefault(move.target, move)
    return tuple(moves.values())


def live(memory: Memory, bounds: Bounds | None = None) -> tuple[Change, ...]:
    """Judges, and writes the moves as one batch; none where somebody altered a lesson meanwhile."""
    moves = judge(memory, bounds)
    if not moves:
        return ()
    try:
        return memory.write(*moves)
    except Refused as error:
        logger.info("no lesson was moved this time: %s", error.message)
        return ()


def doubt(ledger: Ledger, lesson: Lesson) -> str | None:
    """Why a lesson is not what its run says; empty: its quote stands there; None: no such run."""
    said = [source for source in (lesson.source, *lesson.sources) if source.trajectory]
    if not said:
        return None
    for source in said:
        try:
            run = ledger.trajectory(source.trajectory)
        except UnknownName:
            return None
        if not source.quote:
            return f"it quotes nothing of run {run.id}"
        if not _stands(source, run):
            steps = f"{source.first_step} to {source.last_step}"
            return f"its quote does not stand in steps {steps} of run {run.id}"
    return ""


def moved(
    lesson: Lesson, status: Status, *, reason: str, batch: str, episodes: Sequence[str] = ()
) -> Change:
    """The change that gives a lesson another status; refused where it was altered since."""
    before = lesson.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="lesson",
        target=lesson.id,
        op="status",
        reason=reason,
        before=before,
        after={**before, "status": status},
        evidence=tuple(episodes)[-EPISODES:],
        actor=LIFE,
        batch=batch,
    )


def _stands(source: Source, run: Trajectory) -> bool:
    spoken = [
        f"{step.action}\n{step.observation}"
        for step in run.steps
        if source.first_step <= step.index <= source.last_step
    ]
    if source.first_step == 0:  # what was asked and seen before the first action counts to it
        spoken = [run.goal, run.first_observation, *spoken]
    return source.quote in "\n".join(spoken)


def _admitted(ledger: Ledger, lessons: Iterable[Lesson], batch: str) -> list[Change]:
    moves: list[Change] = []
    for lesson in lessons:
        why = doubt(ledger, lesson) if lesson.status == "candidate" else None
        if why is None:
            continue
        runs = [source.trajectory for source in (lesson.source, *lesson.sources)]
        seen = [run for run in dict.fromkeys(runs) if run]
        if why:
            moves.append(moved(lesson, "quarantined", reason=why, batch=batch, episodes=seen))
        else:
            reason = f"its quote stands in run {seen[0]}, and nothing known says the same"
            if lesson.contradicts:
                reason += f"; it says that it contradicts {', '.join(lesson.contradicts)}"
            moves.append(moved(lesson, "probation", reason=reason, batch=batch, episodes=seen))
    return moves


def _measured(
    memory: Memory,
    lessons: Mapping[str, Lesson],
    effects: Mapping[str, Effect],
    bounds: Bounds,
    batch: str,
) -> list[Change]:
    units = _units(memory, lessons, effects)
    if not units:
        return []
    names, found = list(units), list(units.values())
    came = memory.effects.places()
    places = [max(came.get(id_, 0) for id_ in name.split(JOIN)) for name in names]
    shares = share_out(places, size=bounds.capacity)

    def picked(which: Literal["helps", "worthless"]) -> np.ndarray:
        said = [evidence(one, which) for one in found]
        return ebh(said, alpha=bounds.share, log_shares=shares)

    helps, worthless = picked("helps"), picked("worthless")
    moves: list[Change] = []
    for at in np.flatnonzero(worthless):
        members = names[at].split(JOIN)
        if all(_open(lessons.get(id_)) for id_ in members):  # else it is another unit by now
            standing = {id_: believed(together(effects.get(id_, NONE)))[0] for id_ in members}
            going = first_to_go(names[at], standing=standing)
            reason = f"it does not add what it has to be worth: {_in_short(found[at])}"
            moves.append(_move(memory, lessons[going], "retired", reason, batch))
    for at in np.flatnonzero(helps & ~worthless):
        for id_ in names[at].split(JOIN):
            if id_ in lessons and lessons[id_].status in ("candidate", "probation"):
                reason = f"it helps: {_in_short(found[at])}"
                moves.append(_move(memory, lessons[id_], "active", reason, batch))
    return moves


def _units(
    memory: Memory, lessons: Mapping[str, Lesson], effects: Mapping[str, Effect]
) -> dict[str, Effect]:
    """What was measured, by unit: all that were ever judged, those that have gone included."""
    units: dict[str, Effect] = {}
    for id_, effect in effects.items():
        members = effect.unit.split(JOIN)
        if effect.version != (lessons[id_].version if id_ in lessons else effect.version):
            continue  # it was edited since, and nothing is known of it as it stands
        units[effect.unit] = effect if len(members) == 1 else memory.effects.unit(members)
    return units


def _in_short(effect: Effect) -> str:
    parts: list[str] = []
    if effect.shown + effect.withheld:
        counts = f"{effect.shown} episodes with it, {effect.withheld} without"
        parts.append(f"{points(effect)} over {counts}")
    if effect.replayed is not None:
        parts.append(f"replayed on {effect.replayed.shown} tasks: {points(effect.replayed)}")
    return "; ".join(parts)


def _move(memory: Memory, lesson: Lesson, status: Status, reason: str, batch: str) -> Change:
    seen = [one.episode for one in memory.ledger.exposures(lesson=lesson.id)]
    return moved(lesson, status, reason=reason, batch=batch, episodes=seen)


def _open(lesson: Lesson | None) -> bool:
    """Whether a rule may take it out."""
    return lesson is not None and lesson.status in SHOWABLE and not lesson.pinned


def _unused(memory: Memory, lessons: Iterable[Lesson], bounds: Bounds, batch: str) -> list[Change]:
    if bounds.unused is None:
        return []
    known = memory.ledger.ask(
        "SELECT updated FROM runs JOIN trajectories ON trajectories.id = runs.id "
        "WHERE split = 'train' ORDER BY trajectories.seq DESC LIMIT 1 OFFSET ?",
        bounds.unused,
    )
    if not known:
        return []
    used = memory.uses.last()
    reason = f"it came up in none of the last {bounds.unused} training episodes"
    return [
        moved(lesson, "retired", reason=reason, batch=batch)
        for lesson in lessons
        if _expendable(lesson) and used.get(lesson.id, "") < known[0][0]
    ]


def _crowded(
    memory: Memory,
    lessons: Iterable[Lesson],
    effects: Mapping[str, Effect],
    bounds: Bounds,
    batch: str,
) -> list[Change]:
    """Where an environment has more than fit, those go that are the least likely to be of use."""
    rooms: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        if lesson.status in SHOWABLE:
            rooms.setdefault(lesson.scope.env, []).append(lesson)
    moves: list[Change] = []
    for env, inside in rooms.items():
        over = len(inside) - bounds.capacity
        if over <= 0:
            continue
        used = memory.uses.last()
        ranked = sorted(
            (lesson for lesson in inside if _expendable(lesson)),
            key=lambda one: (_hope(effects.get(one.id)), used.get(one.id, ""), one.id),
        )
        reason = f"there is room for {bounds.capacity} lessons of {env or 'all environments'}"
        moves += [
            moved(lesson, "retired", reason=f"{reason}, and others promise more", batch=batch)
            for lesson in ranked[:over]
        ]
    return moves


def _expendable(lesson: Lesson) -> bool:
    """Whether it may go without evidence against it: nobody asked for it, nothing speaks for it."""
    return _open(lesson) and lesson.status != "active" and lesson.trust != "user"


def _hope(effect: Effect | None) -> float:
    """What an optimist expects of it: its believed effect and one standard deviation."""
    mean, spread = believed(together(effect) if effect else Effect())
    return round(mean + spread, 6)
