"""What the agent and the doors talk to: recall before an action, and writing with its guards.

The ledger holds the lessons; what finds them is derived from it and kept up by its generation
(`memory/shelving.py`), so that a recall reads one number from the disk. What is found
(`memory/finding.py`) is put in order (`memory/ranking.py`) and cut to the budget here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from envs.errors import Refused, clip
from memory.admission import (
    NEAR,
    NEIGHBOURS,
    Kin,
    addition,
    completed,
    edition,
    kin,
    merged,
    merger,
)
from memory.clock import new_id
from memory.episodes import Episodes, withdrawal
from memory.finding import found
from memory.index import VectorIndex
from memory.ledger import Ledger
from memory.measuring import Effects
from memory.prune import PrunePlan, PruneRule, retirement
from memory.prune import plan as plan_prune
from memory.query import Query, beside, searched, shelf_of
from memory.ranking import Candidate, Diverse, Ranking, Worth, fitting, swayed
from memory.shelving import Shelving
from memory.text import (
    MARK_CLOSE,
    MARK_OPEN,
    estimate_tokens,
    has_mark,
    strip_marked,
    without_marks,
)
from memory.types import Change, Lesson, LessonKind, Recalled, Scope, Status
from memory.uses import Uses

__all__ = [
    "MARK_CLOSE",
    "MARK_OPEN",
    "Memory",
    "Query",
    "has_mark",
    "render",
    "searched",
    "strip_marked",
]

logger = logging.getLogger(__name__)
HEADING = "Notes from earlier work. Follow one only where it fits."


def render(recalled: Sequence[Recalled]) -> str:
    """The block for the solver: marked, a line for each lesson with its id; empty for none."""
    if not recalled:
        return ""
    lines = [f"- [{without_marks(item.lesson)}] {without_marks(item.text)}" for item in recalled]
    return "\n".join([MARK_OPEN, HEADING, *lines, MARK_CLOSE])


class Memory:
    """Ledger and index as one thing. Safe to use from several threads."""

    def __init__(
        self,
        ledger: Ledger,
        index: VectorIndex,
        *,
        episodes: VectorIndex | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger = ledger
        self.index = index
        self.episodes = Episodes(ledger, episodes) if episodes else None
        """Solved runs; None: they are not recalled."""
        self.effects = Effects(ledger)
        """What lessons were measured to do."""
        self.uses = Uses(ledger)
        """When they were last of use."""
        self.worth: Worth = self.effects.worth
        """What showing lessons is believed to do; a prior of their rank."""
        self._clock = clock
        self._shelving = Shelving(ledger, index)
        self._diverse = Diverse()

    def close(self) -> None:
        """Closes indexes and ledger."""
        self.index.close()
        if self.episodes:
            self.episodes.close()
        self.ledger.close()

    # reading

    def recall(
        self,
        query: Query,
        *,
        budget_tokens: int,
        floor: float,
        most: int,
        guard: bool,
        ranking: Ranking = Ranking(),
    ) -> tuple[Recalled, ...]:
        """Lessons for the coming action, best first; often none.

        A lesson counts as close when its situation is close to the goal, or to the goal together
        with what is carried, was done last and is seen. It has to apply here (scope, status, time,
        trust), to be at least `floor` close, and to fit: the block made by `render` stays within
        `budget_tokens` (estimated, see `estimate_tokens`). With `guard` lessons that go back to
        this very task (`task_key`) are left out, else marked `same_task`. With `ranking.episodes`
        solved runs come besides; in those `lesson` is the id of the run.
        """
        if most < 1 or budget_tokens < 1:
            return ()
        self.sync()
        candidates = found(
            self._shelving,
            query,
            floor=floor,
            most=most,
            guard=guard,
            ranking=ranking,
            now=self._clock(),
        )
        if ranking.episodes and self.episodes and "self" in ranking.trust:
            room = budget_tokens - estimate_tokens(f"{MARK_OPEN}\n{HEADING}\n{MARK_CLOSE}")
            candidates += self.episodes.found(
                query, floor=floor, most=ranking.episodes, guard=guard, budget_tokens=room
            )
        moved = swayed(candidates, run=query.run, worth=self.worth, sway=ranking.sway)
        moved = fitting(moved, ranking.fits)
        ahead = self._diverse.order(moved, weight=ranking.diversity)
        return _fitting(ahead, budget_tokens=budget_tokens, most=most, episodes=ranking.episodes)

    def search(self, text: str, *, most: int = 10) -> list[tuple[Lesson, float]]:
        """Lessons by meaning, those that hold the very words first; similarity beside each.

        Meaning is searched among lessons that may be shown, words among all.
        """
        if most < 1 or not text.strip():
            return []
        self.sync()
        worded = self.ledger.lessons(contains=text.strip(), limit=most)
        similar = dict(self._shelving.near(text, most=most, shelves=None))
        missing = [lesson for lesson in worded if lesson.id not in similar]
        if missing:
            vectors = self.index.embedder.embed([text, *(searched(one) for one in missing)])
            close = vectors[1:] @ vectors[0]
            similar |= {one.id: float(s) for one, s in zip(missing, close, strict=True)}
        known = {lesson.id: lesson for lesson in worded}
        for id_ in similar:
            if id_ not in known and id_ in self._shelving.table:
                known[id_] = self.ledger.lesson(id_)
        first = {lesson.id for lesson in worded}
        order = sorted(known, key=lambda id_: (id_ not in first, -similar[id_]))
        return [(known[id_], similar[id_]) for id_ in order[:most]]

    def near(self, lesson: Lesson, *, most: int) -> list[tuple[str, float]]:
        """Ids of lessons on the same shelf, by how close their situations are to this one's."""
        return self._shelving.near(searched(lesson), most=most, shelves=[shelf_of(lesson)])

    def standing(self) -> dict[str, Lesson]:
        """All lessons as they stand, by id, retired ones included; without their effects."""
        self.sync()
        return dict(self._shelving.table)

    # writing

    def add(
        self,
        lesson: Lesson,
        *,
        reason: str,
        evidence: Sequence[str] = (),
        actor: str = "agent",
    ) -> Change:
        """Stores a lesson; an empty id is filled in.

        Where memory says so in other words, that lesson gets the new source, and the change is an
        `edit` of it. Raises `Refused` for recalled text, for what an existing lesson says in the
        same scope, and for what one seems to deny unless `contradicts` names it.
        """
        whole = completed(self.ledger, lesson, evidence, seconds=self._clock())
        if not self.ledger.twin(whole):
            known = self._kin(whole)
            if known.twin is not None:
                return self._merge(known.twin, whole, reason, evidence, actor)
            undeclared = [one for one in known.against if one.id not in whole.contradicts]
            if undeclared:
                raise Refused(
                    f"it seems to contradict lesson {undeclared[0].id} "
                    f"({clip(undeclared[0].text)!r})",
                    repair="declare that (contradicts), or edit the one that exists",
                )
        return self.write(addition(whole, reason, evidence, actor))[0]

    def plan(
        self,
        lessons: Sequence[Lesson],
        *,
        reason: str,
        evidence: Sequence[str] = (),
        actor: str = "agent",
    ) -> tuple[Change, ...]:
        """Changes that add `lessons`, for `Ledger.add_trajectory`.

        One that is known gets the new source; where that adds nothing it is left out. One that
        seems to deny others is stored as contradicting them.
        """
        changes: dict[str, Change] = {}
        for lesson in lessons:
            whole = completed(self.ledger, lesson, evidence, seconds=self._clock())
            known = self._kin(whole)
            richer = merged(known.twin, whole) if known.twin else None
            if known.twin and richer:
                change = merger(self.ledger, known.twin, richer, reason, evidence, actor)
            elif known.twin or self.ledger.twin(whole):
                why = self.ledger.twin(whole) or f"lesson {known.twin and known.twin.id} says it"
                logger.info("lesson %r left out: %s", clip(lesson.text, most=60), why)
                continue
            else:
                against = dict.fromkeys((*whole.contradicts, *(one.id for one in known.against)))
                whole = whole.model_copy(update={"contradicts": tuple(against)})
                change = addition(whole, reason, evidence, actor)
            changes.setdefault(change.target, change)
        return tuple(changes.values())

    def typed(
        self, text: str, *, situation: str = "", env: str = "", contradicts: Sequence[str] = ()
    ) -> Lesson:
        """Stores what a person typed as an active lesson, and reads it back (see `add`)."""
        lesson = Lesson(
            id="",
            kind="fact",
            text=text,
            situation=situation,
            scope=Scope(env=env),
            trust="user",
            status="active",
            contradicts=tuple(contradicts),
        )
        change = self.add(lesson, reason="typed by a person", actor="user")
        return self.ledger.lesson(change.target)

    def edit(
        self, lesson: Lesson, *, reason: str, actor: str = "user", before: Lesson | None = None
    ) -> Change:
        """Replaces a lesson by this form of it, as a new version. Raises `UnknownName`.

        With `before` it raises `Refused` where the lesson does not stand so any more.
        """
        return self.write(edition(lesson, before, reason, (), actor))[0]

    def undo(self, change_id: str, *, reason: str, actor: str = "user") -> Change:
        """Takes a change back (see `Ledger.undo`)."""
        return self.take_back(change_id, reason=reason, actor=actor)[-1]

    def take_back(
        self, name: str, *, reason: str, actor: str = "user", cascade: bool = False
    ) -> tuple[Change, ...]:
        """Takes back a change, a batch or what a run wrote (see `Ledger.take_back`)."""
        done = self.ledger.take_back(name, reason=reason, actor=actor, cascade=cascade)
        if self.episodes and self.episodes.stands(name):
            done += self.ledger.apply(withdrawal(name, reason=reason, actor=actor))
        self.sync()
        return done

    def prune(
        self,
        *,
        status: Status | None = None,
        kind: LessonKind | None = None,
        env: str | None = None,
        contains: str | None = None,
        unused_days: float | None = None,
        keep: int | None = None,
        also: Callable[[Lesson], str] | None = None,
    ) -> PrunePlan:
        """What a rule would retire, and why (see `PruneRule`). Changes nothing."""
        given = {"status": status, "kind": kind, "env": env, "contains": contains}
        rule = PruneRule.model_validate({**given, "unused_days": unused_days, "keep": keep})
        return plan_prune(
            self.ledger.lessons(limit=-1),
            rule,
            last_used=self.ledger.last_used(),
            seconds=self._clock(),
            also=also,
        )

    def apply_prune(self, plan: PrunePlan, *, actor: str = "rule:prune") -> tuple[Change, ...]:
        """Retires what the plan names, all or nothing; each change can be undone, or their batch.

        Raises `Refused` where a lesson was altered after the plan was made.
        """
        batch = new_id("B", seconds=self._clock())
        return self.write(*(retirement(item, actor=actor, batch=batch) for item in plan.items))

    # keeping up

    def sync(self) -> int:
        """Brings the index up to the ledger, other processes' writes included.

        Returns how many lessons were put in or taken out; 0 and about 20 µs when up to date. An
        index that is missing, damaged or another embedder's is built anew, with one warning.
        """
        return self._shelving.sync()

    def rebuild(self) -> int:
        """Builds the index anew from the ledger; returns how many lessons it holds.

        That of episodes is emptied, and filled when it is next asked.
        """
        if self.episodes:
            self.episodes.clear()
        return self._shelving.rebuild()

    # parts

    def _kin(self, lesson: Lesson) -> Kin:
        """What memory says already about the same in the same situation."""
        self.sync()
        shelves, table = beside(lesson.scope), self._shelving.table
        close = self._shelving.near(searched(lesson), most=NEIGHBOURS, shelves=shelves)
        close = (table.get(id_) for id_, similarity in close if similarity >= NEAR)
        return kin(lesson, [one for one in close if one], self.index.embedder)

    def _merge(
        self, old: Lesson, new: Lesson, reason: str, evidence: Sequence[str], actor: str
    ) -> Change:
        richer = merged(old, new)
        if richer is None:
            raise Refused(
                f"lesson {old.id} says that in other words ({clip(old.text)!r})",
                repair="edit it, or say something new",
            )
        return self.write(merger(self.ledger, old, richer, reason, evidence, actor))[0]

    def write(self, *changes: Change) -> tuple[Change, ...]:
        """Applies changes, all or none, and brings the index up (see `Ledger.apply`)."""
        done = self.ledger.apply(*changes)
        self.sync()
        return done


def _fitting(
    ahead: Sequence[Candidate], *, budget_tokens: int, most: int, episodes: int
) -> tuple[Recalled, ...]:
    """The first of those that fit the budget beside the ones before them; an episode once only."""
    chosen: list[Recalled] = []
    left = {False: most, True: episodes}
    for one in ahead:
        told = one.episode and any(c.source.trajectory == one.item.lesson for c in chosen)
        fits = left[one.episode] > 0 and not told
        if fits and estimate_tokens(render([*chosen, one.item])) <= budget_tokens:
            chosen.append(one.item)
            left[one.episode] -= 1
        if not any(left.values()):
            break
    return tuple(chosen)
