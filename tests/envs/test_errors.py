"""What a name that does not exist is told with."""

from __future__ import annotations

from envs.errors import UnknownName


def test_near_names_are_told_or_the_first_of_all_each_once_and_how_many_more() -> None:
    assert str(UnknownName("verb", "takee", ["take", "drop", "take"])).endswith("from: take")
    assert str(UnknownName("verb", "zzz", ["b", "a", "b"])).endswith("choose from: a, b")
    many = str(UnknownName("change", "zzz", [f"C{n:02}" for n in range(40)]))
    assert many.endswith("C10, C11 and 28 more")
    assert str(UnknownName("skill", "zzz", [])).endswith("none exist yet")
