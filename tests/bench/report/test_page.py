"""Pages: whole, safe with hostile text, honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from bench.lab.types import ArmSpec, Experiment, Row
from bench.report.page import index, page

VOID = {"meta", "br", "img", "input", "link"}


class Read(HTMLParser):
    """Elements, attributes and text; fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")

    def all(self, name: str) -> list[str]:
        return [value for attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def html(invented: Any) -> str:
    return page(
        invented.experiment,
        invented.rows,
        invented.sessions,
        invented.transcript,
        guards=("task keys",),
        cells=len(invented.rows),
    )


@pytest.fixture(scope="module")
def read(html: str) -> Read:
    return Read(html)


def test_the_page_is_one_small_file_that_fetches_nothing(html: str, read: Read) -> None:
    assert len(html.encode()) < 3_000_000
    assert read.tags["link"] == read.tags["img"] == read.tags["iframe"] == 0
    assert not read.all("src")
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    outside = [value for value in read.all("href") if not value.startswith("#")]
    assert outside == []


def test_only_the_pages_own_script_may_run(html: str, read: Read) -> None:
    assert read.tags["script"] == 1
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert any(f"'sha256-{digest}'" in value for value in read.all("content"))
    assert not [name for name, _ in read.attributes if name.startswith("on")]


def test_hostile_transcripts_are_shown_as_text(html: str, read: Read) -> None:
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "<script>alert('x')</script> \"quoted\" & <img src=x onerror=alert(1)>" in read.text


def test_hostile_names_are_shown_as_text(invented: Any) -> None:
    bad = '</title><script>alert(1)</script>" onload="x $a_1$ \''
    exp = Experiment(
        name="x", title=bad, note=bad, measure=invented.experiment.measure,
        arms=(ArmSpec(name=bad, kind=bad, model=bad),),
    )  # fmt: skip
    changed = {"arm": bad, "model": bad, "task_type": bad, "error": bad, "notes": (bad,)}
    rows = [row.model_copy(update=changed) for row in _of(invented, "ReAct + example")]
    session = {"id": bad, "machine": {"system": bad}, "settings": {bad: bad}, "models": {bad: {}}}
    html = page(exp, rows, [session], invented.transcript, flags=[bad], guards=[bad])
    read = Read(html)
    assert read.tags["script"] == 1
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert bad in read.text
    assert Read(index([(exp, rows)])).tags["script"] == 1


def test_ids_are_unique_and_links_lead_somewhere(read: Read) -> None:
    ids = Counter(read.all("id"))
    assert [name for name, times in ids.items() if times > 1] == []
    assert [link for link in read.all("href") if link[1:] not in ids] == []


def test_figures_tell_the_same_in_words(html: str, read: Read) -> None:
    assert read.tags["figure"] > 6
    labels = re.findall(r'<figure role="img" aria-label="([^"]+)"', html)
    assert len(labels) == read.tags["figure"]
    assert any("expert: 40 of 40" in label.replace("\xa0", " ") for label in labels)


def test_the_page_is_the_same_every_time(invented: Any, html: str) -> None:
    again = page(
        invented.experiment,
        invented.rows,
        invented.sessions,
        invented.transcript,
        guards=("task keys",),
        cells=len(invented.rows),
    )
    assert again == html


@pytest.mark.parametrize("few", [0, 1, 2, 12])
def test_a_table_that_has_just_begun_makes_a_page(invented: Any, few: int) -> None:
    exp, sessions = invented.experiment, invented.sessions
    text = Read(page(exp, invented.rows[:few], sessions, invented.transcript, cells=300)).text
    assert f"{few} of 300 cells played so far." in text
    assert ("Nothing is measured yet." in text) == (few == 0)
    assert ("Not all is played yet" in text) == (few > 0)


def test_a_page_without_sessions_or_transcripts_says_so(invented: Any) -> None:
    text = Read(page(invented.experiment, invented.rows[:50], [], lambda _: None)).text
    assert "No session is on record." in text
    assert "No transcripts are kept for these cells." in text
    assert "50 cells played." in text


def test_what_guards_found_stands_first(invented: Any) -> None:
    exp, transcript, few = invented.experiment, invented.transcript, invented.rows[:20]
    dirty = {**invented.sessions[0], "dirty": True, "code": "other"}
    html = page(exp, few, [*invented.sessions, dirty], transcript, flags=["leak of L3"])
    text = Read(html).text
    assert text.index("leak of L3") < text.index("The answer\n")
    assert "played with different code" in text
    assert "changes that were not committed" in text
    assert "Guards found something" in text


def test_a_leak_in_the_rows_is_enough_for_an_alarm(invented: Any) -> None:
    row = invented.rows[0].model_copy(update={"failure": "leak", "passed": None, "error": "key"})
    html = page(invented.experiment, [row], invented.sessions, invented.transcript)
    assert 'class="alarm"' in html
    assert "A guard stopped 1 cell of random: key" in Read(html).text


def test_without_findings_the_guards_are_named(html: str, read: Read) -> None:
    assert "No leak found by: task keys." in read.text
    assert 'class="alarm"' not in html


def test_the_manifest_tells_how_to_repeat_it(read: Read) -> None:
    for fact in ("journeyman bench floors", "a1b2c3d4", "ab" * 32, "2 cores", "torch", "2.13.0"):
        assert fact in read.text


def test_the_index_links_every_experiment_with_its_answer(invented: Any) -> None:
    read = Read(index([(invented.experiment, invented.rows)]))
    assert read.all("href") == ["floors.html"]
    assert "ReAct + example (1.5B) solved 3 of 15" in read.text


def test_an_index_without_experiments_says_so() -> None:
    assert "No experiment is played yet" in Read(index([])).text


def _of(invented: Any, arm: str) -> list[Row]:
    return [row for row in invented.rows if row.arm == arm]


def test_arms_that_may_retry_compare_where_one_never_had_to(invented: Any) -> None:
    arm = next(spec for spec in invented.experiment.arms if spec.kind == "reflexion")
    rows = [row for row in invented.rows if row.arm == arm.name]
    once = [row.model_copy(update={"attempts": 1}) for row in rows]
    again = [
        row.model_copy(update={"arm": "resampling", "kind": "resampling", "attempts": 2})
        for row in rows
    ]
    other = arm.model_copy(update={"name": "resampling", "kind": "resampling"})
    experiment = invented.experiment.model_copy(
        update={"arms": (arm, other), "compare": ((arm.name, "resampling"),), "baseline": ""}
    )
    assert "resampling" in page(experiment, [*once, *again], [], lambda _cell: None)
