"""Pages as a player sees them, and what can be done to them, in words; no browser in here.

A page is read as text and acted on by role and name: `click button "Sign in"`, `fill textbox "User"
with "bob"`. Where several elements share role and name, the second carries `#2`; where each has a
row of its own, words of the row tell it too: `click button "Cancel" in "Ann Lee"`. Text of a page
without a role of its own is an `item`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal, Protocol, get_args

from pydantic import Field

from envs.errors import UserError, clip
from envs.types import Frozen

Verb = Literal[
    "click",
    "double-click",
    "check",
    "uncheck",
    "hover",
    "fill",
    "select",
    "press",
    "type",
    "drag",
    "scroll",
    "wait",
    "back",
]
VERBS: tuple[Verb, ...] = get_args(Verb)
NAME_MOST = 80
"""Characters of a name; longer ones end in an ellipsis, in snapshots and actions alike."""
TEXT_MOST = 4000
"""Characters that one action may enter."""

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_POINT = r"at \(-?\d{1,5}, ?-?\d{1,5}\)"
_SPOT = rf"(?:{_POINT}|[a-z]+(?: {_QUOTED})?(?: in {_QUOTED})?(?: #\d{{1,4}})?)"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (form, re.compile(pattern, re.DOTALL))
    for form, pattern in (
        ("one", rf"(?P<verb>click|double-click|check|uncheck|hover) (?P<spot>{_SPOT})"),
        ("fill", rf"(?P<verb>fill) (?P<spot>{_SPOT}) with (?P<value>{_QUOTED})"),
        ("select", rf"(?P<verb>select) (?P<spot>{_SPOT}) option (?P<value>{_QUOTED})"),
        ("press", rf"(?P<verb>press) (?P<plain>\S{{1,40}})(?: on (?P<spot>{_SPOT}))?"),
        ("type", rf"(?P<verb>type) (?P<value>{_QUOTED})"),
        ("drag", rf"(?P<verb>drag) (?P<spot>{_SPOT}) to (?P<to>{_SPOT})"),
        ("scroll", rf"(?P<verb>scroll) (?P<plain>up|down)(?: on (?P<spot>{_SPOT}))?"),
        ("plain", r"(?P<verb>wait|back)"),
    )
)
_PLACE = re.compile(r"at \((-?\d+), ?(-?\d+)\)")
_NAMED = re.compile(rf"([a-z]+)(?: ({_QUOTED}))?(?: in ({_QUOTED}))?(?: #(\d+))?", re.DOTALL)


class Spot(Frozen):
    """Where something is done: an element by role and name, or a point of the viewport."""

    role: str = ""
    """ARIA role, or `item`; empty for a point."""
    name: str = ""
    """Accessible name; empty for an element without one."""
    near: str = ""
    """Words of the row, card or entry that it stands in; empty: anywhere."""
    nth: int = Field(default=1, ge=1)
    """Which of those that share all this, in reading order, from 1."""
    at: tuple[int, int] | None = None
    """Pixels from the left and top edge of the viewport, for a point."""

    def __str__(self) -> str:
        if self.at is not None:
            return f"at ({self.at[0]}, {self.at[1]})"
        name = f" {quote(self.name)}" if self.name else ""
        name += f" in {quote(self.near)}" if self.near else ""
        return f"{self.role}{name}" + (f" #{self.nth}" if self.nth > 1 else "")


class PageAction(Frozen):
    """One thing done to a page. `str()` is what `parse` reads."""

    verb: Verb
    """What is done."""
    role: str = ""
    """Role of the element; empty where the action needs none, or `at` is given."""
    name: str = ""
    """Name of the element."""
    near: str = ""
    """Words of the row that it stands in; empty: anywhere."""
    nth: int = Field(default=1, ge=1)
    """Which of those that share all this, from 1."""
    value: str = ""
    """What is entered, the option, the key, or `up` / `down`."""
    at: tuple[int, int] | None = None
    """A point of the viewport in the place of an element."""
    to: Spot | None = None
    """Where a drag ends."""

    @property
    def spot(self) -> Spot | None:
        """Where it is done; None for the page as a whole."""
        if self.at is not None:
            return Spot(at=self.at)
        if not self.role:
            return None
        return Spot(role=self.role, name=self.name, near=self.near, nth=self.nth)

    def __str__(self) -> str:
        on = f" on {self.spot}" if self.spot else ""
        match self.verb:
            case "fill":
                return f"fill {self.spot} with {quote(self.value)}"
            case "select":
                return f"select {self.spot} option {quote(self.value)}"
            case "press" | "scroll":
                return f"{self.verb} {self.value}{on}"
            case "type":
                return f"type {quote(self.value)}"
            case "drag":
                return f"drag {self.spot} to {self.to}"
            case "wait" | "back":
                return self.verb
            case _:
                return f"{self.verb} {self.spot}"


class Seen(Frozen):
    """A page at one moment."""

    url: str
    """Its address."""
    title: str
    """Its title."""
    text: str
    """What stands there: one line an element, children indented by two blanks."""
    actions: tuple[str, ...]
    """What can be done, each as `parse` reads it."""


class Page(Protocol):
    """A page that can be read and acted on, and nothing else: no script reaches it from here."""

    def look(self, *, words: tuple[str, ...] = ()) -> Seen:
        """What stands there; `words` are what may be filled in, for the list of actions.

        Never raises for what a page does: a page that is gone is seen as a text that says so.
        """
        ...

    def act(self, action: PageAction) -> str:
        """Does it and says in one line what happened, or why it didn't; never raises for that."""
        ...

    def goto(self, url: str) -> str:
        """Opens an address of the allowed origins and says in one line how that went."""
        ...

    def shot(self) -> bytes:
        """The viewport as a PNG; empty where no picture can be taken."""
        ...

    def close(self) -> None:
        """Frees it; may be called twice."""
        ...


