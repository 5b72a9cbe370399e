"""Tips from failed games: short, for this game only or for all."""

from __future__ import annotations

from typing import Any

from agent.kit import Reflector
from agent.models.types import Model, Sampling
from agent.proposers.types import story_of
from agent.reflector import Plain, lesson_from
from agent.state import Attempt
from agent.transcript import prompt
from envs.errors import ModelError, one_line
from memory.games import project_of
from memory.text import strip_marked
from memory.types import Lesson, Usage, Verdict

WORDS = 30
"""Most words of a tip; what comes after is cut."""
REPLY = 120
"""Most tokens of a reply."""


class Tips:
    """Adds a tip to what `inner` drafts after a failed attempt: one call.

    A tip on this game only is kept in the body of work of that game (`memory/games.py`) and comes
    up there, one that is general in the environment. Without a model, or where it fails, the
    advice of a rule is the tip, for this game. What differs from the paper: tips are written from
    the agent's own failures alone, where it also takes demonstrations and many games at once (for
    those see the proposers `insights` and `notes`); they are recalled when they are close instead
    of all standing in the prompt.

    Paper: Chen et al. 2023, Introspective Tips, arXiv 2305.11598 (row `introspective-tips`).
    """

    def __init__(self, inner: Reflector, *, model: Model | None) -> None:
        self._inner = inner
        self._model = model

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """As the reflector within."""
        return await self._inner.reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """What the reflector within drafts, and a tip after a failure in a text environment."""
        lessons, usage = await self._inner.draft(attempt, verdict)
        if verdict.accepted is not False or attempt.answer or not attempt.steps:
            return lessons, usage
        said, own, index, spent = await self._said(attempt, verdict)
        usage += spent
        step = next((one for one in attempt.steps if one.index == index), attempt.steps[-1])
        text = " ".join(one_line(said).split()[:WORDS])
        if not text:
            return lessons, usage
        tip = lesson_from(
            attempt,
            kind="pitfall",
            text=f"Tip ({'this game' if own else 'general'}): {text}",
            situation=attempt.task.goal,
            span=(step.index, step.index),
            quote=f"{step.action}\n{step.observation}",
        )
        if own:
            scope = tip.scope.model_copy(update={"project": project_of(attempt.task.key)})
            tip = tip.model_copy(update={"scope": scope})
        return [*lessons, tip], usage

    async def _said(self, attempt: Attempt, verdict: Verdict) -> tuple[str, bool, int, Usage]:
        """Words, whether they hold for this game only, the step they rest on, what they cost."""
        last = attempt.steps[-1].index
        if self._model is not None:
            content = f"{attempt.first}\n\n{story_of(attempt.task.goal, attempt.steps)}"
            try:
                reply = await self._model.reply(
                    [
                        {"role": "system", "content": prompt("tip")},
                        {"role": "user", "content": strip_marked(content)},
                    ],
                    schema=_schema(attempt),
                    sampling=Sampling(max_tokens=REPLY),
                )
            except ModelError:
                spent = Usage(calls=1)
            else:
                data = reply.data or {}
                own = data.get("scope") != "general"
                return str(data.get("tip", "")), own, int(data.get("step", last)), reply.usage
        else:
            spent = Usage()
        advice, _ = await Plain().reflect(attempt, verdict)
        return advice, True, last, spent


def _schema(attempt: Attempt) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "scope": {"enum": ["this game", "general"]},
        "step": {"enum": [step.index for step in attempt.steps]},
        "tip": {"type": "string", "minLength": 10, "maxLength": 240},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
