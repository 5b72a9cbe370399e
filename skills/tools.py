"""Tools for conversations. A tool never raises: what goes wrong is a result that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from envs.errors import JourneymanError, UserError, boundary, clip, one_line
from envs.types import ToolSpec
from skills.sandbox import TOO_LONG, Sandbox, SandboxLimits

LONGEST_RESULT = 4000
"""Characters of a result."""
LONGEST_EXPRESSION = 1000
ERROR = "error: "
"""How a result begins when the tool could not do its work."""

ARITHMETIC = SandboxLimits(seconds=1.0, memory=32_000_000, calls=0)
SCRIPT = SandboxLimits(seconds=5.0, calls=0, output=LONGEST_RESULT * 4)

ONE_ARGUMENT = frozenset(
    """sqrt cbrt isqrt sin cos tan asin acos atan sinh cosh tanh log2 log10 exp factorial
    floor ceil trunc round abs int float degrees radians""".split()  # noqa: SIM905
)
"""In these a comma between digits is part of the number: `sqrt(1,024)`."""
MORE_ARGUMENTS = frozenset(
    ("log", "pow", "max", "min", "gcd", "lcm", "comb", "perm", "atan2", "hypot")
)
BUILT_IN = frozenset(("abs", "int", "float", "round", "pow", "min", "max"))
CONSTANTS = frozenset(("pi", "e", "tau"))
SPELLINGS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**", "π": "pi"}
TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?P<name>[a-z]+\d*)"
    r"|(?P<operator>\*\*|//|[-+*/%(),]))",
    re.ASCII,
)
GROUPED = re.compile(r"\s*(\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?![\d,])", re.ASCII)
EXAMPLE = "give arithmetic as in (3 + 4) * sqrt(2)"


class Tool(NamedTuple):
    """Something that a model can call; a pair, as episodes take it."""

    spec: ToolSpec
    """What the model is told."""
    call: Callable[[dict[str, Any]], str]
    """From the arguments to the result; errors begin with `error:`."""


def calculator(sandbox: Sandbox) -> Tool:
    """Arithmetic: exact for integers, 15 digits else."""

    def work(arguments: dict[str, Any]) -> str:
        return _worked_out(_text(arguments, "expression"), sandbox)

    about = (
        "Works out an arithmetic expression with + - * / // % ** ( ) and sqrt, log, sin, round "
        "and the like. Angles are in radians."
    )
    example = "An expression, for example (12.5 * 4) ** 2 / 3"
    return _tool("calculator", about, work, expression=example)


def python(sandbox: Sandbox) -> Tool:
    """Python code, with what it printed and its last expression as the result.

    Arithmetic as people write it (`15% of 80 = ?`) is worked out though it is no Python.
    """

    def work(arguments: dict[str, Any]) -> str:
        code = _unfenced(_text(arguments, "code"))
        result = sandbox.run(code, limits=SCRIPT)
        if result.error.startswith("SyntaxError"):
            asked = code.partition("=")[0].strip()
            with suppress(UserError):
                return f"{asked} = {_worked_out(asked, sandbox)}"
        parts = [result.stdout.rstrip("\n"), result.shown]
        said = "\n".join(part for part in parts if part)
        if result.error:
            return f"{ERROR}{result.error}" + (f"\nprinted before: {said}" if said else "")
        return said or "It ran and printed nothing. Print what you want to know."

    about = (
        "Runs Python code and shows what it prints and the value of its last line: for text, "
        "lists, dates, loops and counting. No files, no network, no packages."
    )
    return _tool("python", about, work, code="Python code")


def memory_search(search: Callable[[str], Sequence[tuple[str, str]]]) -> Tool:
    """Looks up what is remembered; `search` gives (id, text) pairs, the best first."""

    def work(arguments: dict[str, Any]) -> str:
        found = search(_text(arguments, "query"))
        if not found:
            return "Nothing is remembered about that."
        return "\n".join(f"- {one_line(text)} ({name})" for name, text in found)

    about = "Looks up what the user told you in earlier conversations, or what you learned."
    return _tool("memory_search", about, work, query="What to look for, in a few words")


def remember(write: Callable[[str], str]) -> Tool:
    """Keeps a fact for later conversations; `write` gives back what was kept, with its id."""

    def work(arguments: dict[str, Any]) -> str:
        return f"Remembered as {one_line(write(_text(arguments, 'fact')))}"

    about = "Keeps a fact for later conversations, when the user asks for that."
    return _tool("remember", about, work, fact="The fact, as one full sentence")


def expression(text: str) -> str:
    """Code that works out `text`, and nothing else can be written in it.

    Understands `^`, `×`, `÷`, `1,234.5`, `15% of 80` and a trailing `=`. Raises `UserError` for
    what is not arithmetic.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise UserError(
            f"the expression has {len(text)} characters", repair=f"at most {LONGEST_EXPRESSION}"
        )
    source = text.lower().rstrip(" =?\n\t")
    for spelling, meaning in SPELLINGS.items():
        source = source.replace(spelling, meaning)
    tokens = _tokens(source)
    if not tokens:
        raise UserError("there is nothing to work out", repair=EXAMPLE)
    needed = sorted({t for t in tokens if t.isalnum() and t[0].isalpha()} - BUILT_IN)
    imports = f"from math import {', '.join(needed)}\n" if needed else ""
    return imports + " ".join(tokens)


