"""What has no role and is called after what it shows: the words before it tell which it is."""

from __future__ import annotations

from envs.pages import parse
from envs.pages_snapshot import actions, find, read, render

SETTINGS = """\
- generic [ref=e1]:
  - generic [ref=e2]:
    - generic [ref=e3]: Language
    - generic [ref=e4] [cursor=pointer]: English
  - generic [ref=e5]:
    - generic [ref=e6]: "Theme:"
    - generic [ref=e7] [cursor=pointer]: Light
  - generic [ref=e8]:
    - generic [ref=e9]: Sound
    - button "Off" [ref=e10]
"""
CARDS = """\
- main [ref=e1]:
  - generic [ref=e2]:
    - generic [ref=e3] [cursor=pointer]: Mow the lawn
    - generic [ref=e4]:
      - text: "Who:"
      - generic [ref=e5] [cursor=pointer]: Ann
  - generic [ref=e6]:
    - generic [ref=e7] [cursor=pointer]: Water the roses
    - generic [ref=e8]:
      - text: "Who:"
      - generic [ref=e9] [cursor=pointer]: Nobody
"""


def test_a_label_of_which_the_goal_speaks_is_told() -> None:
    listed = actions(read(SETTINGS), words=("Theme", "Dark"))
    assert 'click item "Light" in "Theme"' in listed
    assert 'click item "English"' in listed
    listed = actions(read(SETTINGS), words=("Theme", "Light"))
    assert 'click item "Light"' in listed


def test_what_a_card_begins_with_tells_what_else_is_in_it() -> None:
    listed = actions(read(CARDS), words=("Water the roses", "Ann"))
    assert 'click item "Nobody" in "Water the roses"' in listed
    assert 'click item "Water the roses"' in listed


def ref(text: str, line: str) -> str | None:
    spot = parse(line).spot
    assert spot is not None
    found = find(read(text), spot)
    return found and found.ref


def test_it_is_found_by_its_label_whatever_it_shows() -> None:
    assert ref(SETTINGS, 'click item in "Theme"') == "e7"
    assert ref(SETTINGS, 'click item "Light" in "Theme"') == "e7"
    assert ref(CARDS, 'click item in "Water the roses"') == "e9"
    assert ref(CARDS, 'click item "Nobody" in "Water the roses"') == "e9"
    for line in ('item in "Sound"', 'item in "Dark"', 'item in "Theme" #2', 'button in "Theme"'):
        assert ref(SETTINGS, f"click {line}") is None


def test_a_label_tells_on_a_long_page_too() -> None:
    more = (f"  - generic [ref=f{n}]:\n    - generic [ref=g{n}]: Line {n}\n" for n in range(40))
    text = SETTINGS + "".join(more)
    assert ref(text, 'click item "Light" in "Theme"') == "e7"
    assert ref(text, 'click item "English" in "Theme"') is None


PEOPLE = """\
- generic [ref=e1]:
  - generic [ref=e2]:
    - text: Ann Parent
    - button "Rename" [ref=e3]
  - generic [ref=e4]:
    - text: Bo Parent
    - button "Rename" [ref=e5]
"""


def test_of_the_words_of_a_row_those_of_the_goal_tell_it() -> None:
    line = 'click button "Rename" in "Bo"'
    assert line in actions(read(PEOPLE), words=("Bo", "Bob"))
    assert ref(PEOPLE, line) == "e5"
    assert 'click button "Rename" in "Bo Parent"' in actions(read(PEOPLE), words=("Parent",))


def test_a_title_over_a_picture_is_shown_as_what_can_be_clicked() -> None:
    raw = '- group "Rename" [ref=e1] [cursor=pointer]: ✎\n- group "Plan" [ref=e2]:\n  - text: Free'
    assert render(read(raw)).splitlines() == ['item "Rename": ✎', 'group "Plan"', "  Free"]


def test_a_list_that_only_opens_takes_no_text() -> None:
    raw = '- combobox "Room" [ref=e1] [cursor=pointer]: Any\n- combobox "Town" [ref=e2]'
    listed = actions(read(raw), words=("204",))
    assert listed[:2] == ('click combobox "Room"', 'click combobox "Town"')
    assert listed[2:] == ('fill combobox "Town" with "204"',)
