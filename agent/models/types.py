"""The `Model` seam: messages in, a reply out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from pydantic import Field

from envs.types import Frozen, ToolSpec
from memory.types import Usage

Message = dict[str, Any]
"""`{"role": ..., "content": ...}` as in the OpenAI API."""


class ToolCall(Frozen):
    """A tool that the model wants called."""

    id: str
    """Id of the call."""
    name: str
    """Tool."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Parsed arguments."""


class Reply(Frozen):
    """What a model answered."""

    text: str
    """The words; for a reply constrained by a schema, the JSON as it came."""
    data: dict[str, Any] | None = None
    """The parsed JSON, when a schema was asked for."""
    guessed: bool = False
    """`data` is the choice closest to what was said; the model named none of those offered."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls, when tools were offered."""
    logprob: float | None = None
    """Sum of the log-probabilities of the reply's tokens, where the server gives them."""
    usage: Usage = Usage()
    """What it cost."""
    model: str = ""
    """Name that the server gave."""


class Sampling(Frozen):
    """How to draw a reply."""

    temperature: float = 0.0
    """0 is greedy."""
    max_tokens: int = 256
    """Most tokens of a reply."""
    seed: int | None = None
    """Passed on to servers that take one."""
    logprobs: bool = False
    """Ask for log-probabilities."""
    fresh: bool = False
    """Do without the prefix cache of earlier requests, so that the same request repeats exactly."""


class Model(Protocol):
    """Anything that answers. Raises `ModelError` when it does not."""

    name: str

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """One answer. With `schema` (JSON schema of an object) `Reply.data` is valid under it."""
        ...

    def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """The answer in pieces, as they come."""
        ...

    async def close(self) -> None:
        """Frees connections; may be called twice."""
        ...
