"""Rows of other people's files: conversations in JSON lines, in any of the usual shapes.

    {"messages": [{"role": "user", "content": ...}, {"role": "assistant", ..., "weight": 0}]}
    {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}
    {"prompt": ..., "completion": ...}              texts, or lists of messages

That is OpenAI's fine-tuning format (with weights), ShareGPT, and TRL's prompt-completion format;
`journeyman distill` writes the first of them. A file is read whole or not at all. Nothing that it
says of where a row comes from makes the row verified: nobody here saw an environment judge it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distill.rows import Origin, Row, content_of
from envs.errors import Refused, UserError, clip
from memory.text import CONTROL
from memory.types import Trust

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
LONGEST = 4_000_000
"""Characters of a line."""
KEPT = ("env", "task", "task_key", "task_type")
"""What a file may say of a row, so that held-out tasks are found in it."""
PACKED = b"\x1f\x8b"
FORMATS = "give it `messages`, `conversations`, or `prompt` and `completion`"


class _Bad(Exception):
    """What is wrong with a line, and what to do about it."""

    def __init__(self, why: str, repair: str = FORMATS) -> None:
        super().__init__(why)
        self.why, self.repair = why, repair


def read(path: Path, *, licence: str = "", trust: Trust = "user") -> list[Row]:
    """The rows of a file, each marked as imported from it.

    Without a weight every turn of the assistant trains. Blank lines are skipped. Raises `UserError`
    for a file that can't be read and a line that is no row (with its number), `Refused` for a file
    without rows.
    """
    try:
        raw = path.read_bytes()
        if raw.startswith(PACKED):
            raise UserError(f"{path} is packed with gzip", repair=f"unpack it: gunzip -k {path}")
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}", repair="name a file") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8: {error.reason}", repair="save it as UTF-8"
        ) from error
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            data = _parsed(line)
            messages = tuple(_messages(data))
            _checked(messages)
        except _Bad as bad:
            raise UserError(f"{path} line {number}: {bad.why}", repair=bad.repair) from bad
        about = data.get("metadata")
        made = _origin(about if isinstance(about, dict) else {}, messages)
        name = f"import:{digest}:{number}"
        fields = {"source": path.name, "licence": licence, "trust": trust, "trajectory": name}
        origin = made.model_copy(update=fields)
        rows.append(Row(messages=messages, metadata=origin))
    if not rows:
        raise Refused(f"{path} has no rows", repair="a row is a line of JSON; " + FORMATS)
    return rows


def _parsed(line: str) -> dict[str, Any]:
    if len(line) > LONGEST:
        raise _Bad(f"longer than {LONGEST} characters", "split the conversation")
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", "nested too deeply")
        raise _Bad(f"no JSON ({why})", "one JSON object on each line") from error
    if not isinstance(data, dict):
        raise _Bad(f"{clip(line, most=20)!r} is no JSON object", "one JSON object on each line")
    if data.get("tools") or data.get("functions"):
        raise _Bad("tools can't be trained on", "tell calls in the text of turns")
    return data


def _messages(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The conversation, in OpenAI's words."""
    if "messages" in data or "conversations" in data:
        told = data.get("messages", data.get("conversations"))
        yield from _turns(told)
    elif "prompt" in data and "completion" in data:
        for role, part in (("user", data["prompt"]), ("assistant", data["completion"])):
            turns = [{"role": role, "content": part}] if isinstance(part, str) else part
            for turn in _turns(turns):
                context = role == "user" and turn["role"] == "assistant"
                yield {**turn, "weight": 0} if context else turn
    elif "chosen" in data:
        raise _Bad("a pair is no row", "import conversations; pairs come from recipe dpo")
    else:
        raise _Bad(f"no conversation under {', '.join(sorted(map(str, data))[:5]) or 'nothing'}")


def _turns(told: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(told, list):
        raise _Bad("the conversation is no list of turns")
    for place, turn in enumerate(told, start=1):
        if not isinstance(turn, dict):
            raise _Bad(f"turn {place} is no object")
        said = turn.get("role", turn.get("from"))
        role = ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            choices = "system, user, assistant, or ShareGPT's human and gpt"
            raise _Bad(f"turn {place} is by {clip(repr(said), most=30)}", f"roles are {choices}")
        content = _text(turn.get("content", turn.get("value")))
        if content is None or turn.get("tool_calls") or turn.get("function_call"):
            raise _Bad(f"turn {place} has no text", "tell calls in the text of turns")
        made: dict[str, Any] = {"role": role, "content": content}
        if role == "assistant":
            made["weight"] = _weight(turn.get("weight", 1), place)
        yield made


def _text(content: Any) -> str | None:
    """A text, or the texts of OpenAI's parts; None for anything else."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if texts and len(texts) == len(parts) else None
    return content if isinstance(content, str) else None


def _weight(weight: Any, place: int) -> float:
    if weight is None:
        return 1
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not 0 <= weight <= 1:
        raise _Bad(f"turn {place} has weight {clip(repr(weight), most=20)}", "0 or 1")
    return weight


def _checked(messages: tuple[dict[str, Any], ...]) -> None:
    for place, one in enumerate(messages, start=1):
        if found := CONTROL.search(one["content"]):
            why = f"turn {place} holds {found[0]!r}, by which chat templates tell turns"
            raise _Bad(why, "take it out, or make turns of what it parts")
        if one.get("weight") and not one["content"].strip():
            why = f"turn {place} of the assistant is empty, and it would learn to say nothing"
            raise _Bad(why, "give it words, or weight 0")
    if not any(one["role"] == "assistant" and one["weight"] for one in messages):
        raise _Bad("no turn of the assistant to learn from", "give one a weight above 0")
    if messages[0]["role"] == "assistant":
        raise _Bad("it begins with the assistant", "begin with what the user said")
    if any(one["role"] == "system" for one in messages[1:]):
        raise _Bad("a system message stands behind others", "put it first, and only one")


def _origin(about: dict[str, Any], messages: tuple[dict[str, Any], ...]) -> Origin:
    """What the file says of a row, as far as that is only used against it."""
    told = {name: str(about.get(name) or "") for name in KEPT}
    first = next((one["content"] for one in messages if one["role"] == "user"), "")
    said = about.get("content")
    content = said if isinstance(said, str) and said else content_of("", first)
    return Origin(
        trajectory="",
        env=told["env"],
        task=told["task"],
        task_key=told["task_key"],
        task_type=told["task_type"],
        model=str(about.get("model") or ""),
        config="",
        arm="",
        score=0.0,
        steps=sum(one["role"] == "assistant" for one in messages),
        attempts=1,
        recalled=(),
        rebuilt=False,
        made="imported",
        teacher=str(about.get("teacher") or ""),
        content=content,
    )
