from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.models.types import Message, Reply, Sampling
from envs.errors import ModelError
from envs.types import ToolSpec

THREAD = "x-journeyman-thread"
Read = Callable[[str], list[dict[str, Any]]]


class Broken:
    """A model that is gone."""

    name = "broken"

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        raise ModelError("the model is gone", repair="start it")

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        raise ModelError("the model is gone", repair="start it")
        yield ""

    async def close(self) -> None:
        pass


class StopsHalfway(PolicyModel):
    """Breaks while it answers."""

    def __init__(self) -> None:
        super().__init__(lambda _messages, _schema: {"tool": "reply"})

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        yield "At "
        await asyncio.sleep(0)
        raise ModelError("the model stopped half way", repair="start it again")


def text_of(found: list[dict[str, Any]]) -> str:
    return "".join(c["delta"].get("content", "") for e in found for c in e["choices"])


async def test_an_answer_comes_with_what_it_rests_on(opens: Any, counts: Any) -> None:
    async with opens(counts("37 * 91", answer="It is 3367.")) as door:
        answer = await door.say("How much is 37 * 91?", model="journeyman")
        body = answer.json()
        run = body["journeyman"]["run"]
        stored = door.place.ledger.trajectory(run)
    assert answer.status_code == 200
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "It is 3367."
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["journeyman"]["tools"] == ["calculator"]
    assert body["journeyman"]["verdict"]["accepted"] is True
    assert body["journeyman"]["thread"] == answer.headers[THREAD] == stored.thread
    assert body["usage"]["prompt_tokens"] == stored.usage.prompt_tokens > 0
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_progress_streams_before_the_answer(
    opens: Any, counts: Any, read_events: Read
) -> None:
    async with opens(counts("2 + 2", answer="It is 4.")) as door:
        answer = await door.say(
            "How much is 2 + 2?", stream=True, stream_options={"include_usage": True}
        )
    found = read_events(answer.text)
    news = [e["journeyman"]["event"] for e in found if "event" in e.get("journeyman", {})]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert news == ["action", "observation", "verdict"]
    assert text_of(found) == "It is 4."
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert found[-2]["journeyman"]["tools"] == ["calculator"]
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] > 0
    assert len({e["id"] for e in found}) == 1


async def test_usage_is_streamed_only_when_asked_for(opens: Any, read_events: Read) -> None:
    async with opens() as door:
        found = read_events((await door.say("Hello", stream=True)).text)
    assert all("usage" not in e and e["choices"] for e in found)


async def test_before_the_verdict_no_word_of_the_answer_is_streamed(
    opens: Any, counts: Any, read_events: Read
) -> None:
    async with opens(counts("2 + 2", answer="It is secretly 5.")) as door:
        found = read_events((await door.say("How much is 2+2?", stream=True)).text)
    verdict = next(i for i, e in enumerate(found) if "verdict" in json.dumps(e))
    assert not any("secretly" in json.dumps(e) for e in found[: verdict + 1])
    assert text_of(found).startswith("It is secretly 5.\n\n(Correction: ")


async def test_with_verify_after_the_draft_streams_and_a_correction_is_appended(
    opens: Any, counts: Any, read_events: Read
) -> None:
    async with opens(counts("2 + 2", answer="It is 5."), server={"verify": "after"}) as door:
        answer = await door.say("How much is 2+2?", stream=True)
        run = door.place.ledger.trajectories()[0]
    found = read_events(answer.text)
    kinds = ["word" if text_of([e]) else e.get("journeyman", {}).get("event", "") for e in found]
    assert kinds.index("word") < kinds.index("verdict")
    assert text_of(found).startswith("It is 5.")
    assert "(Correction: The tool worked out 4" in text_of(found)
    assert run.verdicts[-1].accepted is False


