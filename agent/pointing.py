"""What a goal names on a page comes first, in the order in which the goal names it.

A small model that may choose among sixty clicks sends a form before it is filled, or clicks what
stands on top. Goals say what is to be done in the page's own words, mostly in order. So an action
comes first whose element the goal names, and a value goes where the goal gives it: to the field
whose name is nearest to it, or to the one field that is left. Each is done once. When nothing
named is left, what the goal begins a sentence with is done (`Search for ...`), then buttons and
links are offered that share a telling word with the goal, then buttons. A button that it names
after `and` or `then` waits until something was done. No page's words are known beforehand. Where
the goal names nothing, all choices stay.

Workflows of demonstrations constrain what a web agent may click in Liu et al. 2018
(arXiv 1802.08802); here the goal's words do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from envs.browser_dialogs import QUESTION, YES
from envs.errors import UserError
from envs.pages import PageAction, parse
from envs.pages_snapshot import TEXTS
from memory.lexical import PLAIN
from memory.types import StepRecord

SHORT = 3
"""A name of fewer letters is believed only where the goal quotes it or writes it the same way."""
TELLING = 1 / 3
"""Share of the elements that a word of a name stands at, at most, to stand for one of them."""
_DONE = re.compile(r": done(?:$|; a )")
"""What an answer ends with that says so, but for dialogs, tabs and downloads that came of it."""
_ASKED = re.compile(r"\b(?:dialogs?|dismiss|question|confirm|confirmation|prompt)\b", re.IGNORECASE)
_ENTERS = frozenset(("fill", "select"))
_UNDOES = re.compile(r"\b(?:un\w+|deselect\w*|clear\w*|remove\w*)\b", re.IGNORECASE)
_BEGINS = re.compile(r"(?:^|[.!?;]\s+|\n\s*)$")
_THEN = re.compile(r"\b(?:and|then|after)\b", re.IGNORECASE)
_COUNT = re.compile(r"\s*\(\d+\)$")
_WORD = re.compile(r"[^\W_]+")
_VERBS = (
    "box button check checkbox choose click enter field fill find item link list option page press"
)
_DULL = PLAIN | frozenset(f"{_VERBS} pres select tab text type".split())
"""Words that tell no element from another."""


@dataclass(frozen=True)
class Told:
    """An action that the goal asks for."""

    action: str
    """As it is listed."""
    begin: int
    """Where the goal says so, in characters."""
    end: int
    """Where that ends."""
    late: bool = False
    """Whether it is a sentence's first word: a verb, or the name of what sends it all."""


def pointed(choices: Sequence[str], steps: Sequence[StepRecord], *, goal: str) -> tuple[str, ...]:
    """What of `choices` the goal asks for next; all of them where these are no actions on pages."""
    parsed = _parsed(choices)
    if len(parsed) < len(set(choices)):
        return tuple(choices)
    done = [s.action for s in steps if _DONE.search(s.observation.partition("\n")[0])]
    if yes := _meant(parsed, done, goal):
        return yes
    fields = Fields.of(parsed, done, goal)
    told = [*fields.told(goal), *_named(parsed, goal)]
    left = [one for one in _longest(told) if one.action not in done]
    if not told and not done:
        left = _alike(parsed, goal)
    if open_ := fields.open():
        left = [one for one in left if not one.late]
    if left:
        first = min((one.late, one.begin) for one in left)
        sends = {one.action for one in left if parsed[one.action].role == "button"}
        if not done and len(sends) == len(left) and _THEN.search(goal[: first[1]]):
            return tuple(c for c in choices if c not in sends) or tuple(choices)
        return tuple(dict.fromkeys(o.action for o in left if (o.late, o.begin) == first))
    if open_ or not done or _missing(goal, done):
        return open_ or tuple(choices)
    fresh = {c: a for c, a in parsed.items() if a.verb == "click" and c not in done}
    acts = {
        choice: action
        for choice, action in fresh.items()
        if action.role in ("button", "link") and not _leads_away(action, parsed.values())
    }
    alike = tuple(one.action for one in _alike(acts, goal))
    return alike or tuple(c for c, a in acts.items() if a.role == "button") or tuple(choices)


