"""What may be done after a page was read: what goes beyond it waits for the user's word.

A page's words are data, and a model may obey them all the same. So it is not the model that keeps
to the rules here, and not its prompt: a call either can't carry what the user did not give to that
site, or it waits until the user has seen it and said so in a message of their own.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from agent.browsing_addresses import origin_in
from agent.browsing_words import stands_in
from envs.errors import clip, one_line

APPROVAL = re.compile(r"\s*approve((?:[\s,]+[0-9a-f]{6})+)\b", re.IGNORECASE)
"""How a message begins that approves."""
_KEYS = """
Enter Tab Escape Space Backspace Delete Home End PageUp PageDown
ArrowUp ArrowDown ArrowLeft ArrowRight
"""
KEYS = tuple(_KEYS.split())
"""Keys that carry no text."""
SHOWN_MOST = 200_000
"""Characters of a site's pages that are remembered of a conversation."""
ASKED_MOST = 5
"""Calls that wait at once."""
ARGUMENTS_TOLD = 300
HARMLESS = frozenset({"calculator", "python", "memory_search", "reply"})
"""Tools that neither keep anything nor send anything anywhere."""


class Call(NamedTuple):
    """A call that someone has to approve."""

    tool: str
    """Its name."""
    arguments: str
    """Its arguments as JSON."""
    place: str
    """Origin of the page that it is done to; empty for none."""


def call_of(tool: str, arguments: Mapping[str, Any], *, place: str = "") -> Call:
    """The call in one spelling."""
    kept = json.dumps(dict(arguments), sort_keys=True, ensure_ascii=False, default=str)
    return Call(tool=tool, arguments=kept, place=place)


class Consent:
    """Which calls of a conversation wait for the user, and which were approved. Once each."""

    def __init__(self, *, code: Callable[[], str] = lambda: secrets.token_hex(3)) -> None:
        self._code = code
        self._asked: dict[str, tuple[Call, str]] = {}
        self._fresh: list[str] = []
        self._given: set[Call] = set()

    def hear(self, message: str) -> list[Call]:
        """Takes a message of the user; what it approves. What it doesn't approve is dropped."""
        found = APPROVAL.match(message)
        codes = re.findall(r"[0-9a-f]{6}", found[1].lower()) if found else []
        self._given = {self._asked[code][0] for code in codes if code in self._asked}
        self._asked, self._fresh = {}, []
        return sorted(self._given)

    def take(self, call: Call) -> bool:
        """Whether it was approved; it is used up then."""
        approved = call in self._given
        self._given.discard(call)
        return approved

    def ask(self, call: Call, *, why: str) -> bool:
        """Has it wait for the user; False where too many wait already."""
        if any(call == waiting for waiting, _ in self._asked.values()):
            return True
        if len(self._asked) >= ASKED_MOST:
            return False
        code = self._code()
        self._asked[code] = (call, why)
        self._fresh.append(code)
        return True

    def told(self) -> str:
        """What waits since this was last asked, in words for the user; empty for nothing."""
        lines = []
        for code in self._fresh:
            call, why = self._asked[code]
            lines.append(f"- {shown(call)}: {why}. To allow it once, answer: approve {code}")
        self._fresh = []
        return "\n".join(["Not done without your word:", *lines]) if lines else ""


def shown(call: Call) -> str:
    """A call on one line."""
    where = f" at {call.place}" if call.place else ""
    return f"{call.tool} {clip(one_line(call.arguments), most=ARGUMENTS_TOLD)}{where}"


class Told:
    """Whose words a conversation has heard: the user's, and those of each site."""

    def __init__(self) -> None:
        self.message = ""
        """What the user says in this turn."""
        self.sources: set[str] = set()
        """Origins of pages, and servers, whose words the model has read."""
        self.page = ""
        """Address of the page that was read last."""
        self._shown: dict[str, str] = {}

    def saw(self, origin: str, text: str, *, page: str) -> None:
        """A page of `origin` was read."""
        self.sources.add(origin)
        self.page = page
        kept = self._shown.get(origin, "")
        if text not in kept:
            self._shown[origin] = f"{kept}\n{text}"[-SHOWN_MOST:]

    def opening(self, url: str) -> str:
        """Why opening an address has to be approved; empty where it hasn't.

        An address can carry words to whom it belongs. One that the user wrote, that a page of the
        same site shows, or that is nothing but an origin carries none of ours.
        """
        origin = origin_in(url)
        bare = url.split("://", 1)[-1]
        if not self.sources or stands_in(bare, self.message) or not _tail(url):
            return ""
        if self.sources <= {origin} and stands_in(url, self._shown.get(origin, "")):
            return ""
        return (
            "neither you nor a page of that site gave this address, after words of " + self._who()
        )

    def doing(self, origin: str, *, entered: str | None) -> str:
        """Why something done to a page of `origin` has to be approved; empty where it hasn't.

        `entered` is the text that is filled in.
        """
        strange = self.sources - {origin}
        if strange:
            return f"it acts on {origin} after words of {', '.join(sorted(strange))} were read"
        known = entered is None or stands_in(entered, self.message)
        if known or not entered or stands_in(entered, self._shown.get(origin, "")):
            return ""
        return f"that text is neither in your message nor on {origin}"

    def using(self, tool: str) -> str:
        """Why another tool has to be approved; empty where it hasn't."""
        pages = any("://" in one for one in self.sources)
        if tool in HARMLESS or not pages:
            return ""
        return f"it may keep or send something, and {self._who()}"

    def _who(self) -> str:
        return f"words of {', '.join(sorted(self.sources))} were read"


def _tail(url: str) -> str:
    """What an address says beyond its origin."""
    return url.split("://", 1)[-1].partition("/")[2] or re.sub(r"[^?#]*", "", url, count=1)
