"""How one gets about in an environment, and where things are: counted over ways through it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from pydantic import Field

from envs.types import Frozen, Step
from skills.grammar import Grammar, kind
from skills.ways import Way

ENABLES = 0.15
"""Share of the moments at which a deed became possible that an action has to have caused."""
STANDS = 0.6
"""Share of the times a form was used in which a place in it named where one was."""


class Search(Frozen):
    """How one gets to where something is offered: commands with one name, in this order."""

    forms: tuple[str, ...] = ()
    """The first leads somewhere, the others follow there where they are offered."""


class Places(Frozen):
    """Where things tend to be offered: counts over all ways."""

    visits: dict[str, int] = Field(default_factory=dict)
    """Places of a kind that were looked into."""
    found: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By kind of thing: in how many of those it was offered, by kind of place."""
    steps: dict[str, float] = Field(default_factory=dict)
    """Actions that looking into a place of that kind took."""


def search_of(ways: Sequence[Way], grammar: Grammar) -> Search:
    """Which actions make new commands possible: those with one name, that are used to look for.

    Counted over all ways: what was done when a command that was done later became possible.
    """
    caused: Counter[str] = Counter()
    follows: dict[str, Counter[str]] = defaultdict(Counter)
    for way in ways:
        parsed, steps = way.done, [way.shown.first, *way.shown.steps]
        for at, one in enumerate(parsed):
            command = way.shown.actions[at]
            since = at
            while since > 0 and command in (steps[since - 1].admissible or ()):
                since -= 1
            if since > 0 and len(parsed[since - 1].names) == 1:
                caused[parsed[since - 1].form] += 1
                if one.names == parsed[since - 1].names:
                    follows[parsed[since - 1].form][one.form] += 1
    total = sum(caused.values())
    forms = [form for form, count in caused.most_common() if count >= ENABLES * total]
    if not forms:
        return Search()
    at_start = Counter(
        grammar.parse(command).form for way in ways for command in way.shown.first.admissible or ()
    )
    roots = [form for form in forms if at_start[form]] or forms[:1]
    root = roots[0]
    later = [
        form
        for form, _ in follows[root].most_common()
        if form in forms and form != root and not at_start[form]
    ]
    return Search(forms=(root, *later))


def site_of(form: str, ways: Sequence[Way], search: Search) -> int | None:
    """Which place of the command names where one was when it was offered."""
    if not search.forms:
        return None
    hits: Counter[int] = Counter()
    total = 0
    for way in ways:
        here = ""
        for parsed in way.done:
            if parsed.form in search.forms:
                here = parsed.names[0]
            elif parsed.form == form and here:
                total += 1
                hits.update(at for at, name in enumerate(parsed.names) if name == here)
    if not hits:
        return None
    at, count = hits.most_common(1)[0]
    return at if count >= STANDS * total else None


def places_of(ways: Sequence[Way], grammar: Grammar, search: Search) -> Places:
    """What was offered where, at the first visit; one that is carried is not counted."""
    visits: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for way in ways if search.forms else ():
        spots: dict[str, set[str]] = defaultdict(set)
        cost: Counter[str] = Counter()
        here = ""
        initial = _kinds_offered(way.shown.first, grammar)
        for parsed, step in zip(way.done, way.shown.steps, strict=True):
            if parsed.form in search.forms:
                here = parsed.names[0]
                if parsed.form not in (search.forms[0],) or here not in spots:
                    cost[here] += 1
                things = _named_here(step, here, grammar)
                spots[here] |= things - initial
            elif len(parsed.names) > 1:
                # Things are moved about from now on: later visits show what was brought there.
                initial |= {kind(parsed.names[0])}
        for spot, things in spots.items():
            visits[kind(spot)] += 1
            spent[kind(spot)] += max(1, cost[spot])
            for thing in things:
                found[thing][kind(spot)] += 1
    return Places(
        visits=dict(sorted(visits.items())),
        found={thing: dict(sorted(row.items())) for thing, row in sorted(found.items())},
        steps={spot: round(spent[spot] / visits[spot], 2) for spot in sorted(visits)},
    )


def _kinds_offered(step: Step, grammar: Grammar) -> set[str]:
    return {
        kind(name) for command in step.admissible or () for name in grammar.parse(command).names
    }


def _named_here(step: Step, here: str, grammar: Grammar) -> set[str]:
    """Kinds that are named by what is offered here, besides the place itself."""
    return {
        kind(name)
        for command in step.admissible or ()
        for name in grammar.parse(command).names
        if name != here
    }
