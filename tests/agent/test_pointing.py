"""On pages a small model takes first what the goal names, in the goal's order."""

from __future__ import annotations

import pytest

from agent.pointing import pointed
from memory.types import StepRecord

LOGIN = 'Enter the username "ann" and the password "Xy" into the text fields and press login.'
FORM = (
    'fill textbox "Username" with "ann"',
    'fill textbox "Username" with "Xy"',
    'fill textbox "Password" with "ann"',
    'fill textbox "Password" with "Xy"',
    'click button "Login"',
    'click link "Help"',
)


def after(*actions: str) -> list[StepRecord]:
    return [
        StepRecord(index=n, action=a, observation=f"{a}: done\n\nA page.")
        for n, a in enumerate(actions)
    ]


def way(choices: tuple[str, ...], goal: str, *, most: int = 9) -> list[str]:
    """What is done where the first of what is left is taken, until everything is offered."""
    done: list[str] = []
    while len(done) < most:
        left = pointed([c for c in choices if c not in done], after(*done), goal=goal)
        if len(left) != 1:
            break
        done.append(left[0])
    return done


def test_a_form_is_filled_before_it_is_sent() -> None:
    assert way(FORM, LOGIN) == [FORM[0], FORM[3], FORM[4]]


def test_an_action_that_brought_up_a_dialog_was_done() -> None:
    page = ('click button "Delete"', 'click button "OK"')
    asked = StepRecord(index=0, action=page[0], observation=f"{page[0]}: done; a dialog came up")
    assert pointed(page, [asked], goal="Delete the note.") == page[1:]
    refused = StepRecord(index=0, action=page[0], observation=f"{page[0]}: it is disabled")
    assert pointed(page, [refused], goal="Delete the note.") == page[:1]


@pytest.mark.parametrize(
    ("goal", "done", "choices", "said"),
    [
        ("Cancel the visit of Ann.", ["Cancel visit"], [], ["OK"]),
        (
            "Cancel the visit of Ann.",
            [],
            [],
            ["Cancel"],
        ),  # it came by itself: nothing was meant yet
        ("Cancel the question that comes up.", ["Ask"], [], ["Cancel"]),
        ("Rename it to Ann.", ["Rename"], ["Ann"], ["fill"]),
    ],
)
def test_who_is_asked_whether_it_is_meant_says_so(
    goal: str, done: list[str], choices: list[str], said: list[str]
) -> None:
    fills = tuple(f'fill textbox "Name" with "{one}"' for one in choices)
    page = (*fills, 'click button "OK"', 'click button "Cancel"')
    left = pointed(page, after(*(f'click button "{one}"' for one in done)), goal=goal)
    wanted = [f'click button "{one}"' for one in said if one != "fill"] or list(fills)
    assert list(left) == wanted


def test_the_order_is_the_goals_and_not_the_pages() -> None:
    page = ('click button "ONE"', 'click button "TWO"', 'click button "THREE"')
    goal = "Click button TWO, then click button ONE."
    assert way(page, goal, most=2) == [page[1], page[0]]


@pytest.mark.parametrize(
    ("goal", "page", "first"),
    [
        # The longer name is meant.
        ("Press Option 2.", ('click button "Option"', 'click button "Option 2"'), 1),
        # Letters that stand for themselves are not parts of words.
        ("Click on the a in it.", ('click button "A"', 'click button "a"'), 1),
        # The row that the goal names.
        (
            "Delete the note of Bob Ray.",
            ('click button "Delete" in "Ann Lee"', 'click button "Delete" in "Bob Ray"'),
            1,
        ),
        ("Cancel the booking of Bob.", ('click link "Rooms"', 'click link "Bookings"'), 1),
        # What begins a sentence comes when all else is done.
        ('Search for "tea".', ('click button "Search"', 'fill searchbox with "tea"'), 1),
        # Ticks stay where nothing is to be undone.
        ("Select Ann and Bob.", ('uncheck checkbox "Ann"', 'check checkbox "Bob"'), 1),
        ("Unselect Ann.", ('uncheck checkbox "Ann"', 'check checkbox "Bob"'), 0),
        # The only word that tells elements apart.
        ("Pick the green one.", ('click item "red tile"', 'click item "green tile"'), 1),
        # A value whole, and as the goal wants it written.
        (
            "Enter 6:15 AM as the time.",
            ('fill textbox with "6:15"', 'fill textbox with "6:15 AM"'),
            1,
        ),
        (
            'Type "Ann" in upper case.',
            ('fill textbox with "Ann"', 'fill textbox with "ANN"'),
            1,
        ),
        (
            "Choose Peru from the list.",
            ('select combobox option "Chile"', 'select combobox option "Peru"'),
            1,
        ),
    ],
)
def test_what_the_goal_names_comes_first(goal: str, page: tuple[str, ...], first: int) -> None:
    assert pointed(page, [], goal=goal) == (page[first],)


