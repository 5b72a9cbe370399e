"""Tools answer, also when they fail, and the calculator works out arithmetic and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.errors import StoreError
from skills.sandbox import Sandbox
from skills.tools import LONGEST_RESULT, Tool, calculator, memory_search, python, remember


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def _worked_out(sandbox: Sandbox, text: object) -> str:
    return calculator(sandbox).call({"expression": text})


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1+1", "2"),
        ("17 % 5", "2"),
        ("-7 // 2", "-4"),
        ("-2 ** 2", "-4"),
        ("(3 + 4) * 2", "14"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("123456789 * 987654321", "121932631112635269"),
        ("6 / 2", "3"),
        ("0.1 + 0.2", "0.3"),
        ("1 / 3", "0.333333333333333"),
        ("100.00 * 1.19", "119"),
        ("0 * -1.0", "0"),
        ("2 ** -1", "0.5"),
        ("1e3 + 1E3", "2000"),
        ("007 + .5", "7.5"),
        ("sqrt(2) ** 2", "2"),
        ("log10(1000) + ln(e) + log(8, 2)", "7"),
        ("sin(pi / 2) + cos(0)", "2"),
        ("round(2.718, 1)", "2.7"),
        ("max(3,100) - min(3,100)", "97"),
        ("factorial(20)", "2432902008176640000"),
        ("gcd(12,180) + lcm(4, 6) + comb(5, 2)", "34"),
    ],
)
def test_arithmetic(sandbox: Sandbox, text: str, result: str) -> None:
    assert _worked_out(sandbox, text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("3 × 4 =", "12"),
        ("12 ÷ 5 = ?", "2.4"),
        ("10 − 4", "6"),
        ("2^10", "1024"),
        ("1,234.50 + 1", "1235.5"),
        ("sqrt(1,024)", "32"),
        ("max(1, 2) + 3,000", "3002"),
        ("15% of 80", "12"),
        ("200 + 10% of 200", "220"),
        ("200 * 15%", "30"),
        ("100 / 50%", "200"),
        (5, "5"),
    ],
)
def test_arithmetic_as_people_write_it(sandbox: Sandbox, text: object, result: str) -> None:
    assert _worked_out(sandbox, text) == result


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("__import__('os').system('id')", "not arithmetic"),
        ("import os", "not arithmetic: 'import'"),
        ("x = 1", "not arithmetic: 'x'"),
        ("lambda: 1", "not arithmetic: 'lambda'"),
        ("print(1)", "not arithmetic: 'print'"),
        ("[1] * 10", "not arithmetic"),
        ("1; 2", "not arithmetic"),
        ("1\n.real", "not arithmetic"),
        ("sqrt", "not arithmetic: 'sqrt'"),
        ("٣ + 1", "not arithmetic"),
        ("3 + 4 apples", "not arithmetic: 'apples'; give arithmetic as in"),
        ("2pi", "not arithmetic: '2pi'; put * between factors"),
        ("2(3)", "put * between factors"),
        ("1,00 + 1", "commas stand between arguments only"),
        ("200 + 10%", "say of what, as in 200 + 10% of 200"),
        ("1 +", "not arithmetic: Expected an expression"),
        ("(1 + 2", "not arithmetic: unexpected EOF"),
        ("()", "the result is not a real number"),
        ("(-8) ** (1 / 3)", "the result is not a real number"),
        ("sqrt(-1)", "expected a nonnegative input"),
        ("1 / 0", "division by zero"),
        ("1" * 1001, "the expression has 1001 characters; at most 1000"),
        ("", "'expression' is missing or empty; give expression as text"),
        (None, "'expression' is missing or empty"),
    ],
)
def test_what_is_not_arithmetic_is_refused_in_one_line(
    sandbox: Sandbox, text: object, why: str
) -> None:
    result = _worked_out(sandbox, text)
    assert result.startswith("error: ")
    assert why in result
    assert "\n" not in result


@pytest.mark.parametrize(
    "text", ["9**9**9", "9**9**9**9", "7**7**7", "10**5000", "1e308 * 10", "factorial(10**8)"]
)
def test_huge_results_are_refused(sandbox: Sandbox, text: str) -> None:
    assert _worked_out(sandbox, text).startswith("error: the result is too large")


def test_python_shows_what_is_printed_and_the_last_value(sandbox: Sandbox) -> None:
    code = "word = 'strawberry'\nprint(word.count('r'))\nsorted(set(word))[:2]"
    assert python(sandbox).call({"code": code}) == "3\n['a', 'b']"


def test_python_takes_code_in_a_fence(sandbox: Sandbox) -> None:
    assert python(sandbox).call({"code": "```python\nx = 2\nx + 1\n```"}) == "3"


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("17.5% of 2,340", "17.5% of 2,340 = 409.5"),
        ("15% of 80 = 0.15 * 80 = 13", "15% of 80 = 12"),
        ("2 + * 3", "error: SyntaxError"),
        ("x = = 3", "error: SyntaxError"),
        ("= 3", "error: SyntaxError"),
    ],
)
def test_python_works_out_arithmetic_as_people_write_it(
    sandbox: Sandbox, code: str, result: str
) -> None:
    assert python(sandbox).call({"code": code}).startswith(result)


def test_python_that_says_nothing_is_told_to_print(sandbox: Sandbox) -> None:
    assert "Print what you want to know" in python(sandbox).call({"code": "x = 1"})


def test_python_errors_come_first_with_what_was_printed(sandbox: Sandbox) -> None:
    result = python(sandbox).call({"code": "print('so far')\n[][1]"})
    assert result == "error: IndexError: list index out of range (line 2)\nprinted before: so far"


def test_python_has_no_files(sandbox: Sandbox) -> None:
    result = python(sandbox).call({"code": "open('/etc/passwd').read()"})
    assert result.startswith("error: PermissionError")


def test_long_results_are_clipped(sandbox: Sandbox) -> None:
    result = python(sandbox).call({"code": "print('x' * 10_000)"})
    assert result.startswith("x" * LONGEST_RESULT + "… (6000 more characters)")


def test_memory_is_searched() -> None:
    asked: list[str] = []

    def search(query: str) -> list[tuple[str, str]]:
        asked.append(query)
        return [("L1", "Her sister is\nAda."), ("L2", "She lives in Graz.")]

    result = memory_search(search).call({"query": "sister"})
    assert result == "- Her sister is Ada. (L1)\n- She lives in Graz. (L2)"
    assert asked == ["sister"]


def test_an_empty_memory_says_so() -> None:
    assert memory_search(lambda _query: []).call({"query": "sister"}).startswith("Nothing is")


def test_a_fact_is_remembered() -> None:
    kept: list[str] = []

    def write(fact: str) -> str:
        kept.append(fact)
        return f"L1: {fact}"

    assert remember(write).call({"fact": "Ada is her sister."}) == (
        "Remembered as L1: Ada is her sister."
    )
    assert kept == ["Ada is her sister."]


def _store_is_gone(_text: str) -> str:
    raise StoreError("the ledger is read-only", repair="make it writable")


def _bug(_text: str) -> str:
    return {}["nothing"]


@pytest.mark.parametrize(
    ("tool", "arguments", "start"),
    [
        (remember(_store_is_gone), {"fact": "x"}, "error: the ledger is read-only; make it"),
        (remember(_bug), {"fact": "x"}, "error: remember failed: KeyError"),
        (remember(str), {}, "error: 'fact' is missing or empty"),
        (memory_search(lambda _query: []), {"query": ["a"]}, "error: 'query' is missing"),
    ],
)
def test_a_failing_tool_answers_with_an_error(
    tool: Tool, arguments: dict[str, object], start: str
) -> None:
    assert tool.call(arguments).startswith(start)


def test_every_tool_says_which_text_it_needs(sandbox: Sandbox) -> None:
    tools = (calculator(sandbox), python(sandbox), memory_search(lambda _q: []), remember(str))
    needs = {tool.spec.name: tool.spec.parameters["required"] for tool in tools}
    assert needs == {
        "calculator": ["expression"],
        "python": ["code"],
        "memory_search": ["query"],
        "remember": ["fact"],
    }
    for tool in tools:
        assert tool.spec.parameters["additionalProperties"] is False
        assert tool.spec.description.endswith(".")
