"""Remembered ways as advice that a weak solver can take.

A small model reads `Solved before: put a clean mug in shelf. The way: ...` and does something
else: with such lessons before it the 135M won as many houses as without. So what a recalled way
would do next here comes first among the choices, as a nearest-neighbour policy beside the model's
own (Khandelwal et al. 2020, arXiv 1911.00172, mix the two likelihoods; here the model chooses among
what memory admits). A way speaks where its goal is worded like the present one; the names that
stand in both its goal and its actions are exchanged for those of the present goal, others (where
something was found) are where to look first. What it did before counts as done when the same was
done here, with one thing here for each thing there. Where a way is at its end or says nothing that
is possible, all choices stay. No verb, thing or place is known beforehand beyond those of
`memory/essence.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.recalling import parameters
from agent.settings import SolverSettings
from memory.essence import IDLE, LOOKS, MOVES, NEXT, OPENS, SOLVED, WAY
from memory.lexical import PLAIN
from memory.types import Recalled, StepRecord
from skills.grammar import Grammar, Parsed
from skills.grammar import kind as cased
from skills.ways import lettered

WEAK = 4.0
"""Parameters in billions from which a model is left to read for itself."""
NUMERALS = frozenset(("two", "three", "four", "five", "six", "both", "all", "every", "each"))
"""Words by which one goal asks for more than another."""
_WORD = re.compile(r"[^\W_]+")
_ASIDE = (*MOVES, *OPENS, *LOOKS, "close ")
"""What a way does to get to where something is done."""


Fits = Callable[[str], bool]
"""Tells of the text of a lesson whether it fits here."""


def kind(name: str) -> str:
    """A name without its number, and in small letters: goals and pages write it as they like."""
    return cased(name).casefold()


def follows(solver: SolverSettings, model: str) -> bool:
    """Whether this model is led by remembered ways: as set, else if its name says it is small."""
    return small(model) if solver.follow is None else solver.follow


def small(model: str) -> bool:
    """Whether a model is led where it may be: if its name says that it is small."""
    size = parameters(model)
    return size is not None and size < WEAK


@dataclass(frozen=True)
class Way:
    """How a goal was reached before."""

    goal: str
    """The goal, in words."""
    actions: tuple[str, ...]
    """What was done, in order."""


@dataclass(frozen=True)
class Deed:
    """An action of a way, told in the present goal's names."""

    form: str
    """Its fixed words, with `*` for names."""
    names: tuple[str, ...]
    """The names as the way had them: `mug 2`."""
    kinds: tuple[str, ...]
    """What kinds of things they have to be here: `lettuce`."""
    firm: tuple[bool, ...]
    """Whether the goal names it; else another may stand in its place."""
    where: frozenset[str] = frozenset()
    """Kinds of places that the way went to or opened for it."""

    @property
    def own(self) -> bool:
        """Whether the way did it to things of the very kinds that it is asked for here."""
        there = map(kind, self.names)
        return all(k == t for k, t, firm in zip(self.kinds, there, self.firm, strict=True) if firm)


@dataclass
class Progress:
    """How far a way was gone here."""

    deeds: tuple[Deed, ...]
    """All that has to be done."""
    done: int = 0
    """How many of them are."""
    here: dict[str, str] = field(default_factory=dict)
    """Names of the way that the goal asks for, and what stands for each here."""

    @property
    def next(self) -> Deed | None:
        """What has to be done now; None at the end."""
        return self.deeds[self.done] if self.done < len(self.deeds) else None

    def fits(self, parsed: Parsed, *, strictly: bool = False) -> bool:
        """Whether an action does what has to be done now.

        Other kinds of things will do in the place of what the goal doesn't name (`strictly`: not),
        but not in all of them: `click button *` alone says nothing.
        """
        deed = self.next
        if deed is None or parsed.form != deed.form or len(parsed.names) != len(deed.names):
            return False
        strictly = strictly or not any(deed.firm)
        for there, wanted, firm, name in zip(
            deed.names, deed.kinds, deed.firm, parsed.names, strict=True
        ):
            if (firm or strictly) and kind(name) != wanted:
                return False
            if firm and self.here.get(there, name) != name:
                return False
            if firm and any(name == other for t, other in self.here.items() if t != there):
                return False
        return True

    def go_on(self, parsed: Parsed) -> None:
        """Counts an action that was done here."""
        deed = self.next
        if deed is not None and self.fits(parsed):
            pairs = zip(deed.names, parsed.names, deed.firm, strict=True)
            self.here |= {there: name for there, name, firm in pairs if firm}
            self.done += 1


def ways_in(recalled: Iterable[Recalled]) -> tuple[Way, ...]:
    """The ways that lessons tell, best first."""
    return tuple(way for item in recalled if (way := _way_in(item.text)))


def _way_in(text: str) -> Way | None:
    head, marked, tail = text.partition(WAY)
    if not marked or not head.startswith(SOLVED):
        return None
    actions = tuple(part.strip() for part in tail.split(NEXT) if part.strip())
    return Way(goal=head.removeprefix(SOLVED).strip(), actions=actions)


def leads(choices: Sequence[str], steps: Sequence[StepRecord], *, goal: str) -> Fits:
    """Whether the text of a lesson tells a way that could be gone here."""
    here = [*choices, *(s.action for s in steps if not s.observation.startswith(IDLE))]

    def fits(text: str) -> bool:
        way = _way_in(text)
        if way is None:
            return False
        return _exchange(way, goal, Grammar([*here, *way.actions])) is not None

    return fits


