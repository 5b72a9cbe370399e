"""The page in a real browser: nothing sticks out, nothing is fetched, everything answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.report.page import page

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
NAMES = ("chromium", "chromium-browser", "google-chrome")


def installed() -> str:
    """The machine's browser, or the one that Playwright fetched; empty for none."""
    for found in filter(None, map(shutil.which, NAMES)):
        return found
    with sync_api.sync_playwright() as driver:
        own = driver.chromium.executable_path
    return own if Path(own).is_file() else ""


CHROMIUM = installed()
# Looking at a page takes a browser; `make test` installs one, so in CI these run.
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no browser: run `make browser`")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def file(invented: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(page(*invented), "utf-8")
    return path


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    tab = context.new_page()
    tab.goto(file.as_uri())
    yield tab
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_sticks_out_and_nothing_is_said_or_fetched(
    browser: Any, file: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, heard = context.new_page(), []
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.on("dialog", lambda dialog: heard.append(dialog.message) or dialog.dismiss())
    tab.on("request", lambda request: heard.append(request.url))
    tab.goto(file.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(run => run.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert heard == [file.as_uri()]
    context.close()


def test_tables_sort_by_the_keyboard(opened: Any) -> None:
    opened.focus("#arms th:nth-child(3) button")
    opened.keyboard.press("Enter")
    opened.keyboard.press("Enter")
    rates = opened.eval_on_selector(
        "#arms table", "t => [...t.tBodies[0].rows].map(r => Number(r.cells[2].dataset.v))"
    )
    assert rates == sorted(rates, reverse=True)
    assert opened.get_attribute("#arms th:nth-child(3)", "aria-sort") == "descending"


def test_a_link_opens_its_transcript(opened: Any) -> None:
    link = opened.locator("#failures td a").first
    target = link.get_attribute("href")
    assert opened.get_attribute(target, "open") is None
    link.click()
    opened.wait_for_function(f"document.querySelector('{target}').open")
    assert opened.locator(f"{target} ol.steps li").first.is_visible()


def test_transcripts_are_filtered_by_words_and_outcome(opened: Any) -> None:
    opened.select_option("select[name=outcome]", "looping")
    opened.fill("input[name=word]", "NO SUCH WORD")
    assert opened.text_content("form output").startswith("0 of ")
    opened.fill("input[name=word]", "shelf")
    shown = opened.locator("details.run:visible")
    assert shown.count() > 0
    assert {shown.nth(at).get_attribute("data-outcome") for at in range(shown.count())} == {
        "looping"
    }