def _tokens(source: str) -> list[str]:
    """Numbers, known names and operators, as Python writes them."""
    tokens: list[str] = []
    calls: list[str] = []
    at = 0
    while source[at:].strip():
        within = calls[-1] if calls else ""
        grouped = GROUPED.match(source, at) if within not in MORE_ARGUMENTS else None
        match = grouped or TOKEN.match(source, at)
        if match is None:
            raise _unclear(source[at:])
        at = match.end()
        word, before, rest = match.group().strip(), tokens[-1] if tokens else "", source[at:]
        if word[0].isalpha():
            word = _name(word, before=before, rest=rest)
        elif word[0].isdigit() or word[0] in ".(":
            if _ends_value(before):
                raise _unclear(word, hint="put * between factors")
            if word == "(":
                calls.append(before)
            else:
                word = _numeral(word, rest=rest)
        elif word == ")":
            calls = calls[:-1]
        elif word == "," and within not in MORE_ARGUMENTS | {"round"}:
            raise _unclear(word, hint="commas stand between arguments only")
        elif word == "%" and _is_percent(rest):
            word = _percent(tokens, of=rest.lstrip().startswith("of"))
        tokens.append(word)
    return tokens


def _numeral(word: str, *, rest: str) -> str:
    if rest[:1].isalpha():
        raise _unclear(word + rest, hint="put * between factors")
    plain = word.replace(",", "")
    return (plain.lstrip("0") or "0") if plain.isdigit() else plain


def _name(word: str, *, before: str, rest: str) -> str:
    if word == "of" and before.endswith("/100)"):
        return "*"
    word = "log" if word == "ln" else word
    called = word in ONE_ARGUMENT | MORE_ARGUMENTS and rest.lstrip().startswith("(")
    if not called and word not in CONSTANTS:
        raise _unclear(word)
    if _ends_value(before):
        raise _unclear(word, hint="put * between factors")
    return word


def _ends_value(token: str) -> bool:
    """Whether what ends with this token is a value: a number, a constant, a closed parenthesis."""
    return token[:1].isdigit() or token[:1] == "." or token[-1:] == ")" or token in CONSTANTS


def _is_percent(rest: str) -> bool:
    """Whether `%` before `rest` means hundredths; followed by an operand it is the remainder."""
    following = rest.lstrip()
    return not following or following.startswith("of") or following[0] in ")*/,"


def _percent(tokens: list[str], *, of: bool) -> str:
    """Takes the number at the end away and gives it back as hundredths."""
    number = tokens.pop() if tokens else ""
    if not number[:1].isdigit() and number[:1] != ".":
        raise _unclear("%", hint="put a number before %")
    if tokens and tokens[-1] in ("+", "-", "**", "//") and not of:
        raise _unclear(f"{number}%", hint=f"say of what, as in 200 + {number}% of 200")
    return f"({number}/100)"


def _unclear(what: str, *, hint: str = EXAMPLE) -> UserError:
    return UserError(f"not arithmetic: {clip(what.strip(), most=40)!r}", repair=hint)


def _worked_out(text: str, sandbox: Sandbox) -> str:
    result = sandbox.run(expression(text), limits=ARITHMETIC)
    if result.error:
        raise UserError(_plain(result.error))
    return _number(result.value)


def _number(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.15g}" if value else "0"
    if value in ("inf", "-inf", TOO_LONG):
        raise UserError("the result is too large", repair="work it out in smaller parts")
    raise UserError("the result is not a real number", repair=EXAMPLE)


def _plain(error: str) -> str:
    """A sandbox's error in the words of a calculator."""
    kind, _, what = re.sub(r" \(line \d+\)$", "", error).partition(": ")
    if kind in ("MemoryError", "TimeoutError", "OverflowError"):
        return "the result is too large"
    return f"not arithmetic: {what}; {EXAMPLE}" if kind == "SyntaxError" else what


def _unfenced(code: str) -> str:
    """Code without the Markdown fence that models like to put around it."""
    match = re.fullmatch(r"\s*```\w*\n(.*?)\n?```\s*", code, flags=re.DOTALL)
    return match[1] if match else code


def _tool(name: str, about: str, work: Callable[[dict[str, Any]], str], **text: str) -> Tool:
    """A tool whose arguments are texts, all needed; `text` describes each."""

    def call(arguments: dict[str, Any]) -> str:
        try:
            with boundary(name):
                result = work(arguments)
        except JourneymanError as error:
            result = f"{ERROR}{error}"
        more = len(result) - LONGEST_RESULT
        return f"{result[:LONGEST_RESULT]}… ({more} more characters)" if more > 0 else result

    parameters = {
        "type": "object",
        "properties": {key: {"type": "string", "description": d} for key, d in text.items()},
        "required": list(text),
        "additionalProperties": False,
    }
    return Tool(ToolSpec(name=name, description=about, parameters=parameters), call)


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{name!r} is missing or empty", repair=f"give {name} as text")
    return value
