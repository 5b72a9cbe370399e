"""A real browser: Playwright's one file, with the tabs that it opens.

A thread of its own runs Playwright's event loop; pages are used from any thread, several at once.
Whatever a page does is bounded in time and told in words, never raised.

What keeps traffic in: every context sends all that is not for its origins to a proxy that refuses
(redirects, web sockets and prefetches included, which interception misses), and service workers
are blocked. Players hold a `Tab`, which has no way to run or add a script or to see or send a
request; the environment keeps that to itself, in `Browser.run`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import threading
import uuid
import weakref
from collections.abc import Coroutine, Sequence
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from envs.browser_eyes import EYES
from envs.browser_tab import Tab, origin_of
from envs.errors import EnvError, Missing, UserError, clip, one_line

if TYPE_CHECKING:
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import Playwright

T = TypeVar("T")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)
GET_ONE = (
    "on Debian: sudo apt-get install -y --no-install-recommends chromium; "
    "elsewhere: playwright install chromium"
)
PACKAGE = 'pip install "journeyman[web]"'
LAUNCH_S = 120.0
"""Seconds that a browser may take to start."""
CLOSE_S = 5.0
"""Seconds that a page or browser may take to close before its processes are ended."""
VIEWPORT = (1024, 768)


class Browser:
    """Chromium, started when the first page is opened; thread-safe.

    `executable` is the browser to use; empty: Playwright's own, else the machine's. `action_s` is
    how long a click waits for an element that is covered or moving, `patience_s` how long a page
    may take to answer at all. A browser that died is started again with the next page.
    """

    def __init__(
        self,
        *,
        executable: Path | str = "",
        headless: bool = True,
        action_s: float = 3.0,
        patience_s: float = 30.0,
    ) -> None:
        self.mark = f"--journeyman-browser={uuid.uuid4().hex}"
        """An argument of all its processes, by which they can be told from others."""
        self._executable = str(executable)
        self._headless = headless
        self._action_s = action_s
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._driver: Playwright | None = None
        self._chromium: Chromium | None = None
        self._wall: socket.socket | None = None
        atexit.register(_close_late, weakref.ref(self))

    def open(
        self,
        *,
        origins: Sequence[str] = (),
        viewport: tuple[int, int] = VIEWPORT,
        veil: str = "",
        through: str = "",
        eyes: bool = True,
    ) -> Tab:
        """An empty page in a fresh context; only `origins` (`http://host:port`) can be reached.

        `veil` is a CSS selector of what is hidden from players, and shown in pictures. `through` is
        a proxy (`http://host:port`) that all traffic takes, and that decides on it. Without `eyes`
        pages are left as they are (`envs/browser_eyes.py`). Raises `Missing` without a browser, and
        `EnvError` when it does not start.
        """
        allowed = tuple(origin_of(origin) for origin in origins)
        if "" in allowed:
            raise UserError(
                f"{origins[allowed.index('')]!r} is no origin", repair="write http://host:port"
            )
        with self._lock:
            self._start()
        work = self._open(allowed, viewport, veil, through, EYES if eyes else "")
        return self._wait(work, LAUNCH_S, "opening a page")

    def run(self, tab: Tab, script: str, argument: Any = None) -> Any:
        """What a script of the environment returns in a page.

        Raises `EnvError` when the page is gone, does not answer in time, or the script fails.
        """
        return tab.evaluated(script, argument)

    def processes(self) -> list[psutil.Process]:
        """Its processes that are alive."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if self.mark in process.cmdline():
                    every = [process, *process.children(recursive=True)]
                    found |= {one.pid: one for one in every}
        return [one for one in found.values() if _alive(one)]

    def close(self) -> None:
        """Ends the browser and its driver; may be called twice, and it may be used again after."""
        with self._lock:
            if self._loop is not None and self._thread is not None:
                future = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
                with suppress(LateError):
                    future.result(CLOSE_S * 3)
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join(CLOSE_S)
            self._loop = self._thread = self._driver = self._chromium = None
        self._kill()
        with self._lock:
            if self._wall is not None and self._loop is None:
                self._wall.close()  # only now: nobody else gets its port while a browser is there
                self._wall = None

    def _start(self) -> None:
        if self._chromium is not None and self._chromium.is_connected():
            return
        if find_spec("playwright") is None:
            raise Missing("pages need the package playwright", repair=f"{PACKAGE}; {GET_ONE}")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            name = "journeyman-browser"
            self._thread = threading.Thread(target=_forever, args=(self._loop,), name=name)
            self._thread.daemon = True
            self._wall = _refusing()
            self._thread.start()
        self._wait(self._launch(), LAUNCH_S, "starting the browser")

    async def _launch(self) -> None:
        from playwright.async_api import Error, async_playwright

        if self._driver is None:
            self._driver = await async_playwright().start()
        path = find(self._executable, own=self._driver.chromium.executable_path)
        try:
            self._chromium = await self._driver.chromium.launch(
                executable_path=path,
                headless=self._headless,
                args=[*FLAGS, self.mark],
                chromium_sandbox=os.geteuid() != 0,
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=LAUNCH_S * 1000,
            )
        except Error as error:
            told = clip(one_line(error.message), most=200)
            raise EnvError(
                f"the browser {path} does not start ({told})",
                repair=f"start it by hand to see why, or get another. {GET_ONE}",
            ) from error

    async def _open(
        self,
        origins: tuple[str, ...],
        viewport: tuple[int, int],
        veil: str,
        through: str,
        script: str,
    ) -> Tab:
        from playwright.async_api import Error

        assert self._chromium is not None  # noqa: S101
        assert self._wall is not None  # noqa: S101
        wall = f"http://127.0.0.1:{self._wall.getsockname()[1]}"
        straight = () if through else origins
        bypass = ",".join(["<-loopback>", *straight])  # what comes later counts for more
        try:
            context = await self._chromium.new_context(
                viewport={"width": viewport[0], "height": viewport[1]},
                proxy={"server": through or wall, "bypass": bypass},
                service_workers="block",
                accept_downloads=False,
                reduced_motion="reduce",
                locale="en-US",
                timezone_id="UTC",
            )
            if script:
                await context.add_init_script(script)
            page = await context.new_page()
        except Error as error:
            raise EnvError(
                f"no page could be opened ({clip(one_line(error.message), most=200)})",
                repair="open the task again; the browser is started anew if it died",
            ) from error
        return Tab(
            page,
            loop=asyncio.get_running_loop(),
            origins=origins,
            faults=Error,
            action_s=self._action_s,
            patience_s=self._patience_s,
            veil=veil,
        )

    async def _end(self) -> None:
        from playwright.async_api import Error

        for end in (self._chromium and self._chromium.close, self._driver and self._driver.stop):
            if end:
                with suppress(Error, TimeoutError, OSError):
                    await asyncio.wait_for(end(), CLOSE_S)

    def _wait(self, work: Coroutine[Any, Any, T], most: float, doing: str) -> T:
        assert self._loop is not None  # noqa: S101
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(most)
        except LateError as error:
            future.cancel()
            self._kill()
            raise EnvError(
                f"{doing} took longer than {most:.0f} s", repair="try again on a less busy machine"
            ) from error

    def _kill(self) -> None:
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()


def find(wanted: str = "", *, own: str = "") -> str:
    """The browser to start: the one that was asked for, Playwright's `own`, or the machine's.

    Raises `Missing` with the commands that get one.
    """
    if wanted:
        if shutil.which(wanted):
            return wanted
        raise Missing(f"there is no browser at {wanted!r}", repair=GET_ONE)
    if own and Path(own).is_file():
        return own
    for found in filter(None, map(shutil.which, NAMES)):
        return found
    raise Missing("there is no browser", repair=GET_ONE)


def installed(wanted: Path | str = "") -> str:
    """The browser that would be started. Raises `Missing` for the package, and for a browser."""
    if find_spec("playwright") is None:
        raise Missing("pages need the package playwright", repair=f"{PACKAGE}; {GET_ONE}")
    try:
        return find(str(wanted))
    except Missing:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as driver:
            return find(str(wanted), own=driver.chromium.executable_path)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _refusing() -> socket.socket:
    """A port that is taken and not listened on: whatever connects to it is refused."""
    wall = socket.socket()
    wall.bind(("127.0.0.1", 0))
    return wall


def _forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


def _close_late(browser: weakref.ref[Browser]) -> None:
    if (alive := browser()) is not None:
        alive.close()
