"""The page as skills see it: an object `page` of roles and names, and nothing of a browser.

It is code of the sandbox, laid behind a skill that speaks of `page`, over the same `act`, `offered`
and `seen` that every skill has; so each of its actions is held against what the skill requires, is
a step of the run, and is played again by replay. There is no script, no address, no request and no
reference to a snapshot in it. Names are taken as they stand on the page; with `like=True`, for
names that come from a goal, one that differs in capitals, begins so or contains it will do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache

from envs.errors import UserError
from envs.pages import VERBS, PageAction, parse

NAME = "page"
"""What the object is called in skills."""
STUBS = '''\
class _Page:
    """The page by roles and names; what does something says whether it could be done.

    With like=True a name that differs in capitals, begins so or contains it will do; near=
    are words of the row, card or entry that the element stands in; without a name it is whatever
    has these beside it.
    """
    def click(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Clicks an element."""
        ...
    def check(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Ticks a box."""
        ...
    def uncheck(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Takes the tick out of a box."""
        ...
    def hover(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Moves the mouse over an element."""
        ...
    def fill(
        self, role: str, name: str, value: str, nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Replaces the text of a field."""
        ...
    def select(
        self, role: str, name: str, option: str, nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Chooses an option of a list."""
        ...
    def press(self, key: str) -> bool:
        """Presses a key such as Enter."""
        ...
    def has(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        """Whether such an element stands there."""
        ...
    def shows(self, text: str) -> bool:
        """Whether this stands there, in capitals or not."""
        ...
page: _Page
'''
"""Signatures of the object, for those who write code."""
FACADE = r'''
import json
import re


class _Page:
    """The page by roles and names; what does something says whether it could be done."""

    def click(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        return self._do("click", role, name, nth, like, near, "")

    def check(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        return self._do("check", role, name, nth, like, near, "")

    def uncheck(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        return self._do("uncheck", role, name, nth, like, near, "")

    def hover(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        return self._do("hover", role, name, nth, like, near, "")

    def fill(
        self, role: str, name: str, value: str, nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        return self._do("fill", role, name, nth, like, near, " with " + self._quoted(value))

    def select(
        self, role: str, name: str, option: str, nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        options = [found for kind, found, _ in self._elements() if kind == "option"]
        best = self._meant(option, options, True) or option
        return self._do("select", role, name, nth, like, near, " option " + self._quoted(best))

    def press(self, key: str) -> bool:
        return self._done("press " + key)

    def has(
        self, role: str, name: str = "", nth: int = 1, like: bool = False, near: str = ""
    ) -> bool:
        return self._spot(role, name, nth, like, near) != "" and self.shows(near)

    def shows(self, text: str) -> bool:
        return text.casefold() in " ".join(seen().split()).casefold()

    def _do(
        self, verb: str, role: str, name: str, nth: int, like: bool, near: str, rest: str
    ) -> bool:
        spot = self._spot(role, name, nth, like, near)
        return spot != "" and self._done(verb + " " + spot + rest)

    def _done(self, command: str) -> bool:
        told = act(command).split("\n")[0]
        return told.endswith(": done") or ": done; a " in told

    def _spot(self, role: str, name: str, nth: int, like: bool, near: str) -> str:
        there = [(found, number) for kind, found, number in self._elements() if kind == role]
        best = self._meant(name, [found for found, number in there if near or number == nth], like)
        if best is None and near and not name and there:
            best = ""  # whatever it is called there
        if best is None:
            return ""
        spot = role + (" " + self._quoted(best) if best else "")
        spot += " in " + self._quoted(near) if near else ""
        return spot + (" #" + str(nth) if nth > 1 else "")

    def _meant(self, name: str, there: list[str], like: bool) -> str | None:
        if name in there:
            return name
        low = name.casefold()
        if low and like:
            for found in there:
                if found.casefold() == low:
                    return found
            for found in there:
                if found.casefold().startswith(low):
                    return found
            for found in there:
                if low in found.casefold():
                    return found
        return None

    def _elements(self) -> list[tuple[str, str, int]]:
        found: list[tuple[str, str, int]] = []
        lines = [line.strip() for line in seen().split("\n")]
        for line in offered():
            words = line.split(" ", 1)
            if len(words) == 2:
                lines.append(words[1])
                parts = line.split(' option "')
                if len(parts) == 2:
                    lines.append('option "' + parts[1])
        for line in lines:
            match = re.match(r'([a-z]+)(?: ("(?:[^"\\]|\\.)*"))?(?: #(\d+))?', line)
            if match:
                name = json.loads(match.group(2)) if match.group(2) else ""
                found.append((match.group(1), name, int(match.group(3) or "1")))
        return found

    def _quoted(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=False)


page = _Page()
'''


@lru_cache(maxsize=256)
def spoken_of(source: str) -> bool:
    """Whether code uses the object: anything of a name `page` that it does not make itself."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == NAME]
    made = any(isinstance(node.ctx, ast.Store) for node in names)
    return bool(names) and not made


def equipped(source: str) -> str:
    """`source` with the object behind it, where it is spoken of; line numbers hold."""
    return f"{source}\n{FACADE}" if spoken_of(source) else source


def of_pages(actions: Iterable[str]) -> bool:
    """Whether all of these are done to pages, and at least one to an element by its role."""
    found = [understood(action) for action in actions]
    return any(one and one.role for one in found) and all(found)


@lru_cache(maxsize=65_536)
def understood(action: str) -> PageAction | None:
    """What a line does to a page; None where it does nothing to one."""
    try:
        return parse(action)
    except UserError:
        return None


def required(source: str) -> tuple[str, ...]:
    """What code does by way of the object, as skills say what they require: `click button*`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)) if spoken_of(source) else ():
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, verb = node.func.value, node.func.attr
        if isinstance(owner, ast.Name) and owner.id == NAME and verb in VERBS:
            first = node.args[0] if node.args else None
            told = first.value if isinstance(first, ast.Constant) else "*"
            what = f"{verb} {told}"
            found += [what] if verb == "press" or told == "*" else [what, f"{what} *"]
    return tuple(dict.fromkeys(found))