async def test_the_history_that_a_client_sends_reaches_the_model(opens: Any) -> None:
    model = PolicyModel(lambda _m, schema: {"tool": "reply"} if schema else "Ada.")
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "My name is "}, {"text": "Ada"}]},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
        {"role": "user", "content": "What is my name?"},
    ]
    async with opens(model) as door:
        await door.client.post("/v1/chat/completions", json={"messages": messages})
    told = [(m["role"], m["content"]) for m in model.requests[-1].messages]
    sent = [
        ("system", "Be brief."),
        ("user", "My name is Ada"),
        ("assistant", "Hello Ada."),
        ("user", "Result: 7"),
        ("user", "What is my name?"),
    ]
    assert [one for one in told if one in sent] == sent


async def test_a_named_thread_goes_on_from_what_is_stored(opens: Any) -> None:
    model = PolicyModel(lambda _m, schema: {"tool": "reply"} if schema else "Noted.")
    async with opens(model) as door:
        await door.say("I am Ada.", metadata={"thread": "ours"})
        again = await door.client.post(
            "/v1/chat/completions",
            json={"messages": [{"role": "user", "content": "Who am I?"}]},
            headers={THREAD: "ours"},
        )
    assert again.headers[THREAD] == "ours"
    told = [m["content"] for m in model.requests[-1].messages]
    assert [one for one in told if "am" in one][-2:] == ["I am Ada.", "Who am I?"]
    assert "Noted." in told


async def test_a_conversation_that_is_sent_back_keeps_its_thread(opens: Any) -> None:
    async with opens() as door:
        first = await door.say("Hello")
        said = first.json()["choices"][0]["message"]
        back = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": f"{said['content']}\n"},
            {"role": "user", "content": "And again"},
        ]
        second = await door.client.post("/v1/chat/completions", json={"messages": back})
        back[1]["content"] = "Something that was never said"
        other = await door.client.post("/v1/chat/completions", json={"messages": back})
        fresh = await door.say("Hello")
    assert second.headers[THREAD] == first.headers[THREAD]
    assert other.headers[THREAD] != first.headers[THREAD]
    assert fresh.headers[THREAD] != first.headers[THREAD]


async def test_one_user_does_not_come_into_the_thread_of_another(opens: Any) -> None:
    async with opens() as door:
        first = await door.say("Hello", user="ada")
        back = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": first.json()["choices"][0]["message"]["content"]},
            {"role": "user", "content": "And again"},
        ]
        body = {"messages": back, "user": "eve"}
        second = await door.client.post("/v1/chat/completions", json=body)
    assert second.headers[THREAD] != first.headers[THREAD]


async def test_recalled_lessons_are_named(opens: Any, read_events: Read) -> None:
    async with opens() as door:
        lesson = door.place.memory.typed("The sister of Ada is called Grace", situation="my sister")
        answer = await door.say("my sister", stream=True)
    found = read_events(answer.text)
    recalled = next(
        e["journeyman"] for e in found if e.get("journeyman", {}).get("event") == "recalled"
    )
    assert recalled["data"]["lessons"] == [lesson.id]
    assert found[-1]["journeyman"]["recalled"][0]["id"] == lesson.id


async def test_a_client_that_leaves_does_not_cost_the_record(opens: Any, slow: Any) -> None:
    async with opens(slow) as door:
        body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
        leaving = asyncio.create_task(door.client.post("/v1/chat/completions", json=body))
        await slow.answers.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        slow.go.set()
        assert await door.turns.drain(seconds=10) == 0
        run = door.place.ledger.runs()[0]
        assert run.status == "done"
        assert door.place.ledger.trajectory(run.id).messages[-1]["content"] == "At last."


async def test_a_turn_that_does_not_end_is_broken_off_at_last(opens: Any, slow: Any) -> None:
    async with opens(slow) as door:
        body = {"messages": [{"role": "user", "content": "Hello"}]}
        waiting = asyncio.create_task(door.client.post("/v1/chat/completions", json=body))
        await slow.answers.wait()
        assert await door.turns.drain(seconds=0.05) == 1
        await asyncio.gather(waiting, return_exceptions=True)
        assert door.place.ledger.runs()[0].status == "running"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_fails_is_a_502_with_one_line(opens: Any, stream: bool) -> None:
    async with opens(Broken()) as door:
        answer = await door.say("Hello", stream=stream)
        failed = door.place.ledger.runs()[0]
    error = answer.json()["error"]
    assert answer.status_code == 502
    assert answer.headers["x-should-retry"] == "false"
    assert error["type"] == "server_error"
    assert "the model is gone" in error["message"]
    assert "\n" not in error["message"]
    assert failed.status == "failed"


