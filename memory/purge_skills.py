"""Deleting skills for good: the words and files by which copies of their code are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memory.forget_skills import ForgetSkill, skill_lives
from memory.ledger import Ledger
from memory.vectors import VectorIndex

LEAST = 8
"""Characters of a word that is looked for in files; shorter ones stand everywhere."""


class SkillTraces:
    """Skills to be purged: their ids, their code in all versions, words by which copies are known.

    `runs`: those of the source; `indexes` hold what is derived from skills.
    """

    def __init__(
        self,
        items: Iterable[ForgetSkill] = (),
        *,
        ledger: Ledger,
        runs: Iterable[str] = (),
        indexes: Sequence[VectorIndex] = (),
    ) -> None:
        self.ids = tuple(item.id for item in items)
        lives = skill_lives(ledger) if self.ids else {}
        forms = [state for id_ in self.ids for state in lives[id_].states]
        codes = {str(state.get("code", "")) for state in forms}
        self.codes = sorted(code for code in codes if len(code) >= LEAST)
        self.words = [*(id_ for id_ in self.ids if len(id_) >= LEAST), *self.codes]
        self.runs = set(runs) if self.ids else set()
        self.indexes = indexes if self.ids else ()
