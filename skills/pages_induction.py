"""Programs for pages out of successful ways, without a model: what varies comes from the goal.

Ways that do the same to elements of the same roles are laid over each other. A name or a text that
is the same in all of them is part of the program; one that varies has to stand in the goal, and
becomes a parameter, as does whatever the goal puts between quotation marks. What all ways found
there at first is what the program looks for before it does anything. What a page says when it
worked, and did not say before, becomes the program's check. No word of any site stands here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Literal

from envs.pages import PageAction
from envs.types import Frozen
from skills.calling import WORDS
from skills.pages import of_pages, understood
from skills.pages_lists import BINDS_LIST, collapsed, listed
from skills.pages_said import said
from skills.pages_turning import unturned
from skills.pages_words import (
    Span,
    affixes_of,
    digits,
    found_in,
    inner,
    merged,
    phrase,
    quoted,
)
from skills.program import TAKEN
from skills.types import Shown

LEAST = 2
"""Ways through tasks of their own that a program is written from."""
BINDS = re.compile(WORDS)
"""What a parameter outside of quotation marks can stand for (`skills/calling.py`)."""
BINDS_ONE = re.compile(r"\w(?:[\w\-'/.:@]*[\w\-'])?")
"""The same without blanks."""


class Part(Frozen):
    """A text of an action: the name of an element, what is entered, where a drag ends."""

    what: Literal["name", "near", "value", "to"]
    """Which of them; `near`: words of the row that it stands in."""
    text: str = ""
    """What always stands there; with a parameter, what stands before it."""
    parameter: str = ""
    """Its parameter; empty: none."""
    after: str = ""
    """What stands behind the parameter."""
    like: bool = False
    """Without a parameter: names begin so, and go on with a number that changes (`Cart (3)`)."""
    case: Literal["", "upper", "lower"] = ""
    """How the parameter is entered: as it stands in the goal, in capitals, in small letters."""


class Move(Frozen):
    """One action of a program."""

    action: PageAction
    """One of the actions that it comes from: verb, role and number hold for all of them."""
    parts: tuple[Part, ...] = ()
    """Its texts."""
    there: bool = False
    """All ways found its element there at first."""
    each: bool = False
    """It is done to each of a list, which its parameter stands for."""
    turn: PageAction | None = None
    """What is done before it until its element stands there; None: nothing."""


class PageProgram(Frozen):
    """What ways with one wording of the goal have in common."""

    goal: str
    """The wording, with parameters in braces."""
    parameters: tuple[str, ...]
    """Names of the parameters, in the order of the goal."""
    moves: tuple[Move, ...]
    """What is done, in order."""
    said: str = ""
    """What the page says when it worked, with parameters in braces; empty: nothing of the like."""
    ways: tuple[int, ...] = ()
    """Which of the ways it was written from."""


What = Literal["name", "near", "value", "to"]


class _Slot(Frozen):
    """Where a text stands in the actions of a group."""

    move: int
    what: What
    label: str
    """What a parameter there would be called."""
    each: bool = False
    """It stands for a list."""


@dataclass
class _Row:
    """A way of a group."""

    number: int
    shown: Shown
    actions: list[PageAction]
    lists: frozenset[int]
    texts: list[str]
    turns: dict[int, str] = field(default_factory=dict)
    """What was done, once or more, before an action until its element stood there."""
    found: list[Span] = field(default_factory=list)
    """For each text that is open: where it stands in the goal."""
    spans: list[Span] = field(default_factory=list)
    """The parameters in the goal, in its order."""

    @property
    def goal(self) -> str:
        return self.shown.task.goal

    @property
    def held(self) -> tuple[int, ...]:
        """For each text that is open: the number of its parameter."""
        inside = [[a <= one[0] and one[1] <= b for a, b in self.spans] for one in self.found]
        return tuple(row.index(True) for row in inside)

    def values(self) -> list[str]:
        return [self.goal[a:b] for a, b in self.spans]

    def between(self) -> tuple[str, ...]:
        """The fixed words of the goal."""
        edges = [0, *(edge for span in self.spans for edge in span), len(self.goal)]
        return tuple(self.goal[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def induce_pages(shown: Sequence[Shown]) -> list[PageProgram]:
    """Programs from successful ways through pages, those that most ways support first."""
    groups: dict[tuple[object, ...], list[_Row]] = defaultdict(list)
    pages = {number: way for number, way in enumerate(shown) if of_pages(way.actions)}
    straight = unturned(list(pages.values()))
    plain = {n: _understood(one[0]) for n, one in zip(pages, straight, strict=True)}
    turns = dict(zip(pages, (where for _, where in straight), strict=True))
    verbs = listed([(shown[number].task.goal, actions) for number, actions in plain.items()])
    for number, whole in plain.items():
        way = shown[number]
        actions, lists = collapsed(way.task.goal, whole, verbs=verbs)
        texts = [_text(actions[slot.move], slot.what) for slot in _slots(actions, lists)]
        row = _Row(
            number=number,
            shown=way,
            actions=actions,
            lists=lists,
            texts=texts,
            turns=turns[number] if len(actions) == len(whole) else {},
        )
        groups[(way.task.tags[:1], lists, *map(_shape, actions))].append(row)
    programs = [one for rows in groups.values() for one in _laid_over(rows)]
    return sorted(programs, key=lambda one: (-len(one.ways), one.goal, len(one.moves)))


def _understood(lines: Sequence[str]) -> list[PageAction]:
    return [one for line in lines if (one := understood(line))]


def _shape(action: PageAction) -> tuple[object, ...]:
    """What has to be the same in ways that are laid over each other."""
    plain = action.value if action.verb in ("press", "scroll") else ""
    to = (action.to.role, action.to.nth, action.to.at) if action.to else None
    return action.verb, action.role, bool(action.near), action.nth, action.at, plain, to


def _slots(actions: Sequence[PageAction], lists: frozenset[int]) -> Iterator[_Slot]:
    for number, one in enumerate(actions):
        each = number in lists
        if one.role:
            yield _Slot(move=number, what="name", label="items" if each else "item", each=each)
        if one.near:
            yield _Slot(move=number, what="near", label="item")
        if one.verb in ("fill", "select", "type"):
            yield _Slot(move=number, what="value", label=one.name or "text")
        if one.to and one.to.role:
            yield _Slot(move=number, what="to", label="target")


def _text(action: PageAction, what: What) -> str:
    if what == "to":
        return action.to.name if action.to else ""
    if what == "near":
        return action.near
    return action.name if what == "name" else action.value


def _laid_over(rows: Sequence[_Row]) -> Iterator[PageProgram]:
    """Programs of ways that do the same to elements of the same roles."""
    if len({row.shown.task.key for row in rows}) < LEAST:
        return
    slots = list(_slots(rows[0].actions, rows[0].lists))
    counts = {
        at: before for at, slot in enumerate(slots) if (before := _counting(rows, at, slot.what))
    }
    counts |= {at: "" for at, slot in enumerate(slots) if _changing(rows, at, slot)}
    open_ = [
        at
        for at in range(len(slots))
        if (len({row.texts[at] for row in rows}) > 1 and at not in counts)
        or slots[at].each
        or all(quoted(row.goal, row.texts[at]) for row in rows)
    ]
    affixes = {
        at: ("", "") if slots[at].each else affixes_of([row.texts[at] for row in rows])
        for at in open_
    }
    parts: dict[tuple[object, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        found = [
            found_in(row.goal, row.texts[at], affixes[at], part=_in_part(slots[at])) for at in open_
        ]
        row.found = [one for one in found if one]
        if len(row.found) == len(open_):
            row.spans = merged(row.found)
            lists = {row.found[n] for n, at in enumerate(open_) if slots[at].each}
            if all(_binds(row.goal, span, listed=span in lists) for span in row.spans):
                parts[(row.between(), row.held)].append(row)
    for mine in parts.values():
        if len(mine) < len(rows):
            yield from _laid_over(mine)  # what varied among all may be the same in these
        else:
            yield _program(mine, slots, open_, affixes, counts)


def _in_part(slot: _Slot) -> bool:
    """Whether a part of what stands there may be what a goal speaks of."""
    return slot.what != "value" and not slot.each


def _program(
    rows: Sequence[_Row],
    slots: Sequence[_Slot],
    open_: Sequence[int],
    affixes: dict[int, tuple[str, str]],
    counts: dict[int, str],
) -> PageProgram:
    first = rows[0]
    kept = {at: affixes[at] if _affixed(rows, at, affixes[at]) else ("", "") for at in open_}
    holders = dict(zip(open_, first.held, strict=True))
    labels: dict[int, str] = {}
    for at, number in holders.items():
        # What is clicked on is the thing itself; a field may be named for what is done with it.
        if slots[at].what != "value" or number not in labels:
            labels[number] = kept[at][0].strip() or slots[at].label
    names = _names([labels[number] for number in range(len(first.spans))])
    parts: dict[int, list[Part]] = defaultdict(list)
    for at, slot in enumerate(slots):
        if at in holders:
            before, after = kept[at]
            part = Part(
                what=slot.what,
                text=before,
                parameter=names[holders[at]],
                after=after,
                case=_case(rows, at, open_.index(at)),
            )
        else:
            text = counts.get(at, first.texts[at])
            part = Part(what=slot.what, text=text, like=bool(text) and at in counts)
        parts[slot.move].append(part)
    lists = {holders[at] for at in open_ if slots[at].each}
    wording = first.between()[0]
    for number, fixed in enumerate(first.between()[1:]):
        quoted = wording.endswith('"') and fixed.startswith('"')
        several = not quoted and any(" " in row.values()[number] for row in rows)
        mark = "," if number in lists else "+" if several else ""
        wording += "{" + names[number] + mark + "}" + fixed
    return PageProgram(
        goal=wording,
        parameters=tuple(names),
        moves=tuple(
            Move(
                action=one,
                parts=tuple(parts[number]),
                there=number not in first.lists and _there(rows, number),
                each=number in first.lists,
                turn=_turn(rows, number),
            )
            for number, one in enumerate(first.actions)
        ),
        said=said([(row.shown, row.values()) for row in rows], names),
        ways=tuple(row.number for row in rows),
    )


def _turn(rows: Sequence[_Row], number: int) -> PageAction | None:
    """What some way turned pages with before an action."""
    return next((understood(row.turns[number]) for row in rows if number in row.turns), None)


def _there(rows: Sequence[_Row], number: int) -> bool:
    """Whether every way could have done this to its element at first."""
    for row in rows:
        spot = row.actions[number].spot
        begun = (understood(line) for line in row.shown.first.admissible or ())
        if spot is None or spot.at or not any(one and one.spot == spot for one in begun):
            return False
    return True


def _case(rows: Sequence[_Row], at: int, number: int) -> Literal["", "upper", "lower"]:
    """How a text is written, where that is not as the goals write it."""
    pairs = [(row.texts[at], row.goal[slice(*row.found[number])]) for row in rows]
    if all(text == told for text, told in pairs):
        return ""
    if all(text == told.upper() for text, told in pairs):
        return "upper"
    return "lower" if all(text == told.lower() for text, told in pairs) else ""


def _affixed(rows: Sequence[_Row], at: int, affixes: tuple[str, str]) -> bool:
    """Whether what was found of a text in all goals is what stands between its affixes."""
    texts = [inner(row.texts[at], affixes) for row in rows]
    told = all(phrase(row.goal, one) for row, one in zip(rows, texts, strict=True))
    return any(affixes) and told and all(map(digits, texts))


def _counting(rows: Sequence[_Row], at: int, what: What) -> str:
    """What names begin with that differ in a number only, of which no goal speaks; else empty."""
    texts = [row.texts[at] for row in rows]
    plain = {re.sub(r"\d+", "", text) for text in texts}
    before = re.split(r"\d", texts[0])[0]
    if what != "name" or len(set(texts)) < LEAST or len(plain) > 1 or not before.strip():
        return ""
    numbers = [(row.goal, re.findall(r"\d+", row.texts[at])) for row in rows]
    return "" if all(phrase(goal, one) for goal, some in numbers for one in some) else before


def _changing(rows: Sequence[_Row], at: int, slot: _Slot) -> bool:
    """Whether a name is what something shows at the moment: it varies, not all goals speak of it,
    and the words beside it tell which is meant.
    """
    names = {row.texts[at] for row in rows}
    beside = slot.what == "name" and rows[0].actions[slot.move].near
    return bool(beside and len(names) > 1) and not all(
        found_in(row.goal, row.texts[at], ("", ""), part=True) for row in rows
    )


def _binds(goal: str, span: Span, *, listed: bool) -> bool:
    """Whether a parameter can stand for what is there (`skills/calling.py`)."""
    begin, end = span
    if goal[begin - 1 : begin] == goal[end : end + 1] == '"':
        return True
    value = goal[begin:end]
    patterns = (BINDS, BINDS_ONE, *([BINDS_LIST] if listed else []))
    return any(pattern.fullmatch(value) for pattern in patterns)


def _names(labels: Sequence[str]) -> list[str]:
    """Labels as names of parameters."""
    names: list[str] = []
    for label in labels:
        words = re.findall(r"[a-z][a-z0-9]*", label.casefold())[:3]
        name = "_".join(words) or "text"
        name = f"the_{name}" if name in TAKEN or iskeyword(name) else name
        free, number = name, 2
        while free in names:
            free, number = f"{name}_{number}", number + 1
        names.append(free)
    return names
