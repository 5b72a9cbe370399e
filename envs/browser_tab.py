"""One page of a real browser, as `envs/pages.py` wants it: read, acted on, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from envs import browser_acts, browser_eyes, pages_snapshot
from envs.browser_dialogs import Question
from envs.browser_front import in_front
from envs.errors import EnvError, clip, one_line
from envs.pages import PageAction, Seen
from envs.pages_drags import Loose

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Dialog, Download, Page, Request

T = TypeVar("T")
QUIET_MS, QUIET_MOST_MS = 20, 1200
"""A page has settled when nothing in it changed for so long; waiting for that ends after. Where a
page counts its timers (`envs/browser_eyes.py`), those that are due soon are waited for too."""
LOAD_S = 8.0
"""Seconds that an address may take to load."""
REQUESTS_S, ROUNDS = 3.0, 4
"""Seconds that requests of an action are waited for, and how many may follow from each other."""
SHOW_S = 2.0
"""Seconds that a page may take to show what eyes alone see."""
ENDLESS = ("eventsource", "websocket", "ping")
"""Kinds of requests that nothing waits for: they stay open, or no answer is meant to come."""
POLLING = 2
"""So many times in a row that an address was waited for in vain, before it is not any more."""
NOTES_MOST = 5
EDITED_MOST, FRAMES_MOST = 8, 8
"""Parts that are edited in place whose words are read, and frames that are looked into."""
VEIL = """selector => {
  const style = document.createElement('style');
  style.textContent = `html[data-veil] :is(${selector}) { visibility: hidden !important; }`;
  document.head.append(style);
  document.documentElement.dataset.veil = '1';
}"""


class Tab:
    """A page in a context of its own. Usable from any thread; one action at a time."""

    def __init__(
        self,
        page: Page,
        *,
        loop: asyncio.AbstractEventLoop,
        origins: tuple[str, ...],
        faults: type[Exception],
        action_s: float,
        patience_s: float,
        veil: str = "",
    ) -> None:
        self._page = page
        self._context: BrowserContext = page.context
        self._loop = loop
        self._origins = origins
        self._faults = faults
        self._action_ms = action_s * 1000
        self._patience_s = patience_s
        self._veil = veil
        self._gone = ""
        self._reviving = False
        self._lost = False
        self._notes: list[str] = []
        self._question = Question()
        self._flights = _Flights()
        self._seen: list[pages_snapshot.Node] | None = None
        self._loose = Loose()
        self._context.on("page", self._on_page)
        self._listen(page)

    def look(self, *, words: tuple[str, ...] = ()) -> Seen:
        """What stands there. A page that is gone or does not answer is seen as saying so."""
        told, seen = self._bounded(self._look(words), self._patience_s)
        return seen or Seen(url="", title="", text=f"({told})", actions=())

    def act(self, action: PageAction) -> str:
        """Does it; one line on what happened, and on dialogs, downloads and tabs that came up."""
        told, done = self._bounded(self._act(action), self._patience_s + REQUESTS_S)
        return self._with_notes(done or f"{action}: {told}")

    def goto(self, url: str) -> str:
        """Opens an address of its origins; one line on how that went."""
        if origin_of(url) not in self._origins:
            allowed = ", ".join(self._origins) or "none"
            return f"{clip(url)} was not opened: it is not of the origins allowed ({allowed})"
        told, done = self._bounded(self._goto(url), LOAD_S + self._patience_s, revive=True)
        return self._with_notes(done or f"{clip(url)} was not opened: {told}")

    def shot(self) -> bytes:
        """The viewport as a PNG; empty where no picture can be taken."""
        return self._bounded(self._shot(), self._patience_s)[1] or b""

    def close(self) -> None:
        """Ends the context, whatever state the page is in."""
        if not self._loop.is_closed():
            self._gone = self._gone or "the page is closed"
            work = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
            with suppress(LateError, self._faults):
                work.result(self._patience_s)

    def evaluated(self, script: str, argument: Any) -> Any:
        """For `Browser.run`, on behalf of the environment."""
        told, value = self._bounded(self._evaluate(script, argument), self._patience_s)
        if told:
            raise EnvError(f"the page did not do its part ({told})", repair="open the task again")
        return value

    def _bounded(
        self, work: Coroutine[Any, Any, T], most: float, *, revive: bool = False
    ) -> tuple[str, T | None]:
        """Runs `work` on the browser's thread: what went wrong, or its result."""
        if (self._gone and not revive) or self._loop.is_closed():
            work.close()
            return self._gone or "the browser was closed", None
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return "", future.result(most)
        except LateError:
            future.cancel()
            self._gone = self._gone or f"the page does not answer, waited {most:.0f} s"
            asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        except self._faults as error:
            if not self._context.browser or not self._context.browser.is_connected():
                self._gone = "the browser is gone"
            if not self._gone:
                return told(error), None
        return self._gone, None

    async def _look(self, words: tuple[str, ...]) -> Seen:
        if not self._question.open:
            await self._question.unless(self._returned())
        top = None if self._question.open else await self._question.unless(self._read())
        if top is None:
            return self._question.seen(url=self._page.url, words=words)
        front = await in_front(top, count=lambda selector: self._page.locator(selector).count())
        return Seen(
            url=self._page.url,
            title=clip(one_line(await self._page.title()), most=200),
            text=pages_snapshot.render(top),
            actions=pages_snapshot.actions(front, words=words, loose=self._loose),
        )

    async def _read(self) -> list[pages_snapshot.Node]:
        body = self._page.locator("body")
        edited, self._loose = await self._shown()
        try:
            raw = await body.aria_snapshot(mode="ai", timeout=self._patience_s * 900)
        except self._faults:
            if self._gone:
                raise
            await self._settle()
            raw = await body.aria_snapshot(mode="ai", timeout=self._action_ms)
        self._seen = pages_snapshot.read(raw)
        if edited:
            nodes = [n for n in pages_snapshot.walk(self._seen) if n.role == "textbox"]
            empty = [node for node in nodes if node.ref and not node.text][:EDITED_MOST]
            words = await asyncio.gather(*(self._words(node.ref) for node in empty))
            for node, text in zip(empty, words, strict=True):
                node.text = one_line(text)
        return self._seen

    async def _shown(self) -> tuple[int, Loose]:
        """Has the page show what eyes alone see: how much can be edited in place, what dragged."""
        edited, loose = 0, Loose()
        for frame in self._page.frames[:FRAMES_MOST]:
            with suppress(self._faults, TimeoutError):
                async with asyncio.timeout(SHOW_S):
                    edited += browser_eyes.counted(await frame.evaluate(browser_eyes.SHOW))
                    answer = await frame.evaluate(browser_eyes.LOOSE)
                    loose = loose.and_more(*browser_eyes.loose(answer))
        return edited, loose

    async def _words(self, ref: str) -> str:
        with suppress(self._faults):
            spot = self._page.locator(f"aria-ref={ref}")
            return str(await spot.evaluate(browser_eyes.WORDS, timeout=self._action_ms))
        return ""

    async def _act(self, action: PageAction) -> str:
        if self._question.open:
            done = await self._question.answer(action)
            if not self._question.open:
                await self._question.unless(self._settle())
            return done
        ref = ""
        if action.role:
            node = await self._node(action)
            if node is None:
                assert self._seen is not None  # noqa: S101
                return f"there is no {action.spot}; there is {pages_snapshot.labels(self._seen)}"
            if "disabled" in node.states and action.verb != "hover":
                return f"{action}: it is disabled"
            ref = node.ref
        hand = browser_acts.Hand(self._page, seen=self._seen or [], timeout_ms=self._action_ms)
        try:
            done = await self._question.unless(hand.do(action, ref=ref)) or f"{action}: done"
        except self._faults as error:
            done = f"{action}: {told(error)}"
        if not self._question.open:
            await self._question.unless(self._settle())
        if self._question.open:
            return f"{done}; a dialog came up"
        if await self._returned():
            done += "; the address it leads to can't be reached from here"
        return done

    async def _returned(self) -> bool:
        """Leaves the browser's own page about an address that can't be reached, if it is there."""
        if self._lost:
            self._lost = False
            with suppress(self._faults):
                limit = self._action_ms
                await self._page.wait_for_url("chrome-error:**", timeout=limit, wait_until="commit")
        if not self._page.url.startswith("chrome-error:"):
            return False
        for _ in range(2):  # on a busy machine the first may come while that page still arrives
            if self._page.url.startswith("chrome-error:"):
                with suppress(self._faults):
                    await self._page.go_back(timeout=self._action_ms, wait_until="commit")
        self._lost = False
        return True

    async def _node(self, action: PageAction) -> pages_snapshot.Node | None:
        spot = action.spot
        assert spot is not None  # noqa: S101
        node = pages_snapshot.find(self._seen or (), spot)
        with suppress(self._faults):
            if node and await self._page.locator(f"aria-ref={node.ref}").count():
                return node
        return pages_snapshot.find(await self._read(), spot)

    async def _goto(self, url: str) -> str:
        if self._gone:
            self._reviving = True
            self._page = await self._context.new_page()
            self._reviving = False
            self._gone, self._flights = "", _Flights()
            self._listen(self._page)
        self._seen, self._lost = None, False
        async with self._question.refused():
            await self._page.goto(url, wait_until="commit", timeout=LOAD_S * 1000)
        with suppress(self._faults):
            await self._page.wait_for_load_state("load", timeout=self._patience_s * 500)
        if self._veil:
            await self._page.evaluate(VEIL, self._veil)
        await self._question.unless(self._settle())
        return f"opened {self._page.url}"

    async def _settle(self) -> None:
        """Waits, for a bounded time, until requests have ended and nothing changes any more."""
        quiet = [QUIET_MS, QUIET_MOST_MS]
        with suppress(self._faults, TimeoutError):
            async with asyncio.timeout(REQUESTS_S):
                for _ in range(ROUNDS):
                    answer = await self._page.evaluate(browser_eyes.QUIET, quiet)
                    for refused in browser_eyes.refusals(answer):
                        self._note(refused)
                    if not self._flights:
                        return
                    await self._flights.landed()
                return
        self._flights.given_up()
        if not self._gone:
            with suppress(self._faults):
                limit = self._action_ms
                await self._page.wait_for_load_state("domcontentloaded", timeout=limit)

    async def _shot(self) -> bytes:
        lift = "on => document.documentElement.toggleAttribute('data-veil', on)"
        if self._question.open:
            return b""
        if self._veil:
            await self._page.evaluate(lift, False)
        try:
            return await self._page.screenshot(timeout=self._patience_s * 900)
        finally:
            if self._veil:
                await self._page.evaluate(lift, True)

    async def _evaluate(self, script: str, argument: Any) -> Any:
        async with self._question.refused():
            return await self._page.evaluate(script, argument)

    async def _close(self) -> None:
        with suppress(self._faults):
            await self._context.close()

    def _listen(self, page: Page) -> None:
        page.on("crash", self._on_crash)
        page.on("dialog", self._on_dialog)
        page.on("download", self._on_download)
        page.on("request", self._on_request)
        page.on("requestfinished", self._flights.discard)
        page.on("requestfailed", self._on_failed)

    def _on_crash(self, _page: Page) -> None:
        self._gone = "the tab crashed"

    async def _on_dialog(self, dialog: Dialog) -> None:
        if self._question.takes(dialog):
            return
        self._note(f"a dialog said {clip(dialog.message)!r} and was closed")
        with suppress(self._faults):
            await (dialog.accept() if dialog.type == "beforeunload" else dialog.dismiss())

    def _on_download(self, download: Download) -> None:
        self._note(f"a download ({clip(download.suggested_filename)!r}) was refused")

    async def _on_page(self, page: Page) -> None:
        if page is not self._page and not self._reviving:
            self._note("a new tab was closed")
            with suppress(self._faults):
                await page.close()

    def _on_request(self, request: Request) -> None:
        if request.resource_type not in ENDLESS:
            self._flights.add(request)

    def _on_failed(self, request: Request) -> None:
        self._flights.discard(request)
        own = request.is_navigation_request() and "ERR_ABORTED" not in (request.failure or "")
        with suppress(self._faults):
            self._lost = self._lost or (own and request.frame == self._page.main_frame)

    def _note(self, text: str) -> None:
        if text not in self._notes and len(self._notes) < NOTES_MOST:
            self._notes.append(text)

    def _with_notes(self, text: str) -> str:
        notes, self._notes = self._notes, []
        return one_line("; ".join([text, *notes]))