async def test_a_model_that_stops_half_way_ends_the_stream_with_an_error(
    opens: Any, read_events: Read
) -> None:
    script = StopsHalfway()
    async with opens(script, server={"verify": "after"}) as door:
        answer = await door.say("Hello", stream=True)
    found = read_events(answer.text) if answer.status_code == 200 else [answer.json()]
    assert "stopped half way" in found[-1]["error"]["message"]


async def test_models_are_listed_and_others_are_not_found(opens: Any) -> None:
    async with opens() as door:
        listed = (await door.client.get("/v1/models")).json()
        one = await door.client.get("/v1/models/journeyman")
        none = await door.say("Hello", model="gpt-17")
    assert listed["object"] == "list"
    assert listed["data"][0]["id"] == one.json()["id"] == "journeyman"
    assert none.status_code == 404
    assert "journeyman" in none.json()["error"]["message"]


USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "messages: Field required"),
        ({"messages": []}, "messages: "),
        ({"messages": "hi"}, "messages: "),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role: "),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "system", "content": "x"}]}, "no message is the user's"),
        ({"messages": [USER, {"role": "assistant", "content": "x"}]}, "end with the user's"),
        ({"messages": [{"role": "user", "content": "  "}]}, "the message is empty"),
        ({"messages": [{"role": "user", "content": None}]}, "the message is empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "nothing else is understood",
        ),
        ({"messages": [USER], "n": 2}, "leave n out"),
        ({"messages": [USER], "logprobs": True}, "leave logprobs out"),
        ({"messages": [USER], "tool_choice": "required"}, "leave tool_choice out"),
        ({"messages": [USER], "response_format": {"type": "json_object"}}, "ask for JSON in words"),
        ({"messages": [USER], "metadata": {"thread": "a b\n"}}, "can't name a thread"),
        ({"messages": [USER], "metadata": {"thread": 7}}, "can't name a thread"),
        ({"messages": [USER], "stream": "maybe"}, "stream: "),
        ({"messages": [USER], "temperature": "hot"}, "temperature: "),
        ({"messages": [USER], "temperature": -1}, "temperature: "),
        ({"messages": [USER], "top_p": 7}, "top_p: "),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens: "),
        ({"messages": [USER], "max_completion_tokens": "many"}, "max_completion_tokens: "),
        ({"messages": [USER], "seed": []}, "seed: "),
        ({"messages": [USER], "stop": 3}, "stop"),
    ],
)
async def test_what_can_not_be_done_is_one_line(opens: Any, body: Any, says: str) -> None:
    async with opens() as door:
        answer = await door.client.post("/v1/chat/completions", json=body)
        assert door.place.ledger.runs() == []
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert says in error["message"]
    assert "\n" not in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


async def test_fields_that_only_steer_sampling_are_ignored(opens: Any) -> None:
    async with opens() as door:
        answer = await door.say(
            "Hello", temperature=0.3, max_tokens=5, tools=[], tool_choice="auto", n=1, stop=["x"]
        )
    assert answer.status_code == 200


async def test_a_message_of_a_megabyte_is_answered(opens: Any) -> None:
    async with opens() as door:
        answer = await door.say("word " * 200_000)
    assert answer.status_code == 200


async def test_half_characters_and_nulls_do_no_harm(opens: Any, read_events: Read) -> None:
    raw = b'{"messages": [{"role": "user", "content": "a\\ud800b\\u0000"}], "stream": true}'
    async with opens() as door:
        answer = await door.client.post(
            "/v1/chat/completions", content=raw, headers={"content-type": "application/json"}
        )
        run = door.place.ledger.runs()[0]
    assert text_of(read_events(answer.text)) == "Well."
    assert run.goal == "a\ufffdb\ufffd"
