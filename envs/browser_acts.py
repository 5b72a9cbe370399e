"""What a hand does to a page of a real browser: clicks, keys, drags; bounded in time."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from envs.errors import clip
from envs.pages import TEXT_MOST, PageAction
from envs.pages_snapshot import Node, find

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

MEANINGS = (
    ("intercepts pointer events", "another element lies over it"),
    ("element is not enabled", "it is disabled"),
    ("element is not editable", "it can't be edited"),
    ("Element is not an <input>", "it takes no text"),
    ("Element is not a <select>", "it has no list of options; click it instead"),
    ("did not find some options", "it has no such option"),
    ("Malformed value", "it takes dates as 2016-12-31 and times as 23:59"),
    ("Cannot type text into input[type=number]", "it takes numbers only"),
    ("did not change its state", "it stayed as it was"),
    ("Not a checkbox", "it is no checkbox"),
    ("element is outside of the viewport", "it can't be scrolled into view"),
    ("element is not stable", "it keeps moving"),
    ("element is not visible", "it can't be seen"),
    ("Element is not attached", "it went away"),
    ("ERR_TOO_MANY_REDIRECTS", "it redirects without end"),
    ("ERR_PROXY_CONNECTION_FAILED", "it leads to an address that is not allowed"),
    ("ERR_TUNNEL_CONNECTION_FAILED", "it leads to an address that is not allowed"),
    ("ERR_CONNECTION_REFUSED", "no server answers there"),
    ("ERR_CONNECTION_RESET", "the server broke off"),
    ("ERR_EMPTY_RESPONSE", "the server answered nothing"),
    ("ERR_ABORTED", "it is no page to be shown"),
    ("does not match any element", "nothing stands there any more"),
    ("Target crashed", "the tab crashed"),
    ("Page crashed", "the tab crashed"),
    ("has been closed", "the page is gone"),
    ("Timeout", "it took too long"),
)
"""Signs in Playwright's errors, and what they mean to a player."""
KEYS = re.compile(
    r"(?:(?:Control|Shift|Alt)\+){0,2}(?:Enter|Tab|Escape|Space|Backspace|Delete|Home|End|Page(?:Up"
    r"|Down)|Arrow(?:Up|Down|Left|Right)|[!-~])"
)
DATES = ("%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%B %d %Y", "%d %B %Y", "%b %d %Y", "%d %b %Y")
"""Ways to write a date; 3/4/2026 is the fourth of March."""
TIME = re.compile(r"(\d{1,2}):(\d{2}) ?([AaPp])\.?[Mm]\.?")
FIELD = "it => [it.getAttribute('type') ?? '', it.readOnly === true]"
"""Type of a field, and whether it may only be read: writing into it would be waited for in vain."""
WAIT_S = 1.0
WHEEL = 120
DRAG_STEPS = 8
PAST = 4
"""Pixels that a drag goes on behind the middle of what it goes to."""


