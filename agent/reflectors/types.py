"""The second look's seam: a draft in, what it comes to out, over a model that is asked so often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import Field

from agent.models.types import Message, Model, Sampling
from envs.errors import ModelError
from envs.types import Frozen
from memory.recall import strip_marked
from memory.text import normal
from memory.types import Recalled, Usage

LONGEST = 1200
"""Most characters of an answer that a second look writes."""
SHORT = 240
"""Most characters of a remark."""


class Draft(Frozen):
    """What the solver is about to say or do."""

    asked: tuple[Message, ...]
    """What it was told; the last message is the user's."""
    text: str
    """Its answer, or its action."""
    choices: tuple[str, ...] = ()
    """The actions that are possible; empty for an answer in words."""
    recalled: tuple[Recalled, ...] = ()
    """The lessons that it was shown."""


class Looked(Frozen):
    """What a second look comes to."""

    text: str
    """The answer or action to go on with; the draft's own, byte for byte, where it is kept."""
    note: dict[str, Any] = Field(default_factory=dict)
    """How it came to that, as plain JSON; empty where there was nothing to look at."""


class SecondLook(Protocol):
    """Thinks a draft over."""

    name: str
    """As in the settings."""
    calls: int
    """Most questions to the model for one draft."""

    async def look(self, draft: Draft, ask: Asker) -> Looked:
        """Keeps the draft or replaces it. Raises `ModelError` where the model does not answer."""
        ...


class Asker:
    """A model that may be asked so many times; adds up what that costs."""

    def __init__(self, model: Model, *, most: int) -> None:
        self._model = model
        self._left = most
        self.usage = Usage()
        """What was consumed so far."""

    async def ask(self, messages: Sequence[Message], **properties: Any) -> dict[str, Any]:
        """An object with just these fields (JSON schemas), greedy, with room for all of it.

        Raises `ModelError` when the model does not answer, or was asked too often.
        """
        if self._left < 1:
            raise ModelError("a second look asked too often", repair="switch it off, report this")
        self._left -= 1
        schema = object_of(**properties)
        sampling = Sampling(max_tokens=room(schema))
        reply = await self._model.reply(messages, schema=schema, sampling=sampling)
        self.usage += reply.usage
        return reply.data or {}


def object_of(**properties: Any) -> dict[str, Any]:
    """JSON schema of an object with just these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def line(most: int = SHORT) -> dict[str, Any]:
    """JSON schema of a text of at most so many characters."""
    return {"type": "string", "maxLength": most}


def lines(least: int, most: int, *, chars: int = SHORT) -> dict[str, Any]:
    """JSON schema of so many texts."""
    return {"type": "array", "items": line(chars), "minItems": least, "maxItems": most}


def one_of(choices: Sequence[str]) -> dict[str, Any]:
    """JSON schema of a choice."""
    return {"enum": list(choices)}


def final(draft: Draft, *, without: str = "") -> dict[str, Any]:
    """JSON schema of what may stand in place of the draft; `without` one action, if others are."""
    if not draft.choices:
        return line(LONGEST)
    return one_of([one for one in draft.choices if one != without] or draft.choices)


def room(schema: dict[str, Any]) -> int:
    """Tokens that hold any reply of the schema: weak models write a token for a character."""
    if "enum" in schema:
        return 8 + max(len(str(choice)) for choice in schema["enum"])
    if schema.get("type") == "array":
        return 8 + int(schema["maxItems"]) * room(schema["items"])
    if schema.get("type") == "object":
        fields: dict[str, Any] = schema["properties"]
        return 8 + sum(len(name) + 8 + room(rule) for name, rule in fields.items())
    return 8 + int(schema["maxLength"])


def told(draft: Draft, request: str) -> list[Message]:
    """What the solver was told, with a request after it in the same message."""
    last = draft.asked[-1]
    whole = f"{last['content']}\n\n{strip_marked(request)}"
    return [*draft.asked[:-1], {**last, "content": whole}]


def same(one: str, two: str) -> bool:
    """Whether two answers say the same: the words after the last `Answer:`, else all words."""
    return normal(_end(one)) == normal(_end(two))


def _end(text: str) -> str:
    head, mark, end = text.lower().rpartition("answer:")
    return end if mark and end.strip() else head + end
