"""Pages in words: actions to text and back, snapshots to what a player reads and may do."""

from __future__ import annotations

import pytest

from envs.errors import UserError
from envs.pages import PageAction, Spot, parse, words_of
from envs.pages_snapshot import ACTIONS_MOST, TEXT_MOST, actions, find, read, render
from envs.pages_tools import TOOLS, read_action
from envs.types import Action

SNAPSHOT = """\
- generic [active] [ref=e1]:
  - heading "Sign in" [level=1] [ref=e2]
  - generic [ref=e3]:
    - text: Username
    - textbox [ref=e4]
  - paragraph [ref=e5]: Password
  - textbox "Password" [ref=e6]: hidden
  - generic [ref=e7]:
    - checkbox [checked] [ref=e8]
    - text: Keep me
  - combobox "Size" [ref=e9]:
    - option "S" [selected]
    - option "M"
  - 'button "Save: \\"now\\"" [ref=e10]'
  - button "Add" [ref=e11]
  - button "Add" [ref=e12]
  - button "Old" [disabled] [ref=e13]
  - table [ref=e14]:
    - row [ref=e15]:
      - cell "a" [ref=e16]
      - cell "b" [ref=e17]
  - generic [ref=e18] [cursor=pointer]: Item
  - generic [ref=e19]: plain words
  - link "help" [ref=e20] [cursor=pointer]:
    - /url: "#x"
"""


@pytest.mark.parametrize(
    "text",
    [
        'click button "Sign in"',
        'fill textbox "User" with "bob"',
        'fill textbox #2 with "b\\"o\\nb ☃"',
        'select combobox "Size" option "M"',
        "press Enter",
        'press Tab on textbox "User"',
        'check checkbox "x"',
        'hover item "f"',
        'drag item "a" to item "b" #2',
        "drag at (1, 2) to at (3, 4)",
        "scroll down",
        'click button "Add" #2',
        "click at (3, 4)",
        'type "ls -l"',
        "wait",
        "back",
    ],
)
def test_an_action_reads_as_it_is_written(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "click", "fly away", "press", 'fill textbox "a"', "a" * 1_000_000, "x \udcff ☃"]
)
def test_what_is_no_action_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match='for example: click button "OK"'):
        parse(text)


def test_a_snapshot_is_trimmed_to_what_a_player_needs() -> None:
    assert render(read(SNAPSHOT)).splitlines() == [
        'heading "Sign in" [level 1]',
        'textbox "Username"',
        'textbox "Password": hidden',
        'checkbox "Keep me" [checked]',
        'combobox "Size"',
        '  option "S" [selected]',
        '  option "M"',
        'button "Save: \\"now\\""',
        'button "Add"',
        'button "Add" #2',
        'button "Old" [disabled]',
        "table",
        "  row: a | b",
        'item "Item"',
        "plain words",
        'link "help"',
    ]


def test_what_can_be_done_is_listed_in_reading_order() -> None:
    assert actions(read(SNAPSHOT), words=("bob",)) == (
        'fill textbox "Username" with "bob"',
        'fill textbox "Password" with "bob"',
        'uncheck checkbox "Keep me"',
        'select combobox "Size" option "M"',
        'click button "Save: \\"now\\""',
        'click button "Add"',
        'click button "Add" #2',
        'click item "Item"',
        'click link "help"',
        'click textbox "Username"',
        'click textbox "Password"',
        'click item "a"',
        'click item "b"',
        'click item "plain words"',
    )


def test_every_listed_action_finds_its_element() -> None:
    top = read(SNAPSHOT)
    for text in actions(top, words=("bob",)):
        spot = parse(text).spot
        assert spot is not None
        assert find(top, spot) is not None, text


def test_elements_that_are_alike_carry_a_number() -> None:
    top = read(SNAPSHOT)
    first = find(top, Spot(role="button", name="Add"))
    second = find(top, Spot(role="button", name="Add", nth=2))
    assert first is not None
    assert second is not None
    assert (first.ref, second.ref) == ("e11", "e12")
    assert find(top, Spot(role="button", name="Add", nth=3)) is None


def test_the_list_of_actions_and_the_text_are_bounded() -> None:
    many = "\n".join(f'- textbox "field {i}" [ref=e{i}]: {"x" * 900}' for i in range(10_000))
    top = read(many)
    assert len(actions(top, words=tuple("abcdefghij"))) == ACTIONS_MOST
    assert len(render(top)) <= TEXT_MOST + 60
    assert render(top).endswith("(the page goes on; the rest is left out)")


def test_broken_snapshots_are_read_as_far_as_they_go() -> None:
    assert render(read('- button "half\n- [ref=e1]\n???\n- button "ok" [ref=e2]')) == 'button "ok"'
    assert render(read("")) == ""


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ('Enter the username "karrie" and the password "AU".', ("karrie", "AU")),
        (
            "Book a flight from: Anvik, AK to: MOT on 12/23/2016.",
            ("Anvik, AK", "MOT", "12/23/2016"),
        ),
        ("Enter 9:37 PM as the time.", ("9:37 PM",)),
        ("Book it for March 5, 2026 at 7:00 PM.", ("March 5, 2026", "7:00 PM")),
        ("Come on the 5th Mar 2026.", ("5th Mar 2026",)),
        ("Call Ann Lee at 0173 171 1954.", ("Ann Lee", "0173 171 1954")),
        ("Call +49 (30) 555 1234 on 2026-05-01 3 times.", ("+49 (30) 555 1234", "2026-05-01", "3")),
        ("Change the street to 51 Rue de Rome.", ("51", "Rue", "Rome", "51 Rue de Rome")),
        ("Move Ann Lee's appointment to Friday.", ("Ann Lee", "Friday")),
        ('Type "abc" in upper case.', ("abc", "ABC")),
    ],
)
def test_words_to_fill_in_come_from_the_goal(goal: str, words: tuple[str, ...]) -> None:
    assert words_of(goal)[: len(words)] == words


def test_tools_mean_the_same_as_text() -> None:
    call = Action(tool="fill", arguments={"role": "textbox", "name": "User", "text": "bob"})
    assert str(read_action(call)) == 'fill textbox "User" with "bob"'
    call = Action(tool="drag_at", arguments={"x": 1, "y": 2, "to_x": 3, "to_y": 4})
    assert str(read_action(call)) == "drag at (1, 2) to at (3, 4)"
    assert read_action(Action(text="wait")) == PageAction(verb="wait")


@pytest.mark.parametrize(
    ("tool", "arguments", "match"),
    [
        ("evaluate", {"script": "1"}, "there is no tool 'evaluate'"),
        ("goto", {"url": "file:///etc/passwd"}, "there is no tool 'goto'"),
        ("click", {"role": "button"}, "click lacks name"),
        ("click", {"role": "button", "name": "a", "nth": "many"}, "can't take"),
        ("click_at", {"x": {}, "y": 1}, "can't take"),
    ],
)
def test_calls_that_mean_nothing_are_refused(
    tool: str, arguments: dict[str, object], match: str
) -> None:
    with pytest.raises(UserError, match=match):
        read_action(Action(tool=tool, arguments=arguments))


def test_no_tool_reaches_scripts_routes_or_addresses() -> None:
    names = {tool.name for tool in TOOLS}
    assert not names & {"evaluate", "goto", "route", "request", "expose", "add_init_script"}
