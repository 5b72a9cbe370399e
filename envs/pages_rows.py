"""Elements of a page that are alike, told apart by the row, card or group that each stands in.

What a row is, no role has to say: the largest part of the page that holds only one of those that
share role and name, beside others that hold one each. What it is called are words that stand in it
and in none of the others; those that the goal speaks of come first.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Self, TypeVar

WORDS_OF_ROW = 30
"""Texts of a part of a page that counts as a row, at most."""
DEEP = 4
"""Parts of a page, each in the next, that may be the row of an element."""
LONGEST = 60
"""Characters of words that a row is called by."""
ROWS = frozenset("row listitem article group treeitem dialog".split())  # noqa: SIM905
"""Roles of what is a row even where it is the only one."""


class Part(Protocol):
    """An element, as far as rows go."""

    @property
    def role(self) -> str: ...
    @property
    def word(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def said(self) -> bool: ...
    @property
    def children(self) -> Sequence[Self]: ...
    @property
    def parent(self) -> Self | None: ...
    def below(self) -> Iterator[Self]: ...


P = TypeVar("P", bound=Part)


def called(nodes: Iterable[P], *, goal: Sequence[str] = ()) -> dict[int, str]:
    """What the rows of elements that are alike are called, by the elements' `id`.

    Elements whose row no words of its own tell are left out.
    """
    groups: defaultdict[tuple[str, str], list[P]] = defaultdict(list)
    for node in nodes:
        groups[node.word, node.name].append(node)
    low = [word.casefold() for word in goal]
    found: dict[int, str] = {}
    for alike in groups.values():
        rows = _rows(alike)
        told = {key: _texts(row) for key, row in rows.items()}
        times = Counter(text for texts in told.values() for text in {t.casefold() for t in texts})
        for key, texts in told.items():
            own = [text for text in texts if times[text.casefold()] == 1]
            if own:
                best = min(own, key=lambda text: _rank(text, low))
                found[key] = _piece(best, goal, [every for k, every in told.items() if k != key])
    return found


def _piece(text: str, goal: Sequence[str], others: Sequence[Sequence[str]]) -> str:
    """Of words of a row those of the goal, where no other row has them: `Ann` of `Ann Parent`."""
    for word in () if text.casefold() in map(str.casefold, goal) else goal:
        part = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        if part.search(text) and not any(part.search(one) for every in others for one in every):
            return word
    return text


def within(alike: Sequence[P], near: str) -> list[P]:
    """Those of elements that are alike whose row says `near`, else has it among longer words."""
    rows = _rows(alike)
    if len(alike) == 1:
        rows = {id(alike[0]): _alone(alike[0])}
    low = near.casefold()
    told = {key: [text.casefold() for text in _texts(row)] for key, row in rows.items()}
    exact = [node for node in alike if low in told.get(id(node), ())]
    part = re.compile(rf"(?<!\w){re.escape(low)}(?!\w)")
    return exact or [node for node in alike if any(map(part.search, told.get(id(node), ())))]


def beside(nodes: Iterable[P], *, goal: Sequence[str]) -> dict[int, str]:
    """Labels that the goal speaks of, by the `id` of what they belong to, if it does not speak of
    that: what is called after what it shows is called otherwise in the next task.
    """
    low = [word.casefold() for word in goal]
    some = list(nodes)
    named = {id(node) for node in some if node.name.casefold() in low}
    told = {key: [one for one in words if one.casefold() in low] for key, words in _labels(some)}
    return {key: words[0] for key, words in told.items() if words and key not in named}


def at_label(nodes: Sequence[P], near: str) -> list[P]:
    """Those of elements, whatever they are called, that have such a label."""
    low = near.casefold()
    found = {key for key, words in _labels(nodes) if low in map(str.casefold, words)}
    return [node for node in nodes if id(node) in found]


def _labels(nodes: Iterable[P]) -> Iterator[tuple[int, list[str]]]:
    """The words before each element in its part of the page, where other parts are like it."""
    groups: defaultdict[tuple[object, ...], list[tuple[P, P]]] = defaultdict(list)
    for node in nodes:
        path, part = (node.word,), node.parent
        for _ in range(DEEP):
            if part is None or part.parent is None:
                break
            path = (*path, part.role)
            groups[(id(part.parent), *path)].append((node, part))
            part = part.parent
    for some in groups.values():
        if len({id(part) for _, part in some}) > 1:
            for node, part in some:
                yield id(node), _before(part, node)


def _before(row: Part, node: Part) -> list[str]:
    """The words of a row up to one of its elements; none where it is too large for one."""
    parts = list(row.below())
    place = next(number for number, part in enumerate(parts) if part is node)
    known = set(_texts(row))
    words = [part.name or part.text for part in parts[:place] if not part.said]
    return [text.rstrip(" :*") for text in words if text in known and text.rstrip(" :*")]


def _rows(alike: Sequence[P]) -> dict[int, P]:
    """The row of each, by its `id`; only rows with others beside them."""
    if len(alike) < 2:
        return {}
    above = {id(node): list(_above(node)) for node in alike}
    held = Counter(id(part) for parts in above.values() for part in parts)
    rows: dict[int, P] = {}
    for node in alike:
        for part in above[id(node)]:
            if held[id(part)] > 1:
                break
            rows[id(node)] = part
    beside = Counter(id(row.parent) for row in rows.values())
    return {key: row for key, row in rows.items() if beside[id(row.parent)] > 1}


def _above(node: P) -> Iterator[P]:
    part = node.parent
    while part is not None:
        yield part
        part = part.parent


def _alone(node: P) -> P:
    """The row of an element that has none like it: what its role makes one, else what is near."""
    above = list(_above(node))
    return next((part for part in above if part.role in ROWS), [node, *above][:4][-1])


def _texts(row: Part) -> list[str]:
    """The words of a row, in reading order; none where it is too large for one."""
    parts = [row, *row.below()]
    texts = [part.name or part.text for part in parts if not part.said]
    texts = [text for text in texts if text and len(text) <= LONGEST]
    return texts if len(texts) <= WORDS_OF_ROW else []


def _rank(text: str, goal: Sequence[str]) -> tuple[bool, bool, bool]:
    """Smaller for words that tell a row better."""
    low = text.casefold()
    inside = any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", low) for word in goal)
    return low not in goal, not inside, len(re.findall(r"[^\W\d_]", text)) < 3
