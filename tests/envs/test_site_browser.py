"""The shop and an app of others in a real browser. `SITE_ALL=1` plays every task there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.browser import Browser, find
from envs.errors import Missing
from envs.site import Site
from envs.siteapps import SHIPPED
from envs.types import SPLITS, Action, Task
from envs.webepisode import WebEpisode
from tests.envs.test_site import foreign, played

SOLUTIONS: dict[str, dict[str, list[str]]] = json.loads(
    (SHIPPED / "shop" / "solutions.json").read_text()
)
ALL = [task for split in SPLITS for task in Site().tasks(split)]
SAMPLE = ("buy-1", "return-1", "review-1", "address-1", "gift-1", "tidy-2", "exchange-3")
TASKS = {
    task.id.partition("/shop-")[2]: task
    for task in ALL
    if os.environ.get("SITE_ALL") or task.id.endswith(tuple(f"/shop-{name}" for name in SAMPLE))
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        find()
    except Missing as missing:
        pytest.skip(str(missing))
    made = Browser()
    yield made
    made.close()
    assert made.processes() == []


@pytest.fixture(scope="module")
def site(browser: Browser) -> Iterator[Site]:
    made = Site(browser=browser)
    yield made
    made.close()


@pytest.mark.parametrize("name", TASKS)
def test_what_does_a_task_in_the_browser_scores(site: Site, name: str) -> None:
    episode = played(site, TASKS[name], SOLUTIONS[name]["gold"])
    assert episode.score().value == 1.0, episode.score().note
    episode.close()


@pytest.mark.parametrize("name", TASKS if os.environ.get("SITE_ALL") else ["buy-1"])
def test_what_nearly_does_it_does_not(site: Site, name: str) -> None:
    episode = played(site, TASKS[name], SOLUTIONS[name]["near"])
    assert episode.score().value == 0.0, episode.score().note
    episode.close()


def test_addresses_typed_into_a_page_lead_nowhere(site: Site) -> None:
    episode = site.open(TASKS["buy-1"])
    assert isinstance(episode, WebEpisode)
    base = "javascript:fetch('/api/state',{method:'PUT',body:'{}'})"
    for line in (
        f'fill textbox "Search the shop" with "{base}"',
        "press Enter",
        "press Control+L",
        'type "/api/state"',
        "press Enter",
        "press Alt+ArrowLeft",
        "press F12",
    ):
        step = episode.step(Action(text=line))
        assert '"carts"' not in step.observation
    assert episode.score().value == 0.0
    assert site.open(TASKS["buy-1"]).first.observation.startswith("[/]")
    episode.close()


def test_a_page_that_keeps_its_state_itself_is_scored(browser: Browser, tmp_path: Path) -> None:
    own = Site(foreign(tmp_path / "apps"), browser=browser)
    task = next(task for split in SPLITS for task in own.tasks(split))
    for name, value in (("a", 0.0), ("b", 1.0)):
        episode = played(own, task, [f'click button "Star {name}"'])
        assert episode.score().value == value
        episode.close()
    own.close()


def test_a_picture_can_be_taken(site: Site) -> None:
    episode = site.open(a_task())
    assert isinstance(episode, WebEpisode)
    assert episode.shot().startswith(b"\x89PNG")
    episode.close()
    assert episode.shot() == b""


def a_task() -> Task:
    return TASKS["buy-1"]
