"""The OpenAI-compatible API: any client of it talks to the agent.

Progress (tools called, lessons recalled, the verdict) goes out at once as pieces with an empty
delta and a field `journeyman`. With `verify = "before"` the answer follows when the verifier has
judged it; with `"after"` its draft streams as it is written and a correction is appended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from agent.chat import Turn
from agent.kit import Event
from agent.models.resolve import describe
from envs.chat import REPLY
from envs.errors import JourneymanError, UnknownName, clip
from server import sse
from server.errors import OF_ERRORS, body_of
from server.openai_body import NAME, ChatBody, Pieces, account, asked, finish, words
from server.turns import Ask, Live, Turns
from skills.showing import action_of

THREAD_HEADER = "X-Journeyman-Thread"
EARLY_S = 1.0
"""A turn that fails within this time is answered with the right status, streamed or not."""
LONGEST_NEWS = 2000
"""Characters of a tool's result that are streamed as progress."""

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=OF_ERRORS)


def turns(request: Request) -> Turns:
    """What all routes of this server share."""
    return request.app.state.turns


Going = Annotated[Turns, Depends(turns)]


@router.get("/models")
async def models(going: Going) -> dict[str, Any]:
    """The agent, and the model that it thinks with; asking for either asks the agent."""
    return {"object": "list", "data": [_model(name) for name in names(going)]}


@router.get("/models/{name:path}")
async def model(name: str, going: Going) -> dict[str, Any]:
    """One of them."""
    return _model(_known(name, going))


@router.post("/chat/completions")
async def complete(
    body: ChatBody,
    going: Going,
    thread: Annotated[str | None, Header(alias=THREAD_HEADER)] = None,
) -> Response:
    """Answers the last message of the user, plain or streamed."""
    name = _known(body.model or NAME, going)
    ask = asked(body, thread_header=thread)
    live = await going.begin(ask)
    pieces = Pieces(name)
    headers = {THREAD_HEADER: live.thread}
    if body.stream:
        first = await _news(live)
        options = body.stream_options
        stream = _Stream(live, ask=ask, going=going, usage=bool(options and options.include_usage))
        return StreamingResponse(
            stream.pieces(pieces, first=first),
            media_type=sse.MEDIA_TYPE,
            headers={**sse.HEADERS, **headers},
        )
    turn = await asyncio.shield(live.task)
    going.link(ask, thread=live.thread, answer=turn.answer)
    return JSONResponse(pieces.whole(turn), headers=headers)


async def _news(live: Live) -> asyncio.Task[Event | None]:
    """Waits a moment for the first event. Raises what a turn failed with until then."""
    first = asyncio.create_task(live.events.get())
    await asyncio.wait({first, live.task}, timeout=EARLY_S, return_when=asyncio.FIRST_COMPLETED)
    if live.task.done():
        live.task.result()
    return first


class _Stream:
    """One streamed answer."""

    def __init__(self, live: Live, *, ask: Ask, going: Turns, usage: bool) -> None:
        self._live = live
        self._ask = ask
        self._going = going
        self._usage = usage
        self._sent = ""
        self._draft = ""

    async def pieces(
        self, pieces: Pieces, *, first: asyncio.Task[Event | None]
    ) -> AsyncIterator[bytes]:
        """The whole stream. A turn that fails ends it with an error in OpenAI's shape."""
        yield sse.event(pieces.piece({"role": "assistant", "content": ""}))
        try:
            async for event in _from(first, self._live.events):
                told = self._told(event, pieces) if event is not None else sse.STILL_HERE
                if told:
                    yield told
            turn = await asyncio.shield(self._live.task)
        except JourneymanError as error:
            yield sse.event(body_of(error)[1])
            yield sse.DONE
            return
        for text in words(self._rest(turn)):
            self._sent += text
            yield sse.event(pieces.piece({"content": text}))
        self._going.link(self._ask, thread=self._live.thread, answer=self._sent)
        end = pieces.piece({}, finish_reason=finish(turn), journeyman=account(turn))
        yield sse.event(end)
        if self._usage:
            yield sse.event(pieces.usage(turn.trajectory.usage))
        yield sse.DONE

    def _told(self, event: Event, pieces: Pieces) -> bytes:
        if event.kind == "draft":
            return self._say(event.text, pieces)
        if event.kind == "reflection" and self._draft:
            told = self._say(f"\n\n(Correction: {event.text})\n\n", pieces)
            self._draft = ""
            return told
        if event.kind == "answer" or _is_reply(event):
            return b""
        news = {
            "event": event.kind,
            "run": event.run,
            "step": event.step,
            "text": clip(event.text, most=LONGEST_NEWS),
            "data": event.data,
        }
        return sse.event(pieces.piece({}, journeyman=news))

    def _say(self, text: str, pieces: Pieces) -> bytes:
        self._sent += text
        self._draft += text
        return sse.event(pieces.piece({"content": text}))

    def _rest(self, turn: Turn) -> str:
        """What has not been streamed yet: appended, never replaced."""
        streamed = self._draft.strip()
        if not streamed:
            return turn.answer
        if turn.answer.startswith(streamed):
            return turn.answer[len(streamed) :]
        if streamed.startswith(turn.answer):
            return ""
        return f"\n\n{turn.answer}"


async def _from(
    first: asyncio.Task[Event | None], queue: asyncio.Queue[Event | None]
) -> AsyncIterator[Event | None]:
    """The event that is waited for already, then the others; None after each long silence."""
    while not first.done():
        await asyncio.wait({first}, timeout=sse.PATIENCE_S)
        if not first.done():
            yield None
    event = first.result()
    if event is not None:
        yield event
        async for later in sse.items(queue):
            yield later


def _is_reply(event: Event) -> bool:
    """The reply is no progress: it is the answer, and not yet judged."""
    if event.kind == "action":
        return action_of(event.text).tool == REPLY
    return event.kind == "observation" and not event.text


def names(going: Turns) -> list[str]:
    """Names that can be asked for."""
    settings = going.home.settings
    try:
        chosen = describe(settings.model, home=settings.home)
    except JourneymanError:
        return [NAME]  # `/readyz` and `journeyman doctor` say what is missing
    named = chosen.origin != "server" or settings.model.name
    return [NAME, chosen.name] if named else [NAME]


def _known(name: str, going: Turns) -> str:
    if name != NAME and name not in (known := names(going)):
        raise UnknownName("model", name, known)
    return name


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": NAME}
