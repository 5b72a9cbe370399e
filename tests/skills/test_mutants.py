"""Altered copies parse, differ, and can be told from the original."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.toy import Toy
from skills.induction import induce
from skills.mutants import mutants
from skills.showing import by_chance, demonstrated
from skills.writing import written

CODE = '''\
LEFT = 2


def bring(x: str) -> bool:
    """Brings it."""
    for spot in ["a", "b"]:
        if x in act(f"open {spot}"):
            act("take " + x)
            return True
    while LEFT > 2:
        act("wait")
    return False
'''
LINES = st.sampled_from(
    (
        "act('go')",
        "n = 3",
        "if n > 2:\n        act('look')",
        "for k in range(4):\n        act(str(k))",
        "while not seen():\n        act('wait')",
        "return n == 1",
        "return True",
        "m = 'a' if n else 'b'",
    )
)


def test_each_kind_of_alteration_is_made() -> None:
    told = {what.partition(" (line")[0] for what, _ in mutants(CODE, most=100)}
    assert {
        "a condition turned round",
        "a statement left out",
        "True turned round",
        "False turned round",
        "2 made one less",
        "'a' altered",
        "'take ' altered",
    } <= told


def test_a_sample_is_fixed_and_bounded() -> None:
    assert mutants(CODE, most=5) == mutants(CODE, most=5)
    assert len(mutants(CODE, most=5)) == 5
    assert mutants(CODE, most=5, seed=1) != mutants(CODE, most=5)
    assert mutants(CODE, most=0) == []


def test_code_that_does_not_parse_says_so() -> None:
    with pytest.raises(SyntaxError, match="invalid syntax"):
        mutants("def f(:", most=1)


def differ(code: str) -> None:
    plain = ast.unparse(ast.parse(code))
    found = mutants(code, most=1000)
    for _, altered in found:
        assert ast.unparse(ast.parse(altered)) != plain
    assert len({altered for _, altered in found}) == len(found)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_altered_copies_parse_and_differ(lines: list[str]) -> None:
    body = "\n    ".join(lines)
    differ(f"def f(n: int) -> bool:\n    {body}\n")


def test_copies_of_what_is_written_parse_and_differ() -> None:
    env = Toy()
    ways = [demonstrated(env, task) for task in by_chance(env.tasks("train"), most=12)]
    for draft in written(induce([way for way in ways if way]), count=len(ways)):
        assert mutants(draft.code, most=1)
        differ(draft.code)
