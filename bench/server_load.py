"""What the server adds to the model's own time, with 200 streams open at once.

`python -m bench.server_load` plays a model that waits `--first` seconds, then gives `--pieces`
words, one each `--gap` seconds, and reports how much longer a client waits for the end of its
stream than the model took. In the same run, with the same waits: a bare FastAPI application that
only passes the words on, which is what you would write instead; it keeps no record, recalls
nothing, verifies nothing.

Steady: every client begins its next stream when one ends, the starts spread over one stream.
Burst: all begin at the same instant. Times are seen by the clients, which share the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.models.types import Message, Reply, Sampling
from agent.settings import ServerSettings, Settings
from envs.types import Frozen, ToolSpec
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from server.app import create_app
from server.serving import Server, bind
from server.sse import DONE, event

SERVERS = ("bare", "before", "after")
BODY = {"stream": True, "messages": [{"role": "user", "content": "Say something long."}]}


class Plan(Frozen):
    """How the model behaves and how many ask it."""

    first: float
    """Seconds before the first word."""
    gap: float
    """Seconds before each word."""
    pieces: int
    """Words."""
    streams: int
    """Clients."""
    rounds: int
    """Streams of each client."""

    @property
    def seconds(self) -> float:
        """What the model takes for one answer."""
        return self.first + self.gap * self.pieces


async def spoken(plan: Plan) -> AsyncGenerator[str, None]:
    """The words, each when it is due: what a sleep takes too long does not add up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(1, plan.pieces + 1):
        await asyncio.sleep(began + plan.gap * number - loop.time())
        yield "word "


class Stub(PolicyModel):
    """Chooses to reply after a wait, then gives words with gaps."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(lambda _messages, _schema: {"tool": "reply"}, name="stub")
        self._plan = plan

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """The choice of the tool."""
        await asyncio.sleep(self._plan.first)
        self.requests.clear()
        return await super().reply(messages, tools=tools, schema=schema, sampling=sampling)

    async def stream(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        *,
        sampling: Sampling = Sampling(),  # noqa: ARG002
    ) -> AsyncGenerator[str, None]:
        """The words."""
        async for word in spoken(self._plan):
            yield word


def bare(plan: Plan) -> FastAPI:
    """The application to compare with."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(_body: dict[str, Any]) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            await asyncio.sleep(plan.first)
            async for word in spoken(plan):
                yield event({"choices": [{"index": 0, "delta": {"content": word}}]})
            yield DONE

        return StreamingResponse(pieces(), media_type="text/event-stream")

    return app


def serve(name: str, plan: Plan, say: Connection) -> None:
    """A server in a process of its own; tells its port."""
    asyncio.run(_serve(name, plan, say))


async def _serve(name: str, plan: Plan, say: Connection) -> None:
    listener = bind(ServerSettings(port=0))
    ready: Callable[[], None] = lambda: say.send(listener.getsockname()[1])  # noqa: E731
    if name == "bare":
        await Server(bare(plan), ready=ready).serve(sockets=[listener])
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"home": folder, "server": {"verify": name}})
        memory = Memory(Ledger(Path(folder) / "ledger.db"), ListIndex(HashEmbedder()))
        for number in range(100):
            memory.typed(f"Fact {number}: something long was said about {number * number}")
        async with home(settings, memory=memory, models={"model": Stub(plan)}) as place:
            await Server(create_app(place), ready=ready).serve(sockets=[listener])


async def ask(port: int, *, at: float) -> float:
    """One stream from its beginning to `[DONE]`, in seconds."""
    await asyncio.sleep(max(0.0, at - time.perf_counter()))
    began = time.perf_counter()
    body = json.dumps(BODY).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    answer = await reader.read()
    took = time.perf_counter() - began
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200") or b"[DONE]" not in answer or b"word" not in answer:
        raise SystemExit(f"a stream failed: {answer[:300]!r}")
    return took


async def load(port: int, plan: Plan, *, steady: bool) -> list[float]:
    """Seconds of all streams."""
    start = time.perf_counter() + 0.2

    async def client(number: int) -> list[float]:
        at = start + (plan.seconds * number / plan.streams if steady else 0.0)
        rounds = plan.rounds if steady else 1
        return [await ask(port, at=at if turn == 0 else 0.0) for turn in range(rounds)]

    found = await asyncio.gather(*(client(number) for number in range(plan.streams)))
    return [seconds for one in found for seconds in one]


def measure(name: str, plan: Plan) -> dict[str, tuple[float, float]]:
    """p50 and p99 of the overhead in ms, steady and in a burst, and the server's CPU time."""
    context = multiprocessing.get_context("spawn")
    listen, say = context.Pipe(duplex=False)
    child = context.Process(target=serve, args=(name, plan, say), daemon=True)
    child.start()
    port = listen.recv()
    asyncio.run(ask(port, at=0.0))
    process = psutil.Process(child.pid)
    before = process.cpu_times()
    rows: dict[str, tuple[float, float]] = {}
    for kind in ("steady", "burst"):
        took = np.array(asyncio.run(load(port, plan, steady=kind == "steady")))
        extra = (took - plan.seconds) * 1000
        rows[kind] = (float(np.percentile(extra, 50)), float(np.percentile(extra, 99)))
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    rows["cpu"] = (1000 * spent / (plan.streams * (plan.rounds + 1)), 0.0)
    child.terminate()
    child.join()
    return rows


def main() -> None:
    """Prints one row per server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--first", type=float, default=1.0)
    parser.add_argument("--gap", type=float, default=0.1)
    parser.add_argument("--pieces", type=int, default=90)
    given = parser.parse_args()
    plan = Plan(**vars(given))
    print(f"{plan.streams} streams at once, each {plan.seconds:g} s of the model's own time")
    heads = ("steady p50", "p99", "burst p50", "p99", "CPU a turn")
    print(f"{'server':8}" + "".join(f"{head:>12}" for head in heads))
    rows = {name: measure(name, plan) for name in SERVERS}
    for name, row in rows.items():
        (p50, p99), (b50, b99), (cpu, _) = row["steady"], row["burst"], row["cpu"]
        print(f"{name:8}" + "".join(f"{cell:9.1f} ms" for cell in (p50, p99, b50, b99, cpu)))
    for name in SERVERS[1:]:
        ratio = rows[name]["steady"][1] / max(rows["bare"]["steady"][1], 0.1)
        print(f"{name}: p99 {ratio:.1f} times that of the bare application, steady")


if __name__ == "__main__":
    main()
