"""What an explorer tries first on pages of every make."""

from __future__ import annotations

import asyncio

from agent.exploring import Spot
from agent.exploring_guides import Relevance
from envs.types import Step


def likeliest(goal: str, possible: list[str], *, done: list[str], shown: str = "") -> str:
    """What is tried first; all of it was possible before the last action as well."""
    seen = Step(observation=shown, admissible=tuple(possible))
    spot = Spot(goal=goal, seen=seen, done=done, before=frozenset(possible))
    weights = asyncio.run(Relevance().weigh(spot))
    return max(sorted(weights), key=lambda line: weights[line])


def test_a_form_is_sent_when_nothing_waits_that_the_goal_names() -> None:
    goal = "Book an appointment on Friday at 09:00."
    day, time = (
        f'select combobox "{n}" option "{v}"' for n, v in (("Day", "Friday"), ("At", "09:00"))
    )
    others = [day.replace("Friday", "Monday"), time.replace("09:00", "10:00")]
    send = 'click button "Book appointment"'
    assert likeliest(goal, [*others, time, send], done=[day]) == time
    assert likeliest(goal, [*others, send], done=[day, time]) == send


def test_of_several_buttons_at_the_end_of_a_form_any_may_send_it() -> None:
    fill, no, send = 'fill textbox "Name" with "Ann"', 'click button "Not now"', 'click button "Go"'
    possible = [fill, no, send, 'click link "Help"']
    assert likeliest('Enter "Ann".', possible, done=[fill]) == send
    assert likeliest('Enter "Ann".', possible, done=[fill, send, fill]) in (no, send)
    assert likeliest('Say "Ann" not now.', possible, done=[fill]) == no


def test_the_row_that_the_goal_names_counts_for_fields_as_well() -> None:
    lines = [f'select combobox "Add to" in "{n}" option "Wishes"' for n in ("Emma", "Dune")]
    assert likeliest('Put "Dune" on the list "Wishes".', lines, done=[]) == lines[1]


def test_the_field_that_the_goal_names_takes_the_whole_of_what_it_is_given() -> None:
    texts = ("Change", "90", "Rue Verte", "90 Rue Verte")
    lines = [f'fill textbox "{n}" with "{t}"' for n in ("City", "Street and number") for t in texts]
    assert likeliest("Change my street to 90 Rue Verte.", lines, done=[]) == lines[-1]


def test_a_choice_is_an_entry_too() -> None:
    pick, send = 'click radio "Duplicate"', 'click button "Go on"'
    possible = [pick, send, 'click link "Duplicates"']
    assert likeliest("It is a duplicate.", possible, done=[pick]) == send


def test_a_field_without_a_button_is_sent_by_a_key() -> None:
    fill = 'fill textbox "Add tag" with "vendor"'
    possible = ['click button "Close"', fill, 'click link "All"', "press Enter"]
    goal = 'Tag it with "vendor".'
    assert likeliest(goal, possible, done=[fill]) == "press Enter"
    assert likeliest(goal, [fill, 'click button "Go"', "press Enter"], done=[fill]) != "press Enter"


def test_whoever_asks_whether_it_is_meant_is_told_that_it_is() -> None:
    done = ['click button "Cancel" in "Ann Lee"']
    possible = ['click button "OK"', 'click button "Cancel"']
    assert likeliest("Cancel the appointment of Ann Lee.", possible, done=done) == possible[0]
    more = [*possible, 'click button "Help"']
    assert likeliest("Cancel the appointment of Ann Lee.", more, done=done) == possible[1]


def test_what_can_be_clicked_without_a_role_counts_by_its_name() -> None:
    goal = 'Assign the ticket "VPN drops" to Ann.'
    ticket, other = 'click item "#12 VPN drops High"', 'click link "Reports"'
    shown = 'Tickets\nitem "#12 VPN drops High"'
    assert likeliest(goal, [ticket, other], done=[], shown=shown) == ticket
    assert likeliest(goal, [ticket, other], done=[], shown="#12 VPN drops High") == other


def test_of_many_is_as_good_as_of_one() -> None:
    possible = ['click link "Help"', 'click link "Appointments"']
    assert likeliest("Cancel an appointment.", possible, done=[]) == possible[1]


def test_what_one_of_many_rows_holds_waits_behind_the_links_of_the_page() -> None:
    names = [f"Trip {n}" for n in "ABCDE"]
    shown = "\n".join(
        ['link "Profile"', "table", *(f'  row: open\n    link "{name}"' for name in names)]
    )
    page = 'click link "Profile"'
    rows = [f'click link "{name}"' for name in names]
    assert likeliest("Set my cost centre to 12.", [*rows, page], done=[], shown=shown) == page
    assert likeliest("Hand in Trip C.", [*rows, page], done=[], shown=shown) == rows[2]


def test_a_tab_that_is_in_front_already_is_left_alone() -> None:
    front, other = 'click tab "Board"', 'click tab "Team"'
    shown = 'tablist\n  tab "Board" [selected]\n  tab "Team"'
    assert likeliest("Invite Ann to the board.", [front, other], done=[], shown=shown) == other
    shown = shown.replace(" [selected]", "")
    assert likeliest("Invite Ann to the board.", [front, other], done=[], shown=shown) == front


