"""Which skills answer to a goal, and with which arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from memory.intervals import wilson
from skills.parts import parts_of
from skills.types import Call, Skill, Trial

WORDS = (
    r"\w(?:[\w \-']|,(?= \d{4}\b)|(?<=\d):(?=\d\d\b)"
    r"|(?-i:(?<=\b[A-Z])|(?<=\bDr)|(?<=\bMr)|(?<=\bMs)|(?<=\bSt)|(?<=\bMrs)|(?<=\bProf))\.(?= ))*"
)
"""Words outside of quotation marks, with the point of a title or initial (`Dr. Meyer`) and the
comma of a date (`June 13, 2026`) or the colon of a time (`9:37 PM`)."""


def bound(goals: Sequence[str], asked: str) -> dict[str, str] | None:
    """Arguments under which what is `asked` is one of `goals`; None: it is none of them.

    `{x}` stands for one word, `{x+}` for one or several, `{x,}` for a list; between double quotes
    for anything.

    >>> bound(["put a {x+} in {y}."], "put a red mug in box.")
    {'x': 'red mug', 'y': 'box'}
    >>> bound(['sign in as "{user}".'], 'sign in as "ann@example.com".')
    {'user': 'ann@example.com'}
    """
    for goal in goals:
        match = _pattern(goal).fullmatch(asked.strip())
        if match:
            return match.groupdict()
    return None


def calls(skills: Iterable[Skill], asked: str) -> list[Call]:
    """Calls that would do what is asked, the best proven first."""
    found: list[tuple[float, int, str, Call]] = []
    for skill in skills:
        arguments = bound(skill.goals, asked)
        if arguments is not None:
            low, steps = _proven(skill)
            call = Call(skill=skill.id, version=skill.version, name=skill.name, arguments=arguments)
            found.append((-low, steps, skill.id, call))
    return [call for *_, call in sorted(found, key=lambda row: row[:3])]


def part_calls(skills: Sequence[Skill], asked: str) -> list[Call]:
    """Calls for the parts of a goal, those of what is to be done first before the others."""
    parts = parts_of(asked)
    found = [calls(skills, ended) for one in parts for ended in (one, f"{one.rstrip('.')}.")]
    every = {str(call): call for some in found for call in some} if len(parts) > 1 else {}
    return list(every.values())


def success(trials: Iterable[Trial]) -> tuple[int, int]:
    """How many tasks it solved, of how many that it was to solve."""
    asked = [one for one in trials if one.purpose == "solve"]
    return sum(one.passed for one in asked), len(asked)


def _proven(skill: Skill) -> tuple[float, int]:
    steps = [one.steps for one in skill.trials if one.purpose == "solve"]
    return wilson(*success(skill.trials))[0], sum(steps) // max(1, len(steps))


@lru_cache(maxsize=4096)
def _pattern(goal: str) -> re.Pattern[str]:
    """Matches goals that are worded like `goal`; its parameters are groups."""
    seen: set[str] = set()
    pattern = ""
    parts = re.split(r"(\{\w+[+,]?\})", goal)
    for at, part in enumerate(parts):
        if part.startswith("{") and part.endswith("}"):
            name = part.strip("{+,}")
            value = r"\w(?:[\w\-'/.:@]*[\w\-'])?"
            if part.endswith((",}", "+}")):
                value = r"\w[\w \-',.]*?" if part.endswith(",}") else f"{WORDS}?"
            if parts[at - 1].endswith('"') and parts[at + 1].startswith('"'):
                value = r'[^"]+'
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{value})"
            seen.add(name)
        else:
            pattern += re.escape(part)
    return re.compile(pattern, re.IGNORECASE)
