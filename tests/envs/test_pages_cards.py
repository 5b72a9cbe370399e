"""Parts of pages that are clicked as a whole, though they hold controls; and what lies in front."""

from __future__ import annotations

from envs.browser_front import onward
from envs.pages import parse
from envs.pages_snapshot import actions, find, read, render

CARDS = """\
- main [ref=e1]:
  - generic [ref=e2] [cursor=pointer]:
    - generic [ref=e3]:
      - checkbox "ready" [ref=e4]
      - text: ready
    - text: Paint the fence
    - generic [ref=e5]: Ann
  - generic [ref=e12] [cursor=pointer]:
    - heading "Mow the lawn" [level=2] [ref=e13]
    - button "Buy" [ref=e14]
"""
LABELS = """\
- generic [ref=e2] [cursor=pointer]:
  - radio "Standard 3 days" [ref=e4]
  - text: Standard
  - generic [ref=e5]: 3 days
- generic [ref=e12] [cursor=pointer]:
  - button "One" [ref=e13]
  - button "Two" [ref=e14]
"""
DIALOG = """\
- main [ref=e1]:
  - button "Behind" [ref=e2]
- generic [ref=e3]:
  - dialog "Sure?" [ref=e4]:
    - combobox "Who" [ref=e5]
  - listbox [ref=e6]:
    - option "Ann" [ref=e7]
- link "Last" [ref=e8]
"""


def test_a_card_is_called_after_its_first_words_and_so_is_its_row() -> None:
    top = read(CARDS)
    assert render(top).splitlines() == [
        "main",
        '  item "Paint the fence"',
        '    checkbox "ready"',
        "    Ann",
        '  item "Mow the lawn"',
        '    button "Buy"',
    ]
    listed = actions(top)
    assert listed[:2] == ('click item "Paint the fence"', 'check checkbox "ready"')
    assert 'click item "Mow the lawn"' in listed
    spot = parse('click item "Mow the lawn"').spot
    assert spot is not None
    found = find(top, spot)
    assert found is not None
    assert found.ref == "e12"


def test_a_card_tells_its_controls_from_those_of_others() -> None:
    second = CARDS.replace('"Buy" [ref=e14]', '"Buy" [ref=e14]\n    - checkbox "ready" [ref=e15]')
    listed = actions(read(second))
    assert 'check checkbox "ready" in "Paint the fence"' in listed
    assert 'check checkbox "ready" in "Mow the lawn"' in listed


def test_labels_of_a_control_and_wrappers_without_words_are_no_cards() -> None:
    listed = actions(read(LABELS))
    assert [line for line in listed if line.startswith("click item")] == ['click item "3 days"']
    assert listed[:3] == (
        'click radio "Standard 3 days"',
        'click button "One"',
        'click button "Two"',
    )


def test_a_part_with_many_controls_is_a_page_and_no_card() -> None:
    buttons = "".join(f'\n  - button "B{i}" [ref=e{i}]' for i in range(3, 12))
    top = read(f"- generic [ref=e1] [cursor=pointer]:\n  - text: All of them{buttons}")
    assert 'click item "All of them"' not in actions(top)


def test_sliders_take_the_numbers_of_a_goal() -> None:
    listed = actions(read('- slider "Volume" [ref=e1]: "3"'), words=("Volume", "7"))
    assert 'fill slider "Volume" with "7"' in listed
    assert 'fill slider "Volume" with "Volume"' not in listed


def test_before_a_dialog_nothing_is_offered_but_lists_that_open_behind_it() -> None:
    listed = actions(onward(read(DIALOG)))
    assert 'click button "Behind"' not in listed
    assert listed == ('click combobox "Who"', 'click option "Ann"', 'click link "Last"')


def test_of_several_dialogs_none_is_taken_for_the_one_in_front() -> None:
    two = read(f'{DIALOG}- dialog "Cookies" [ref=e9]')
    assert onward(two) == two
    assert onward([]) == []