def _meant(parsed: Mapping[str, PageAction], done: Sequence[str], goal: str) -> tuple[str, ...]:
    """The answer to a question that came of what was done: what is to be entered, then that it is
    meant, whatever its words. Nothing where the goal itself speaks of a dialog.
    """
    clicks = frozenset(choice for choice in parsed if choice.startswith("click "))
    if clicks != QUESTION or not done or _ASKED.search(goal):
        return ()
    enters = tuple(choice for choice, one in parsed.items() if one.verb in _ENTERS)
    return enters if enters and not done[-1].startswith("fill ") else (f"click {YES}",)


@dataclass
class Fields:
    """Values that the goal gives to the fields of a page, each used once.

    A field that was filled is done with.
    """

    values: dict[str, dict[str, str]]
    """By field, the action for each value that may stand there."""
    names: dict[str, str]
    """By field, its name."""
    filled: dict[str, PageAction]
    """By field, how it was filled."""
    found: dict[str, str]
    """By field, the value that it is given."""
    several: bool = False
    """Whether the page has more fields than one."""

    @classmethod
    def of(cls, parsed: Mapping[str, PageAction], done: Iterable[str], goal: str) -> Fields:
        """Which value goes where, by nearness in the goal."""
        entered = [one for one in _parsed(done).values() if one.verb in _ENTERS]
        fields = cls({}, {}, {str(one.spot): one for one in entered}, {})
        listed = [a for a in parsed.items() if a[1].verb in _ENTERS]
        fields.several = len({str(action.spot) for _, action in listed}) > 1
        given = _given({a.value for _, a in listed if a.verb == "fill"}, goal)
        for choice, action in listed:
            spot = str(action.spot)
            meant = action.value in given if action.verb == "fill" else _places(action.value, goal)
            if meant and spot not in fields.filled:
                fields.values.setdefault(spot, {})[action.value] = choice
                fields.names[spot] = action.name
        fields._settle(goal)
        return fields

    def told(self, goal: str) -> list[Told]:
        """What is to be entered."""
        return [
            Told(self.values[spot][value], *_places(value, goal)[0])
            for spot, value in self.found.items()
        ]

    def open(self) -> tuple[str, ...]:
        """What may be entered where nothing tells which value is whose."""
        used = self._used()
        return tuple(
            choice
            for spot, values in self.values.items()
            for value, choice in values.items()
            if spot not in self.found and value not in used and self._may_take(spot, value)
        )

    def _whereabouts(self, spot: str, value: str, goal: str) -> list[int]:
        """Where the goal speaks of a field; an address for mail speaks for itself."""
        if "@" in value and "mail" in self.names[spot].casefold():
            return [_places(value, goal)[0][0]]
        return [begin for begin, _ in _places(self.names[spot], goal)]

    def _may_take(self, spot: str, value: str) -> bool:
        """Whether a value fits a field of which the goal doesn't speak; how many is no word."""
        return not self.names[spot] or (self.several and not value.isdigit())

    def _used(self) -> set[str]:
        return {*(one.value for one in self.filled.values()), *self.found.values()}

    def _settle(self, goal: str) -> None:
        near = sorted(
            (abs(at - named), at, spot, value)
            for spot, values in self.values.items()
            for value in values
            for at, _ in _places(value, goal)[:1]
            for named in self._whereabouts(spot, value, goal)
        )
        for _, _, spot, value in near:
            if spot not in self.found and value not in self._used():
                self.found[spot] = value
        rest = [spot for spot in self.values if spot not in self.found]
        if len(rest) != 1:
            return
        values = sorted(self.values[rest[0]], key=lambda value: _places(value, goal)[0])
        may = [value for value in values if self._may_take(rest[0], value)]
        fresh = [value for value in may if value not in self._used()]
        again = [f.value for f in self.filled.values() if _shared(f.name, self.names[rest[0]])]
        for value in fresh or [value for value in again if value in values]:
            self.found.setdefault(rest[0], value)


def _parsed(texts: Iterable[str]) -> dict[str, PageAction]:
    """Those that are actions on pages."""
    found: dict[str, PageAction] = {}
    for text in texts:
        with suppress(UserError):
            found[text] = parse(text)
    return found


