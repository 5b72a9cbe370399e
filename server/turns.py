"""Turns of conversations that are going on, and which conversation a turn belongs to."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from agent.chat import TURNS, Chats, Turn, new_thread
from agent.crossing import off
from agent.home import Home
from agent.kit import Event
from agent.models.types import Message
from envs.chat import shortened
from envs.errors import boundary
from envs.types import Frozen

REMEMBERED = 10_000
"""Conversations that clients may continue without naming them; the oldest are forgotten."""


class Ask(Frozen):
    """What a client sent, taken apart."""

    text: str
    """The message to be answered."""
    history: tuple[Message, ...] = ()
    """What was said before, as far as the client sent it; system messages included."""
    user: str = ""
    """Whose memory is consulted."""
    thread: str = ""
    """The conversation, where the client names it."""


@dataclass(frozen=True)
class Live:
    """A turn that is going on."""

    thread: str
    """Its conversation."""
    events: asyncio.Queue[Event | None]
    """What happens, as it happens; None when it is over."""
    task: asyncio.Task[Turn]
    """Its end. Goes on when the client has left, so that the run is recorded."""


class Turns:
    """Begins turns over one `Home`, and waits for them when the server stops."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._chats = Chats(home)
        self._going: set[asyncio.Task[Turn]] = set()
        self._threads = Threads()

    async def begin(self, ask: Ask) -> Live:
        """Starts a turn; comes back at once."""
        thread = ask.thread or self._threads.of(ask) or new_thread()
        history = await self._history(ask, thread)
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        task = asyncio.create_task(self._turn(ask, thread, history, events))
        self._going.add(task)
        task.add_done_callback(self._gone)
        return Live(thread=thread, events=events, task=task)

    def link(self, ask: Ask, *, thread: str, answer: str) -> None:
        """Remembers that who sends this question and this answer back goes on in `thread`."""
        self._threads.link(ask, thread=thread, answer=answer)

    async def drain(self, *, seconds: float) -> int:
        """Waits for turns whose clients have left, then breaks them off; the number broken off.

        Those stay in the ledger as interrupted.
        """
        if not self._going:
            return 0
        _done, late = await asyncio.wait(self._going, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)

    def _gone(self, task: asyncio.Task[Turn]) -> None:
        self._going.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still listens is told; else the ledger has it

    async def _turn(
        self,
        ask: Ask,
        thread: str,
        history: Sequence[Message],
        events: asyncio.Queue[Event | None],
    ) -> Turn:
        try:
            with boundary("the turn"):
                return await self._chats.turn(
                    ask.text,
                    thread=thread,
                    user=ask.user,
                    history=history,
                    emit=events.put_nowait,
                )
        finally:
            events.put_nowait(None)

    async def _history(self, ask: Ask, thread: str) -> list[Message]:
        """System messages as one at the front, then what was said, as much as will be told."""
        orders = [m["content"] for m in ask.history if m["role"] == "system"]
        said: list[Message] = [m for m in ask.history if m["role"] != "system"]
        if ask.thread and not said:
            said = await off(self._chats.history, thread)
        front: list[Message] = (
            [{"role": "system", "content": shortened("\n\n".join(orders))}] if orders else []
        )
        latest = said[-(2 * TURNS - len(front)) :]
        return front + [{**m, "content": shortened(m["content"])} for m in latest]


class Threads:
    """Finds the conversation of clients that keep none: they send back all that was said so far.

    Keeps one hash per answer given, not the words.
    """

    def __init__(self, *, most: int = REMEMBERED) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._most = most

    def of(self, ask: Ask) -> str:
        """The conversation that ended with `ask.history`; empty when it is not known."""
        return self._known.get(_digest(ask.user, ask.history), "")

    def link(self, ask: Ask, *, thread: str, answer: str) -> None:
        """Remembers what the client will send back next time."""
        question: Message = {"role": "user", "content": ask.text}
        reply: Message = {"role": "assistant", "content": answer}
        digest = _digest(ask.user, (*ask.history, question, reply))
        self._known[digest] = thread
        self._known.move_to_end(digest)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def _digest(user: str, messages: Sequence[Message]) -> str:
    said = [(m["role"], m["content"].strip()) for m in messages]
    return hashlib.sha256(json.dumps([user, said]).encode()).hexdigest()
