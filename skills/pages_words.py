"""Where in a goal the texts of a page stand: names, values, and parts of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]
SHORTEST = 3
"""Letters of a word of a goal by which a longer name is known."""
COMMON = frozenset("the and for with from into this that".split())  # noqa: SIM905
"""Words of a goal by which nothing is known."""


def phrase(text: str, piece: str) -> Span | None:
    """Where `piece` stands in `text` as whole words, in capitals or not."""
    if not piece.strip():
        return None
    pattern = rf"(?<!\w){re.escape(piece.strip())}(?!\w)"
    found = re.search(pattern, text, re.IGNORECASE)
    return found.span() if found else None


def digits(text: str) -> bool:
    """Whether there is a number in it."""
    return any(letter.isdigit() for letter in text)


def inner(text: str, affixes: tuple[str, str]) -> str:
    """What is between its affixes."""
    return text[len(affixes[0]) : len(text) - len(affixes[1])]


def affixes_of(texts: Sequence[str]) -> tuple[str, str]:
    """What all of them begin and end with, up to a blank."""
    before = _beginning(texts)
    before = before[: before.rfind(" ") + 1]
    after = _beginning([text[len(before) :][::-1] for text in texts])[::-1]
    after = after[after.find(" ") :] if " " in after else ""
    return before, after


def _beginning(texts: Sequence[str]) -> str:
    """The characters that all of them begin with."""
    same = [len(set(letters)) == 1 for letters in zip(*texts, strict=False)]
    return texts[0][: same.index(False) if False in same else len(same)]


def found_in(goal: str, text: str, affixes: tuple[str, str], *, part: bool) -> Span | None:
    """Where a text stands in a goal: what is between its affixes, if that is a number of sorts,
    else the whole, else (with `part`) the longest run of the goal's words that is in it.
    """
    middle = inner(text, affixes)
    if any(affixes) and digits(middle) and (span := phrase(goal, middle)):
        return span
    if span := phrase(goal, text):
        return span
    best: Span | None = None
    words = [found.span() for found in re.finditer(r"[\w'-]+", goal)] if part else []
    for one, (begin, _) in enumerate(words):
        for _, end in words[one:]:
            piece = goal[begin:end]
            if not phrase(text, piece):
                break
            told = [w for w in re.findall(r"[\w'-]+", piece.casefold()) if w not in COMMON]
            if max(map(len, told), default=0) >= SHORTEST and (
                best is None or end - begin > best[1] - best[0]
            ):
                best = (begin, end)
    return best


def quoted(goal: str, text: str) -> bool:
    """Whether a goal puts it between quotation marks."""
    return bool(text) and f'"{text}"'.casefold() in goal.casefold()


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans that overlap as one, in order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
