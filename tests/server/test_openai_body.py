from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.openai_body import words


@given(st.text())
def test_pieces_add_up_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text


def test_pieces_end_between_words() -> None:
    assert words("It was the best of times, it was the worst of times.") == [
        "It was the best of times, ",
        "it was the worst of times.",
    ]


def test_a_very_long_word_is_cut() -> None:
    assert max(map(len, words("x" * 1000))) <= 224
