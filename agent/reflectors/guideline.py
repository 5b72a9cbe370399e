"""The guideline for correcting oneself, as corrections use it.

After "MAGIC: Generating Self-Correction Guideline for In-Context Text-to-SQL" (Askari et al. 2024,
arXiv 2406.12692; catalogue row magic). Who writes it: `agent/proposers/guideline.py`. A guideline
is a lesson of its own (`guideline-ENV`, one for each environment), so people read and edit it like
any other (`/api/memory/guideline-ENV`, `journeyman memory edit`); each change is a version that can
be undone. It is for corrections alone: recall never shows it, since its scope is a project of its
own. It is not shown in tasks with a key that it was written from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agent.crossing import off
from agent.kit import Reflector
from agent.models.types import Model
from agent.reflectors.types import Asker, line, one_of
from agent.state import Attempt
from agent.transcript import prompt
from distill.attempts import story
from envs.errors import ModelError, UnknownName, one_line
from envs.types import Task
from memory.ledger import Ledger
from memory.recall import strip_marked
from memory.types import SHOWABLE, Lesson, Usage, Verdict

PROJECT = "guideline"
"""Scope that keeps guidelines out of recall."""
NUMBERED = re.compile(r"^\s*\d+[.)]\s*(.+)$", re.MULTILINE)
Reader = Callable[[str], Lesson | None]
"""Environment in, its guideline out."""


class Guided:
    """Another reflector; where there is a guideline the advice is the rule that fits, applied."""

    def __init__(self, inner: Reflector, *, model: Model, read: Reader) -> None:
        self._inner = inner
        self._model = model
        self._read = read

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """One question; where the model fails, the whole guideline."""
        rules = await off(self._rules, attempt.task)
        if not rules:
            return await self._inner.reflect(attempt, verdict)
        listed = numbered(rules)
        told = story(attempt.task.goal, attempt.first, attempt.steps, verdict)
        asked = [
            {"role": "system", "content": prompt("guided")},
            {"role": "user", "content": f"{told}\n\nThe guideline:\n{listed}"},
        ]
        ask = Asker(self._model, most=1)
        try:
            names = [str(number) for number in range(1, len(rules) + 1)]
            said = await ask.ask(asked, rule=one_of(names), instead=line())
        except ModelError:
            return one_line(listed), ask.usage
        rule = rules[int(said.get("rule", 1)) - 1]
        return f"{rule} {one_line(strip_marked(str(said.get('instead', ''))))}".strip(), ask.usage

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """As the inner reflector does."""
        return await self._inner.draft(attempt, verdict)

    def _rules(self, task: Task) -> list[str]:
        found = self._read(place_of(task.env))
        if found is None or found.status not in SHOWABLE or task.key in found.source.task_keys:
            return []
        return rules_of(found.text)


def guidelines_of(ledger: Ledger) -> Reader:
    """Reads guidelines out of a ledger, and nothing else."""

    def read(env: str) -> Lesson | None:
        try:
            return ledger.lesson(id_of(env))
        except UnknownName:
            return None

    return read


def id_of(env: str) -> str:
    """Id of the guideline of an environment."""
    return f"guideline-{env}"


def place_of(env: str) -> str:
    """The environment without its level."""
    return env.partition(":")[0]


def rules_of(text: str) -> list[str]:
    """The rules of a guideline: its numbered lines, else all its lines."""
    found = NUMBERED.findall(text) or [line for line in text.splitlines() if line.strip()]
    return [one_line(rule) for rule in found]


def numbered(rules: Sequence[str]) -> str:
    """Rules as a guideline's text."""
    return "\n".join(f"{number}. {rule}" for number, rule in enumerate(rules, start=1))
