"""A real browser: bounded whatever a page does, walled in, and gone when it is closed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from envs.browser import Browser, find
from envs.browser_tab import Tab, _Flights, origin_of
from envs.errors import EnvError, Missing, UserError
from envs.pages import Page, parse
from tests.envs.chromium import Rogue, needs_browser
from tests.envs.chromium import rogue as serve_rogue

pytestmark = needs_browser


@pytest.fixture(scope="module")
def rogue() -> Iterator[Rogue]:
    with serve_rogue() as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = Browser(patience_s=20.0)
    yield chromium
    chromium.close()


@pytest.fixture
def tab(browser: Browser, rogue: Rogue) -> Iterator[Tab]:
    rogue.visits.clear()
    opened = browser.open(origins=[rogue.origin])
    assert opened.goto(f"{rogue.origin}/") == f"opened {rogue.origin}/"
    yield opened
    opened.close()
    opened.close()


def act(tab: Tab, text: str) -> str:
    return tab.act(parse(text))


def test_a_page_is_read_and_acted_on_by_role_and_name(tab: Tab) -> None:
    seen = tab.look(words=("Ann",))
    assert 'textbox "User"' in seen.text
    assert 'fill textbox "User" with "Ann"' in seen.actions
    assert act(tab, 'fill textbox "User" with "Ann"').endswith(": done")
    assert act(tab, 'click button "Rename"').endswith(": done")
    assert tab.look().title == "Ann"
    assert tab.shot().startswith(b"\x89PNG")
    assert 'there is no button "Nope"; there is' in act(tab, 'click button "Nope"')


def test_questions_of_a_page_wait_for_an_answer(tab: Tab) -> None:
    told = act(tab, 'click button "ask"')
    assert told.endswith("a dialog came up; a dialog said 'one' and was closed")
    seen = tab.look(words=("four",))
    assert seen.text.splitlines() == ['dialog "two"', '  button "OK"', '  button "Cancel"']
    assert seen.actions == ('click button "OK"', 'click button "Cancel"')
    assert "answer it with" in act(tab, 'click button "Rename"')
    assert tab.shot() == b""
    act(tab, 'click button "Cancel"')
    seen = tab.look(words=("four",))
    assert seen.actions[0] == 'fill textbox "three" with "four"'
    act(tab, seen.actions[0])
    assert 'textbox "three": four' in tab.look().text
    assert act(tab, "press Enter").endswith(": done")
    assert tab.look().text.startswith("heading")
    assert tab.look().title == "false four"


def test_a_question_that_nobody_answers_ends_with_its_page(tab: Tab, rogue: Rogue) -> None:
    act(tab, 'click button "ask"')
    assert tab.goto(f"{rogue.origin}/").startswith(f"opened {rogue.origin}/")
    assert tab.look().title == "Home"
    act(tab, 'click button "ask"')
    tab.close()
    assert tab.look().text == "(the page is closed)"


def test_what_another_element_covers_is_told_in_time(tab: Tab) -> None:
    begun = time.monotonic()
    assert act(tab, 'click button "Under"').endswith("another element lies over it")
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ('click link "loop"', "can't be reached"),
        ('click link "leave"', "can't be reached"),
        ('click link "away"', "can't be reached"),
        ('click link "tab"', "a new tab was closed"),
        ('click link "file"', "a download ('file.bin') was refused"),
        ('click button "open"', "done"),
        ('click button "Send"', "can't be reached"),
        ('click link "disk"', "done"),
        ('click link "data"', "done"),
        ('click button "talk"', "done"),
        ("press Control+Shift+J", "done"),
        ("press F12", "there is no such key"),
        ("click at (5000, 5000)", "outside"),
    ],
)
def test_what_a_page_tries_is_told_and_nothing_leaves(
    tab: Tab, rogue: Rogue, action: str, told: str
) -> None:
    # A browser may tell of a tab after it answered the click: then the next line has it.
    assert told in act(tab, action) or told in act(tab, "wait")
    seen = tab.look()
    assert seen.url == f"{rogue.origin}/"
    assert 'heading "Home"' in seen.text
    assert rogue.visits == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,hi",
        "chrome://version",
        "about:blank",
    ],
)
def test_only_addresses_of_the_origins_are_opened(tab: Tab, rogue: Rogue, url: str) -> None:
    for wanted in (url, f"{rogue.other}/", rogue.origin.replace("http://", "http://a@")):
        assert "not of the origins allowed" in tab.goto(wanted)
    assert rogue.visits == []


def test_ten_megabytes_and_thousands_of_buttons_are_cut(tab: Tab, rogue: Rogue) -> None:
    assert tab.goto(f"{rogue.origin}/long")
    assert 0 < len(tab.look().text) < 13_000
    assert tab.goto(f"{rogue.origin}/many").startswith("opened")
    seen = tab.look()
    assert len(seen.actions) == 60
    assert len(seen.text) < 13_000


def test_a_page_that_hangs_is_given_up_and_others_go_on(
    browser: Browser, rogue: Rogue, tab: Tab
) -> None:
    brief = Browser(patience_s=5.0)
    try:
        hung = brief.open(origins=[rogue.origin])
        other = brief.open(origins=[rogue.origin])
        for page in (hung, other):
            page.goto(f"{rogue.origin}/")
        begun = time.monotonic()
        act(hung, 'click button "hang"')
        assert "does not answer" in hung.look().text
        assert "does not answer" in act(hung, 'click button "Rename"')
        assert time.monotonic() - begun < 30
        assert 'heading "Home"' in other.look().text
        with pytest.raises(EnvError, match="open the task again"):
            brief.run(hung, "1")
    finally:
        brief.close()
    assert brief.processes() == []


def test_a_crashed_tab_is_told_and_an_address_brings_a_new_one(tab: Tab, rogue: Rogue) -> None:
    crash(tab)
    assert tab.look().text == "(the tab crashed)"
    assert act(tab, 'click button "Rename"').endswith("the tab crashed")
    assert tab.shot() == b""
    assert tab.goto(f"{rogue.origin}/") == f"opened {rogue.origin}/"
    assert 'heading "Home"' in tab.look().text


def crash(tab: Tab) -> None:
    """Chromium's own way to crash a tab."""

    async def work() -> None:
        session = await tab._context.new_cdp_session(tab._page)
        with suppress(tab._faults, TimeoutError):
            async with asyncio.timeout(2):
                await session.send("Page.crash")

    asyncio.run_coroutine_threadsafe(work(), tab._loop).result(10)


