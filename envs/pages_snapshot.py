"""From a browser's accessibility snapshot to what a player reads and may do.

The snapshot is Playwright's (`mode="ai"`), an element a line, `- role "name" [state] [ref=e7]`.
Trimmed here: wrappers without meaning, references, addresses and cursors go, the words of a row of
a table are one line, with what can be used below, and a field without a name takes the words before
it. What is left changes only when the page does.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from envs import pages_cards, pages_drags, pages_rows
from envs.errors import clip
from envs.pages import NAME_MOST, PageAction, Spot, quote, unique

ACTIONS_MOST = 60
"""Actions that are listed at most."""
WORDS_MOST = 8
"""Words that are listed for one field at most."""
RAW_MOST = 400_000
"""Characters of a snapshot that are read at all."""
TEXT_MOST = 12_000
"""Characters of a snapshot that are shown."""
LINE_MOST = 400
"""Characters of one line of text."""
NODES_MOST = 4_000
"""Elements that are read."""

TEXTS = frozenset({"textbox", "searchbox", "spinbutton"})
CHECKS = frozenset({"checkbox", "switch", "menuitemcheckbox"})
FIELDS = TEXTS | CHECKS | {"combobox", "radio", "slider", "listbox"}
CLICKS = frozenset({"button", "link", "radio", "tab", "menuitem", "menuitemradio", "treeitem"})
_MUTE = """
generic none presentation rowgroup group paragraph strong emphasis list listitem img text document
iframe subscript superscript
"""
MUTE = frozenset(_MUTE.split())
"""Roles that are not worth a line where they carry no name."""
WORDS = frozenset({"rowheader", "columnheader", "cell", "term", "definition", "label", "legend"})
"""Roles that say what stands beside them."""
BLOCKS = frozenset({"heading", "table", "listbox", "option", "row"})
"""Roles of what is not told in the line of a row."""
LABEL = re.compile(r"[^\W_][\w '’/()&,#-]{0,39}[:*?]?")
SHOWN = ("checked", "disabled", "expanded", "level", "pressed", "selected", "invalid")
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Signs without a width, and such as turn the order of letters round: two names that look alike
are alike, and what is printed is what stands there."""
_LINE = re.compile(r"( *)- (.*)", re.DOTALL)
_KEY = re.compile(
    r'([a-z]+)(?: ("(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/))?((?: \[[^\]]*\])*)(?::(?: (.*))?)?',
    re.DOTALL,
)


@dataclass
class Node:
    """An element of a page, as the snapshot has it.

    `nth` counts those with the same role and name; `said` is one whose words another has as name;
    `given` is one whose name the page itself gives; `own` a card, named after its first words.
    """

    role: str
    name: str = ""
    text: str = ""
    states: tuple[str, ...] = ()
    ref: str = ""
    pointer: bool = False
    focused: bool = False
    nth: int = 1
    said: bool = False
    given: bool = False
    own: bool = False
    children: list[Node] = field(default_factory=list)
    parent: Node | None = field(default=None, repr=False, compare=False)

    @property
    def word(self) -> str:
        """The role that actions and text use."""
        return "item" if self.role in MUTE | {"cell", "gridcell", "row"} else self.role

    @property
    def spot(self) -> Spot:
        return Spot(role=self.word, name=self.name, nth=self.nth)

    def below(self) -> Iterator[Node]:
        """All under it, in reading order."""
        for child in self.children:
            yield child
            yield from child.below()


def read(raw: str) -> list[Node]:
    """The elements at the top of a snapshot; named and counted. Lines that say nothing are left."""
    top: list[Node] = []
    stack: list[tuple[int, Node]] = []
    for number, line in enumerate(_UNSEEN.sub("", raw[:RAW_MOST]).split("\n")):
        if number >= NODES_MOST:
            break
        found = _LINE.fullmatch(line)
        node = _node(found[2]) if found else None
        if not found or node is None:
            continue
        indent = len(found[1])
        while stack and stack[-1][0] >= indent:
            stack.pop()
        node.parent = stack[-1][1] if stack else None
        (stack[-1][1].children if stack else top).append(node)
        stack.append((indent, node))
    everything = list(walk(top))
    _name(everything)
    pages_cards.name_cards(everything, plain=MUTE, controls=FIELDS | CLICKS)
    _count(everything)
    return top


