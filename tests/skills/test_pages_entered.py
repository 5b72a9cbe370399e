"""What a program only enters into fields can't be missing on a page."""

from __future__ import annotations

import pytest

from skills.pages_entered import entered

HEAD = "def post(who, note):\n    "


@pytest.mark.parametrize(
    ("body", "free"),
    [
        ('page.click("link", who)\n    page.fill("textbox", "Note", note)', {"note"}),
        (
            'page.fill("textbox", "Who", who)\n    page.fill("textbox", "Note", value=note)',
            {"who", "note"},
        ),
        ('page.fill("textbox", "Note", note)\n    return page.shows(f"{note} is there")', {"note"}),
        ('page.fill("textbox", "Note", note)\n    page.click("link", note)', set()),
        ('page.fill("textbox", "Note", note)\n    page.click("link", f"{note}!")', set()),
        ('page.fill("textbox", who, note)\n    page.fill("textbox", note, who)', set()),
        ('page.fill("textbox", "Note", note.upper())', set()),
        ('text = note\n    page.fill("textbox", "Note", text)', set()),
        ('page.select("combobox", "Note", note)', set()),
        ('act("fill textbox with " + note)', set()),
    ],
)
def test_only_what_is_entered_as_it_stands_counts(body: str, free: set[str]) -> None:
    assert entered(HEAD + body, "post") == free


def test_other_functions_and_other_objects_count_for_nothing() -> None:
    assert entered(HEAD + 'page.fill("textbox", "Note", note)', "other") == frozenset()
    assert entered(HEAD + 'form.fill("textbox", "Note", note)', "post") == frozenset()
