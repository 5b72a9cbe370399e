"""Words of goals in the names of what stands on a page, by their looks and in any language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from envs.pages import PageAction

UNNAMED = 0.6
"""Weight of what the goal doesn't speak of."""
STEM = 4
"""Letters of a word from which on it may be told by another that begins so."""
WORD = re.compile(r"[^\W_][\w'-]*")
SIGNS = re.compile(r"^[^\w\"]+(?=\w)|(?<=\w)\s*[^\w\s\"'.,:;!?)\]%]+$")
"""Signs that names begin or end with: an arrow, a star."""
COMMON = frozenset(
    """a an and any as at button by click enter field fields for from has have in into it its link
    of on or press select submit text that the then this to use with""".split()  # noqa: SIM905
)


def naming(name: str, goal: str, done: Sequence[PageAction]) -> float:
    """By how much of a name the goal speaks of, and how much of the goal that is."""
    low, name = goal.casefold(), SIGNS.sub("", name.casefold())
    words = [word for word in WORD.findall(name) if word not in COMMON]
    if not words:
        return 3.0 if name and f'"{name}"' in low else UNNAMED
    if f'"{name}"' in low:
        return 10.0
    told = {word for one in done for word in WORD.findall(f"{one.name} {one.value}".casefold())}
    hits = [word for word in words if _spoken(word, low)]
    new = [word for word in hits if word not in told]
    if not hits:
        return UNNAMED
    whole = 3.0 if within(name, low) else 1.0
    spoken = 3.0 * len(new) + 1.0 * (len(hits) - len(new))
    return UNNAMED + whole * spoken * len(hits) / len(words)


def _spoken(word: str, goal: str) -> bool:
    """Whether a text has a word, as of one or of many, or one that begins or goes on so."""
    if within(word, goal) or within(_other(word), goal):
        return True
    return len(word) >= STEM and any(
        len(one) >= STEM and (word.startswith(one) or one.startswith(word))
        for one in WORD.findall(goal)
    )


def _other(word: str) -> str:
    """A word of many as of one, and the other way round; short ones as they are."""
    return word if len(word) < 4 else word[:-1] if word.endswith("s") else f"{word}s"


def within(word: str, text: str) -> bool:
    """Whether it stands there as a whole word, or several."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def telling(value: str) -> bool:
    """Whether it looks like a name, a number, a code or an address."""
    return any(letter.isdigit() or letter.isupper() or letter == "@" for letter in value)


def labelled(label: str, goal: str) -> bool:
    """Whether the goal has a word of what a field is called."""
    words = WORD.findall(label.casefold())
    return any(within(word, goal) for word in words if word not in COMMON)


def right_before(label: str, value: str, goal: str) -> bool:
    """Whether the goal names a field right before what belongs there."""
    return re.search(rf"{re.escape(label)}\W+(?:\w+\W+)?{re.escape(value)}", goal) is not None
