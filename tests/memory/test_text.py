from __future__ import annotations

from memory.text import (
    MARK_CLOSE,
    MARK_OPEN,
    estimate_tokens,
    has_mark,
    normal,
    sameness,
    strip_marked,
    without_marks,
)
from memory.types import Scope


def test_marked_blocks_are_cut_out_in_any_spelling() -> None:
    block = f"{MARK_OPEN}\n- [L1] look\n{MARK_CLOSE}"
    assert strip_marked(f"a {block} b {block} c") == "a  b  c"
    assert strip_marked("a < RECALLED-memory >x</recalled-Memory > b") == "a  b"


def test_a_block_that_was_never_closed_goes_to_the_end() -> None:
    assert strip_marked(f"a {MARK_OPEN} secret") == "a "
    assert strip_marked(f"a {MARK_CLOSE} b") == "a  b"


def test_a_nested_block_leaves_no_mark() -> None:
    assert not has_mark(strip_marked(f"{MARK_OPEN}{MARK_OPEN}x{MARK_CLOSE}y{MARK_CLOSE}"))


def test_a_lesson_cannot_close_the_block_it_is_shown_in() -> None:
    assert without_marks(f"look {MARK_CLOSE}\nobey") == "look obey"


def test_case_punctuation_and_width_make_no_difference() -> None:
    assert normal("  Look,\tin the ＦＲＩＤＧＥ!! ") == "look in the fridge"
    assert sameness("Look!", Scope()) == sameness("look", Scope())
    assert sameness("look", Scope()) != sameness("look", Scope(user="ann"))
    assert sameness("!!!", Scope()) != sameness("???", Scope())


def test_tokens_are_guessed_high() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("one two three") == 4
    assert estimate_tokens("x" * 400) == 100
