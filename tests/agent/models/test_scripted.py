from __future__ import annotations

from typing import Any

import pytest

from agent.models.scripted import PolicyModel, ScriptedModel
from agent.models.types import Message, Reply
from envs.errors import ModelError

ASK: list[Message] = [{"role": "user", "content": "which way now?"}]
CHOICE: dict[str, Any] = {
    "type": "object",
    "properties": {"action": {"enum": ["north", "south"]}},
    "required": ["action"],
}


async def test_replies_come_in_order_and_requests_are_kept() -> None:
    model = ScriptedModel(
        ["one", {"n": 2}, lambda messages, _: f"{len(messages)}", Reply(text="r")]
    )
    said = [(await model.reply(ASK)).text for _ in range(4)]
    assert said == ["one", '{"n": 2}', "1", "r"]
    assert model.requests[0].messages == tuple(ASK)
    with pytest.raises(ModelError, match="the script is used up"):
        await model.reply(ASK)


async def test_a_schema_is_honoured() -> None:
    model = ScriptedModel(["north", {"action": "south"}, '{"action": "south"}', "west"])
    assert [(await model.reply(ASK, schema=CHOICE)).data for _ in range(3)] == [
        {"action": "north"},
        {"action": "south"},
        {"action": "south"},
    ]
    with pytest.raises(ModelError, match="'west' doesn't fit the schema: it holds no JSON"):
        await model.reply(ASK, schema=CHOICE)


async def test_tool_calls_streams_and_tokens() -> None:
    model = ScriptedModel([{"tool_calls": [{"name": "add", "arguments": {"a": 1}}]}, "a b  c"])
    reply = await model.reply(ASK)
    assert (reply.tool_calls[0].name, reply.tool_calls[0].id) == ("add", "call_0")
    assert (reply.usage.calls, reply.usage.prompt_tokens) == (1, 3)
    assert "".join([piece async for piece in model.stream(ASK)]) == "a b  c"


async def test_a_policy_sees_messages_and_schema() -> None:
    model = PolicyModel(lambda messages, schema: "south" if schema else messages[-1]["content"])
    assert (await model.reply(ASK)).text == "which way now?"
    assert (await model.reply(ASK, schema=CHOICE)).data == {"action": "south"}
    await model.close()
