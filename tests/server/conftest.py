from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.models.types import Message, Model
from agent.settings import Settings
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from server.app import create_app
from server.turns import Turns


@dataclass(frozen=True)
class Door:
    """A server without sockets, and what lies behind it."""

    client: httpx.AsyncClient
    place: Home
    turns: Turns

    async def say(self, text: str, **more: Any) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": text}], **more}
        return await self.client.post("/v1/chat/completions", json=body)


Opens = Callable[..., AbstractAsyncContextManager[Door]]


def memory_at(folder: Path) -> Memory:
    return Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))


def counting(messages: Sequence[Message], schema: dict[str, Any] | None) -> str | dict[str, Any]:
    """Chooses the calculator for "How much is X?", then says what it worked out; else chats."""
    question = next(str(m["content"]) for m in reversed(messages) if _asks(m))
    result = next(
        (str(m["content"]) for m in messages if str(m["content"]).startswith("Result: ")), ""
    )
    if schema is None:
        said = sum(1 for m in messages if m["role"] == "user")
        return f"It is {result.partition(']')[2].strip()}." if result else f"Message {said}."
    if "tool" in schema["properties"]:
        counts = "How much is" in question and not result
        return {"tool": "calculator" if counts else "reply"}
    return {"expression": question.partition("How much is ")[2].partition("?")[0]}


def _asks(message: Message) -> bool:
    content = str(message["content"])
    return message["role"] == "user" and not content.startswith(("Which tool", "Give the", "Resu"))


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """Opens a server over a scripted model; `server={...}` and the like are settings."""

    @asynccontextmanager
    async def opened(
        model: Model | None = None,
        *,
        headers: dict[str, str] | None = None,
        base: str = "http://localhost",
        **settings: Any,
    ) -> AsyncIterator[Door]:
        chosen = Settings.model_validate({"home": tmp_path, **settings})
        models = {"model": model or PolicyModel(counting)}
        async with home(chosen, memory=memory_at(tmp_path), models=models) as place:
            app = create_app(place)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=base, headers=headers
            ) as client:
                yield Door(client, place, app.state.turns)
                await app.state.turns.drain(seconds=10)

    return opened


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without the closing mark."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


@pytest.fixture
def read_events() -> Callable[[str], list[dict[str, Any]]]:
    return events
