"""Pages as other people write them, in a real browser: what eyes see there, a player can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from envs.browser import Browser
from envs.browser_tab import Tab
from envs.pages import parse
from tests.envs.chromium import needs_browser

pytestmark = needs_browser
PAGES = {
    "chips": """<style>.chip, .pick { cursor: pointer }</style>
<div>Labels <span class="chip" onclick="document.title='bug'">bug</span><span
 class="chip">docs</span></div>
<div>Level <b id="b">Low</b></div><script>b.addEventListener('click', () => document.title='low')
</script>""",
    "choice": """<style>.box ul { display: none } .open ul { display: block !important }
.head, li { cursor: pointer }</style><p><span>Owner</span></p><div class="box"><div class="head"
 onclick="this.parentElement.className = 'open'">Nobody <i>v</i></div>
<ul><li onclick="document.title=this.textContent">Ann</li></ul></div>""",
    "lists": """<style>.at { cursor: pointer }</style><div id="a"><p class="at">Ann</p><p
 class="at">Bo</p></div><div id="b"><p class="x">Oslo</p><p class="x">Rome</p><p class="x">Bern</p>
</div><div id="c"><p>Whole</p><p>card</p></div><div role="combobox" aria-label="Room">Any</div>
<div role="combobox"><input aria-label="Town" style="cursor: pointer"></div><script>
for (const it of [a, b, c]) it.addEventListener('click', event => {
  document.title = `${it.id} ${event.target.textContent}`; });</script>""",
    "modal": """<button onclick="d.showModal()">Open</button><a href="/found">Away</a>
<dialog id="d"><p>Sure?</p><form method="dialog"><button>Yes</button></form></dialog>""",
    "icons": """<button class="fa-trash" onclick="document.title='gone'"><i></i></button>
<button title="Star"><i class="x"></i></button>
<span class="icon-close" style="cursor:pointer;padding:9px" onclick="document.title='x'"></span>""",
    "menu": """<style>.menu ul { display: none } .menu:hover ul { display: block }</style>
<div class="menu">File<ul><li onclick="document.title='made'">New folder</li></ul></div>
<details><summary>More</summary><p>Inside</p></details>""",
    "editor": """<div contenteditable id="a">Old <b>text</b></div>
<div role="textbox" contenteditable="true">other</div>
<iframe srcdoc="<label>Note <input></label><div contenteditable>framed</div>"></iframe>
<x-row></x-row><script>customElements.define('x-row', class extends HTMLElement {
connectedCallback() { this.attachShadow({mode: 'open'}).innerHTML =
  '<span onclick="document.title=7" style="cursor:pointer">Deep</span>'; }});</script>""",
    "form": """<form><label>Email <input type="email" required></label>
<label>Day <input type="date"></label> <label>How many <input type="number" max="3"></label>
<button>Send</button></form>""",
    "slow": """<input placeholder="Find"><ul></ul><script>
let timer; const input = document.querySelector('input');
input.oninput = () => { clearTimeout(timer); timer = setTimeout(async () => {
  await fetch('/found'); setTimeout(() => { document.querySelector('ul').innerHTML =
    `<li>Found ${input.value}</li>`; }, 200); }, 250); };
(function tick() { setTimeout(() => { document.title += '.'; tick(); }, 400); })();</script>""",
    "found": "[]",
    "board": """<p draggable="true" id="a">Write</p><p draggable="true" id="b">Read</p>
<section aria-label="Done" id="c"></section><div id="d">Later</div><script>
for (const it of [c, d]) { it.addEventListener('dragover', event => event.preventDefault());
  it.addEventListener('drop', event => { document.title = `${window.held} ${it.id}`; }); }
