"""Induced programs as Python: the code of skills, written out so that a person can read it.

What every program needs to get about becomes skills of its own (`likely`, `reach`), which the
others call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from keyword import iskeyword

from skills.induction import Deed, Induced, Program
from skills.program import TAKEN
from skills.search import Places, Search
from skills.types import Draft

SMALL = frozenset(
    (
        *("a", "an", "and", "at", "by", "find", "for", "from", "in", "into", "it", "me", "of"),
        *("off", "on", "one", "onto", "out", "please", "some", "the", "them", "then", "to"),
        *("under", "up", "using", "with", "your"),
    )
)
"""Words of a goal that say little about what is done."""

LIKELY = '''\
# how many places of each kind were looked into, and in how many of them what was found
VISITS: dict[str, int] = {visits}
STEPS: dict[str, float] = {steps}
FOUND: dict[str, dict[str, int]] = {found}


def likely(thing: str, place: str) -> float:
    """How promising it is to look for a kind of thing in a kind of place, for each step it takes.

    Counted in {count} solved tasks.
    """
    seen = FOUND.get(thing, {{}})
    visits = VISITS.get(place, 0)
    everywhere = sum(seen.values()) / max(1, sum(VISITS.values())) if seen else 0.05
    share = (seen.get(place, 0) + 2 * everywhere) / (visits + 2)
    return share / STEPS.get(place, 1.5)
'''

REACH = '''\
import re


def _reach_kind(name: str) -> str:
    words = name.split()
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return " ".join(words)


def _reach_match(want: str, commands: list[str], used: list[str]) -> str:
    for command in commands:
        found = re.fullmatch(want, command)
        if found and not (found.groups() and found.group(1) in used):
            return command
    return ""


def _reach_look(spot: str, want: str, notes: dict[str, list[str]], used: list[str]) -> str:
    for form in {forms}:
        command = form.replace("*", spot)
        if command in offered():
            act(command)
        notes[spot] = offered()
        found = _reach_match(want, notes[spot], used)
        if found:
            return found
    return ""


def reach(want: str, thing: str, place: str, notes: dict[str, list[str]], used: list[str]) -> str:
    """Looks for where a command like `want` is offered, and returns it; "" where nowhere.

    `thing` and `place` are the kinds that it is about, `notes` what was offered where, `used`
    what is not to be taken again.
    """
    found = _reach_match(want, offered(), used)
    if found:
        return found
    for command in offered():
        spot = re.fullmatch({root}, command)
        if spot and spot.group(1) not in notes:
            notes[spot.group(1)] = []
    known = [spot for spot in notes if _reach_match(want, notes[spot], used)]
    for spot in known:
        found = _reach_look(spot, want, notes, used)
        if found:
            return found
    fresh = [spot for spot in notes if spot not in known and (place or not notes[spot])]
    if place:
        fresh = [spot for spot in fresh if _reach_kind(spot) == place]
    while fresh:
        fresh.sort(key=lambda spot: (-likely(thing, _reach_kind(spot)), spot))
        found = _reach_look(fresh.pop(0), want, notes, used)
        if found:
            return found
    return ""
'''


def written(induced: Induced, *, count: int) -> list[Draft]:
    """Drafts in an order in which each comes after those that it calls; `count`: ways in all."""
    if not induced.programs:
        return []
    everyone = tuple(range(count))
    likely = Draft(name="likely", code=_likely(induced.places, count), ways=everyone)
    reach = Draft(
        name="reach",
        code=_reach(induced.search),
        requires=induced.search.forms,
        uses=("likely",),
        ways=everyone,
    )
    drafts = [likely, reach]
    taken: set[str] = set()
    for program in induced.programs:
        name = named(program.goals, program.parameters, taken)
        taken.add(name)
        drafts.append(
            Draft(
                name=name,
                code=_function(name, program),
                goals=program.goals,
                requires=tuple(
                    dict.fromkeys([*(deed.form for deed in program.deeds), *induced.search.forms])
                ),
                uses=("reach",),
                ways=program.ways,
            )
        )
    return drafts


def _likely(places: Places, count: int) -> str:
    return LIKELY.format(
        visits=_table(places.visits),
        steps=_table(places.steps),
        found=_nested(places.found),
        count=count,
    )


def _table(table: dict[str, int] | dict[str, float]) -> str:
    lines = [f"    {key!r}: {value}," for key, value in table.items()]
    return "\n".join(["{", *lines, "}"])


def _nested(table: dict[str, dict[str, int]]) -> str:
    lines = [f"    {key!r}: {row!r}," for key, row in table.items()]
    return "\n".join(["{", *lines, "}"])


def _reach(search: Search) -> str:
    root = search.forms[0] if search.forms else "*"
    pattern = "(.+)".join(re.escape(part) for part in root.split("*"))
    return REACH.replace("{forms}", repr(list(search.forms))).replace(
        "{root}", repr(pattern.replace("\\ ", " "))
    )


def named(goals: Iterable[str], parameters: Sequence[str], taken: set[str]) -> str:
    """A name out of the words of goals, that is free."""
    names = []
    for goal in goals:
        words = re.findall(r"[a-z]+", re.sub(r"\{\w+[+,]?\}", " ", goal.casefold()))
        told = [word for word in words if word not in SMALL] or words or ["do"]
        names.append("_".join(dict.fromkeys(told)))
    name = min(names, key=lambda one: (len(one), one))[:48]
    if name in TAKEN or iskeyword(name) or name in parameters:
        name = f"do_{name}"
    free, number = name, 2
    while free in taken or free in ("likely", "reach"):
        free, number = f"{name}_{number}", number + 1
    return free


def _function(name: str, program: Program) -> str:
    head = ", ".join(f"{letter}: str" for letter in program.parameters)
    lines = [
        "import re",
        "",
        "",
        f"def {name}({head}) -> bool:",
        f'    """{_clean(program.goals[0])}',
        "",
        f"    {_told(program)}",
        '    """',
        "    notes: dict[str, list[str]] = {}",
    ]
    body: list[str] = []
    lists = [number for number, deed in enumerate(program.deeds) if _own(deed) is not None]
    used = {number: f"used{number}" for number in lists if program.deeds[number].fresh}
    lines += [f"    {one}: list[str] = []" for one in used.values()]
    for number, deed in enumerate(program.deeds):
        body += _deed(deed, used.get(number, ""))
    if program.rounds > 1:
        lines.append(f"    for _ in range({program.rounds}):")
        lines += [f"        {line}" for line in body]
    else:
        lines += [f"    {line}" for line in body]
    return "\n".join([*lines, "    return True", ""])