def _given(values: Iterable[str], goal: str) -> set[str]:
    """What of `values` the goal gives: quoted, a name, a number or a code.

    Of a value and its parts the whole counts; in other letters than the goal's, where it is listed
    so, it is what the goal asks to make of it.
    """
    found: dict[tuple[int, int], str] = {}
    for value in sorted(values, key=lambda one: (one not in goal, one)):
        for begin, end in _places(value, goal):
            quoted = goal[begin - 1 : begin] in ('"', "“") and goal[end : end + 1] in ('"', "”")
            named = value[:1].isupper() and not _BEGINS.search(goal[:begin])
            if quoted or named or re.search(r"[\d@]", value):
                found[begin, end] = value
    return {
        value
        for (begin, end), value in found.items()
        if not any(a <= begin and end <= b and (a, b) != (begin, end) for a, b in found)
    }


def _missing(goal: str, done: Sequence[str]) -> bool:
    """Whether something that the goal quotes was not come upon yet."""
    quoted = [one or two for one, two in re.findall(r'"([^"]+)"|“([^”]+)”', goal)]
    return any(not any(q.casefold() in action.casefold() for action in done) for q in quoted)


def _named(parsed: Mapping[str, PageAction], goal: str) -> list[Told]:
    """What the goal calls by its name, in the row that it names; how many it holds is no part."""
    fields = {a.name.casefold() for a in parsed.values() if a.verb in _ENTERS}
    undoes = bool(_UNDOES.search(goal))
    found: list[Told] = []
    for choice, action in parsed.items():
        if action.verb in _ENTERS or not action.name or (action.verb == "uncheck" and not undoes):
            continue
        label = action.name.casefold() in fields and action.role in (*TEXTS, "item", "combobox")
        if label or (action.near and not _places(action.near, goal)):
            continue
        for begin, end in _places(_COUNT.sub("", action.name), goal):
            verb = action.role == "button" and not action.near
            late = verb and bool(_BEGINS.search(goal[:begin]))
            found.append(Told(choice, begin, end, late=late))
    return [one for one in found if not _leads_away(parsed[one.action], parsed.values())]


def _leads_away(action: PageAction, others: Iterable[PageAction]) -> bool:
    """Whether a button here does what a link's name is part of: `Add to cart` beside `Cart (2)`."""
    name = _COUNT.sub("", action.name)
    return action.role == "link" and any(
        o.role == "button" and o.name != name and _places(name, o.name) for o in others
    )


def _alike(parsed: Mapping[str, PageAction], goal: str) -> list[Told]:
    """What shares most of the words that few elements have with the goal."""
    asked = _words(goal)
    words = {
        choice: _words(f"{action.name} {action.near}")
        for choice, action in parsed.items()
        if action.verb not in _ENTERS
    }
    often = Counter(word for some in words.values() for word in some)
    few = max(1, int(TELLING * len(words)))
    shared = {
        choice: {w for w in some if w in asked and w not in _DULL and often[w] <= few}
        for choice, some in words.items()
    }
    most = max(map(len, shared.values()), default=0)
    return [Told(c, 0, 0) for c, some in shared.items() if most and len(some) == most]


def _places(name: str, goal: str) -> list[tuple[int, int]]:
    """Where the goal has these words, as wholes; of many where it speaks of one, and so on."""
    if not name.strip():
        return []
    strict = len(name) < SHORT and not name.isdigit()
    flags = re.NOFLAG if strict else re.IGNORECASE
    before = r"(?<![\w.,])" if strict else r"(?<!\w)"
    many = r"s?" if len(name) > SHORT and name[-1].isalpha() else ""
    one = name[:-1] if many and name[-1] in "sS" else name
    pattern = rf"{before}{re.escape(one)}{many}(?!\w)"
    return [match.span() for match in re.finditer(pattern, goal, flags)]


def _words(text: str) -> set[str]:
    """Words, of many as of one."""
    return {word.casefold().removesuffix("s") for word in _WORD.findall(text)}


def _longest(told: Sequence[Told]) -> list[Told]:
    """Without names that are parts of longer ones: `Option` where `Option 2` is meant."""
    spans = {(one.begin, one.end) for one in told}
    return [
        one
        for one in told
        if not any(
            a <= one.begin and one.end <= b and b - a > one.end - one.begin for a, b in spans
        )
    ]


def _shared(one: str, two: str) -> bool:
    return not _words(one).isdisjoint(_words(two))
