"""Server-sent events: how a stream is written, and kept open while nothing happens.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html; the closing `[DONE]` is
OpenAI's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Keep proxies from holding pieces back."""
DONE = b"data: [DONE]\n\n"
STILL_HERE = b": working\n\n"
"""A comment; clients skip it, proxies see that the connection lives."""
PATIENCE_S = 15.0
"""Seconds of silence after which `STILL_HERE` is due."""


def event(payload: Mapping[str, Any]) -> bytes:
    """One event with `payload` as JSON. Half characters become `?`."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"


async def items(
    queue: asyncio.Queue[T | None], *, patience_s: float = PATIENCE_S
) -> AsyncIterator[T | None]:
    """What is put into `queue` until a None ends it; None after each `patience_s` of silence."""
    while True:
        try:
            item = queue.get_nowait()
        except asyncio.QueueEmpty:
            try:
                item = await asyncio.wait_for(queue.get(), timeout=patience_s)
            except TimeoutError:
                yield None
                continue
        if item is None:
            return
        yield item