def _deed(deed: Deed, used: str) -> list[str]:
    place = deed.names[deed.site] if deed.site is not None else ""
    thing = next((n for at, n in enumerate(deed.names) if n and at != deed.site), "")
    want = f"want = {_want(deed)}"
    reach = f"step = reach(want, {_value(thing)}, {_value(place)}, notes, {used or '[]'})"
    lines = [want, reach]
    done = "act(step)"
    if deed.answer:
        lines += [
            f"if not step or not {done}.startswith({_quoted(deed.answer)}):",
            "    return False",
        ]
    else:
        lines += ["if not step:", "    return False", done]
    if used:
        lines += [
            "match = re.fullmatch(want, step)",
            "if match:",
            f"    {used}.append(match.group(1))",
        ]
    return lines


def _own(deed: Deed) -> int | None:
    return next((at for at, name in enumerate(deed.names) if name.startswith("{")), None)


def _want(deed: Deed) -> str:
    """The pattern of its command, as an expression; its first parameter's name is group 1."""
    parts: list[str] = []
    places = iter(enumerate(deed.names))
    own = _own(deed)
    for word in re.split(r"(\*)", deed.form):
        if word != "*":
            parts.append(_fixed(word))
            continue
        at, name = next(places)
        number = r" \d+" if deed.numbered[at] else ""
        if name.startswith("{"):
            inside = "{re.escape(" + name[1:-1] + ")}" + number
        else:
            inside = _fixed(name) + number if name else ".+"
        parts.append(f"({inside})" if at == own else inside)
    return 'rf"' + "".join(parts) + '"'


def _fixed(text: str) -> str:
    return (
        re.escape(text)
        .replace("\\ ", " ")
        .replace('"', r"\"")
        .replace("{", "{{")
        .replace("}", "}}")
    )


def _value(name: str) -> str:
    return name[1:-1] if name.startswith("{") else _quoted(name)


def _told(program: Program) -> str:
    deeds = ", then ".join(f"`{_filled(deed)}`" for deed in program.deeds)
    again = f", {program.rounds} times" if program.rounds > 1 else ""
    return f"Looks for where it is offered, and does: {_clean(deeds)}{again}."


def _filled(deed: Deed) -> str:
    text = deed.form
    for name in deed.names:
        text = text.replace("*", name or "...", 1)
    return text


def _clean(text: str) -> str:
    return text.replace("\\", "").replace('"""', "'").strip()


def _quoted(text: str) -> str:
    """A string as it is usually written."""
    return json.dumps(text, ensure_ascii=False)
