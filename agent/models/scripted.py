"""Models that need no model: for tests, of ours and of yours."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any

from agent.models.schema import choice_of, fault_of, read_object
from agent.models.types import Message, Model, Reply, Sampling, ToolCall
from envs.errors import ModelError, clip
from envs.types import Frozen, ToolSpec
from memory.types import Usage

Answer = str | dict[str, Any] | Reply
"""Words, an object (becomes JSON; `{"tool_calls": [...]}` becomes calls), or a whole reply."""
Policy = Callable[[Sequence[Message], dict[str, Any] | None], Answer]
"""Messages and schema in, an answer out. What it raises comes through."""


class Request(Frozen):
    """What a scripted model was asked."""

    messages: tuple[Message, ...]
    """The messages as they came."""
    schema_: dict[str, Any] | None = None
    """The schema, if one was given."""
    tools: tuple[ToolSpec, ...] = ()
    """The tools that were offered."""
    sampling: Sampling = Sampling()
    """How to draw."""


class PolicyModel(Model):
    """Answers by a function of (messages, schema), and holds the answers to the schema.

    Where the schema asks for one word of a list, the bare word will do. `requests` keeps what it
    was asked. Its tokens are words, its seconds and cost 0.
    """

    def __init__(self, policy: Policy, *, name: str = "scripted") -> None:
        self.name = name
        self.requests: list[Request] = []
        self._policy = policy

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """One answer of the policy. Raises `ModelError` when it doesn't fit the schema."""
        asked = tuple(dict(message) for message in messages)
        self.requests.append(
            Request(messages=asked, schema_=schema, tools=tuple(tools), sampling=sampling)
        )
        answer = self._policy(asked, schema)
        return answer if isinstance(answer, Reply) else _reply(answer, asked, schema, self.name)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """The answer's text, word by word."""
        words = (await self.reply(messages, sampling=sampling)).text.split(" ")
        for index, word in enumerate(words):
            yield word if index == 0 else f" {word}"

    async def close(self) -> None:
        """Nothing to free."""


class ScriptedModel(PolicyModel):
    """Answers from a list, in order; raises `ModelError` when it is used up."""

    def __init__(self, replies: Iterable[Answer | Policy], *, name: str = "scripted") -> None:
        left = iter(replies)

        def following(messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
            try:
                answer = next(left)
            except StopIteration:
                raise ModelError("the script is used up", repair="give it more replies") from None
            return answer(messages, schema) if callable(answer) else answer

        super().__init__(following, name=name)


def _reply(
    answer: str | dict[str, Any],
    messages: Sequence[Message],
    schema: dict[str, Any] | None,
    name: str,
) -> Reply:
    calls: tuple[ToolCall, ...] = ()
    if isinstance(answer, dict) and "tool_calls" in answer and schema is None:
        made = enumerate(answer["tool_calls"])
        calls = tuple(ToolCall(**{"id": f"call_{index}", **call}) for index, call in made)
        answer = str(answer.get("text", ""))
    single = choice_of(schema) if schema is not None else None
    if single is not None and isinstance(answer, str) and answer in single[1]:
        answer = {single[0]: answer}
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    data = None
    if schema is not None:
        data = read_object(text, schema)
        fault = "it holds no JSON object" if data is None else fault_of(data, schema)
        if fault:
            raise ModelError(
                f"the scripted answer {clip(text)!r} doesn't fit the schema: {fault}",
                repair="mend the script",
            )
    words = sum(len(str(message.get("content", "")).split()) for message in messages)
    usage = Usage(calls=1, prompt_tokens=words, completion_tokens=len(text.split()))
    return Reply(text=text, data=data, tool_calls=calls, usage=usage, model=name)
