from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.models.types import Message, Model, Sampling
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
    app: FastAPI

    @property
    def turns(self) -> Turns:
        return self.app.state.turns

    async def say(self, text: str, **more: Any) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": text}], **more}
        return await self.client.post("/v1/chat/completions", json=body)


Opens = Callable[..., AbstractAsyncContextManager[Door]]


def memory_at(folder: Path) -> Memory:
    return Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))


class Counts(PolicyModel):
    """Works `todo` out with the calculator and says `answer`; goes by schemas, not by prompts."""

    def __init__(self, todo: str = "", *, answer: str = "Well.") -> None:
        super().__init__(lambda _messages, schema: self._said(schema), name="counts")
        self.todo = todo
        self.answer = answer

    def _said(self, schema: dict[str, Any] | None) -> str | dict[str, Any]:
        if schema is None:
            return self.answer
        if "tool" in schema["properties"]:
            return {"tool": "calculator" if self.todo else "reply"}
        todo, self.todo = self.todo, ""
        return {"expression": todo}


@pytest.fixture
def counts() -> type[Counts]:
    return Counts


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
        models = {"model": model or Counts()}
        async with home(chosen, memory=memory_at(tmp_path), models=models) as place:
            app = create_app(place)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=base, headers=headers
            ) as client:
                yield Door(client, place, app)
                await app.state.turns.drain(seconds=10)

    return opened


class Slow(PolicyModel):
    """Begins its answer, and ends it when `go` is set."""

    def __init__(self) -> None:
        super().__init__(lambda _messages, _schema: {"tool": "reply"}, name="slow")
        self.answers = asyncio.Event()
        self.go = asyncio.Event()

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        yield "At "
        self.answers.set()
        await self.go.wait()
        yield "last."


@pytest.fixture
def slow() -> Slow:
    return Slow()


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without the closing mark."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


@pytest.fixture
def read_events() -> Callable[[str], list[dict[str, Any]]]:
    return events


Serves = Callable[[Callable[[dict[str, Any]], dict[str, Any] | str]], dict[str, str]]


@pytest.fixture
def serves(tmp_path: Path) -> Iterator[Serves]:
    """Serves a model over loopback that answers by the schema ({} where none is given).

    Gives the variables that name it.
    """
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def serve(says: Callable[[dict[str, Any]], dict[str, Any] | str]) -> dict[str, str]:
        class Says(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                asked = body.get("response_format", {}).get("json_schema", {})
                said = says(asked.get("schema", {}))
                text = said if isinstance(said, str) else json.dumps(said)
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "says"}
                sent = json.dumps({**whole, "choices": [choice], "usage": usage}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return {
            "JOURNEYMAN_HOME": str(tmp_path),
            "JOURNEYMAN_MODEL__BASE_URL": f"http://127.0.0.1:{server.server_port}/v1",
            "JOURNEYMAN_MODEL__NAME": "says",
            "COLUMNS": "250",
        }

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
