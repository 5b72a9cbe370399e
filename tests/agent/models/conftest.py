"""A small OpenAI-compatible server on loopback that misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest

Faults = Literal["", "refuse_schema", "hang", "drop_stream", "not_json", "no_choice"]


@dataclass
class FakeServer:
    """What to answer, how to fail, and what it was asked."""

    replies: list[str | dict[str, Any]]
    """Texts, or whole messages; the last one repeats."""
    fault: Faults = ""
    failures: list[int] = field(default_factory=list)
    """Status codes to answer first, one a request."""
    error: str = "the server said no"
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    finish: str = "stop"
    usage: dict[str, Any] = field(
        default_factory=lambda: {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 60},
        }
    )
    released: threading.Event = field(default_factory=threading.Event)

    def next_message(self) -> dict[str, Any]:
        said = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return said if isinstance(said, dict) else {"role": "assistant", "content": said}


class Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stays quiet."""

    def send(self, status: int, body: dict[str, Any] | bytes) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        kind = "text/html" if isinstance(body, bytes) else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        listed = {"id": "first-listed", "object": "model", "created": 0, "owned_by": "x"}
        self.send(200, {"object": "list", "data": [listed]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fake = self.fake
        fake.requests.append(asked)
        if fake.failures:
            self.send(fake.failures.pop(0), {"error": {"message": fake.error}})
        elif fake.fault == "hang":
            fake.released.wait(10)
        elif fake.fault == "refuse_schema" and "response_format" in asked:
            self.send(400, {"error": {"message": "response_format is not supported"}})
        elif fake.fault == "not_json":
            self.send(200, b"<html>welcome</html>")
        elif asked.get("stream"):
            self.stream(fake.next_message()["content"])
        else:
            choice = {"index": 0, "message": fake.next_message(), "finish_reason": fake.finish}
            logged = [{"token": t, "logprob": p, "top_logprobs": []} for t, p in (("a", -1.0),) * 2]
            if asked.get("logprobs"):
                choice["logprobs"] = {"content": logged}
            self.send(200, self.body([] if fake.fault == "no_choice" else [choice]))

    def body(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": "x", "object": "chat.completion", "created": int(time.time())}
        return {**head, "model": "fake-1", "choices": choices, "usage": self.fake.usage}

    def stream(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in text.split(" "):
            self.event({"index": 0, "delta": {"content": word}, "finish_reason": None})
            if self.fake.fault == "drop_stream":
                return
        self.event({"index": 0, "delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, choice: dict[str, Any]) -> None:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "fake-1"}
        self.wfile.write(f"data: {json.dumps({**head, 'choices': [choice]})}\n\n".encode())


@contextmanager
def serve(*replies: str | dict[str, Any], **options: Any) -> Iterator[FakeServer]:
    """The server, in a thread, for as long as the block lasts."""
    fake = FakeServer(list(replies) or ["hello"], **options)
    handler = type("Bound", (Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(name="serving")
def serving_fixture() -> Callable[..., AbstractContextManager[FakeServer]]:
    return serve
