"""Questions made by a seeded program, each with a right worked answer and a wrong one.

Three kinds (arithmetic, text, code) at three levels: one step, two steps, three and more. The wrong
answer slips in one step and goes on from there without another fault. Whether an answer is right is
worked out by the program that made the question; no key is written down anywhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from agent.models.types import Message, Model, Sampling
from envs.errors import UserError, one_line
from envs.types import Frozen
from memory.types import Usage

Kind = Literal["arithmetic", "text", "code"]
KINDS: tuple[Kind, ...] = ("arithmetic", "text", "code")
LEVELS = (1, 2, 3)
Told = tuple[list[str], str]
"""Lines of working and the answer."""
Made = tuple[str, Callable[[int], Told]]
"""A question, and its answer with a slip of this size in one step (0: none)."""
WORDS = tuple(
    re.findall(
        r"\w+",
        "lantern orchard pebble violin harbour meadow copper thistle window garden ribbon puzzle "
        "candle saddle kettle marble walnut button feather anchor blanket compass dolphin engine",
    )
)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
ASKED = "Work it out in a line or two, then give the answer alone: one number or one word."
MOST = 360
"""Tokens of a reply: more than all its characters, as weak models write digits until they may not.
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "work": {"type": "string", "maxLength": 200},
        "answer": {"type": "string", "maxLength": 40},
    },
    "required": ["work", "answer"],
    "additionalProperties": False,
}


class Item(Frozen):
    """A question with two answers that are known to be right and wrong."""

    id: str
    """`kind/level/number`; the same item whenever the same seed makes it."""
    kind: Kind
    """What it is about."""
    level: int
    """1 to 3."""
    question: str
    """What is asked."""
    expected: str
    """The right answer: a number or a word."""
    right: str
    """A worked answer without a fault."""
    wrong: str
    """The same with a slip in one step."""


