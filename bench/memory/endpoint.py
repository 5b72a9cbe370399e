"""A stand-in for a language model on loopback that counts what it is asked and says little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from envs.types import Frozen
from memory.text import estimate_tokens

SAID = "To heat a mug, take it to the microwave."
"""What it finds worth remembering."""


class Asked(Frozen):
    """What went through."""

    calls: int = 0
    """Requests for a completion."""
    sent: int = 0
    """Estimated tokens of the prompts, tools and schemas included."""
    received: int = 0
    """Estimated tokens of the answers."""


class Endpoint:
    """Its address, and the counts so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = Asked()
        self._lock = Lock()

    def take(self) -> Asked:
        """The counts since the last time."""
        with self._lock:
            asked, self.asked = self.asked, Asked()
        return asked

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """An answer in the shape that is asked for: a tool call, JSON under a schema, or words."""
        message = _message(request)
        told = {name: request.get(name) for name in ("messages", "tools", "response_format")}
        sent = estimate_tokens(json.dumps({name: one for name, one in told.items() if one}))
        received = estimate_tokens(json.dumps(message))
        with self._lock:
            self.asked = Asked(
                calls=self.asked.calls + 1,
                sent=self.asked.sent + sent,
                received=self.asked.received + received,
            )
        return {
            "id": "none",
            "object": "chat.completion",
            "created": 0,
            "model": "counted",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": sent,
                "completion_tokens": received,
                "total_tokens": sent + received,
            },
        }


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Serves on a free port of this machine alone."""
    open_: Endpoint

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.dumps(open_.answer(json.loads(self.rfile.read(length)))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        open_ = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield open_
        finally:
            server.shutdown()
            thread.join()


def _message(request: dict[str, Any]) -> dict[str, Any]:
    tools = request.get("tools") or []
    form = request.get("response_format") or {}
    if tools:
        tool = tools[0]["function"]
        call = {"name": tool["name"], "arguments": json.dumps(_fitting(tool["parameters"]))}
        calls = [{"id": "call0", "type": "function", "function": call}]
        return {"role": "assistant", "content": None, "tool_calls": calls}
    if form.get("type") == "json_schema":
        content = json.dumps(_fitting(form["json_schema"]["schema"]))
    elif form.get("type") == "json_object":
        content = json.dumps({"memory": [{"id": "0", "text": SAID, "attributed_to": "user"}]})
    else:
        content = SAID
    return {"role": "assistant", "content": content}


def _fitting(schema: dict[str, Any]) -> Any:
    """Something that fits a simple schema."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            wanted = schema.get("required") or list(schema.get("properties", {}))
            return {name: _fitting(schema["properties"][name]) for name in wanted}
        case "array":
            return [_fitting(schema["items"])] if schema.get("minItems") else []
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case _:
            return SAID
