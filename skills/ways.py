"""Ways through tasks taken apart: their goals in parameters, their actions in forms and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skills.grammar import Grammar, Parsed
from skills.types import Shown


@dataclass
class Way:
    """A way taken apart."""

    shown: Shown
    """The way itself."""
    goal: str
    """Its goal with parameters in braces."""
    values: dict[str, str]
    """What the parameters stand for."""
    done: list[Parsed]
    """Its actions."""
    answers: list[str]
    """What was observed after each."""


def commands(shown: Sequence[Shown]) -> set[str]:
    """All commands that were offered or done."""
    found: set[str] = set()
    for one in shown:
        found.update(one.actions)
        for step in (one.first, *one.steps):
            found.update(step.admissible or ())
    return found


def taken_apart(shown: Shown, grammar: Grammar) -> Way:
    """A way in parameters, forms and names."""
    goal, values = worded(shown.task.goal, grammar)
    return Way(
        shown=shown,
        goal=goal,
        values=values,
        done=[grammar.parse(action) for action in shown.actions],
        answers=[step.observation for step in shown.steps],
    )


def worded(goal: str, grammar: Grammar) -> tuple[str, dict[str, str]]:
    """The wording of a goal, and what its parameters stand for: kinds of names that occur in it.

    `put a mug in box.` becomes `put a {x} in {y}.` with x = mug and y = box.
    """
    return lettered(goal, grammar.kinds)


def lettered(goal: str, kinds: Iterable[str]) -> tuple[str, dict[str, str]]:
    """`goal` with a parameter for each of these kinds in it, and what they stand for."""
    names = sorted(kinds, key=lambda one: (-len(one), one))
    values: dict[str, str] = {}
    if not names:
        return goal, values
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")

    def replaced(match: re.Match[str]) -> str:
        word = match[0]
        letter = next((one for one, value in values.items() if value == word), "")
        if not letter:
            letter = parameter(len(values))
            values[letter] = word
        return "{" + letter + ("+" if " " in word else "") + "}"

    return pattern.sub(replaced, goal), values


def parameter(number: int) -> str:
    """Name of a parameter: x, y, z, x1, y1 ..."""
    return "xyz"[number % 3] + (str(number // 3) if number >= 3 else "")
