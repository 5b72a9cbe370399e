"""Programs out of successful ways through tasks, without a model.

Ways whose goals are worded alike are laid over each other. What recurs in them, in terms of the
goal's own words, are the *deeds* of the program; what varies between the deeds was looking for a
place where the next one is offered, and becomes one loop. Which actions make others possible,
where things tend to be offered, and how the environment answers when something worked is counted
over all ways. No word of any environment stands here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from envs.types import Frozen
from skills.grammar import Grammar, Parsed, kind
from skills.search import Places, Search, places_of, search_of, site_of
from skills.types import Shown
from skills.ways import Way, commands, taken_apart

SUPPORT = 0.7
"""Share of the ways in which a deed has to occur."""
AGREE = 0.9
"""Share of the ways that have to agree on what stands in a place of a command."""
LEAST = 2
"""Ways that a program is written from at least."""
AGREED = 0.4
"""Share of the ways of one wording that have the same order of deeds, if they are not clumsy."""
PROGRAMS = 3
"""Orders of deeds that are proposed for one wording, most frequent first."""


class Deed(Frozen):
    """An action of a program: a form, and what stands in its places."""

    form: str
    """Fixed words with `*` for names."""
    names: tuple[str, ...] = ()
    """For each place: `{x}` a parameter, a kind (always the same), or empty for anything."""
    numbered: tuple[bool, ...] = ()
    """For each place: names in it carry a number."""
    answer: str = ""
    """How the observation begins when it worked; empty: it varies."""
    site: int | None = None
    """The place of the command that says where one has to be; None: nothing in it does."""
    fresh: bool = False
    """A name of its parameter that was used before is not used again."""


class Program(Frozen):
    """What the ways with one wording of the goal have in common."""

    goals: tuple[str, ...]
    """The wordings, with parameters in braces."""
    parameters: tuple[str, ...]
    """Names of the parameters, in the order of the first wording."""
    deeds: tuple[Deed, ...]
    """What is done, in order."""
    rounds: int = 1
    """How often all deeds are done."""
    ways: tuple[int, ...] = ()
    """Which of the ways it was written from."""
    clumsy: bool = False
    """The ways agree only in what they did the last time."""


class Induced(Frozen):
    """All that was found in the ways."""

    programs: tuple[Program, ...] = ()
    """Most supported wording first; several orders of deeds for one wording follow each other."""
    search: Search = Search()
    """How one gets about."""
    places: Places = Places()
    """Where things are."""


def induce(shown: Sequence[Shown]) -> Induced:
    """Programs from successful ways of one environment; none where too few are alike."""
    grammar = Grammar(commands(shown))
    ways = [taken_apart(one, grammar) for one in shown]
    search = search_of(ways, grammar)
    groups: dict[str, list[int]] = defaultdict(list)
    for number, way in enumerate(ways):
        groups[way.goal].append(number)
    programs: list[Program] = []
    for goal, numbers in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(numbers) >= LEAST and ways[numbers[0]].values:
            programs += _programs(goal, numbers, ways, grammar, search)
    return Induced(
        programs=tuple(_merged(programs)), search=search, places=places_of(ways, grammar, search)
    )


def _place_of(name: str, values: Mapping[str, str]) -> str:
    found = next((letter for letter, value in values.items() if value == kind(name)), "")
    return "{" + found + "}" if found else ""


Key = tuple[str, tuple[str, ...]]
NONE: Key = ("", ())
"""An action that is passed over."""


def _key(parsed: Parsed, values: Mapping[str, str]) -> Key:
    return parsed.form, tuple(_place_of(name, values) for name in parsed.names)


def _keyed(ways: Sequence[Way], *, last: bool) -> list[list[Key]]:
    """Every action in the goal's words. A word that stands in a place by chance is left out: in
    `take mug 1 from table 1` the table may happen to be the one that the goal names.

    With `last` an action of a form counts the last time alone: a clumsy way takes and puts back.
    """
    rows = [[_key(parsed, way.values) for parsed in way.done] for way in ways]
    if last:
        ends = [{key[0]: at for at, key in enumerate(row) if any(key[1])} for row in rows]
        rows = [
            [key if ends[n].get(key[0], at) == at else NONE for at, key in enumerate(row)]
            for n, row in enumerate(rows)
        ]
    own: Counter[str] = Counter()
    held: Counter[tuple[str, int, str]] = Counter()
    for form, letters in (key for row in rows for key in row if any(key[1])):
        own[form] += 1
        held.update((form, at, letter) for at, letter in enumerate(letters) if letter)

    def kept(key: Key) -> Key:
        form, letters = key
        return form, tuple(
            letter if held[form, at, letter] >= SUPPORT * own[form] else ""
            for at, letter in enumerate(letters)
        )

    return [[kept(key) for key in row] for row in rows]


def _programs(
    goal: str, numbers: Sequence[int], ways: Sequence[Way], grammar: Grammar, search: Search
) -> list[Program]:
    """The most frequent orders of deeds among the ways of one wording.

    First as they were done; where few ways agree in that, they were clumsy, and what each deed did
    the last time is counted alone.
    """
    found: dict[tuple[Key, ...], Program] = {}
    for last in (False, True):
        rows = _keyed([ways[n] for n in numbers], last=last)
        for order, program in _orders(goal, numbers, rows, ways, grammar, search):
            found.setdefault(order, program.model_copy(update={"clumsy": last}))
        if any(len(one.ways) >= AGREED * len(numbers) for one in found.values()):
            break
    return list(found.values())


def _orders(
    goal: str,
    numbers: Sequence[int],
    rows: Sequence[Sequence[Key]],
    ways: Sequence[Way],
    grammar: Grammar,
    search: Search,
) -> Iterator[tuple[tuple[Key, ...], Program]]:
    moves = {*search.forms, NONE[0]}
    support: Counter[Key] = Counter()
    for row in rows:
        support.update({key for key in row if key[0] not in moves and any(key[1])})
    deeds = {key for key, count in support.items() if count >= SUPPORT * len(rows)}
    # A deed without a word of the goal counts where it stands in every way, always once; one
    # without any name in it (`look`) only where every way ends with it.
    for key in {key for row in rows for key in row if key[0] not in moves and not any(key[1])}:
        last = all(row[-1:] == [key] for row in rows)
        if all(row.count(key) == 1 for row in rows) and (key[1] or last):
            deeds.add(key)
    orders: Counter[tuple[Key, ...]] = Counter()
    for row in rows:
        orders[tuple(key for key in row if key in deeds)] += 1
    ranked = sorted(orders.items(), key=lambda item: (-item[1], len(item[0])))
    for order, count in ranked[:PROGRAMS]:
        if not order or count < LEAST:
            continue
        mine = [
            n
            for n, row in zip(numbers, rows, strict=True)
            if tuple(key for key in row if key in deeds) == order
        ]
        keys = [row for n, row in zip(numbers, rows, strict=True) if n in mine]
        found = [ways[n] for n in mine]
        yield order, _program(goal, order, found, keys, mine, grammar, search)


def _program(
    goal: str,
    order: tuple[Key, ...],
    ways: Sequence[Way],
    rows: Sequence[Sequence[Key]],
    numbers: Sequence[int],
    grammar: Grammar,
    search: Search,
) -> Program:
    size = _period(order)
    deeds: list[Deed] = []
    for at, key in enumerate(order[:size]):
        # All turns at this deed, over all ways: the parsed command and its answer.
        turns: list[list[tuple[Parsed, str]]] = []
        for way, keys in zip(ways, rows, strict=True):
            places = [n for n, one in enumerate(keys) if one in set(order)]
            mine = [n for number, n in enumerate(places) if number % size == at]
            turns.append([(way.done[n], way.answers[n]) for n in mine])
        deeds.append(_deed(key, turns, grammar, search, ways))
    return Program(
        goals=(goal,),
        parameters=tuple(ways[0].values),
        deeds=tuple(deeds),
        rounds=len(order) // size,
        ways=tuple(numbers),
    )


def _period(order: tuple[Key, ...]) -> int:
    """The length of the stretch that `order` repeats."""
    for size in range(1, len(order)):
        if len(order) % size == 0 and order == order[:size] * (len(order) // size):
            return size
    return len(order)


def _deed(
    key: Key,
    turns: Sequence[Sequence[tuple[Parsed, str]]],
    grammar: Grammar,
    search: Search,
    ways: Sequence[Way],
) -> Deed:
    form, letters = key
    flat = [turn for row in turns for turn in row]
    names: list[str] = []
    for at, letter in enumerate(letters):
        kinds = Counter(kind(parsed.names[at]) for parsed, _ in flat)
        common, count = kinds.most_common(1)[0]
        fixed = common if len(flat) >= LEAST and count >= AGREE * len(flat) else ""
        names.append(letter or fixed)
    own = next((at for at, letter in enumerate(letters) if letter), None)
    fresh = False
    if own is not None and any(len(row) > 1 for row in turns):
        used = [[parsed.names[own] for parsed, _ in row] for row in turns]
        fresh = all(len(set(row)) == len(row) for row in used)
    return Deed(
        form=form,
        names=tuple(names),
        numbered=tuple(
            grammar.numbered(parsed.names[at] for parsed, _ in flat) for at in range(len(letters))
        ),
        answer=_beginning([(parsed, answer) for parsed, answer in flat]),
        site=site_of(form, ways, search),
        fresh=fresh,
    )


def _beginning(turns: Sequence[tuple[Parsed, str]]) -> str:
    """How all answers begin, up to the first name; empty where they have no word in common."""
    starts = []
    for parsed, answer in turns:
        ends = [answer.find(name) for name in parsed.names if name in answer]
        starts.append(answer[: min(ends)] if ends else answer)
    common = starts[0] if starts else ""
    for start in starts[1:]:
        size = next(
            (n for n, (a, b) in enumerate(zip(common, start, strict=False)) if a != b),
            min(len(common), len(start)),
        )
        common = common[:size]
    words = common.rsplit(" ", 1)[0] if " " in common else ""
    return words if len(words) >= 4 else ""


def _merged(programs: Sequence[Program]) -> list[Program]:
    """Wordings that come to the same program are one program with several goals."""
    merged: dict[tuple[object, ...], Program] = {}
    for one in programs:
        same = (
            one.parameters,
            one.rounds,
            one.clumsy,
            tuple((deed.form, deed.names, deed.fresh) for deed in one.deeds),
        )
        if same in merged:
            first = merged[same]
            update = {"goals": (*first.goals, *one.goals), "ways": (*first.ways, *one.ways)}
            merged[same] = first.model_copy(update=update)
        else:
            merged[same] = one
    return list(merged.values())