for (const it of [a, b]) it.addEventListener('dragstart', () => { window.held = it.id; });
c.style.height = '60px';</script>""",
}


@pytest.fixture(scope="module")
def open_page() -> Iterator[Callable[[str], Tab]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = PAGES.get(self.path[1:], "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>" + body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    origin = f"http://127.0.0.1:{server.server_port}"
    browser = Browser()
    tab = browser.open(origins=[origin])

    def opened(name: str) -> Tab:
        assert tab.goto(f"{origin}/{name}").startswith("opened")
        return tab

    yield opened
    browser.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("page", "action", "title"),
    [
        ("chips", 'click item "bug"', "bug"),
        ("chips", 'click item "Low"', "low"),
        ("icons", 'click button "fa-trash"', "gone"),
        ("icons", 'click button "icon-close"', "x"),
        ("editor", 'click item "Deep"', "7"),
    ],
)
def test_what_can_be_clicked_without_a_role_is_offered(
    open_page: Callable[[str], Tab], page: str, action: str, title: str
) -> None:
    tab = open_page(page)
    seen = tab.look()
    assert action in seen.actions
    assert parse(action).name in seen.text
    assert tab.act(parse(action)).endswith(": done")
    assert tab.look().title == title


def test_a_list_that_listens_for_its_entries_is_no_entry(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("lists")
    seen = tab.look(words=("204",))
    for line, title in (
        ('click item "Bo"', "a Bo"),
        ('click item "Oslo"', "b Oslo"),
        ('click item "Bern"', "b Bern"),
        ('click item "Whole card"', "c "),
    ):
        assert line in seen.actions
        assert tab.act(parse(line)).endswith(": done")
        assert tab.look().title.startswith(title.strip())
    assert 'click combobox "Room"' in seen.actions
    assert 'fill combobox "Room" with "204"' not in seen.actions
    assert any("Town" in one and one.startswith("fill ") for one in seen.actions)


def test_menus_that_open_under_the_pointer_open(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("menu")
    for line in ('click item "File"', 'click item "New folder"', 'click item "More"'):
        assert line in tab.look().actions
        assert tab.act(parse(line)).endswith(": done")
    assert tab.look().title == "made"
    assert "Inside" in tab.look().text


def test_what_fills_the_part_that_it_stands_in_is_offered(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("choice")
    for line in ('click item "Nobody v"', 'click item "Ann"'):
        assert line in tab.look().actions
        assert parse(line).name in tab.look().text
        assert tab.act(parse(line)).endswith(": done")
    assert tab.look().title == "Ann"


def test_a_dialog_that_has_to_be_closed_first_is_all_that_is_offered(
    open_page: Callable[[str], Tab],
) -> None:
    tab = open_page("modal")
    begun = tab.look().actions
    assert 'click link "Away"' in begun
    tab.act(parse('click button "Open"'))
    seen = tab.look()
    assert seen.actions == ('click button "Yes"', 'click item "Sure?"')
    assert "Away" in seen.text
    tab.act(parse('click button "Yes"'))
    assert tab.look().actions == begun


def test_what_is_edited_in_place_is_shown_and_filled(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("editor")
    lines = [line.strip() for line in tab.look().text.splitlines()]
    assert lines[:2] == ["textbox: Old text", "textbox #2: other"]
    assert lines[2:] == ['textbox "Note"', "textbox #3: framed", 'item "Deep"']
    assert 'fill textbox with "new"' in tab.look(words=("new",)).actions
    tab.act(parse('fill textbox with "new"'))
    tab.act(parse('fill textbox #3 with "too"'))
    assert "textbox: new" in tab.look().text
    assert "textbox #3 [focused]: too" in tab.look().text


def test_what_a_form_refuses_is_told(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("form")
    assert "'Email' was not accepted: Please fill out this field." in tab.act(
        parse('click button "Send"')
    )
    tab.act(parse('fill textbox "Email" with "a@b.example"'))
    assert tab.act(parse('fill textbox "Day" with "3/9/2027"')).endswith(": done")
    assert 'textbox "Day" [focused]: 2027-03-09' in tab.look().text
    tab.act(parse('fill spinbutton "How many" with "9"'))
    assert "'How many' was not accepted" in tab.act(parse("press Enter"))


@pytest.mark.parametrize(
    "day", ["March 9, 2027", "9 March 2027", "Mar 9th 2027", "2027/03/09", "9.3.2027", "2027-03-09"]
)
def test_a_date_may_be_written_as_people_do(open_page: Callable[[str], Tab], day: str) -> None:
    tab = open_page("form")
    assert tab.act(parse(f'fill textbox "Day" with "{day}"')).endswith(": done")
    assert 'textbox "Day" [focused]: 2027-03-09' in tab.look().text


def test_what_can_be_dragged_is_listed_with_where_to(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("board")
    drags = [line for line in tab.look(words=("Read",)).actions if line.startswith("drag")]
    assert drags == ['drag item "Read" to region "Done"', 'drag item "Read" to item "Later"']
    assert len([a for a in tab.look().actions if a.startswith("drag")]) == 4
    for line, title in zip(drags, ("b c", "b d"), strict=True):
        assert tab.act(parse(line)).endswith(": done")
        assert tab.look().title == title


def test_what_comes_a_moment_later_is_waited_for(open_page: Callable[[str], Tab]) -> None:
    tab = open_page("slow")
    assert tab.act(parse('fill textbox "Find" with "it"')).endswith(": done")
    assert "Found it" in tab.look().text
