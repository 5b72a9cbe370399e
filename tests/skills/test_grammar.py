"""Commands are taken apart without knowing a word of them."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grammar import SLOT, Grammar, kind
from skills.ways import parameter, worded

HOUSE = [
    *(f"go to {place}" for place in ("desk 1", "desk 2", "side table 1", "arm chair 1")),
    *(f"take {thing} from {place}" for thing in ("mug 1", "pen 2") for place in ("desk 1",)),
    *("go to fridge 1", "open fridge 1", "close fridge 1", "look", "inventory", "help"),
    "move mug 1 to side table 1",
]
WORDS = st.text("abcdefghij0123456789-'", min_size=1, max_size=6)
COMMANDS = st.lists(WORDS, min_size=1, max_size=7).map(" ".join)


@pytest.mark.parametrize(
    ("command", "form", "names"),
    [
        ("go to side table 1", "go to *", ("side table 1",)),
        ("take pen 2 from desk 1", "take * from *", ("pen 2", "desk 1")),
        ("move mug 1 to side table 1", "move * to *", ("mug 1", "side table 1")),
        ("open fridge 1", "open *", ("fridge 1",)),
        ("look", "look", ()),
        ("examine the ceiling", "examine the ceiling", ()),
    ],
)
def test_fixed_words_and_names(command: str, form: str, names: tuple[str, ...]) -> None:
    parsed = Grammar(HOUSE).parse(command)
    assert (parsed.form, parsed.names) == (form, names)


def test_a_verb_is_no_name_though_a_name_is_spelt_like_it() -> None:
    grammar = Grammar(["take open", "take shut", "open door", "open gate"])
    assert grammar.parse("open gate").form == "open *"
    assert grammar.parse("take open").names == ("open",)


def test_kinds_and_numbers() -> None:
    grammar = Grammar(HOUSE)
    assert {"desk", "side table", "arm chair", "fridge", "mug", "pen"} <= grammar.kinds
    assert grammar.numbered(["mug 1", "pen 2"])
    assert not grammar.numbered(["mug 1", "pen"])
    assert not grammar.numbered([])
    assert (kind("7"), kind("room 7 12"), kind("route 66 sign")) == ("7", "room", "route 66 sign")


def test_nothing_is_learned_from_nothing() -> None:
    assert Grammar([]).parse("go to desk 1").form == "go to desk 1"
    assert Grammar(["", "  "]).parse("").form == ""


@given(st.lists(COMMANDS, max_size=12), COMMANDS)
def test_parse_never_loses_a_word(known: list[str], command: str) -> None:
    parsed = Grammar(known).parse(command)
    names = iter(parsed.names)
    words = [next(names) if word == SLOT else word for word in parsed.form.split()]
    assert " ".join(words) == command
    assert list(names) == []
    assert not parsed.form.startswith(SLOT)


@given(st.lists(COMMANDS, max_size=12))
def test_the_order_of_commands_does_not_matter(known: list[str]) -> None:
    one, other = Grammar(known), Grammar(known[::-1])
    assert [one.parse(text) for text in known] == [other.parse(text) for text in known]


def test_goals_in_parameters() -> None:
    grammar = Grammar(HOUSE)
    assert worded("put a mug in side table.", grammar) == (
        "put a {x} in {y+}.",
        {"x": "mug", "y": "side table"},
    )
    assert worded("swap mug for mug", grammar) == ("swap {x} for {x}", {"x": "mug"})
    assert worded("smuggle a mugger", grammar) == ("smuggle a mugger", {})
    assert worded("anything", Grammar([])) == ("anything", {})


def test_parameters_have_names_of_their_own() -> None:
    names = [parameter(number) for number in range(30)]
    assert names[:4] == ["x", "y", "z", "x1"]
    assert len(set(names)) == 30
    assert all(name.isidentifier() for name in chain(names))