class Hand:
    """Does actions to one page, on the browser's thread. Raises Playwright's own errors."""

    def __init__(self, page: Page, *, seen: list[Node], timeout_ms: float) -> None:
        self._page = page
        self._seen = seen
        self._ms = timeout_ms

    async def do(self, action: PageAction, *, ref: str) -> str:
        """One action, on the element that `ref` names; says in one line what was done."""
        if len(action.value) > TEXT_MOST:
            return f"{action.verb}: more than {TEXT_MOST} characters are not taken"
        match action.verb:
            case "click" | "double-click":
                return await self._click(action, ref)
            case "fill" | "select" | "check" | "uncheck":
                return await self._enter(action, ref)
            case "press" | "type":
                return await self._keys(action, ref)
            case "hover" | "scroll":
                return await self._point(action, ref)
            case "drag":
                return await self._drag(action, ref)
            case "back":
                came = await self._page.go_back(timeout=self._ms)
                return "went back" if came else "there is no page to go back to"
            case "wait":
                await asyncio.sleep(WAIT_S)
                return "waited"

    def _at(self, ref: str) -> Locator:
        return self._page.locator(f"aria-ref={ref}")

    async def _click(self, action: PageAction, ref: str) -> str:
        times = 2 if action.verb == "double-click" else 1
        if action.at is not None:
            if not self._inside(action.at):
                return f"{action}: that is outside of the page's {self._size()}"
            await self._page.mouse.click(*action.at, click_count=times)
        elif times == 2:
            await self._at(ref).dblclick(timeout=self._ms)
        else:
            await self._at(ref).click(timeout=self._ms)
        return f"{action}: done"

    async def _enter(self, action: PageAction, ref: str) -> str:
        if not ref:
            return f"{action}: name the element by role and name"
        spot = self._at(ref)
        if action.verb == "select":
            await spot.select_option(label=self._chosen(action), timeout=self._ms)
        elif action.verb == "fill":
            kind, fixed = await spot.evaluate(FIELD, timeout=self._ms)
            if fixed:
                return f"{action}: it can't be edited"
            await spot.fill(_as_field(action.value, kind=kind), timeout=self._ms)
        else:
            await spot.set_checked(action.verb == "check", timeout=self._ms)
        return f"{action}: done"

    def _chosen(self, action: PageAction) -> list[str]:
        """The option, with those that a list of several has selected already."""
        node = find(self._seen, action.spot) if action.spot else None
        if node is None or node.role != "listbox":
            return [action.value]
        there = [n.name or n.text for n in node.below() if "selected" in n.states]
        return [*there, action.value]

    async def _keys(self, action: PageAction, ref: str) -> str:
        if action.verb == "type":
            await self._page.keyboard.type(action.value)
            return f"{action}: done"
        if not KEYS.fullmatch(action.value):
            return f"press {clip(action.value)}: there is no such key"
        if ref:
            await self._at(ref).press(action.value, timeout=self._ms)
        else:
            await self._page.keyboard.press(action.value)
        return f"{action}: done"

    async def _point(self, action: PageAction, ref: str) -> str:
        if action.at is not None:
            if not self._inside(action.at):
                return f"{action}: that is outside of the page's {self._size()}"
            await self._page.mouse.move(*action.at)
        elif ref:
            await self._at(ref).hover(timeout=self._ms)
        if action.verb == "scroll":
            if action.at is None and not ref:
                size = self._page.viewport_size or {"width": 0, "height": 0}
                await self._page.mouse.move(size["width"] // 2, size["height"] // 2)
            await self._page.mouse.wheel(0, WHEEL if action.value == "down" else -WHEEL)
        return f"{action}: done"

    async def _drag(self, action: PageAction, ref: str) -> str:
        assert action.to is not None  # noqa: S101
        begin = action.at or await self._middle(ref)
        end = action.to.at
        if end is None:
            node = find(self._seen, action.to)
            if node is None:
                return f"there is no {action.to} to drag to"
            end = _past(begin, await self._middle(node.ref))
        if begin is None or end is None:
            return f"{action}: it can't be seen"
        if not self._inside(begin) or not self._inside(end):
            return f"{action}: that is outside of the page's {self._size()}"
        mouse = self._page.mouse
        await mouse.move(*begin)
        await mouse.down()
        await mouse.move(*end, steps=DRAG_STEPS)
        await mouse.up()
        return f"{action}: done"

    async def _middle(self, ref: str) -> tuple[int, int] | None:
        await self._at(ref).scroll_into_view_if_needed(timeout=self._ms)
        box = await self._at(ref).bounding_box(timeout=self._ms)
        if box is None:
            return None
        return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)

    def _inside(self, at: tuple[int, int]) -> bool:
        size = self._page.viewport_size or {"width": 0, "height": 0}
        return 0 <= at[0] < size["width"] and 0 <= at[1] < size["height"]

    def _size(self) -> str:
        size = self._page.viewport_size or {"width": 0, "height": 0}
        return f"{size['width']} x {size['height']} pixels"


def _past(begin: tuple[int, int] | None, end: tuple[int, int] | None) -> tuple[int, int] | None:
    """A little further than the middle: lists that are put in order move up where it was passed."""
    if begin is None or end is None:
        return end
    x, y = (e + max(-PAST, min(PAST, e - b)) for b, e in zip(begin, end, strict=True))
    return x, y


def _as_field(value: str, *, kind: str) -> str:
    """Dates and times as their fields want them, where they come as people write them."""
    if kind in ("date", "month"):
        plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|[,]|\bof\b|(?<=[a-z])\.", " ", value)
        for form in DATES:
            with suppress(ValueError):
                day = datetime.strptime(" ".join(plain.split()), form).date()
                return day.isoformat()[: len("2026-11") if kind == "month" else None]
    if kind == "time" and (found := TIME.fullmatch(value)):
        hour = int(found[1]) % 12 + (12 if found[3] in "Pp" else 0)
        return f"{hour:02d}:{found[2]}"
    return value
