"""Tools of MCP servers, for chat: only those that are allowed by name, and their words as quotes.

Servers are spoken to in a thread with a loop of its own, so that one that floods or hangs delays
nobody but the turn that asked it. What they say is bounded in bytes, time and characters, and comes
back as a quote: every line begins with `> `, without marks of recalled memory and without invisible
characters. What is learned in a run that used such a tool has trust `web`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from agent.mcp_client import MARGIN_S, Connection
from agent.mcp_words import quoted, visible, words
from agent.settings import McpServerSettings
from envs.chat import clean
from envs.errors import EnvError, JourneymanError, clip, one_line
from memory.text import without_marks
from skills.tools import ERROR, Tool

if TYPE_CHECKING:
    import mcp_types

T = TypeVar("T")
logger = logging.getLogger(__name__)


class ToolServers:
    """The servers of the settings, each started when its tools are first asked for.

    Blocking; safe to use from several threads. After `close` it offers nothing.
    """

    def __init__(
        self,
        servers: Mapping[str, McpServerSettings],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = {n: Connection(n, s, clock=clock) for n, s in servers.items()}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def tools(self) -> dict[str, Tool]:
        """What may be called now, by the name it is offered under (`SERVER__TOOL`).

        A server that does not answer is left out, with one line in the log.
        """
        # One of which nothing may be called isn't started.
        allowed = [server for server in self._servers.values() if server.allows]
        if not allowed or self._closed:
            return {}
        asked = [(server, self._begin(server.offers())) for server in allowed]
        found: dict[str, Tool] = {}
        for server, future in asked:
            try:
                offers = future.result(server.patience)
            except (JourneymanError, TimeoutError) as error:
                future.cancel()
                logger.warning("no tools of MCP server %r: %s", server.name, one_line(str(error)))
                continue
            for one in offers:
                found.setdefault(
                    one.spec.name, Tool(one.spec, partial(self._call, server, one.tool))
                )
        return found

    def look(self, name: str) -> list[mcp_types.Tool]:
        """All tools of a server of these, allowed or not. Raises `EnvError` or `Missing`."""
        server = self._servers[name]
        return self._begin(server.listed()).result(server.patience)

    def close(self) -> None:
        """Ends all servers that were started, and waits for their end; may be called twice."""
        with self._lock:
            self._closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        ending = asyncio.run_coroutine_threadsafe(self._end(), loop)
        try:
            ending.result(MARGIN_S)
        except TimeoutError:
            logger.warning("MCP servers that did not end within %g s are left alone", MARGIN_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(MARGIN_S)

    async def _end(self) -> None:
        await asyncio.gather(*(server.end() for server in self._servers.values()))

    def _call(self, server: Connection, tool: str, arguments: dict[str, Any]) -> str:
        """The result as a quote, or one line that says what went wrong."""
        try:
            result = self._begin(server.call(tool, arguments)).result(server.patience)
        except TimeoutError:
            return f"{ERROR}MCP server {server.name!r} hangs; do without it"
        except JourneymanError as error:
            return f"{ERROR}{clip(str(error), most=500)}"
        if result.is_error:
            said = clip(without_marks(visible(clean(words(result)[:2000]))), most=300)
            return f"{ERROR}MCP server {server.name!r} says: “{said}”"
        return quoted(words(result), server=server.name)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if self._closed:
                work.close()
                raise EnvError("the MCP servers are closed", repair="begin anew")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
