"""Eight kinds of reflection on a failed attempt, one of them by name.

After "Self-Reflection in LLM Agents: Effects on Problem-Solving Performance" (Renze & Guven 2024,
arXiv 2405.06682; catalogue row self-reflection-types). `retry` writes nothing: the agent only knows
that it failed. `keywords`, `advice`, `explanation`, `instructions` and `solution` are one reply
with one field, `composite` has all five. What each is worth with your model, against `retry` on the
same failed tasks: `journeyman eval reflection`.

What differs: the paper's agents reflect with the right answer before them, which is then redacted
from all kinds but `unredacted`. Here no reflector ever knows it, so there is nothing to redact;
`unredacted` is the composite with the failed attempt itself, step by step, as it was.
"""

from __future__ import annotations

from typing import get_args

from agent.kit import Reflector
from agent.models.types import Model
from agent.reflectors.types import Asker, line
from agent.settings import Reflection
from agent.state import Attempt
from agent.transcript import prompt
from distill.attempts import story
from envs.errors import ModelError, UnknownName, clip, one_line
from memory.recall import strip_marked
from memory.types import Lesson, Usage, Verdict

FIELDS: dict[str, str] = {
    "keywords": "the kinds of mistake that were made, as keywords",
    "explanation": "why the attempt failed, and at which step",
    "advice": "general advice for attempts like this",
    "instructions": "what to do in the next attempt, in order",
    "solution": "the actions that would have reached the goal",
}
COMPOSITE = ("composite", "unredacted")
RETRY = "This attempt did not reach the goal. Try again, another way."
LONGEST = 240
"""Most characters of a field."""
STORY = 1500
"""Most characters of an attempt that is told again whole."""


class Kinds:
    """Another reflector with its advice replaced by one kind; lessons are drafted as before."""

    def __init__(self, model: Model, kind: Reflection, *, inner: Reflector) -> None:
        known = [name for name in get_args(Reflection) if name != "default"]
        if kind not in known:
            raise UnknownName("kind of reflection", kind, known)
        self._model = model
        self.kind: Reflection = kind
        """Which of the eight."""
        self._inner = inner

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """At most one question; where the model fails, what `retry` says."""
        names = fields_of(self.kind)
        if not names:
            return RETRY, Usage()
        told = story(attempt.task.goal, attempt.first, attempt.steps, verdict)
        asked = [
            {"role": "system", "content": instruction(self.kind)},
            {"role": "user", "content": told},
        ]
        ask = Asker(self._model, most=1)
        try:
            said = await ask.ask(asked, **{name: line(LONGEST) for name in names})
        except ModelError:
            return RETRY, ask.usage
        parts = [
            f"{name.capitalize()}: {one_line(strip_marked(str(said[name])))}"
            for name in names
            if str(said.get(name, "")).strip()
        ]
        if self.kind == "unredacted":
            parts.append(f"What was done: {clip(one_line(told), most=STORY)}")
        return " ".join(parts) or RETRY, ask.usage

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """As the inner reflector does."""
        return await self._inner.draft(attempt, verdict)


def fields_of(kind: Reflection) -> tuple[str, ...]:
    """The fields of the reply; none for `retry`."""
    if kind in COMPOSITE:
        return tuple(FIELDS)
    return (kind,) if kind in FIELDS else ()


def instruction(kind: Reflection) -> str:
    """The system message of a kind; what rows of reflections are trained under."""
    wanted = "\n".join(f"- {name}: {FIELDS[name]}" for name in fields_of(kind))
    return f"{prompt('kinds')}\n{wanted}"
