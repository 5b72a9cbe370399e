"""What clients of the OpenAI API send, and the pieces they get back.

Shapes: https://platform.openai.com/docs/api-reference/chat. Unknown fields are ignored, as are
those that choose how a model samples: the agent calls its model several times, its own way. What
would change the shape of the answer and can't be done is refused.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.chat import Turn
from agent.models.types import Message
from envs.chat import clean
from envs.errors import UserError, clip
from memory.types import Usage
from server.turns import Ask

NAME = "journeyman"
"""The model that clients ask for."""
THREAD = re.compile(r"[\w.:@-]{1,128}", re.ASCII)
PIECE = re.compile(r"(?s).{1,24}\S{0,200}\s*")
"""Some words with the blanks after them: one piece for each word would double the work."""


class Part(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="ignore")

    type: str = "text"
    """Only text is understood."""
    text: str | None = None
    """The words."""


class ChatMessage(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    """Who speaks."""
    content: str | list[Part] | None = None
    """What is said."""
    tool_calls: list[dict[str, Any]] | None = None
    """Calls of tools that the client ran; passed on as text."""


class StreamOptions(BaseModel):
    """How to stream."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False
    """Send a last piece with the consumption."""


class ChatBody(BaseModel):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="ignore")

    model: str = NAME
    """One of `GET /v1/models`."""
    messages: list[ChatMessage] = Field(min_length=1, max_length=10_000)
    """The conversation; the last message of the user is answered."""
    stream: bool | None = False
    """Send the answer in pieces."""
    stream_options: StreamOptions | None = None
    """How to stream."""
    user: str | None = Field(default=None, max_length=256)
    """Whose memory is consulted."""
    metadata: dict[str, Any] | None = None
    """`thread`: a conversation to continue; with a single message its stored turns are used."""
    n: int | None = 1
    """Only 1."""
    tool_choice: Any = None
    """The agent has tools of its own: a call of the client's can't be forced."""
    response_format: dict[str, Any] | None = None
    """Only text."""
    logprobs: bool | None = False
    """Not given."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Checked, and left to the agent's settings, like the five below."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: str | list[str] | None = None


def asked(body: ChatBody, *, thread_header: str | None) -> Ask:
    """The body taken apart. Raises `UserError` for what can't be done."""
    _refuse(body)
    last = max((i for i, m in enumerate(body.messages) if m.role == "user"), default=-1)
    if last < 0:
        raise UserError("no message is the user's", repair="send one with the role 'user'")
    after = body.messages[last + 1 :]
    if any(m.role not in ("system", "developer") for m in after):
        raise UserError(
            f"the last message is of the role {after[-1].role!r}", repair="end with the user's"
        )
    text = _text(body.messages[last], last)
    if not text.strip():
        raise UserError("the message is empty", repair="say something")
    before = [(i, m) for i, m in enumerate(body.messages) if i != last]
    history = [told for i, m in before if (told := _told(m, i))["content"].strip()]
    return Ask(
        text=text,
        history=tuple(history),
        user=clean(body.user or ""),
        thread=_thread(body, thread_header),
    )


def _refuse(body: ChatBody) -> None:
    if body.n not in (None, 1):
        raise UserError(f"n = {body.n}: there is one answer to a message", repair="leave n out")
    if body.logprobs:
        raise UserError("log-probabilities are not given", repair="leave logprobs out")
    kind = (body.response_format or {}).get("type", "text")
    if kind != "text":
        raise UserError(
            f"answers in the format {clip(str(kind))!r} are not given",
            repair="leave response_format out and ask for JSON in words",
        )
    if body.tool_choice not in (None, "none", "auto"):
        raise UserError(
            "the agent calls its own tools, a call of yours can't be forced",
            repair="leave tool_choice out",
        )


def _told(message: ChatMessage, index: int) -> Message:
    """A message of the past as text; calls and results are told as the agent tells its own."""
    text = _text(message, index)
    role = message.role
    if role in ("tool", "function"):
        return {"role": "user", "content": f"Result: {text}"}
    if role == "assistant" and message.tool_calls:
        text = "\n".join(filter(None, [text, clean(json.dumps(message.tool_calls))]))
    return {"role": "system" if role == "developer" else role, "content": text}


def _text(message: ChatMessage, index: int) -> str:
    if not isinstance(message.content, list):
        return clean(message.content or "")
    for part in message.content:
        if part.type not in ("text", "input_text", "output_text") or part.text is None:
            raise UserError(
                f"messages.{index} has a part of the type {clip(part.type)!r}",
                repair="send text; nothing else is understood",
            )
    return clean("".join(part.text or "" for part in message.content))


def _thread(body: ChatBody, header: str | None) -> str:
    named = (body.metadata or {}).get("thread", header) or ""
    if named and not (isinstance(named, str) and THREAD.fullmatch(named)):
        raise UserError(
            f"{clip(str(named))!r} can't name a thread",
            repair="use at most 128 letters, digits and _ . : @ -",
        )
    return named


class Pieces:
    """Makes the pieces of one answer."""

    def __init__(self, model: str) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex[:24]}", "created": int(time.time())}
        self._model = model

    def whole(self, turn: Turn) -> dict[str, Any]:
        """The answer at once."""
        message = {"role": "assistant", "content": turn.answer, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": finish(turn),
        }
        return {
            **self._head,
            "object": "chat.completion",
            "model": self._model,
            "choices": [choice],
            "usage": counted(turn.trajectory.usage),
            "journeyman": account(turn),
        }

    def piece(self, delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A piece; `finish_reason` ends the answer, `journeyman` tells what happens."""
        reason = more.pop("finish_reason", None)
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._chunk(), "choices": [choice], **more}

    def usage(self, usage: Usage) -> dict[str, Any]:
        """The piece with the consumption."""
        return {**self._chunk(), "choices": [], "usage": counted(usage)}

    def _chunk(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk", "model": self._model}


def finish(turn: Turn) -> str:
    """Why the answer ended, in OpenAI's words."""
    return "stop" if turn.trajectory.stop in ("done", "") else "length"


def counted(usage: Usage) -> dict[str, Any]:
    """Consumption of all calls of a turn, in OpenAI's words."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def account(turn: Turn) -> dict[str, Any]:
    """What the answer rests on: run, thread, tools, recalled lessons, verdict."""
    trajectory = turn.trajectory
    recalled = {r.lesson: r for step in trajectory.steps for r in step.recalled}
    verdict = trajectory.verdicts[-1] if trajectory.verdicts else None
    return {
        "run": turn.run,
        "thread": turn.thread,
        "model": trajectory.model,
        "tools": list(turn.tools),
        "recalled": [
            {"id": r.lesson, "version": r.version, "text": r.text, "similarity": r.similarity}
            for r in recalled.values()
        ],
        "verdict": verdict.model_dump(mode="json") if verdict else None,
        "lessons": list(trajectory.lessons),
    }


def words(text: str) -> list[str]:
    """`text` in pieces that add up to it."""
    return PIECE.findall(text)
