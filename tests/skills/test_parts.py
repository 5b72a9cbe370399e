"""A goal's parts, in the order in which they are to be done."""

from __future__ import annotations

import pytest

from skills.parts import parts_of


@pytest.mark.parametrize(
    ("goal", "parts"),
    [
        ("Take the key.", ("Take the key.",)),
        ("Take the key, then press go.", ("Take the key", "press go.")),
        ("A. And then: B.", ("A.", "B.")),
        ("A\nlong one. And then: B. And then: C.", ("A long one.", "B.", "C.")),
        ("B. But before that: A.", ("A.", "B.")),
        ("C. But before that: B. But before that: A.", ("A.", "B.", "C.")),
        ("A. But before that: B. And then: C.", ("B.", "C.", "A.")),
        ('Say "stop. And then: go" and then leave', ('Say "stop. And then: go"', "leave")),
        ("Do it now and again. Finally, rest", ("Do it now and again.", "rest")),
        ("Know what is next to the mug", ("Know what is next to the mug",)),
        ("", ()),
    ],
)
def test_parts_come_in_the_order_of_doing(goal: str, parts: tuple[str, ...]) -> None:
    assert parts_of(goal) == parts
