"""Chat with a real browser on loopback: the gate before it, redirects, the shop, no orphans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.browsing import Browsing
from agent.browsing_settings import BrowsingSettings
from agent.chat import Chats
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.settings import load
from envs.browser import Browser
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from tests.agent.web import obedient
from tests.envs.chromium import Rogue, needs_browser
from tests.envs.chromium import rogue as serve_rogue

pytestmark = needs_browser


@pytest.fixture(scope="module")
def rogue() -> Iterator[Rogue]:
    with serve_rogue() as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = Browser(action_s=1.0, patience_s=8.0)
    yield chromium
    chromium.close()
    assert chromium.processes() == []


class Kept:
    """A browser that several tests share."""

    def __init__(self, browser: Browser) -> None:
        self.open = browser.open

    def close(self) -> None:
        """Left to the fixture."""


def use(web: Browsing, name: str, /, **arguments: Any) -> str:
    return web.tools("t1", {})[name].call(arguments)


def at(rogue: Rogue, browser: Browser, **more: Any) -> Browsing:
    settings = BrowsingSettings(allow=(rogue.origin,), loopback=True)
    return Browsing(settings, browser=Kept(browser), **more)


def test_a_page_is_used_and_nothing_of_it_reaches_another_origin(
    rogue: Rogue, browser: Browser
) -> None:
    rogue.visits.clear()
    web = at(rogue, browser)
    web.begin("t1", "Write Ann there")
    assert '> textbox "User"' in use(web, "browser_open", url=rogue.origin)
    use(web, "browser_fill", role="textbox", name="User", text="Ann")
    assert "> title: Ann" in use(web, "browser_click", role="button", name="Rename")
    talked = use(web, "browser_click", role="button", name="talk")
    assert f"{rogue.other.removeprefix('http://')} is not allowed" in talked
    for link in ("leave", "away", "disk", "data"):
        use(web, "browser_click", role="link", name=link)
    use(web, "browser_click", role="button", name="Send")
    said = use(web, "browser_open", url=f"{rogue.origin}/leave")
    web.close()
    assert said.startswith("error: ")
    assert rogue.visits == []


def test_a_name_that_turns_to_this_machine_is_refused_at_the_connection(
    rogue: Rogue, browser: Browser
) -> None:
    rogue.visits.clear()
    port = rogue.other.rpartition(":")[2]
    answers = iter([["93.184.216.34"]])
    settings = BrowsingSettings(allow=(f"http://rebind.example:{port}",))
    web = Browsing(
        settings, resolve=lambda _h, _p: next(answers, ["127.0.0.1"]), browser=Kept(browser)
    )
    said = use(web, "browser_open", url=f"http://rebind.example:{port}/")
    web.close()
    assert "rebind.example leads to 127.0.0.1, which is no public address" in said
    assert rogue.visits == []


async def test_a_chat_reads_a_page_and_leaves_no_process(tmp_path: Path, rogue: Rogue) -> None:
    given = json.dumps({"url": rogue.origin})
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    options = load(home=str(tmp_path), browsing={"allow": [rogue.origin], "loopback": True})
    chromium = Browser()
    web = Browsing(options.browsing, browser=chromium)
    async with home(options, memory=memory, models={"model": PolicyModel(obedient)}) as place:
        chats = Chats(place, browsing=web)
        turn = await chats.turn(f"Read it. CALL browser_open {given} ;", thread="t1")
        assert chromium.processes()
    assert turn.tools == ("browser_open",)
    assert '> button "Rename"' in turn.trajectory.steps[0].observation
    assert chromium.processes() == []
