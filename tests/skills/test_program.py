"""Reading skills without running them."""

from __future__ import annotations

import pytest

from envs.errors import Refused
from skills.program import Parameter, fingerprint, joined, problems, read
from skills.sandbox import Sandbox

TAKE = '''\
import re
from collections import Counter as C

PLACES = ("fridge", "desk")
WORD = re.compile("a+")


def take(thing: str, place: str = "desk") -> bool:
    """Takes a thing
    from where it is.

    It looks everywhere.
    """
    for spot in PLACES:  # both
        if thing in act(f"go to {spot}"):
            return _pick(thing, spot)
    return find(thing) and WORD.match(thing) is not None


def _pick(thing: str, spot: str) -> bool:
    try:
        return "you" in act(f"take {thing} from {spot}")
    except ValueError as error:
        return take(str(error))
'''
SAME = """\
import re
SPOTS = ("fridge", "desk")
LETTERS = re.compile("a+")
def _got(a, b):
    try:
        return "you" in act(f"take {a} from {b}")
    except ValueError as e:
        return grab(str(e))
def _unused():
    return 3
def grab(wanted, where="desk"):
    for place in SPOTS:
        if wanted in act(f"go to {place}"):
            return _got(wanted, place)
    return find(wanted) and LETTERS.match(wanted) is not None
"""


def test_what_the_source_says() -> None:
    program = read(TAKE, "take")
    assert program.signature == "take(thing: str, place: str='desk') -> bool"
    assert program.about == "Takes a thing from where it is."
    assert program.parameters == (Parameter("thing", "str"), Parameter("place", "str", "'desk'"))
    assert program.functions == ("take", "_pick")
    assert program.calls == {"act", "find", "str"}


def test_other_names_comments_and_order_are_the_same_code() -> None:
    assert fingerprint(TAKE) == fingerprint(SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"desk")', '"bed")'),
        ('where="desk"', 'where="bed"'),
        ("return _got(wanted, place)", "return _got(place, wanted)"),
        ("and LETTERS", "or LETTERS"),
        ("find(wanted)", "search(wanted)"),
        ("except ValueError", "except KeyError"),
        ("return grab(str(e))", "return False"),
    ],
)
def test_other_constants_calls_and_ways_are_other_code(old: str, new: str) -> None:
    assert old in SAME
    assert fingerprint(SAME.replace(old, new)) != fingerprint(TAKE)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def take(: pass", "does not parse: invalid syntax"),
        ("\0", "null bytes"),
        ("(" * 5000, "does not parse"),
        ("x" * 200_001, "200001 characters of code"),
        ("", r"no function take\(\)"),
        ("def take(): pass\ndef take(): pass", "more than one function"),
        ("def take(): pass\ndef other(): pass", r"second public function, other\(\)"),
        ("async def take(): pass", "no function take"),
        ("class Box: pass\ndef take(): pass", "'Box' is no plain function"),
        ("def take():\n    class Box: pass", "'Box' is no plain function"),
        ("import os\ndef take(): pass", "imports 'os'"),
        ("def take():\n    import pathlib", "imports 'pathlib'"),
        ("from .math import pi\ndef take(): pass", "imports '.math'"),
        ("from math import *\ndef take(): pass", r"imports \* from math"),
        ("act('look')\ndef take(): pass", "something outside of a function"),
        ("A = act('look')\ndef take(): pass", r"a constant calls act\(\)"),
        ("A, B = 1, 2\ndef take(): pass", "one plain name"),
        ("find = 2\ndef take(): pass", "constant 'find' in capitals"),
        ("act = 2\ndef take(): pass", "'act' is the name of something else"),
        ("def take(): return eval('1')", "uses eval"),
        ("def take(): return ().__class__", "uses __class__"),
        ("def take():\n    global other\n    other = 1", "uses `global`"),
        ("def _a(): pass\ndef take(_a): pass", "parameter '_a' hides"),
        ("def take(*things): pass", r"take\(\) takes any arguments"),
    ],
)
def test_what_is_no_skill(code: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        read(code, "take")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["act", "goal", "print", "math"])
def test_a_skill_cannot_take_the_name_of_what_others_call(name: str) -> None:
    why = f"{name!r} is the name of something else already"
    assert problems(f"def {name}(): pass", name) == [why]


TOP = """\
SIZE = 1


def top() -> int:
    return SIZE + _help() + low()


def _help():
    return 10
"""
LOW = """\
import math as m
SIZE = 100


def low() -> int:
    return SIZE + _help() + m.floor(0.5)


def _help():
    return 1000
"""


def test_joined_skills_keep_their_own_constants_and_helpers() -> None:
    both = joined(TOP, [("low", LOW)])
    assert both.startswith(TOP)
    with Sandbox(workers=1) as sandbox:
        result = sandbox.run(f"{both}\ntop()")
    assert (result.error, result.value) == ("", 1111)


def test_one_name_for_two_things_is_refused() -> None:
    code = "from math import floor\n\ndef top(): return floor(1)"
    with pytest.raises(Refused, match="'floor' stands for two things"):
        joined(code, [("floor", "def floor(x): return x")])