class _Flights:
    """Requests that are under way; not those to addresses that were waited for in vain before."""

    def __init__(self) -> None:
        self._under_way: set[Request] = set()
        self._vain: dict[str, int] = {}
        self._none = asyncio.Event()

    def __len__(self) -> int:
        return len(self._under_way)

    def add(self, request: Request) -> None:
        if self._vain.get(_place(request), 0) < POLLING:
            self._under_way.add(request)
            self._none.clear()

    def discard(self, request: Request) -> None:
        if request in self._under_way:
            self._vain.pop(_place(request), None)
        self._under_way.discard(request)
        if not self._under_way:
            self._none.set()

    async def landed(self) -> None:
        if self._under_way:
            await self._none.wait()

    def given_up(self) -> None:
        """What is still under way is not waited for again."""
        for request in self._under_way:
            self._vain[_place(request)] = self._vain.get(_place(request), 0) + 1
        self._under_way.clear()
        self._none.set()


def _place(request: Request) -> str:
    return request.url.partition("?")[0]


def origin_of(url: str) -> str:
    """Scheme, host and port of an http address; empty for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"


def told(error: Exception) -> str:
    """What Playwright says went wrong, in the words of a player."""
    text = str(error)
    for sign, meaning in browser_acts.MEANINGS:
        if sign in text:
            return meaning
    return clip(one_line(text.split("Call log")[0]), most=160)
