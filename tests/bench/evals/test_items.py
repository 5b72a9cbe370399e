"""The generated questions: right answers are right, wrong ones wrong, and both are recognised."""

from __future__ import annotations

import ast
import re

import pytest

from bench.evals.items import KINDS, LEVELS, Item, items, right
from envs.errors import UserError
from skills.sandbox import Sandbox

MANY = [item for seed in range(4) for item in items(90, seed=seed)]


def test_of_each_item_the_right_answer_is_right_and_the_wrong_one_wrong() -> None:
    assert [item.id for item in MANY if not right(item, item.right)] == []
    assert [item.id for item in MANY if right(item, item.wrong)] == []


def test_the_wrong_answer_has_as_many_lines_and_no_hint_of_being_wrong() -> None:
    for item in MANY:
        assert len(item.right.splitlines()) == len(item.wrong.splitlines())
        assert "wrong" not in item.wrong.lower()


def test_all_kinds_and_levels_come_up_and_levels_grow_longer() -> None:
    assert {(item.kind, item.level) for item in MANY} == {(k, v) for k in KINDS for v in LEVELS}
    lines = {v: min(len(i.right.splitlines()) for i in MANY if i.level == v) for v in LEVELS}
    assert lines[1] < lines[2] < lines[3]


def test_the_same_seed_makes_the_same_items_and_another_one_others() -> None:
    assert items(20, seed=3) == items(20, seed=3)
    assert items(20, seed=3) != items(20, seed=4)
    assert items(20, seed=3)[:5] == items(5, seed=3)


def test_programs_print_what_the_item_expects() -> None:
    with Sandbox() as sandbox:
        for item in [item for item in MANY if item.kind == "code"][:40]:
            code = item.question.split("```")[1].strip()
            assert sandbox.run(code).stdout.strip() == item.expected


def test_sums_agree_with_python() -> None:
    for item in [item for item in MANY if item.kind == "arithmetic" and item.level < 3]:
        formula = item.question.removeprefix("What is ").removesuffix("?")
        tree = ast.parse(formula, mode="eval")
        assert eval(compile(tree, "item", "eval")) == int(item.expected)


def test_letters_and_vowels_are_counted_rightly() -> None:
    for item in [item for item in MANY if item.kind == "text" and item.level < 3]:
        words = "".join(re.findall(r"'(\w+)'", item.question))
        counted = words if item.level == 1 else [c for c in words if c in "aeiou"]
        assert len(counted) == int(item.expected)


def test_sorted_words_are_found_at_their_place() -> None:
    for item in [item for item in MANY if item.kind == "text" and item.level == 3]:
        found = re.match(
            r"Take the words (.+?)\. Leave out those with fewer than (\d+).*number (\d)\?",
            item.question,
        )
        assert found is not None
        words = [word for word in found[1].split(", ") if len(word) >= int(found[2])]
        assert sorted(words)[int(found[3]) - 1] == item.expected


@pytest.mark.parametrize(
    ("said", "is_right"),
    [
        ("Answer: 42", True),
        ("I first thought of 41.\nAnswer: 42.", True),
        ("Answer: 41\nWait, no.\nanswer: 42", True),
        ("It must be 42", True),
        ("Answer: 42 pens, not 41", True),
        ("Answer: 4,2", True),
        ("Answer: 421", False),
        ("Answer: 42\nAnswer: 7", False),
        ("Answer:", False),
        ("42 is less than 50", False),
        ("", False),
    ],
)
def test_the_answer_is_what_stands_last(said: str, is_right: bool) -> None:
    item = Item(id="i", kind="arithmetic", level=1, question="?", expected="42", right="", wrong="")
    assert right(item, said) is is_right


def test_no_items_are_a_mistake() -> None:
    with pytest.raises(UserError, match="0 items can't be asked; ask for one or more"):
        items(0)
