"""Drags that are listed: what can be dragged, to each of the places that take it.

An accessibility snapshot doesn't tell either, so the page's eyes do (`envs/browser_eyes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from envs.errors import clip
from envs.pages import NAME_MOST, Spot

DRAGS_MOST = 24
"""Drags that are listed at most."""


@dataclass(frozen=True)
class Loose:
    """Words of what can be dragged on a page, and of what takes it."""

    drags: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    """Besides what can be dragged: lists are put in order by dragging one thing to another."""

    def and_more(self, drags: Iterable[str], drops: Iterable[str]) -> Loose:
        """Those of another frame too."""
        return Loose((*self.drags, *drags), (*self.drops, *drops))


def listed(spots: Iterable[tuple[Spot, str]], *, loose: Loose, words: Sequence[str]) -> list[str]:
    """`drag ... to ...` for the elements of a page with their words, those first that the goal
    names (`words`).
    """
    if not loose.drags:
        return []
    places: dict[str, Spot] = {}
    for spot, said in spots:
        places.setdefault(said, spot)
    drags = [places[said] for said in map(_clipped, loose.drags) if said in places]
    drops = [places[said] for said in map(_clipped, loose.drops) if said in places]
    told = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words) or "$^", re.I)
    named = [spot for spot in drags if told.search(spot.name)]
    pairs = [(one, two) for one in named or drags for two in drops or drags if one != two]
    return [f"drag {one} to {two}" for one, two in pairs[:DRAGS_MOST]]


def _clipped(said: str) -> str:
    return clip(said, most=NAME_MOST)