def followed(
    choices: Sequence[str], steps: Sequence[StepRecord], ways: Sequence[Way], *, goal: str
) -> tuple[str, ...]:
    """Those of `choices` that a remembered way would take next here; all where none would."""
    if not ways:
        return tuple(choices)
    done = [s.action for s in steps if not s.observation.startswith(IDLE)]
    grammar = Grammar([*choices, *done, *(a for way in ways for a in way.actions)])
    gone = [_gone(way, done, goal=goal, grammar=grammar) for way in ways]
    usable = [one for one in gone if one is not None and one.next is not None]
    if not usable:
        return tuple(choices)
    best = max(usable, key=lambda one: one.done)
    parsed = {choice: grammar.parse(choice) for choice in choices}
    for strictly in (True, False):
        if fits := tuple(c for c in choices if best.fits(parsed[c], strictly=strictly)):
            return fits
    been = Counter(kind(n) for a in done if a.startswith(MOVES) for n in grammar.parse(a).names)
    return _towards(parsed, best, usable, been) or tuple(choices)


def _gone(way: Way, done: Sequence[str], *, goal: str, grammar: Grammar) -> Progress | None:
    """How far a way was gone; None where its goal is worded otherwise."""
    given = _exchange(way, goal, grammar)
    if given is None:
        return None
    deeds: list[Deed] = []
    where: set[str] = set()
    for parsed in map(grammar.parse, way.actions):
        if parsed.form.startswith(_ASIDE):
            where |= {given.get(kind(name), kind(name)) for name in parsed.names}
        else:
            deeds.append(_deed(parsed, given, where))
            where = set()
    progress = Progress(tuple(deeds))
    for action in done:
        progress.go_on(grammar.parse(action))
    return progress


def _exchange(way: Way, goal: str, grammar: Grammar) -> Mapping[str, str] | None:
    """What the names in a way's goal are in the present one; None where it asks for another thing.

    Where the words are the same but for the names, these are read off. Else the goals must name as
    many things, in one order, and agree in verbs that are commands and in numerals.
    """
    names = {kind(name) for action in way.actions for name in grammar.parse(action).names}
    worded, values = lettered(way.goal.casefold(), names)
    pattern, known = "", set()
    for part in re.split(r"(\{\w+\+?\})", worded):
        letter = part.strip("{}+")
        if not part.startswith("{"):
            pattern += re.escape(part)
        elif letter in known:
            pattern += f"(?P={letter})"
        else:
            known.add(letter)
            more = len(values[letter].split()) - 1
            pattern += rf"(?P<{letter}>\S+(?: \S+){{{more}}})"
    match = re.fullmatch(pattern, goal.casefold())
    if match:
        return {values[letter]: str(match[letter]) for letter in known}
    return _by_order(way, list(values.values()), goal, grammar)


def _by_order(
    way: Way, asked: Sequence[str], goal: str, grammar: Grammar
) -> Mapping[str, str] | None:
    """The same for a goal that is worded otherwise; one name in it may be unknown so far."""
    worded, values = lettered(goal.casefold(), map(str.casefold, grammar.kinds))
    verbs = {form.split()[0] for form in grammar.forms} - {word.strip() for word in LOOKS}
    telling = verbs | NUMERALS
    there: list[str] = _WORD.findall(way.goal.casefold())
    here: list[str] = _WORD.findall(worded)
    if not asked or telling.intersection(there) != telling.intersection(here):
        return None
    plain = telling | PLAIN | {word for word in there if word not in asked}
    known = [values[word] for word in here if word in values]
    found = [values.get(word, word) for word in here if word in values or word not in plain]
    names = list(dict.fromkeys(known if len(set(known)) == len(asked) else found))
    given = dict(zip(asked, names, strict=False))
    same = all(given.get(name) == name for name in asked if name in names)
    return given if len(names) == len(asked) and same else None


def _deed(parsed: Parsed, given: Mapping[str, str], where: Iterable[str]) -> Deed:
    kinds = [kind(name) for name in parsed.names]
    return Deed(
        form=parsed.form,
        names=parsed.names,
        kinds=tuple(given.get(one, one) for one in kinds),
        firm=tuple(one in given for one in kinds),
        where=frozenset(where),
    )


def _towards(
    parsed: Mapping[str, Parsed],
    best: Progress,
    usable: Sequence[Progress],
    been: Counter[str],
) -> tuple[str, ...]:
    """What leads to where it can be done: to the one place that it has to be, else through the
    door of such a place, to places that ways name, or on with the search: a kind of place that was
    looked into less comes first (`been` counts them).
    """
    deed = best.next
    moves = tuple(c for c in parsed if c.startswith(MOVES))
    doors = tuple(c for c in parsed if c.startswith(OPENS))
    if deed is None:
        return ()
    bound = {best.here.get(there, "") for there in deed.names}
    alike = [
        other
        for other in (one.next for one in usable)
        if other is not None and (other.form, other.firm) == (deed.form, deed.firm)
    ]
    told = [other for other in alike if other.own] or alike
    wanted = {name for other in told for name in (*other.kinds, *other.where)}

    def named(some: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(c for c in some if any(kind(name) in wanted for name in parsed[c].names))

    there = tuple(c for c in (*doors, *moves) if bound.intersection(parsed[c].names))
    if near := there or named(doors) or named(moves) or doors:
        return near
    often = {c: min((been[kind(name)] for name in parsed[c].names), default=0) for c in moves}
    return tuple(c for c in moves if often[c] == min(often.values()))