def items(n: int, *, seed: int = 0, levels: Sequence[int] = LEVELS) -> tuple[Item, ...]:
    """`n` items, kinds and levels in turn. Raises `UserError` for `n` below 1."""
    if n < 1:
        raise UserError(f"{n} items can't be asked", repair="ask for one or more")
    found: list[Item] = []
    for number in range(n):
        kind = KINDS[number % len(KINDS)]
        level = levels[number // len(KINDS) % len(levels)]
        rng = random.Random(f"{seed}/{kind}/{level}/{number}")
        question, tell = MAKERS[kind, level](rng)
        slip = rng.choice((-2, -1, 1, 2))
        found.append(
            Item(
                id=f"{seed}/{kind}/{level}/{number}",
                kind=kind,
                level=level,
                question=question,
                expected=tell(0)[1],
                right=written(*tell(0)),
                wrong=written(*tell(slip)),
            )
        )
    return tuple(found)


def written(lines: Sequence[str], answer: str) -> str:
    """A worked answer as text."""
    return "\n".join([*(line for line in lines if line), f"Answer: {answer}"])


def right(item: Item, text: str) -> bool:
    """Whether `text` ends in the right answer: after its last `Answer:`, else its last word."""
    _, mark, said = text.lower().rpartition("answer:")
    said = said if mark else text.lower()
    if NUMBER.fullmatch(item.expected):
        numbers = NUMBER.findall(said)
        found = numbers[0 if mark else -1] if numbers else ""
        return bool(found) and float(found.replace(",", "")) == float(item.expected)
    words = re.findall(r"[a-z]+", said)
    return bool(words) and words[0 if mark else -1] == item.expected


async def answered(model: Model, messages: Sequence[Message]) -> tuple[str, Usage]:
    """A worked answer of the model, greedy, in the shape of the written ones."""
    reply = await model.reply(
        messages, schema=SCHEMA, sampling=Sampling(temperature=0.0, max_tokens=MOST)
    )
    data = reply.data or {}
    return written([one_line(str(data["work"]))], one_line(str(data["answer"]))), reply.usage


def _off(value: int, slip: int) -> int:
    """`value` with the slip, to the other side where it would fall below nought."""
    return value + slip if value + slip >= 0 else value - slip


def _sum(rng: random.Random) -> Made:
    a, b = rng.randrange(12, 90), rng.randrange(12, 90)

    def tell(slip: int) -> Told:
        whole = _off(a + b, slip)
        return [f"{a} + {b} = {whole}"], f"{whole}"

    return f"What is {a} + {b}?", tell


def _product(rng: random.Random) -> Made:
    a, b, c = rng.randrange(12, 60), rng.randrange(12, 60), rng.randrange(3, 9)

    def tell(slip: int) -> Told:
        inner = _off(a + b, slip)
        return [f"{a} + {b} = {inner}", f"{inner} * {c} = {inner * c}"], f"{inner * c}"

    return f"What is ({a} + {b}) * {c}?", tell


def _shop(rng: random.Random) -> Made:
    a, b, d, e = (rng.randrange(3, 12) for _ in range(4))
    sold = rng.randrange(1, a * b - 2)

    def tell(slip: int) -> Told:
        had, came = _off(a * b, slip), d * e
        left = had - sold
        lines = [
            f"At first there are {a} * {b} = {had} pens.",
            f"After the sale {had} - {sold} = {left} are left.",
            f"{d} * {e} = {came} pens come in.",
            f"Together that is {left} + {came} = {left + came}.",
        ]
        return lines, f"{left + came}"

    question = (
        f"A shop has {a} boxes with {b} pens each. It sells {sold} pens. Then {d} more boxes with "
        f"{e} pens each come in. How many pens does it have now?"
    )
    return question, tell


def _length(rng: random.Random) -> Made:
    word = rng.choice(WORDS)

    def tell(slip: int) -> Told:
        count = _off(len(word), slip)
        return [f"{'-'.join(word)}: {count} letters"], f"{count}"

    return f"How many letters has the word {word!r}?", tell


def _vowels(rng: random.Random) -> Made:
    one, two = rng.sample(WORDS, 2)

    def tell(slip: int) -> Told:
        first, second = _off(_count(one), slip), _count(two)
        lines = [f"{one} has {first} vowels.", f"{two} has {second} vowels."]
        return [*lines, f"{first} + {second} = {first + second}"], f"{first + second}"

    return f"How many vowels (a, e, i, o, u) do the words {one!r} and {two!r} have together?", tell


def _count(word: str) -> int:
    return sum(letter in "aeiou" for letter in word)


def _sorting(rng: random.Random) -> Made:
    words = rng.sample(WORDS, 5)
    limit = sorted(len(word) for word in words)[1]
    place = rng.choice((1, 2))

    def tell(slip: int) -> Told:
        kept = [word for word in words if len(word) >= limit]
        ordered = sorted(kept)
        at = place - 1
        if slip:
            other = (at + 1) % len(ordered)
            ordered[at], ordered[other] = ordered[other], ordered[at]
        lines = [
            f"With at least {limit} letters: {', '.join(kept)}.",
            f"In alphabetical order: {', '.join(ordered)}.",
            f"Number {place} is {ordered[at]}.",
        ]
        return lines, ordered[at]

    question = (
        f"Take the words {', '.join(words)}. Leave out those with fewer than {limit} letters and "
        f"put the rest in alphabetical order. Which word is number {place}?"
    )
    return question, tell


def _prints(rng: random.Random) -> Made:
    a, b = rng.randrange(20, 90), rng.randrange(3, 9)

    def tell(slip: int) -> Told:
        rest = _off(a % b, slip)
        return [f"{a} divided by {b} leaves {rest}."], f"{rest}"

    return _python(f"print({a} % {b})"), tell


def _loop(rng: random.Random) -> Made:
    top, factor = rng.randrange(4, 8), rng.randrange(2, 6)
    code = f"total = 0\nfor i in range({top}):\n    total += i * {factor}\nprint(total)"

    def tell(slip: int) -> Told:
        whole = _off(sum(range(top)), slip)
        lines = [f"i runs from 0 to {top - 1}; these add up to {whole}."]
        return [*lines, f"{whole} * {factor} = {whole * factor}"], f"{whole * factor}"

    return _python(code), tell


def _filter(rng: random.Random) -> Made:
    numbers = [rng.randrange(2, 40) for _ in range(6)]
    by = rng.choice((2, 3))
    code = (
        f"numbers = {numbers}\nkept = [n for n in numbers if n % {by} == 0]\n"
        "print(sum(kept) + len(kept))"
    )

    def tell(slip: int) -> Told:
        kept = [n for n in numbers if n % by == 0]
        whole = _off(sum(kept), slip)
        lines = [
            f"Divisible by {by}: {kept}.",
            f"They add up to {whole}.",
            f"There are {len(kept)} of them.",
            f"{whole} + {len(kept)} = {whole + len(kept)}",
        ]
        return lines, f"{whole + len(kept)}"

    return _python(code), tell


def _python(code: str) -> str:
    return f"What does this Python program print?\n```\n{code}\n```"


MAKERS: dict[tuple[Kind, int], Callable[[random.Random], Made]] = {
    ("arithmetic", 1): _sum,
    ("arithmetic", 2): _product,
    ("arithmetic", 3): _shop,
    ("text", 1): _length,
    ("text", 2): _vowels,
    ("text", 3): _sorting,
    ("code", 1): _prints,
    ("code", 2): _loop,
    ("code", 3): _filter,
}
