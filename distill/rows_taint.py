"""Rows that go back to what was quarantined, forgotten or found on a web page are not trained on.

Weights can't be pruned line by line, so what is doubtful stays out of them. A run is stained by
what was shown to it, by skills that it called, and where it was forgotten itself. A skill or a
lesson that merely adds nothing (retired) stains nobody: its runs were judged by the environment.
"""

from __future__ import annotations

import json

from pydantic import Field

from distill.filters import Filter, dropping
from distill.rows import Line
from envs.types import Frozen
from memory.episodes import NAME
from memory.ledger import Ledger


class Stains(Frozen):
    """What must not stand behind a row, each with why."""

    lessons: dict[str, str] = Field(default_factory=dict)
    """By id of the lesson or skill that was shown."""
    skills: dict[str, str] = Field(default_factory=dict)
    """By id of the skill that was called."""
    runs: dict[str, str] = Field(default_factory=dict)
    """By id of the run."""


def stains(ledger: Ledger) -> Stains:
    """What is stained by now, off the changes that stand."""
    query = (
        "SELECT kind, target, body FROM changes WHERE decision = 'applied' "
        "AND kind IN ('lesson', 'skill', 'setting') ORDER BY seq"
    )
    last = {(kind, target): body for kind, target, body in ledger.ask(query)}
    lessons: dict[str, str] = {}
    skills: dict[str, str] = {}
    runs: dict[str, str] = {}
    for (kind, target), body in last.items():
        after = json.loads(body).get("after")
        if kind == "setting":
            if target.startswith(NAME) and after is not None:
                runs[target.removeprefix(NAME)] = "forgotten run"
        elif why := _stain(after):
            (lessons if kind == "lesson" else skills)[target] = f"{why} {kind}"
    return Stains(lessons=lessons, skills=skills, runs=runs)


def _stain(after: dict[str, object] | None) -> str:
    if after is None:
        return "forgotten"
    if after.get("status") == "quarantined":
        return "quarantined"
    return "web page's" if after.get("trust") == "web" else ""


def untainted(stained: Stains) -> Filter:
    """Drops rows that rest on what is stained, and imported ones that go back to web pages."""

    def why(line: Line) -> str:
        origin = line.metadata
        if origin.trust == "web":
            return "from a web page"
        known = {**stained.lessons, **stained.skills}
        found = [
            *(stained.runs.get(run, "") for run in (origin.trajectory, *origin.others)),
            *(known.get(lesson, "") for lesson in (*origin.recalled, *origin.skills)),
        ]
        return next((reason for reason in found if reason), "")

    return dropping("taint", why)