def test_a_server_that_is_slow_or_dies_is_told(browser: Browser) -> None:
    with serve_rogue() as served:
        tab = browser.open(origins=[served.origin])
        tab.goto(f"{served.origin}/")
    assert act(tab, 'click link "loop"')
    assert "no server answers there" in tab.goto(f"{served.origin}/")
    tab.close()
    assert "the page is closed" in tab.look().text


def test_a_player_holds_nothing_but_what_the_seam_names() -> None:
    offered = {name for name in vars(Tab) if not name.startswith("_")}
    assert offered - {"evaluated"} == {n for n in vars(Page) if not n.startswith("_")}


def test_a_browser_that_dies_is_started_again(rogue: Rogue) -> None:
    chromium = Browser(patience_s=5.0)
    try:
        tab = chromium.open(origins=[rogue.origin])
        tab.goto(f"{rogue.origin}/")
        for process in chromium.processes():
            with suppress(psutil.Error):
                process.kill()
        assert "gone" in tab.look().text or "closed" in tab.look().text
        again = chromium.open(origins=[rogue.origin])
        assert again.goto(f"{rogue.origin}/").startswith("opened")
    finally:
        chromium.close()
        chromium.close()
    assert chromium.processes() == []


KILLED = """
import sys, time
from envs.browser import Browser
browser = Browser()
tab = browser.open(origins=["http://127.0.0.1:9"])
print(browser.mark, flush=True)
time.sleep(60)
"""


def test_no_browser_is_left_when_its_owner_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout as told:
        mark = told.readline().strip()
    assert marked(mark)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    until = time.monotonic() + 20
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.1)
    assert marked(mark) == []


def marked(mark: str) -> list[int]:
    """Processes with that argument."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_without_a_browser_both_commands_are_named() -> None:
    with pytest.raises(Missing, match=r"apt-get install.*chromium.*playwright install chromium"):
        find("/nowhere/chromium")
    chromium = Browser(executable="/nowhere/chromium")
    with pytest.raises(Missing, match="there is no browser at '/nowhere/chromium'"):
        chromium.open()
    chromium.close()


def test_an_origin_that_is_none_is_refused(browser: Browser) -> None:
    with pytest.raises(UserError, match="write http://host:port"):
        browser.open(origins=["*"])
    assert origin_of("http://a.b/c?d") == "http://a.b:80"
    assert origin_of("https://a.b:8/") == "https://a.b:8"
    assert origin_of("http://[bad") == ""


class Poll:
    """A request as far as waiting for it goes."""

    def __init__(self, url: str) -> None:
        self.url = url


async def test_what_was_waited_for_in_vain_twice_is_not_waited_for_again() -> None:
    flights: Any = _Flights()
    for number in range(2):
        flights.add(Poll(f"http://a/poll?since={number}"))
        assert len(flights) == 1
        flights.given_up()
        assert len(flights) == 0
    flights.add(Poll("http://a/poll?since=3"))
    assert len(flights) == 0
    await flights.landed()
    flights.add(other := Poll("http://a/items"))
    assert len(flights) == 1
    flights.discard(other)
    await flights.landed()


def test_a_browser_that_is_closed_leaves_no_socket_open(rogue: Rogue) -> None:
    before = {one.fd for one in psutil.Process().net_connections() if one.laddr}
    chromium = Browser()
    chromium.open(origins=[rogue.origin]).close()
    chromium.close()
    chromium.close()
    after = {one.fd for one in psutil.Process().net_connections() if one.laddr}
    assert after <= before
