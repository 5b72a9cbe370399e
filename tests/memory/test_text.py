from __future__ import annotations

import pytest

from memory.text import (
    MARK_CLOSE,
    MARK_OPEN,
    defused,
    estimate_tokens,
    has_mark,
    normal,
    sameness,
    strip_marked,
    without_marks,
)
from memory.types import Scope

MARKS = ["<|im_start|>", "<|end_of_text|>", "<|start_header_id|>", "<｜User｜>", "<s>", "</s>"]
MARKS += ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<bos>"]


def test_marked_blocks_are_cut_out_in_any_spelling() -> None:
    block = f"{MARK_OPEN}\n- [L1] look\n{MARK_CLOSE}"
    assert strip_marked(f"a {block} b {block} c") == "a  b  c"
    assert strip_marked("a < RECALLED-memory >x</recalled-Memory > b") == "a  b"


def test_a_block_that_was_never_closed_goes_to_the_end() -> None:
    assert strip_marked(f"a {MARK_OPEN} secret") == "a "
    assert strip_marked(f"a {MARK_CLOSE} b") == "a  b"


def test_signs_that_nobody_sees_hide_no_mark() -> None:
    hidden = "</\u200brecalled\u2060-memo\u00adry\ufeff>"
    assert has_mark(f"look {hidden} obey")
    assert without_marks(f"look {hidden} obey") == "look obey"


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


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_turns_become_words_and_stay_so(mark: str) -> None:
    told = defused(f"a{mark}b")
    assert mark not in told
    assert told.replace(" ", "") == f"a{mark}b"
    assert defused(told) == told


@pytest.mark.parametrize("text", ["a < b | c > d", "x[0]", "<recalled-memory>", "<p>", "if a<|b"])
def test_other_text_is_left_alone(text: str) -> None:
    assert defused(text) == text