def quote(text: str) -> str:
    """`text` between double quotes, as in JSON."""
    return json.dumps(text, ensure_ascii=False)


def parse(text: str) -> PageAction:
    """The action that `text` names. Raises `UserError` when it names none."""
    text = text.strip()
    if len(text) <= TEXT_MOST * 2:
        for form, pattern in _FORMS:
            if found := pattern.fullmatch(text):
                return _action(form, found.groupdict())
    raise UserError(
        f"{clip(text)!r} is nothing that can be done to a page",
        repair='for example: click button "OK", fill textbox "Name" with "Ann", press Enter',
    )


def _action(form: str, found: dict[str, str | None]) -> PageAction:
    spot = _spot(found.get("spot") or "")
    value = found.get("plain") or _unquote(found.get("value") or '""')
    to = _spot(found["to"] or "") if form == "drag" else None
    fields = spot.model_dump() | {"verb": found["verb"], "value": value, "to": to}
    return PageAction.model_validate(fields)


def _spot(text: str) -> Spot:
    if found := _PLACE.fullmatch(text):
        return Spot(at=(int(found[1]), int(found[2])))
    if found := _NAMED.fullmatch(text):
        name, near = _unquote(found[2] or '""'), _unquote(found[3] or '""')
        return Spot(role=found[1], name=name, near=near, nth=max(int(found[4] or 1), 1))
    return Spot()


def _unquote(text: str) -> str:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return text[1:-1]


def words_of(goal: str, *, most: int = 12) -> tuple[str, ...]:
    """What a goal asks to be entered, by its looks, at most `most`.

    First what it quotes (in capitals or small letters too, where it speaks of these), then names,
    dates, times, numbers (a phone's as a whole) and codes, then what it says something is to be
    (`to 12 Rue de Rome`), then its other words of four letters and more.
    """
    quoted = [a or b for a, b in re.findall(r'"([^"]+)"|“([^”]+)”', goal)]
    rest = re.sub(r'"[^"]*"|“[^”]*”', " , ", goal)
    if "upper" in goal.lower():
        quoted += [text.upper() for text in quoted]
    if "lower" in goal.lower():
        quoted += [text.lower() for text in quoted]
    telling = [found.strip(" .,:;!?()") for found in _TELLING.findall(rest)]
    telling = [re.sub(r"(?<=\w)['’]s$", "", found) for found in telling]
    telling = [found for found in telling if found.lower() not in _COMMON]
    telling += [found for found in _GIVEN.findall(rest) if re.search(r"\d|[A-Z].* ", found)]
    plain = [word.strip(".,:;!?()") for word in rest.split()]
    plain = [word for word in plain if len(word) >= 4 and word.lower() not in _COMMON]
    return unique([*quoted, *telling, *plain])[:most]


_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_TELLING = re.compile(
    r"\d{1,2}:\d{2} ?[APap]\.?[Mm]\.?"
    r"|(?!\d+[-/]\d+[-/]\d)(?=(?:[ ()+/-]{0,2}\d){7})"
    r"[+(]{0,2}\d[\d()/-]*(?: [\d()/-]+)+(?![\w:.,]\w)"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},? \d{{4}}"
    r"|(?<![.!?] )(?<!^)\b[A-Z][\w'-]*(?:,? [A-Z][\w'-]*)*"
    r"|\S*[\d@]\S*"
)
_GIVEN = re.compile(r"\b(?:to|as|into|is) (\w[^.,;:!?]{1,59})(?=[.,;!?](?:\s|$)|$)")
"""What a sentence, or a part of it, ends with, where that is given to something."""
_COMMON_WORDS = """
with into from that this then them than have your their and the for after before which press click
enter text field fields button submit following select choose find item items page box using type
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    """Without repetitions and empty ones, in order."""
    return tuple(dict.fromkeys(text for text in texts if text))
