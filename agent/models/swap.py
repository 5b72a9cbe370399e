"""A model that is exchanged while it serves: new requests go to the new one, running ones finish.

llama.cpp takes adapters only when it starts, so the new one is a second child beside the old one
(they share the base's file in memory), and the old one ends with its last request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from agent.models.types import Message, Model, Reply, Sampling
from envs.errors import JourneymanError, ModelError
from envs.types import ToolSpec

logger = logging.getLogger(__name__)

EVERY_S = 1.0
"""Seconds between two looks at whether there is a new model."""


@runtime_checkable
class Startable(Protocol):
    """A model that can be made ready before it is asked."""

    async def start(self) -> None:
        """Raises `ModelError` when it won't start."""
        ...


@dataclass(eq=False)
class _Serving:
    """A model with the requests that it is at."""

    model: Model
    running: int = 0
    leaving: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Swapping(Model):
    """Answers with one model until another takes its place. Belongs to one event loop."""

    def __init__(self, first: Model) -> None:
        self.name = first.name
        self._now = _Serving(first)
        self._old: list[_Serving] = []
        self._ends: set[asyncio.Task[None]] = set()
        self._exchange = asyncio.Lock()
        self._closed = False

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """One answer of the model that serves when it is asked for."""
        with self.held() as model:
            return await model.reply(messages, tools=tools, schema=schema, sampling=sampling)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """One answer in pieces, all of them of the model that began it."""
        with self.held() as model:
            async for piece in model.stream(messages, sampling=sampling):
                yield piece

    @contextmanager
    def held(self) -> Iterator[Model]:
        """The model that serves now; it goes on for as long as the block lasts."""
        self._look()
        serving = self._now
        serving.running += 1
        try:
            yield serving.model
        finally:
            serving.running -= 1
            self._release(serving)

    async def swap(self, new: Model) -> None:
        """Starts `new`, then gives it all requests that come; the old one ends with its last.

        Raises what its start raises; `new` is closed then, and nothing has changed.
        """
        async with self._exchange:
            ready = False
            try:
                if self._closed:
                    raise ModelError("the model is closed", repair="open it again")
                if isinstance(new, Startable):
                    await new.start()
                ready = not self._closed
            finally:
                if not ready:
                    await new.close()
            if ready:
                old, self._now = self._now, _Serving(new)
                self.name = new.name
                old.leaving = True
                self._old.append(old)
                self._release(old)

    async def left(self) -> None:
        """Waits until all that were exchanged have ended."""
        for old in list(self._old):
            await old.gone.wait()

    async def close(self) -> None:
        """Ends all models, whatever they are at; may be called twice."""
        self._closed = True
        for serving in (*self._old, self._now):
            await serving.model.close()
            serving.gone.set()
        self._old.clear()

    def _look(self) -> None:
        """Called before each request."""

    def _release(self, serving: _Serving) -> None:
        if serving.leaving and not serving.running:
            serving.leaving = False
            task = asyncio.create_task(self._end(serving))
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    async def _end(self, serving: _Serving) -> None:
        await serving.model.close()
        serving.gone.set()
        if serving in self._old:
            self._old.remove(serving)


class Following(Swapping):
    """Exchanges itself when a stamp changes, seen with a request at most every `every_s` seconds.

    The request that sees it doesn't wait. `fresh` gives the new model. One that can't be had or
    won't start leaves the old one in place, is told in the log, and is tried again when the stamp
    has changed again.
    """

    def __init__(
        self,
        first: Model,
        *,
        stamp: str,
        stamped: Callable[[], str],
        fresh: Callable[[], Awaitable[Model]],
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(first)
        self._stamp = stamp
        self._stamped = stamped
        self._fresh = fresh
        self._every_s = every_s
        self._clock = clock
        self._looked = clock()
        self._following: asyncio.Task[None] | None = None

    async def settled(self) -> None:
        """Waits until an exchange that was begun is done, or was given up."""
        if self._following is not None:
            await asyncio.wait([self._following])

    async def close(self) -> None:
        """Gives an exchange up, and ends all models; may be called twice."""
        if self._following is not None and not self._following.done():
            self._following.cancel()
            await asyncio.wait([self._following])
        await super().close()

    def _look(self) -> None:
        now = self._clock()
        busy = self._following is not None and not self._following.done()
        if busy or self._closed or now - self._looked < self._every_s:
            return
        self._looked = now
        stamp = self._stamped()
        if stamp != self._stamp:
            self._stamp = stamp
            self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        was = self.name
        try:
            await self.swap(await self._fresh())
        except JourneymanError as error:
            logger.warning("%s goes on answering: %s", was, error)
        else:
            logger.info("%s answers in place of %s", self.name, was)


@contextmanager
def held(model: Model) -> Iterator[Model]:
    """One model for a whole run: where it may be exchanged, the one that serves now."""
    if isinstance(model, Swapping):
        with model.held() as now:
            yield now
    else:
        yield model
