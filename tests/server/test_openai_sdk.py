"""The real client of the OpenAI API against a real server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from agent.settings import ServerSettings
from server.serving import Server, bind


@asynccontextmanager
async def listening(door: Any) -> AsyncIterator[tuple[str, Server]]:
    """The door's application on a free port."""
    ready = asyncio.Event()
    with bind(ServerSettings(port=0)) as listener:
        server = Server(door.app, ready=ready.set)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await ready.wait()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
        server.should_exit = True
        await task


@asynccontextmanager
async def talking(url: str, key: str = "none") -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        openai.DefaultAsyncHttpxClient(trust_env=False) as http,
        openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key=key, http_client=http, max_retries=0
        ) as client,
    ):
        yield client


async def test_the_sdk_holds_a_streamed_conversation_in_which_a_tool_is_used(
    opens: Any, counts: Any
) -> None:
    model = counts()
    questions = {"Hello there": "", "How much is 37 * 91?": "37 * 91", "Thank you": ""}
    said: list[ChatCompletionMessageParam] = []
    threads, news, totals = set(), [], []
    async with opens(model) as door, listening(door) as (url, _), talking(url) as client:
        for question, todo in questions.items():
            model.todo, model.answer = todo, "It is 3367." if todo else "Well."
            said.append({"role": "user", "content": question})
            answer = ""
            stream = await client.chat.completions.create(
                model="journeyman",
                messages=said,
                stream=True,
                stream_options={"include_usage": True},
            )
            async for chunk in stream:
                if chunk.usage:
                    totals.append(chunk.usage.total_tokens)
                for choice in chunk.choices:
                    answer += choice.delta.content or ""
                told = (chunk.model_extra or {}).get("journeyman", {})
                news += [told["event"]] if "event" in told else []
                threads |= {told["thread"]} if "thread" in told else set()
            said.append({"role": "assistant", "content": answer})
        stored = door.place.ledger.trajectories(thread=threads.copy().pop(), newest_first=False)
    assert [m.get("content") for m in said[1::2]] == ["Well.", "It is 3367.", "Well."]
    assert len(threads) == 1
    assert "action" in news
    assert len(totals) == 3
    assert all(totals)
    assert [len(turn.steps) for turn in stored] == [1, 2, 1]
    assert "3367" in stored[1].steps[0].observation


async def test_the_sdk_understands_plain_answers_models_and_errors(opens: Any) -> None:
    async with opens(server={"api_key": "secret"}) as door, listening(door) as (url, _):
        async with talking(url, "secret") as client:
            answer = await client.chat.completions.create(
                model="journeyman", messages=[{"role": "user", "content": "Hello"}]
            )
            listed = [model.id async for model in await client.models.list()]
            with pytest.raises(openai.NotFoundError, match="no model named 'gpt-17'"):
                await client.chat.completions.create(
                    model="gpt-17", messages=[{"role": "user", "content": "Hello"}]
                )
        async with talking(url, "wrong") as client:
            with pytest.raises(openai.AuthenticationError, match="missing or wrong"):
                await client.models.list()
    assert answer.choices[0].message.content == "Well."
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert listed[0] == "journeyman"


async def test_a_stop_lets_an_open_stream_end(opens: Any, slow: Any) -> None:
    after = {"verify": "after"}
    async with (
        opens(slow, server=after) as door,
        listening(door) as (url, server),
        talking(url) as client,
    ):
        stream = await client.chat.completions.create(
            model="journeyman", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        text = ""
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if text == "At ":
                server.should_exit = True
                asyncio.get_running_loop().call_later(0.3, slow.go.set)
    assert text == "At last."


async def test_a_client_that_hangs_up_in_the_middle_leaves_a_whole_record(
    opens: Any, slow: Any
) -> None:
    after = {"verify": "after"}
    async with opens(slow, server=after) as door, listening(door) as (url, _):
        async with talking(url) as client:
            stream = await client.chat.completions.create(
                model="journeyman", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
        await asyncio.sleep(0.1)
        slow.go.set()
        assert await door.turns.drain(seconds=10) == 0
        run = door.place.ledger.runs()[0]
        assert door.place.ledger.trajectory(run.id).messages[-1]["content"] == "At last."
