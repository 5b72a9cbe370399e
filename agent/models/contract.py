"""Asking a server all of a contract, request by request: what was asked, what came, is that right.

A contract is a list of `Ask`s in their order; `agent/models/vllm.py` has the one for vLLM. What
earlier answers told (which model is the base) is `Known` to later requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from envs.errors import clip, one_line
from envs.types import Frozen


class Line(Frozen):
    """One request of the contract, and what came of it."""

    name: str
    """What has to hold."""
    asked: str
    """Method, path, and what was special in the request."""
    came: str
    """Status and answer, short; or why it was not asked."""
    ok: bool | None
    """None: it was not asked."""
    repair: str = ""
    """What mends it."""
    source: str = ""
    """Page of vLLM's documentation."""


@dataclass(frozen=True)
class Came:
    """An answer as it came."""

    status: int
    text: str

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object, empty where it is none."""
        try:
            read = json.loads(self.text)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def error(self) -> dict[str, Any]:
        """What an OpenAI error says: message, type, param, code."""
        told = self.data.get("error")
        return told if isinstance(told, dict) else {}

    @property
    def said(self) -> str:
        """Content of the first choice; empty where there is none."""
        choices = self.data.get("choices") or [{}]
        return str((choices[0].get("message") or {}).get("content") or "")

    def models(self) -> dict[str, dict[str, Any]]:
        """The cards of `/v1/models` by id."""
        cards = self.data.get("data")
        cards = cards if isinstance(cards, list) else []
        return {str(c["id"]): c for c in cards if isinstance(c, dict) and "id" in c}


@dataclass
class Known:
    """What earlier answers told, for later requests; and what is needed to ask at all."""

    key: str = ""
    adapter: Path | None = None
    base: str = ""
    context: int = 0
    unable: str = ""
    """Why adapters can't be asked about; empty: they can."""


Body = dict[str, Any] | None


@dataclass(frozen=True)
class Ask:
    """A request, and what must come back."""

    name: str
    path: str
    wants: Callable[[Came, Known], str]
    """What is wrong with an answer; empty: nothing."""
    body: Callable[[Known], Body] = lambda _known: None
    """Of a POST; None: it is a GET."""
    special: str = ""
    repair: str = "is this vLLM, 0.12 or newer?"
    source: str = "OpenAI-Compatible Server"
    adapters: bool = False
    """Needs adapters that can be loaded at run time."""
    keyed: bool = True
    """Sent with the key."""


async def replay(
    asks: Sequence[Ask],
    url: str,
    *,
    key: str = "",
    adapter: Path | None = None,
    timeout_s: float = 120.0,
    told: Callable[[Line], None] = lambda _line: None,
) -> tuple[Line, ...]:
    """Asks the server at `url` (with or without `/v1`) all of a contract; a line for each.

    `adapter` is a folder in PEFT's format, where the server finds it too, that fits its base;
    without it the requests about adapters are not asked. A server that can't be reached is a line
    that says so, and ends it. What the check loads it also unloads.
    """
    known = Known(key=key, adapter=adapter)
    if adapter is None:
        known.unable = "no adapter was given"
    lines: list[Line] = []
    root = url.rstrip("/").removesuffix("/v1")
    async with httpx.AsyncClient(base_url=root, timeout=timeout_s, trust_env=False) as client:
        for ask in asks:
            line = await _asked(client, ask, known)
            lines.append(line)
            told(line)
            if line.came.startswith("nobody"):
                break
    return tuple(lines)


async def _asked(client: httpx.AsyncClient, ask: Ask, known: Known) -> Line:
    body = ask.body(known)
    asked = f"{'GET' if body is None else 'POST'} {ask.path}"
    asked += f" ({ask.special})" if ask.special else ""
    if ask.adapters and known.unable:
        why = f"not asked: {known.unable}"
        return Line(name=ask.name, asked=asked, came=why, ok=None, source=ask.source)
    headers = {"Authorization": f"Bearer {known.key}"} if known.key and ask.keyed else {}
    try:
        if body is None:
            got = await client.get(ask.path, headers=headers)
        else:
            got = await client.post(ask.path, json=body, headers=headers)
    except httpx.HTTPError as error:
        why = one_line(str(error)) or type(error).__name__
        late = isinstance(error, httpx.TimeoutException)
        came = f"{'no answer in time' if late else 'nobody answers'}: {clip(why)}"
        repair = "look at the server's load" if late else f"is it running at {client.base_url}?"
        line = Line(name=ask.name, asked=asked, came=came, ok=False, source=ask.source)
        return line.model_copy(update={"repair": repair})
    answer = Came(got.status_code, got.text)
    wrong = ask.wants(answer, known)
    return Line(
        name=ask.name,
        asked=asked,
        came=f"{answer.status}{_short(answer)}" + (f": {wrong}" if wrong else ""),
        ok=not wrong,
        repair=_repair(answer, ask) if wrong else "",
        source=ask.source,
    )


def _repair(came: Came, ask: Ask) -> str:
    if came.status in (401, 403):
        return "give its key: --key, or OPENAI_API_KEY"
    return ask.repair


def _short(came: Came) -> str:
    """What an answer says, in a few words."""
    if came.error:
        said = str(came.error.get("message", ""))
    elif came.models():
        said = ", ".join(came.models())
    else:
        said = came.said or str(came.data.get("version", "")) or came.text[:200]
    return f" {clip(one_line(said), most=70)}" if said.strip() else ""