def test_signs_round_a_name_are_no_part_of_it() -> None:
    possible = ['click button "▸ Garden house"', 'click button "House"']
    assert likeliest("Open the garden house.", possible, done=[]) == possible[0]


def test_a_text_goes_into_the_field_that_the_goal_names_before_it() -> None:
    goal = "Book room 204 for Ann Lee."
    lines = ['fill textbox "Guest" with "204"', 'fill textbox "Guest" with "Ann Lee"']
    opened = 'click combobox "Room"'
    assert likeliest(goal, [*lines, opened], done=[opened]) == lines[1]


def test_choosing_from_a_list_is_an_entry() -> None:
    opened, send = 'click combobox "Room"', 'click button "Save"'
    possible = [opened, 'fill textbox "Note" with "204"', send, 'click link "Rooms"']
    done = [opened, 'click option "204"']
    assert likeliest("Move Ann to room 204.", possible, done=done) == send
    assert likeliest("Move Ann to room 204.", possible, done=done[1:]) != send


def test_pages_are_turned_on_until_what_is_asked_for_stands_there() -> None:
    turn = 'click button "Next"'
    rows = [[f'click button "Edit" in "{name}"' for name in names] for names in ("ABCD", "EFGH")]
    seen = Step(observation="", admissible=('click link "Home"', *rows[1], turn))
    before = frozenset(['click link "Home"', *rows[0], turn])

    def best(goal: str) -> str:
        spot = Spot(goal=goal, seen=seen, done=[turn], before=before)
        weights = asyncio.run(Relevance().weigh(spot))
        return max(weights, key=lambda line: weights[line])

    assert best("Edit K.") == turn
    assert best("Edit F.") == rows[1][1]


def test_what_follows_on_a_table_may_lead_to_the_row_that_is_asked_for() -> None:
    rows = [f'click button "Edit" in "{name}"' for name in "ABCD"]
    possible = ['click link "Home"', *rows, 'click button "Later ones"']
    assert likeliest("Edit K.", possible, done=[]) == possible[-1]
    assert likeliest("Edit B.", possible, done=[]) == rows[1]


def test_what_a_menu_holds_that_was_opened_just_now_comes_first() -> None:
    done, other = 'click item "Actions" in "Mow"', 'click button "Garden"'
    seen = Step(observation='item "Move to…"', admissible=(done, other, 'click item "Move to…"'))
    spot = Spot(goal='Move "Mow" to the garden.', seen=seen, done=[done])
    spot.before = frozenset([done, other])
    weights = asyncio.run(Relevance().weigh(spot))
    assert max(weights, key=lambda line: weights[line]) == 'click item "Move to…"'


def test_what_was_opened_is_left_alone_though_its_arrow_turned() -> None:
    shown = 'item "▾ Garden"\nitem "House"'
    possible = ['click item "▾ Garden"', 'click item "House"']
    done = ['click item "▸ Garden"']
    assert likeliest("Mow the garden.", possible, done=done, shown=shown) == possible[1]


def test_a_form_that_was_begun_waits_for_its_empty_fields() -> None:
    goal = "Book room 204 for Ann Lee."
    fill, send, shut = (
        'fill textbox "Guest" with "Ann Lee"',
        'click button "Go"',
        'click button "No"',
    )
    done = ['click combobox "Room"', 'click option "204"']
    possible = [done[0], fill, send, shut]
    assert likeliest(goal, possible, done=done, shown='textbox "Guest"') == fill
    assert likeliest(goal, possible, done=done, shown='textbox "Guest": Bo') == send
    radio = 'click radio "Weekly"'
    goal = 'Add the weekly chore "Mow".'
    possible = ['fill textbox "Title" with "Mow"', radio, send, shut]
    assert likeliest(goal, possible, done=[radio]) == possible[0]


def test_words_that_begin_alike_are_spoken_of() -> None:
    possible = ['click button "Help"', 'click button "New booking"']
    assert likeliest("Book a room.", possible, done=[]) == possible[1]


def test_a_list_that_shows_what_was_chosen_is_filled_in() -> None:
    done = ['click item "Pick an area"', 'click item "Kitchen"']
    possible = ['click button "Help"', 'click item "Kitchen"', 'click button "Add"']
    assert likeliest("Add it to Kitchen.", possible[1:], done=done) == possible[2]
    assert likeliest("Help to add it to Kitchen.", possible, done=done) == possible[2]


def test_what_was_opened_by_its_name_is_not_entered() -> None:
    goal = "Change the departure of Ann Lee to 2026-06-25."
    lines = [f'fill textbox "Departure" with "{text}"' for text in ("Ann Lee", "2026-06-25")]
    assert likeliest(goal, lines, done=['click button "Edit" in "Ann Lee"']) == lines[1]
    assert likeliest(goal, lines, done=['click link "Ann Lee"']) == lines[1]