def walk(top: Iterable[Node]) -> Iterator[Node]:
    """All elements in reading order."""
    for node in top:
        yield node
        yield from node.below()


def _node(content: str) -> Node | None:
    if content.startswith("/"):
        return None
    if content.startswith(("'", '"')):
        content = _unquoted_key(content)
    if content.startswith("text: "):
        return Node(role="text", text=_value(content[6:]))
    found = _KEY.fullmatch(content)
    if not found:
        return None
    marks = re.findall(r"\[([^\]]*)\]", found[3])
    ref = next((mark[4:] for mark in marks if mark.startswith("ref=")), "")
    states = tuple(m for m in marks if m.split("=")[0] in SHOWN)
    return Node(
        role=found[1],
        name=_value(found[2] or ""),
        given=bool(found[2]),
        text=_value(found[4] or ""),
        states=states,
        ref=ref,
        pointer="cursor=pointer" in marks,
        focused="active" in marks,
    )


def _unquoted_key(content: str) -> str:
    """YAML's quotes round a key that holds signs of its own."""
    mark = content[0]
    end = content.rfind(mark)
    key, rest = content[1:end], content[end + 1 :]
    return (key.replace("''", "'") if mark == "'" else _value(mark + key + mark)) + rest


def _value(text: str) -> str:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        try:
            text = json.loads(re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", text), strict=False)
        except ValueError:
            text = text[1:-1]
    elif text.startswith("'") and text.endswith("'") and len(text) > 1:
        text = text[1:-1].replace("''", "'")
    return " ".join(text.split())


def _name(nodes: Sequence[Node]) -> None:
    """Names for elements without one: their words, or for fields the label next to them.

    Words that went into a field's name are not shown again.
    """
    before: Node | None = None
    for number, node in enumerate(nodes):
        if node.role in FIELDS:
            after = nodes[number + 1] if number + 1 < len(nodes) else None
            label = after if node.role in CHECKS | {"radio"} else before
            label = label if label and not label.said and LABEL.fullmatch(_told(label)) else None
            if label and node.name in ("", _told(label).rstrip(" :*")):
                node.name = _told(label).rstrip(" :*")
                label.said = True
            before = None
        elif not node.name and node.role != "text":
            words = [node.text, *(n.text or n.name for n in node.below())]
            if node.pointer or node.role in CLICKS or (node.text and not node.children):
                node.name = " ".join(unique(words))
        between = node.role not in MUTE | WORDS or (node.given and node.role == "group")
        before = node if _told(node) else None if between else before
        node.name = clip(node.name, most=NAME_MOST)


def _told(node: Node) -> str:
    """The words of an element that is nothing but words."""
    if node.role in WORDS and not node.children:
        return node.text or node.name
    return node.text if node.role in MUTE and not node.children and not node.pointer else ""


def _count(nodes: Iterable[Node]) -> None:
    alike = Counter[tuple[str, str]]()
    for node in _counted(nodes):
        alike[node.word, node.name] += 1
        node.nth = alike[node.word, node.name]


def find(top: Iterable[Node], spot: Spot) -> Node | None:
    """The element at `spot`; None where there is none."""
    every = list(walk(top))
    same = [n for n in every if n.ref and (n.word, n.name) == (spot.role, spot.name)]
    if not spot.near:
        return next((node for node in same if node.nth == spot.nth), None)
    found = pages_rows.within(_counted(same), spot.near) if spot.name else []
    if not found:
        some = [node for node in every if node.word == spot.role and _clicked(node)]
        found = pages_rows.at_label(some, spot.near)
        found = [node for node in found if spot.name in ("", node.name)]
    found = found or pages_rows.within(_counted(same), spot.near)
    return found[spot.nth - 1] if spot.nth <= len(found) else None


def _counted(nodes: Iterable[Node]) -> list[Node]:
    return [n for n in nodes if n.ref and (n.name or n.pointer or n.role not in MUTE)]


def render(top: Sequence[Node]) -> str:
    """What a player reads, in `TEXT_MOST` characters at most."""
    text = "\n".join(_lines(top, depth=0))
    if len(text) <= TEXT_MOST:
        return text
    return f"{text[:TEXT_MOST].rsplit(chr(10), 1)[0]}\n(the page goes on; the rest is left out)"


def _lines(nodes: Iterable[Node], *, depth: int) -> Iterator[str]:
    for node in nodes:
        line = "" if node.said else _line(node)
        row = bool(line) and node.role == "row"
        under = [c for c in node.children if not _simple(c)] if row else _shown(node)
        below = list(_lines(under, depth=depth + bool(line)))
        acted = _acted(node) or node.role == "option"
        if line and (row or below or node.name or node.text or acted):
            yield "  " * depth + line
        yield from below


def _simple(cell: Node) -> bool:
    """Whether a cell is words only, for the line of its row."""
    inner = [cell, *cell.below()]
    return not any(n.pointer or n.role in FIELDS | CLICKS | BLOCKS for n in inner)


def _shown(node: Node) -> list[Node]:
    """Its children, without those that only say its name again."""
    inner = list(node.below())
    words = " ".join(unique(n.text or n.name for n in inner))
    if node.name and not any(map(_acted, inner)):
        said = words == node.name or clip(words, most=NAME_MOST) == node.name
        return [] if said else node.children
    return node.children


def _line(node: Node) -> str:
    states = [state.replace("=", " ") for state in node.states]
    states += ["focused"] if node.focused and node.role in FIELDS | CLICKS else []
    marks = f" [{', '.join(states)}]" if states else ""
    if node.role == "row" and not node.pointer:
        cells = [c.name or c.text for c in node.children if _simple(c) and not c.said]
        return f"row: {clip(' | '.join(cells), most=LINE_MOST)}" if any(cells) else ""
    if node.role == "group" and node.given and not node.pointer:
        return f"group {quote(node.name)}"
    if node.word == "item" and (not node.pointer or _inside(node)):
        alone = node.given and not node.children
        return clip(node.text or (node.name if alone else ""), most=LINE_MOST)
    value = node.text if node.text != node.name else ""
    return f"{node.spot}{marks}" + (f": {clip(value, most=LINE_MOST)}" if value else "")


def actions(
    top: Sequence[Node],
    *,
    words: Sequence[str] = (),
    loose: pages_drags.Loose = pages_drags.Loose(),
    most: int = ACTIONS_MOST,
) -> tuple[str, ...]:
    """What can be done, at most `most`, in reading order; `words` are what fields may be given.

    Fields get as many words as there is room for; plain text can be clicked where room is left;
    what is `loose` can be dragged.
    Where there is more than that, what speaks of one of the words is kept.
    """
    nodes = [node for node in walk(top) if node.ref and "disabled" not in node.states]
    items = (node for node in nodes if node.word == "item" and _clicked(node))
    rows = pages_rows.beside(items, goal=words)
    rows |= pages_rows.called(filter(_acted, nodes), goal=words)
    fixed = [(node, _fixed(node, rows)) for node in nodes]
    fields = [node for node in nodes if _takes_text(node)]
    spent = sum(len(acts) for _, acts in fixed) + 2
    room = min(max((most - spent) // len(fields), 1), WORDS_MOST) if fields else 0
    listed: list[str] = []
    for node, acts in fixed:
        listed += acts
        if _takes_text(node):
            fitting = [w for w in words if _fits(node, w)][:room]
            listed += [_on(node, "fill", rows, value=w) for w in fitting if w != node.text]
    spots = ((node.spot, node.name or node.text) for node in nodes)
    listed += pages_drags.listed(spots, loose=loose, words=words)
    ends = ["press Enter"] if any(node.focused for node in fields) else []
    ends += ["scroll down"] if len(nodes) > 40 else []
    listed = _kept(unique(listed), words=words, most=most - len(ends)) + ends
    whole = [node for node in nodes if node.pointer and not _inside(node)]
    deeper = {id(below) for node in whole for below in node.below()}
    plain = [node for node in nodes if node.role in TEXTS or _plain(node)]
    listed += [_on(node, "click", rows) for node in plain if id(node) not in deeper]
    return unique(listed)[:most]


def _kept(listed: Sequence[str], *, words: Sequence[str], most: int) -> list[str]:
    """As many as there is room for, in their order: what speaks of one of the words goes first."""
    if len(listed) <= most:
        return list(listed)
    told = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words) or "$^", re.I)
    order = sorted(range(len(listed)), key=lambda at: (not told.search(listed[at]), at))
    return [listed[at] for at in sorted(order[:most])]


def _on(node: Node, verb: str, rows: dict[int, str], *, value: str = "") -> str:
    spot = node.spot.model_dump(exclude={"at"})
    if node.nth > 1 or id(node) in rows:
        near = rows.get(id(node), "")
        spot |= {"near": near, "nth": 1} if near else {}
    return str(PageAction.model_validate({**spot, "verb": verb, "value": value}))


def _acted(node: Node) -> bool:
    return node.pointer or node.role in FIELDS | CLICKS


def _clicked(node: Node) -> bool:
    """Whether it is no wrapper of what can be clicked, and can be clicked."""
    return bool(node.ref) and node.pointer and not _inside(node)


def _takes_text(node: Node) -> bool:
    """Lists that open with a click and take no text have a pointer (`envs/browser_eyes.py`)."""
    if node.role == "combobox":
        return not _native(node) and not node.pointer
    return node.role in TEXTS or node.role == "slider"


def _fits(node: Node, word: str) -> bool:
    return node.role not in ("spinbutton", "slider") or bool(
        re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?", word)
    )


def _native(node: Node) -> bool:
    """Whether its options are chosen as a whole: those of the browser's own lists have no place."""
    return any(n.role == "option" and not n.ref for n in node.below())


def _fixed(node: Node, rows: dict[int, str]) -> list[str]:
    if node.role in CHECKS:
        return [_on(node, "uncheck" if "checked" in node.states else "check", rows)]
    if node.role in ("combobox", "listbox") and _native(node):
        options = [n for n in node.below() if n.role == "option" and "selected" not in n.states]
        return [_on(node, "select", rows, value=n.name or n.text) for n in options[:30]]
    if node.role == "slider":
        return [_on(node, "press", rows, value=key) for key in ("ArrowRight", "ArrowLeft")]
    if node.role in CLICKS or node.role in ("option", "combobox") or node.pointer:
        if node.pointer and node.word == "item" and _inside(node):
            return []
        return [_on(node, "click", rows)]
    return []


def _inside(node: Node) -> bool:
    """Whether what can be clicked lies deeper: a pointer over a wrapper says nothing of its own."""
    return not node.own and any(
        n.pointer or n.role in CLICKS | FIELDS for n in node.below() if n.ref
    )


def _plain(node: Node) -> bool:
    bare = node.word == "item" and not node.pointer and not node.children and not node.said
    return bare and bool(node.name)


def labels(top: Iterable[Node]) -> str:
    """A line on which elements there are, for the answer to an action on one that isn't."""
    seen = unique(str(n.spot) for n in walk(top) if n.ref and _acted(n))
    return ", ".join(seen[:12]) or quote("nothing to act on")
