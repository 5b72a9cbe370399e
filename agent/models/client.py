"""Any OpenAI-compatible URL as a `Model`. The only file that imports `openai`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from agent.models.errors import Unreachable, explain
from agent.models.schema import (
    choice_of,
    choice_request,
    closest,
    fault_of,
    grammar_of,
    in_words,
    read_object,
)
from agent.models.types import Message, Model, Reply, Sampling, ToolCall
from agent.settings import ModelSettings
from envs.errors import ModelError, Unusable, clip
from envs.types import ToolSpec
from memory.text import defused
from memory.types import Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Way = Literal["grammar", "json_schema", "words"]
"""How a server is held to a schema: llama.cpp's grammar, OpenAI's response format, or asking."""
LOOPBACK = ("http://127.", "http://localhost", "http://[::1]")


class OpenAIModel(Model):
    """Asks the server at `settings.base_url`; belongs to one event loop.

    `llama_cpp` says that the server is ours: it then gets a grammar in place of a response format
    and is told to keep its prefix cache. A server that refuses or ignores a schema is remembered,
    and asked in words from then on.
    """

    def __init__(self, settings: ModelSettings, *, llama_cpp: bool = False) -> None:
        self.name = settings.name
        self.settings = settings
        self._llama_cpp = llama_cpp
        self._way: Way = "grammar" if llama_cpp else "json_schema"
        self._spell_out = False
        self._sdk: AsyncOpenAI | None = None

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """One answer within `timeout_s`, retries and one repair of an unusable one included.

        Raises `ModelError`: not reached, refused, too slow, or twice not valid.
        """
        if tools and schema:
            raise ModelError(
                "a reply takes tools or a schema, not both", repair="ask for one after the other"
            )
        spent, asked = Usage(), list(messages)
        fault, said = "", ""
        for attempt in (0, 1):
            raw, seconds = await self._ask(asked, tools=tools, schema=schema, sampling=sampling)
            message, finish = _first_choice(raw)
            spent += self._usage(raw, seconds)
            said = message.content or ""
            calls, fault = _tool_calls(message)
            data = None
            if schema is not None:
                data, fault = _data_of(said, schema, cut=finish == "length")
            if not fault:
                return self._reply(raw, said, data=data, calls=calls, spent=spent)
            # A complete reply outside the schema: the server does not hold to it.
            self._spell_out |= schema is not None and finish != "length"
            if attempt == 0:
                asked = _correction(messages, said, fault)
        guess = closest(said, schema) if schema else None
        if guess is not None:
            return self._reply(raw, said, data=guess, spent=spent, guessed=True)
        raise Unusable(
            f"model {self.name!r} answered {clip(said)!r}, which can't be used: {fault}",
            repair="raise max_tokens, or set a larger model or a server that takes JSON schemas",
        )

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """The answer's text in pieces. Raises `ModelError`, also when it stops half way."""
        import openai

        arguments = await self._arguments(messages, sampling=sampling)
        finish = None
        try:
            async with await self._open().chat.completions.create(
                **arguments, stream=True
            ) as chunks:
                async for chunk in chunks:
                    for choice in chunk.choices[:1]:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            yield choice.delta.content
        except openai.OpenAIError as error:
            raise explain(error, settings=self.settings, name=self.name) from error
        except (OSError, ValueError) as error:
            raise Unreachable(
                f"the answer of {self.settings.base_url} broke off: {error}", repair="ask again"
            ) from error
        if finish is None:
            raise Unreachable(
                f"the answer of {self.settings.base_url} broke off before its end",
                repair="ask again; if it recurs, look at the server's log",
            )

    async def close(self) -> None:
        """Frees connections; may be called twice."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    def _open(self) -> AsyncOpenAI:
        if self._sdk is None:
            import openai

            local = self.settings.base_url.startswith(LOOPBACK)
            self._sdk = openai.AsyncOpenAI(
                base_url=self.settings.base_url,
                api_key=self.settings.api_key or "none",
                timeout=self.settings.timeout_s,
                max_retries=self.settings.retries,
                # A proxy set for the outside world must not stand between us and loopback.
                http_client=openai.DefaultAsyncHttpxClient(trust_env=False) if local else None,
            )
        return self._sdk

    async def _named(self) -> str:
        if not self.name:
            import openai

            try:
                listed = (await self._open().models.list()).data
            except openai.OpenAIError as error:
                raise explain(error, settings=self.settings, name="") from error
            if not listed:
                raise ModelError(
                    f"the server at {self.settings.base_url} lists no model",
                    repair="set model.name to the one to ask for",
                )
            self.name = listed[0].id
        return self.name

    async def _ask(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec],
        schema: dict[str, Any] | None,
        sampling: Sampling,
    ) -> tuple[Any, float]:
        """The SDK's completion, and the seconds that it took."""
        import openai

        start = time.perf_counter()
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                while True:
                    held, extra = self._constrain(messages, schema)
                    arguments = await self._arguments(held, sampling=sampling, extra=extra)
                    if tools:
                        arguments["tools"] = [_tool(tool) for tool in tools]
                    try:
                        raw = await self._open().chat.completions.create(**arguments)
                    except openai.BadRequestError as error:
                        if not self._step_down(error, schema=schema):
                            raise
                        continue
                    return raw, time.perf_counter() - start
        except TimeoutError as error:
            raise ModelError(
                f"{self.settings.base_url} gave no answer in {self.settings.timeout_s:g} s",
                repair="raise model.timeout_s, or look at the server's load",
            ) from error
        except openai.OpenAIError as error:
            raise explain(error, settings=self.settings, name=self.name) from error
        except ValueError as error:
            raise ModelError(
                f"{self.settings.base_url} answered with something that is not JSON",
                repair="check that model.base_url ends where the API begins, mostly in /v1",
            ) from error

    def _constrain(
        self, messages: Sequence[Message], schema: dict[str, Any] | None
    ) -> tuple[Sequence[Message], dict[str, Any]]:
        if schema is None:
            return messages, {}
        if self._way == "words":
            return in_words(messages, schema), {}
        if self._way == "grammar":
            single = choice_of(schema)
            if single is not None:
                begun, grammar = choice_request(messages, *single)
                return begun, {"extra_body": {"grammar": grammar}}
            return messages, {"extra_body": {"grammar": grammar_of(schema)}}
        asked = {"name": "reply", "strict": True, "schema": schema}
        held = in_words(messages, schema) if self._spell_out else messages
        return held, {"response_format": {"type": "json_schema", "json_schema": asked}}

    def _step_down(self, error: Exception, *, schema: dict[str, Any] | None) -> bool:
        """Takes the next weaker way of asking after a refusal; False when the way isn't at fault.

        A server that says why it refused (a prompt that is too long) is believed.
        """
        if schema is None or self._way == "words" or "context" in str(error).lower():
            return False
        self._way = "json_schema" if self._way == "grammar" else "words"
        return True

    async def _arguments(
        self,
        messages: Sequence[Message],
        *,
        sampling: Sampling,
        extra: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": await self._named(),
            "messages": [_defused(one) for one in messages],
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            **(extra or {}),
        }
        if sampling.seed is not None:
            arguments["seed"] = sampling.seed
        if sampling.logprobs:
            arguments["logprobs"] = True
        if self._llama_cpp:
            cached = {"cache_prompt": not sampling.fresh}
            arguments["extra_body"] = {**cached, **arguments.get("extra_body", {})}
        return arguments

    def _usage(self, raw: Any, seconds: float) -> Usage:
        usage = raw.usage
        sent = (usage.prompt_tokens or 0) if usage else 0
        received = (usage.completion_tokens or 0) if usage else 0
        details = usage.prompt_tokens_details if usage else None
        timings = (raw.model_extra or {}).get("timings") or {}
        cached = details.cached_tokens if details else None
        price = sent * self.settings.price_in + received * self.settings.price_out
        return Usage(
            calls=1,
            prompt_tokens=sent,
            cached_tokens=cached if cached is not None else int(timings.get("cache_n", 0)),
            completion_tokens=received,
            seconds=seconds,
            cost=price / 1e6,
        )

    def _reply(
        self,
        raw: Any,
        said: str,
        *,
        spent: Usage,
        data: dict[str, Any] | None = None,
        calls: tuple[ToolCall, ...] = (),
        guessed: bool = False,
    ) -> Reply:
        logged = raw.choices[0].logprobs
        tokens = logged.content if logged else None
        return Reply(
            text=said,
            data=data,
            guessed=guessed,
            tool_calls=calls,
            logprob=sum(token.logprob for token in tokens) if tokens else None,
            usage=spent,
            model=raw.model or self.name,
        )


