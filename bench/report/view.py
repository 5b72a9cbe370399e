"""What a page is made of: sections of paragraphs, tables, charts and transcripts. Plain data."""

from __future__ import annotations

from typing import Literal

from envs.types import Frozen
from memory.types import StepRecord, Verdict

NONE = "–"
"""Stands where there is nothing to tell."""

Tone = Literal["", "good", "bad", "dim"]


class Cell(Frozen):
    """One cell of a table."""

    text: str
    """What stands there."""
    sort: float | None = None
    """Number to sort by; cells with one are set right."""
    title: str = ""
    """Shown while the pointer rests on it, and to screen readers."""
    links: tuple[tuple[str, str], ...] = ()
    """(text, target) of links that follow the text; targets are ids on this page or files."""
    tone: Tone = ""
    """How it is coloured."""
    shade: float | None = None
    """From 0 to 1: strength of its background."""


class Table(Frozen):
    """A table in a box that scrolls by itself."""

    kind: Literal["table"] = "table"
    """For the template."""
    name: str
    """What it shows."""
    head: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[Cell, ...], ...]
    """As many cells each as there are columns."""
    note: str = ""
    """How to read it."""


class Chart(Frozen):
    """A picture, drawn for wide and for narrow screens."""

    kind: Literal["chart"] = "chart"
    """For the template."""
    name: str
    """Caption."""
    alt: str
    """The same in words, for those who can't see it."""
    wide: str
    """SVG, safe to be put into the page."""
    narrow: str
    """SVG, safe to be put into the page."""


class Text(Frozen):
    """A paragraph."""

    kind: Literal["text"] = "text"
    """For the template."""
    text: str
    """What it says."""
    tone: Tone | Literal["lead", "head"] = ""
    """How it is set; `head` is a heading of the third level."""
    tag: str = ""
    """A word that stands before it."""
    tagged: Tone = ""
    """How that word is coloured."""


class Attempt(Frozen):
    """One attempt of a transcript."""

    number: int
    """Counted from 1."""
    steps: tuple[StepRecord, ...]
    """Its steps."""
    verdict: Verdict | None = None
    """What the verifier thought of it."""


class Transcript(Frozen):
    """One run, whole."""

    id: str
    """Cell id, and the anchor on the page."""
    arm: str
    """Arm."""
    outcome: str
    """`solved` or the kind of failure."""
    title: str
    """One line: set, type, seed."""
    goal: str
    """What was asked."""
    facts: tuple[tuple[str, str], ...]
    """Names and values, for the head of the transcript."""
    notes: tuple[tuple[str, str], ...] = ()
    """(id, text) of what stood in the prompt throughout."""
    prompt: tuple[tuple[str, str], ...] = ()
    """(role, text) of the messages before the first action."""
    first: str = ""
    """What stood there before the first action."""
    attempts: tuple[Attempt, ...] = ()
    """What was done."""


class Transcripts(Frozen):
    """Transcripts, with a filter."""

    kind: Literal["transcripts"] = "transcripts"
    """For the template."""
    shown: tuple[Transcript, ...]
    """Those on the page."""
    left_out: int = 0
    """How many more were picked and did not fit."""


Block = Text | Table | Chart | Transcripts


class Section(Frozen):
    """A part of the page with a heading."""

    id: str
    """Anchor."""
    title: str
    """Heading."""
    blocks: tuple[Block, ...]
    """What stands under it, in order."""
    href: str = ""
    """Where the heading leads, if anywhere."""


def name(text: str, *, title: str = "", tone: Tone = "") -> Cell:
    """A cell of words."""
    return Cell(text=text, title=title, tone=tone)


def count(value: int) -> Cell:
    """A cell with a number of things."""
    return Cell(text=f"{value:,}", sort=value)


NOTHING = Cell(text=NONE, sort=-1, tone="dim")
"""A cell with nothing in it."""
