"""Cards: what can be clicked as a whole though it holds a box or a button of its own.

A snapshot gives such a part a pointer and no name. It is called after the first words in it that
none of its controls says; without any, the pointer is a wrapper's and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Protocol, Self

LONGEST = 80
"""Characters that a card is called by, at most; what begins with longer words is no card."""
CONTROLS_MOST = 6
"""Controls of one card, at most: what holds more is a part of the page."""


class Card(Protocol):
    """An element, as far as cards go."""

    role: str
    name: str
    said: bool
    own: bool

    @property
    def text(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def given(self) -> bool: ...
    @property
    def pointer(self) -> bool: ...
    @property
    def children(self) -> list[Self]: ...
    def below(self) -> Iterator[Self]: ...


def name_cards(nodes: Iterable[Card], *, plain: Set[str], controls: Set[str]) -> None:
    """Names the cards among elements that were named: `own` is set, their first words are `said`.

    `plain` are roles of what may be a card, `controls` of what is used by itself.
    """
    for node in nodes:
        if not (node.pointer and node.ref and node.role in plain) or node.given:
            continue
        inner = [n for n in node.below() if n.role in controls and n.ref]
        names = [one.name.casefold() for one in inner]
        if not 0 < len(inner) <= CONTROLS_MOST:
            continue
        first = next(_words(node, controls), None)
        words = (first.text or first.name) if first else ""
        if first is None or len(words) > LONGEST or any(words.casefold() in n for n in names):
            continue
        node.name, node.own = words, True
        first.said = first is not node and not first.children


def _words(node: Card, controls: Set[str]) -> Iterator[Card]:
    """What says something in a part, in reading order, but for its controls."""
    if node.text and node.role not in controls:
        yield node
    for child in node.children:
        if child.role in controls or child.said:
            continue
        if (child.name and child.given) and not child.text and not child.children:
            yield child
        yield from _words(child, controls)