def _first_choice(raw: Any) -> tuple[Any, str]:
    choices = getattr(raw, "choices", None)
    if not choices or choices[0].message is None:
        raise ModelError(
            "the server answered without a choice",
            repair="check that model.base_url is a chat API, mostly ending in /v1",
        )
    return choices[0].message, choices[0].finish_reason or ""


def _data_of(text: str, schema: dict[str, Any], *, cut: bool) -> tuple[dict[str, Any] | None, str]:
    """The object in `text` and an empty fault, or None and what is wrong."""
    found = read_object(text, schema)
    if found is None:
        return None, "it was cut off by max_tokens" if cut else "it holds no JSON object"
    fault = fault_of(found, schema)
    return (None, fault) if fault else (found, "")


def _tool_calls(message: Any) -> tuple[tuple[ToolCall, ...], str]:
    calls: list[ToolCall] = []
    for index, call in enumerate(message.tool_calls or ()):
        function = call.function
        try:
            arguments = json.loads(function.arguments or "{}")
        except ValueError as error:
            return (), f"the arguments of {function.name} are not JSON: {error}"
        if not isinstance(arguments, dict):
            return (), f"the arguments of {function.name} are not a JSON object"
        calls.append(
            ToolCall(id=call.id or f"call_{index}", name=function.name, arguments=arguments)
        )
    return tuple(calls), ""


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def _defused(message: Message) -> Message:
    """A turn whose text can't end it: a page could write the system's next one otherwise."""
    text = message.get("content")
    return {**message, "content": defused(text)} if isinstance(text, str) else message


def _correction(messages: Sequence[Message], said: str, fault: str) -> list[Message]:
    return [
        *messages,
        {"role": "assistant", "content": said or "(nothing)"},
        {"role": "user", "content": f"That can't be used: {fault}. Answer again, rightly."},
    ]
