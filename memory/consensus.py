"""Keeping planted lessons out of the prompt: what independent runs agree on decides.

Wei et al. 2025, A-MemGuard: A Proactive Defense Framework for LLM-Based Agent Memory,
arXiv 2510.02373 (row `a-memguard`): reasoning paths drawn from related memories are compared, the
one that departs is left out, and what was found so is kept in a second memory that is consulted
before later actions. There a model draws the paths and judges them. Here no model is asked: the
path of a workflow is the actions it lists, that of other lessons the words of such actions that
each clause names or denies, and agreement is counted in tasks whose runs can be found in the ledger
and quote what the lesson says. A record without such a run has no vote of its own: all of them
together have one. So planted records can't outvote experience by their number, but where there is
no experience (fewer than `QUORUM` tasks that agree) nothing is kept out, nor is a text that names
no action. A rare but right way that departs from a common one is kept out too: that is the price.
What is pinned never is.

The second memory is a body of work of its own in the ledger (`Scope.project`), so each entry has a
source and can be undone; it names what was kept out, and is never shown to a solver. It is written
on any split, since it goes by what memory holds and by no task's outcome.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from envs.errors import UnknownName, clip
from envs.types import Frozen
from memory.admission import carrying, denies
from memory.essence import NEXT, WAY
from memory.lenses import Bounds, Recall, Table, least, places, within
from memory.query import Query
from memory.recall import Memory
from memory.types import Lesson, Recalled, Source

logger = logging.getLogger(__name__)
SECOND = "guard"
"""`Scope.project` of the second memory."""
RELATED = 24
"""Most lessons that are compared before an action."""
ROOM = 6000
"""Estimated tokens of lessons that are compared; these go into no prompt."""
NEAR = 0.8
"""Least cosine of the situations of lessons that are compared with one another."""
QUORUM = 3
"""Votes by which those that agree can speak against others."""
CLAUSE = re.compile(r"[.,;:!?\n]+")
TIMES = 2
"""How many times as many votes they need as what they speak against."""


class Path(Frozen):
    """What a lesson leads to."""

    steps: tuple[str, ...] = ()
    """Actions in order; empty where it lists none."""
    does: tuple[frozenset[str], ...] = ()
    """Stems of the words of each clause that says what to do, or what is so."""
    denies: tuple[frozenset[str], ...] = ()
    """The same for each that says what not to do, or what is not so."""

    @property
    def words(self) -> frozenset[str]:
        """All that it says to do."""
        return frozenset().union(*self.does)


def path_of(text: str) -> Path:
    """The path of a lesson: what stands after "The way: ", or between ` > `, else its clauses."""
    head, marked, tail = text.partition(WAY)
    listed = tail if marked else head
    steps = [part.strip().casefold() for part in listed.split(NEXT)] if NEXT in listed else []
    if steps and not marked:
        steps[0] = steps[0].rpartition(": ")[2]
    clauses = [(denies(part), frozenset(carrying(part))) for part in steps or CLAUSE.split(text)]
    clauses = [(negative, words) for negative, words in clauses if words]
    return Path(
        steps=tuple(steps),
        does=tuple(words for negative, words in clauses if steps or not negative),
        denies=tuple(words for negative, words in clauses if negative and not steps),
    )


def agree(one: Path, two: Path, *, known: frozenset[str], asked: frozenset[str]) -> bool:
    """Whether two paths lead the same way.

    Lists of actions do when one is the other with some left out. A text departs from a list when a
    clause names an action's word (`known`: those listed anywhere, or in sight) that neither the
    list nor what is `asked` has, or denies nothing but what the list does. Two texts part only
    where one denies what the other says.
    """
    if one.steps and two.steps:
        short, long = sorted((one.steps, two.steps), key=len)
        rest = iter(long)
        return all(step in rest for step in short)
    if two.steps:
        one, two = two, one
    if not one.steps:
        return not (_denied(one, two, known, asked) or _denied(two, one, known, asked))
    elsewhere = any(not (words & known) - asked <= one.words for words in two.does)
    return not elsewhere and not _denied(two, one, known, asked)


def _denied(text: Path, other: Path, known: frozenset[str], asked: frozenset[str]) -> bool:
    """Whether a clause of `text` denies nothing but what `other` says."""
    named = [(words & known) - asked for words in text.denies]
    return any(words and words <= other.words for words in named)


class Consensus:
    """Recall without what departs from the agreement of independent runs."""

    def __init__(self, memory: Memory, recall: Recall) -> None:
        self._memory = memory
        self._recall = recall
        self._table = Table(memory.ledger)
        self._paths: dict[tuple[str, int], Path] = {}
        self._voters: dict[tuple[str, int], frozenset[str]] = {}
        self._written: set[str] = set()

    def __call__(self, query: Query, bounds: Bounds) -> tuple[Recalled, ...]:
        """The closest lessons that nothing speaks against; what is kept out is written down."""
        tokens, most = max(ROOM, bounds.budget_tokens), max(RELATED, bounds.most)
        found = self._recall(query, replace(bounds, budget_tokens=tokens, most=most))
        table = self._table.lessons()
        lessons = [table[item.lesson] for item in found if item.lesson in table]
        out = self._known_bad(lessons, query.env)
        for lesson, against in self._departing(lessons, query):
            out.add(lesson.id)
            self._write_down(lesson, against)
        kept = (item for item in found if item.lesson not in out)
        return within(kept, bounds)

    # comparing

    def _departing(
        self, lessons: Sequence[Lesson], query: Query
    ) -> list[tuple[Lesson, list[Lesson]]]:
        """Lessons that depart, each with those that agree against it."""
        if len(lessons) < 2:
            return []
        situations = [lesson.situation or lesson.text for lesson in lessons]
        vectors = self._memory.index.embedder.embed(situations)
        near = np.asarray(vectors @ vectors.T >= NEAR)
        paths = [self._path(lesson) for lesson in lessons]
        known = self._vocabulary(query.env) | set(carrying(query.observation))
        found: list[tuple[Lesson, list[Lesson]]] = []
        for at, lesson in enumerate(lessons):
            related = [other for other in range(len(lessons)) if near[at, other] and other != at]
            if lesson.pinned or not related:
                continue
            asked = frozenset(carrying(f"{query.goal} {lesson.situation}"))
            alike = [n for n in related if agree(paths[at], paths[n], known=known, asked=asked)]
            others = [n for n in related if n not in alike]
            own = self._votes([lessons[n] for n in (at, *alike)])
            best: list[int] = []
            for seed in others:
                side = [
                    n
                    for n in others
                    if n == seed or agree(paths[seed], paths[n], known=known, asked=asked)
                ]
                if self._votes(lessons[n] for n in side) > self._votes(lessons[n] for n in best):
                    best = side
            votes = self._votes(lessons[n] for n in best)
            if votes >= QUORUM and votes >= TIMES * own:
                found.append((lesson, [lessons[n] for n in best]))
        return found

    def _votes(self, lessons: Iterable[Lesson]) -> int:
        """Tasks whose runs bear these lessons out, and one for all that is only said."""
        tasks: set[str] = set()
        said = 0
        for lesson in lessons:
            voters = self._voters_of(lesson)
            tasks |= voters
            said |= not voters
        return len(tasks) + said

    def _voters_of(self, lesson: Lesson) -> frozenset[str]:
        """Keys of the tasks whose runs quote what the lesson says."""
        key = (lesson.id, lesson.version)
        if key not in self._voters:
            found = (self._borne_out(place, lesson) for place in places(lesson))
            self._voters[key] = frozenset(task for task in found if task)
        return self._voters[key]

    def _borne_out(self, place: Source, lesson: Lesson) -> str:
        try:
            run = self._memory.ledger.trajectory(place.trajectory) if place.trajectory else None
        except UnknownName:
            return ""
        if run is None or not place.quote:
            return ""
        span = [s for s in run.steps if place.first_step <= s.index <= place.last_step]
        spoken = "\n".join(f"{step.action}\n{step.observation}" for step in span)
        done = {step.action.casefold() for step in run.steps}
        listed = set(path_of(place.said or lesson.text).steps)
        return run.task_key if place.quote in spoken and listed <= done else ""

    def _path(self, lesson: Lesson) -> Path:
        key = (lesson.id, lesson.version)
        if key not in self._paths:
            self._paths[key] = path_of(lesson.text)
        return self._paths[key]

    def _vocabulary(self, env: str) -> frozenset[str]:
        """Words of all actions that lessons of this environment list."""
        here = (one for one in self._table.showable() if one.scope.env in ("", env))
        paths = (self._path(lesson) for lesson in here if lesson.scope.project != SECOND)
        return frozenset(word for path in paths if path.steps for word in path.words)

    # the second memory

    def _known_bad(self, lessons: Sequence[Lesson], env: str) -> set[str]:
        """Lessons that say what was kept out before, and that no run bears out."""
        entries = [
            one
            for one in self._table.showable()
            if one.scope.project == SECOND and one.scope.env == env
        ]
        named = {id_ for one in entries for id_ in one.contradicts}
        paths = {path_of(one.text).steps for one in entries} - {()}
        return {
            lesson.id
            for lesson in lessons
            if not lesson.pinned
            and not self._voters_of(lesson)
            and (lesson.id in named or self._path(lesson).steps in paths)
        }

    def _write_down(self, lesson: Lesson, against: Sequence[Lesson]) -> None:
        """One entry for each lesson that departs, with the lineage of all that took part."""
        digest = hashlib.sha256(f"{lesson.id}|{lesson.version}".encode()).hexdigest()[:12]
        id_ = f"G{digest}"
        if id_ in self._written or id_ in self._table.lessons():
            return
        self._written.add(id_)
        steps = self._path(lesson).steps
        said = NEXT.join(steps) if steps else clip(lesson.text, most=300)
        keys = dict.fromkeys(k for one in (lesson, *against) for k in one.source.task_keys)
        entry = Lesson(
            id=id_,
            kind="pitfall",
            text=f"Kept out: lesson {lesson.id} departs from {len(against)} others. {WAY}{said}",
            situation=lesson.situation,
            scope=lesson.scope.model_copy(update={"project": SECOND}),
            source=lesson.source.model_copy(update={"task_keys": tuple(keys)}),
            trust=least((lesson.trust, *(one.trust for one in against))),
            contradicts=(lesson.id,),
        )
        changes = self._memory.plan(
            [entry], reason="departs from what runs agree on", actor="rule:consensus"
        )
        parents = tuple(one.id for one in (lesson, *against))
        self._memory.write(*(one.model_copy(update={"parents": parents}) for one in changes))
        logger.warning("lesson %s is kept out of prompts: see entry %s", lesson.id, id_)
