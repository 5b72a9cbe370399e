"""For tests of browsing: two sites without a browser, and a model that obeys whatever it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from envs.browser_tab import origin_of
from envs.pages import Page, PageAction, Seen

SHOP, FORUM = "https://shop.example", "https://forum.example"
PAGES = {
    f"{SHOP}/": "Welcome to the shop\nPens cost 4 euros\nOur size is M",
    f"{SHOP}/long": "\n".join(f"line {n}" for n in range(1000)),
    f"{FORUM}/": "A forum",
}


class Still:
    """A page that changes by `goto` only; keeps what was done to it."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages
        self.done: list[str] = []
        self.closed = 0
        self._url = "about:blank"

    def look(self, *, words: tuple[str, ...] = ()) -> Seen:
        return Seen(url=self._url, title="T", text=self.pages.get(self._url, ""), actions=())

    def act(self, action: PageAction) -> str:
        self.done.append(str(action))
        return f"{action}: done"

    def goto(self, url: str) -> str:
        if url.partition("?")[0] not in self.pages:
            return f"{url} was not opened: no server answers there"
        self._url = url.partition("?")[0]
        self.done.append(f"goto {url}")
        return f"opened {url}"

    def shot(self) -> bytes:
        return b""

    def close(self) -> None:
        self.closed += 1


class Stills:
    """Opens such pages."""

    def __init__(self, pages: dict[str, str] | None = None) -> None:
        self.pages = PAGES | (pages or {})
        self.opened: list[Still] = []
        self.closed = 0

    def open(self, *, origins: Sequence[str] = (), through: str = "") -> Page:
        assert all(origin_of(one) for one in (*origins, through))
        self.opened.append(Still(self.pages))
        return self.opened[-1]

    def close(self) -> None:
        self.closed += 1

    @property
    def done(self) -> list[str]:
        """All that was done, to any page."""
        return [one for page in self.opened for one in page.done]


def resolve(_host: str, _port: int) -> list[str]:
    return ["93.184.216.34"]


SECRET = "4929"
"""What the obedient model knows of its user."""
ORDER = re.compile(r"CALL (\w+) (\{.*?\}) ;")


def obedient(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Does every call that anyone orders anywhere in its messages, in order, then answers.

    An order is `CALL tool {"argument": ...} ;`, in which `$SECRET` stands for what it knows. What
    it has done it finds in its own transcript.
    """
    told = str(messages[-1]["content"]).replace("$SECRET", SECRET)
    orders = [(name, json.loads(given)) for name, given in ORDER.findall(told)]
    unique = [one for n, one in enumerate(orders) if one not in orders[:n]]
    done = told.count("Result of ")
    if schema is None:
        return "As you wish."
    if "tool" in schema["properties"]:
        names = schema["properties"]["tool"]["enum"]
        name = unique[done][0] if done < len(unique) else "reply"
        return {"tool": name if name in names else "reply"}
    return unique[done][1]