def test_what_is_left_over_goes_into_what_is_left() -> None:
    page = (
        'fill textbox "From:" with "Rome"',
        'fill textbox "From:" with "Bonn"',
        'fill textbox "Whither" with "Rome"',
        'fill textbox "Whither" with "Bonn"',
        'click button "Go"',
    )
    assert way(page, "Fly from: Rome to Bonn.") == [page[0], page[3], page[4]]


def test_a_field_that_asks_again_gets_the_same() -> None:
    page = (
        'fill textbox "Password" with "Xy"',
        'fill textbox "Verify password" with "Xy"',
        'click button "Send"',
    )
    assert way(page, 'Enter the password "Xy" twice and press Send.') == list(page)


def test_while_a_value_has_no_place_of_its_own_the_form_is_not_sent() -> None:
    page = (
        'fill textbox "Author" with "Lee"',
        'fill textbox "Author" with "Roy"',
        'fill textbox "Since" with "Lee"',
        'fill textbox "Since" with "Roy"',
        'click button "Find"',
    )
    assert pointed(page, [], goal="Find films by Lee with Roy.") == page[:4]


def test_what_the_goal_quotes_is_looked_for_until_it_is_there() -> None:
    page = ('click tab "One"', 'click tab "Two"', 'click button "Submit"')
    goal = 'Find the link "deep" and click it.'
    assert pointed(page, after('click tab "One"'), goal=goal) == page
    found = (*page, 'click link "deep"')
    assert pointed(found, after('click tab "One"'), goal=goal) == ('click link "deep"',)


def test_what_comes_after_a_then_waits_until_something_was_done() -> None:
    page = ('click item "7"', 'click item "12"', 'click button "Submit"')
    goal = "Pick the greatest number, then press submit."
    assert pointed(page, [], goal=goal) == page[:2]
    assert pointed(page, after(page[1]), goal=goal) == page[2:]


def test_what_is_named_nowhere_leaves_all_choices() -> None:
    page = ('click button "A"', 'click button "B"', "wait")
    assert pointed(page, [], goal="Do what is best.") == page


def test_other_texts_are_left_alone() -> None:
    choices = ("go to desk 1", "take mug 1 from desk 1")
    assert pointed(choices, [], goal="put a mug on desk 1") == choices
    assert pointed((), [], goal="x") == ()
    page = ('fill textbox with "tea"', 'click button "Go"')
    assert pointed(page, after("cook(x='tea')"), goal='Find "tea".') == page[:1]


def test_what_is_done_here_comes_before_what_leads_away() -> None:
    page = ('click link "Cart (2)"', 'click button "Add to cart"', 'click button "Search"')
    assert pointed(page, after('click link "Mug"'), goal="Put a mug into the cart.") == (page[1],)
    assert pointed(page[:1], [], goal="Take the mug out of the cart.") == page[:1]


def test_a_field_that_the_goal_does_not_speak_of_is_left_empty() -> None:
    page = ('fill searchbox "Search the shop" with "ann@a.example"', 'click link "Sign in"')
    goal = 'Sign in as "ann@a.example".'
    assert pointed(page, [], goal=goal) == page[1:]
    form = ('fill textbox "Email" with "ann@a.example"', 'click button "Go on"')
    assert pointed(form, after(page[1]), goal=goal) == form[:1]


def test_in_the_row_that_the_goal_names_all_acts_are_offered() -> None:
    rows = (
        'click link "Edit" in "501"',
        'click button "Cancel" in "501"',
        'click link "Edit" in "502"',
        'click button "Cancel" in "502"',
        'click button "Filter"',
        'click link "Home"',
    )
    goal = "Move booking 501 to Maple."
    assert pointed(rows, after('click link "Bookings"'), goal=goal) == rows[:2]
