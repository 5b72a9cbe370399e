"""Skills by meaning: which active skills are close to a goal that is worded like none of theirs.

They lie in the vector memory, on the shelf of their environment, and are derived from the ledger:
what is missing there or of another version is put in when it is next asked.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence

from memory.vectors import Damaged, VectorIndex
from skills.fitting import room
from skills.grammar import Grammar
from skills.library import Library
from skills.program import read
from skills.types import Call, Skill

logger = logging.getLogger(__name__)
FLOOR = 0.4
"""Least similarity of goal and skill."""
EXAMPLES = 3
"""Goals that a skill reached, by which it is found."""
WORDS = re.compile(r"[a-z][\w-]*", re.IGNORECASE)


class Finder:
    """Active skills with goals of their own, found by meaning. Safe to use from several threads."""

    def __init__(self, library: Library, index: VectorIndex) -> None:
        self._library = library
        self._index = index
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, str]] = {}

    def near(self, asked: str, *, env: str, most: int) -> list[tuple[Skill, float]]:
        """The closest skills with their cosine similarity, best first, none below `FLOOR`."""
        active = {one.id: one for one in self._library.all(env=env, status="active") if one.goals}
        if not active or most < 1:
            return []
        with self._lock:
            try:
                self._sync(active.values())
                found = self._index.search(asked, most=most * 4, shelves=[room(env)])
            except Damaged as error:
                logger.warning("%s; it is built anew from the ledger", error.message)
                self._index.clear()
                self._known.clear()
                self._sync(active.values())
                found = self._index.search(asked, most=most * 4, shelves=[room(env)])
        near = [(active[id_], similar) for id_, similar in found if id_ in active]
        return [one for one in near if one[1] >= FLOOR][:most]

    def _sync(self, active: Iterable[Skill]) -> None:
        for skill in active:
            mark = (skill.version, room(skill.env))
            if self._known.get(skill.id) != mark:
                self._index.remove([skill.id])
                self._index.add([(skill.id, text_of(skill))], shelf=room(skill.env))
                self._known[skill.id] = mark


def text_of(skill: Skill) -> str:
    """What a skill is found by: goals that it reached, in the words of its own goals."""
    given = [one.arguments for one in skill.trials if one.passed and one.purpose == "solve"]
    told = [_filled(goal, one) for one in given[:EXAMPLES] or [{}] for goal in skill.goals]
    return " ".join(dict.fromkeys(told))


def _filled(goal: str, arguments: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)[+,]?\}", lambda match: arguments.get(match[1], "something"), goal)


def guessed(skill: Skill, asked: str, offered: Sequence[str]) -> Call | None:
    """A call for a goal in other words, its arguments constrained to what is known here.

    Taken are words of the goal that the observation offers (names in commands that are possible
    now) or that the skill was tried with, in the order of the goal. None where they are not as many
    as its parameters.
    """
    known = {value for one in skill.trials if one.passed for value in one.arguments.values()}
    known |= Grammar(offered).kinds
    fixed = {word for goal in skill.goals for word in WORDS.findall(re.sub(r"\{.*?\}", " ", goal))}
    words = [word.casefold() for word in WORDS.findall(asked)]
    values = list(dict.fromkeys(word for word in words if word in known - fixed))
    names = parameters(skill)
    if not names or len(values) != len(names):
        return None
    given = dict(zip(names, values, strict=True))
    return Call(skill=skill.id, version=skill.version, name=skill.name, arguments=given)


def parameters(skill: Skill) -> list[str]:
    """Names of a skill's parameters, in order."""
    return [one.name for one in read(skill.code, skill.name).parameters]
