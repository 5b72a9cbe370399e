"""One MCP server: opened when needed, bounded in time and bytes, ended whatever it does."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import anyio

from agent import mcp_relay
from agent.mcp_words import Offer, offer
from agent.settings import McpServerSettings
from envs.errors import EnvError, InternalError, JourneymanError, Missing, boundary, clip, one_line

if TYPE_CHECKING:
    import httpx2
    import mcp
    import mcp_types

T = TypeVar("T")
logger = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
"""Of what a server says to one request."""
PAGES, MOST_TOOLS = 8, 256
"""Most pages of a list of tools, and tools of a server, that are looked at."""
START_S = 30.0
"""Seconds that a server has to start, or more where it has more for a result."""
LIST_S = 10.0
"""Seconds that it has to list its tools."""
RETRY_S = 30.0
"""Seconds after a failed start until the next."""
MARGIN_S = 15.0
"""Seconds that ending a server may take beyond its limits."""


class Connection:
    """The way to one server. All its methods run in one loop."""

    def __init__(
        self, name: str, settings: McpServerSettings, *, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.allows = bool(settings.allow)
        """Whether anything of it may be called."""
        self._start_s = max(START_S, settings.timeout_s)
        self.patience = self._start_s + settings.timeout_s + MARGIN_S
        """Seconds after which the loop itself must be stuck."""
        self._settings = settings
        self._clock = clock
        self._opening = asyncio.Lock()
        self._open: _Open | None = None
        self._holding: set[asyncio.Task[None]] = set()
        self._not_before = -math.inf
        self._why = ""
        self._first: dict[str, str] = {}
        self._told: set[str] = set()

    async def offers(self) -> list[Offer]:
        """Its tools that are allowed, as it lists them now.

        One that describes itself otherwise than when it was first seen is left out: who allowed it
        did not allow that.
        """
        listed = await self.listed()
        found = []
        for one in listed:
            if one.name not in self._settings.allow:
                continue
            made = offer(self.name, one.name, one.description or "", one.input_schema)
            if isinstance(made, str):
                self._tell(one.name, made)
            elif self._first.setdefault(one.name, made.mark) != made.mark:
                self._tell(one.name, "it describes itself otherwise than at first; look at it")
            else:
                found.append(made)
        for name in set(self._settings.allow) - {one.name for one in listed}:
            self._tell(name, "the server does not list it")
        return found

    async def listed(self) -> list[mcp_types.Tool]:
        """All its tools. A connection that fails at it is ended; an old one is opened anew once."""
        old = self._open
        open_ = await self._opened()
        try:
            return await self._within(LIST_S, "listing tools", _listed(open_.client), open_)
        except EnvError:
            await self._drop(open_)
            if open_ is old:
                return await self.listed()
            raise

    async def call(self, tool: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
        """Calls a tool. Raises `EnvError` where no result comes."""
        open_ = await self._opened()
        work = open_.client.call_tool(tool, arguments)
        return await self._within(self._settings.timeout_s, f"calling {tool}", work, open_)

    async def end(self) -> None:
        """Ends it, whatever it does."""
        async with self._opening:
            if self._open:
                await self._drop(self._open)
        if self._holding:
            await asyncio.wait(self._holding, timeout=MARGIN_S)

    def _tell(self, tool: str, why: str) -> None:
        if tool not in self._told:
            self._told.add(tool)
            logger.warning("%s of MCP server %r is not offered: %s", tool, self.name, why)

    async def _opened(self) -> _Open:
        async with self._opening:
            if self._open is None or self._open.over.is_set():
                if self._clock() < self._not_before:
                    raise EnvError(self._why, repair=f"it is tried again after {RETRY_S:g} s")
                ready: asyncio.Future[_Open] = asyncio.get_running_loop().create_future()
                task = asyncio.create_task(self._hold(ready))
                self._holding.add(task)
                task.add_done_callback(self._holding.discard)
                try:
                    self._open = await ready
                except JourneymanError as error:
                    self._why, self._not_before = error.message, self._clock() + RETRY_S
                    raise
            return self._open

    async def _hold(self, ready: asyncio.Future[_Open]) -> None:
        """Holds a connection from its start until it is to be over, all in one task."""
        open_: _Open | None = None
        with tempfile.TemporaryFile("w+") as log:
            try:
                with boundary("starting"), anyio.fail_after(self._start_s) as scope:
                    async with self._connected(log) as client:
                        scope.deadline = math.inf
                        open_ = _Open(client, log)
                        ready.set_result(open_)
                        await open_.over.wait()
            except JourneymanError as error:
                if not ready.done():
                    ready.set_exception(self._failed(error, "did not start", log))
            finally:
                if open_:
                    open_.over.set()

    @asynccontextmanager
    async def _connected(self, log: TextIO) -> AsyncIterator[mcp.Client]:
        import mcp
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client

        settings = self._settings
        # Its loggers print a traceback for every line that is no JSON.
        logging.getLogger("mcp.client").setLevel(logging.CRITICAL)
        if settings.url:
            async with _web(settings) as http:
                transport = streamable_http_client(settings.url, http_client=http)
                async with mcp.Client(transport, cache=None) as client:
                    yield client
            return
        command, *args = started(self.name, settings)
        process = mcp.StdioServerParameters(
            command=command, args=args, env=settings.env, encoding_error_handler="replace"
        )
        async with mcp.Client(stdio_client(process, errlog=log), cache=None) as client:
            yield client

    async def _drop(self, open_: _Open) -> None:
        """Ends a connection; the next that is needed is a new one."""
        open_.over.set()
        if self._open is open_:
            self._open = None
        await asyncio.sleep(0)

    async def _within(
        self, seconds: float, doing: str, work: Coroutine[Any, Any, T], open_: _Open
    ) -> T:
        try:
            with boundary(doing), anyio.fail_after(seconds):
                return await work
        except InternalError as error:
            failed = self._failed(error, f"failed at {doing}", open_.log)
            if isinstance(failed, _Gone):
                await self._drop(open_)
            raise failed from error

    def _failed(self, error: JourneymanError, what: str, log: TextIO) -> JourneymanError:
        """What went wrong in one line, with the last that the server wrote to standard error."""
        import mcp
        from mcp_types import CONNECTION_CLOSED

        if isinstance(error, Missing):
            return error
        cause = _first_of(error.__cause__ or error)
        start = f"MCP server {self.name!r} {what}"
        repair = "do without it; `journeyman mcp --tools` tells what it says now"
        if isinstance(cause, TimeoutError):
            return EnvError(f"{start}: no answer in time", repair=repair)
        if isinstance(cause, mcp.MCPError) and cause.code != CONNECTION_CLOSED:
            return EnvError(f"{start}: {clip(cause.message, most=300)}", repair=repair)
        gone = isinstance(cause, mcp.MCPError)
        why = "it is gone" if gone else f"{type(cause).__name__}: {cause}"
        said = _last_line(log)
        told = clip(one_line(f"{why} (it said: {said})" if said else why), most=300)
        return _Gone(f"{start}: {told}", repair=repair)


class _Open:
    """A connection that stands until `over`."""

    def __init__(self, client: mcp.Client, log: TextIO) -> None:
        self.client = client
        self.log = log
        self.over = asyncio.Event()


class _Gone(EnvError):
    """The connection can't be used any more."""


