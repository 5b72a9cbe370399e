"""Things that the goal names and a weak solver passes by.

It stands before what it was sent for and goes on searching. So what can be done with such a thing
comes before going on; with empty hands, and when no place is left that was not seen, places that
showed one come first. Which words tell is counted, not listed: those of the goal that few of the
places showed. Where something was put, brought or made, nothing was overlooked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from memory.essence import IDLE, LOOKS, MOVES, OPENS
from memory.lexical import words_of
from memory.types import StepRecord

FEW = 1 / 3
"""Share of the places that a telling word stands at, at most."""
_TAKES, _PUTS = "take ", "move "
_THING = re.compile(r"([^\W\d_]+)( \d+)?")


def overlooked(goal: str, steps: Sequence[StepRecord]) -> dict[str, frozenset[str]]:
    """Moves that lead to such places, with the things that stand there ("pan 1")."""
    shown: dict[str, list[str]] = {}
    taken: dict[str, str] = {}
    touched: set[str] = set()
    place = ""
    for step in steps:
        if step.observation.startswith(IDLE) or step.action.startswith(LOOKS):
            continue
        if step.action.startswith(MOVES):
            place = step.action
            shown[place] = []
            taken[place] = ""
        elif step.action.startswith(_TAKES):
            taken[place] = f"{taken.get(place, '')} {step.action} "
        elif not step.action.startswith(OPENS):
            touched.add(place)
        if place:
            shown[place].append(step.observation)
    said = {move: set(words_of(" ".join(seen))) for move, seen in shown.items()}
    often = Counter(word for words in said.values() for word in words)
    asked = {word for word in words_of(goal) if often[word] <= max(2, FEW * len(shown))}
    found = {
        move: frozenset(
            thing
            for thing in things(" ".join(seen), asked - set(words_of(move)))
            if f" {thing} " not in taken[move]
        )
        for move, seen in shown.items()
        if move not in touched
    }
    return {move: named for move, named in found.items() if named}


def carrying(steps: Sequence[StepRecord]) -> bool:
    """Whether something was taken and not put away since."""
    done = [s.action for s in steps if not s.observation.startswith(IDLE)]
    last = next((a for a in reversed(done) if a.startswith((_TAKES, _PUTS))), "")
    return last.startswith(_TAKES)


def things(text: str, words: set[str]) -> frozenset[str]:
    """What these words stand for in a text, each with its number where it has one."""
    return frozenset(
        match[0]
        for match in _THING.finditer(text.lower())
        if words.intersection(words_of(match[1]))
    )


def naming(choices: Iterable[str], named: frozenset[str]) -> tuple[str, ...]:
    """Those that do something with one of these things: no moves, no looks, nothing put away."""
    return tuple(
        choice
        for choice in choices
        if not choice.startswith((*MOVES, *OPENS, *LOOKS))
        and any(f" {thing} " in f" {choice} " for thing in named)
    )
