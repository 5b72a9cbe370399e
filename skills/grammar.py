"""What commands are made of, learned from commands alone: fixed words, and names between them.

No verb, thing or place is known beforehand. Commands that begin alike and are equally long are
laid over each other: words that never vary are the form, the rest are names. Names found so are
then looked for in all other commands. Numbers always belong to names (`mug 2` is a `mug`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from envs.types import Frozen

SLOT = "*"


class Parsed(Frozen):
    """A command taken apart."""

    form: str
    """Its fixed words, with `*` for each name: `take * from *`."""
    names: tuple[str, ...] = ()
    """The names in it, in order: `mug 2`, `table 1`."""


class Grammar:
    """How commands of one environment are built."""

    def __init__(self, commands: Iterable[str]) -> None:
        self._commands = frozenset(commands)
        self._names = _names_in(self._commands)
        self._longest = max((len(name) for name in self._names), default=0)
        self._kinds = {kind(" ".join(name)) for name in self._names}
        self._known: dict[str, Parsed] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """Names without their numbers."""
        return frozenset(self._kinds)

    @property
    def forms(self) -> frozenset[str]:
        """How the commands that it was made of are built."""
        return frozenset(self.parse(command).form for command in self._commands)

    def parse(self, command: str) -> Parsed:
        """Form and names of a command; the longest known name counts."""
        if command not in self._known:
            self._known[command] = self._parsed(command.split())
        return self._known[command]

    def numbered(self, form_names: Iterable[str]) -> bool:
        """Whether names like these carry a number."""
        names = list(form_names)
        return bool(names) and all(name != kind(name) for name in names)

    def _parsed(self, words: Sequence[str]) -> Parsed:
        form: list[str] = []
        names: list[str] = []
        at = 0
        while at < len(words):
            size = next(
                (
                    n
                    for n in range(min(self._longest, len(words) - at), 0, -1)
                    if at and tuple(words[at : at + n]) in self._names
                ),
                0,
            )
            if size:
                names.append(" ".join(words[at : at + size]))
                form.append(SLOT)
            else:
                form.append(words[at])
            at += size or 1
        return Parsed(form=" ".join(form), names=tuple(names))


def kind(name: str) -> str:
    """A name without its number.

    >>> kind("side table 2"), kind("red")
    ('side table', 'red')
    """
    words = name.split()
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return " ".join(words)


def _names_in(commands: Iterable[str]) -> set[tuple[str, ...]]:
    groups: dict[tuple[str, int], list[list[str]]] = defaultdict(list)
    for command in commands:
        words = command.split()
        if words:
            groups[words[0], len(words)].append(words)
    names: set[tuple[str, ...]] = set()
    for rows in groups.values():
        fixed = [
            len({row[at] for row in rows}) == 1 and not rows[0][at].isdigit()
            for at in range(len(rows[0]))
        ]
        for at in range(1, len(fixed) - 1):  # a number belongs to the word before it
            fixed[at] = fixed[at] and not all(row[at + 1].isdigit() for row in rows)
        fixed[0] = True  # a command begins with what is done
        for row in rows:
            span: list[str] = []
            for word, is_fixed in [*zip(row, fixed, strict=True), ("", True)]:
                if is_fixed:
                    if span and not span[0].isdigit():
                        names.add(tuple(span))
                    span = []
                else:
                    span.append(word)
    return names