def started(name: str, settings: McpServerSettings) -> list[str]:
    """The command that starts a server, behind its relay. Raises `Missing`."""
    path = shutil.which(settings.command, path=settings.env.get("PATH"))
    if path is None:
        raise Missing(
            f"MCP server {name!r}: no program named {clip(settings.command)!r}",
            repair=f"install it, or mend mcp.servers.{name}.command",
        )
    if os.name != "posix":
        return [path, *settings.args]
    relay = Path(mcp_relay.__file__)
    return [sys.executable, "-I", str(relay), str(MOST_BYTES), path, *settings.args]


async def _listed(client: mcp.Client) -> list[mcp_types.Tool]:
    found: list[mcp_types.Tool] = []
    cursor: str | None = None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if cursor is None or len(found) >= MOST_TOOLS:
            break
    return found[:MOST_TOOLS]


def _web(settings: McpServerSettings) -> httpx2.AsyncClient:
    import httpx2

    headers = {**settings.headers, "accept-encoding": "identity"}
    return httpx2.AsyncClient(
        headers=headers, timeout=settings.timeout_s + MARGIN_S, event_hooks={"response": [_bounded]}
    )


async def _bounded(response: httpx2.Response) -> None:
    """Breaks an answer off that is longer than it may be, or packed so that nobody can tell."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.DecodingError("the answer is compressed, which was not asked for")
    stream = response.stream
    if isinstance(stream, httpx2.AsyncByteStream):
        response.stream = _bounded_stream(stream)


def _bounded_stream(stream: httpx2.AsyncByteStream) -> httpx2.AsyncByteStream:
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = MOST_BYTES
            async for piece in stream:
                left -= len(piece)
                if left < 0:
                    raise httpx2.ReadError(f"it said more than {MOST_BYTES} bytes to one request")
                yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()


def _first_of(error: BaseException) -> BaseException:
    """The first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _last_line(log: TextIO) -> str:
    if log.closed:
        return ""
    size = os.fstat(log.fileno()).st_size
    tail = os.pread(log.fileno(), 4096, max(0, size - 4096)).decode("utf-8", "replace")
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return clip(lines[-1], most=200) if lines else ""
