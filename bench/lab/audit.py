"""A look back: held-out places in what was put before solvers, arms ahead of the expert."""

from __future__ import annotations

from collections.abc import Iterable

from scipy.stats import binomtest

from bench.lab.contamination import fingerprints, overlap, prompts
from bench.lab.guards import Finding
from bench.lab.table import Table
from bench.lab.types import Row
from envs.types import Task

MOST = 20
"""So many findings are told one by one."""
UNLIKELY = 0.001
"""Chance of being as far ahead of the expert by luck, below which it is worth a look."""


def contaminated(table: Table) -> list[str]:
    """One line for each note or recalled lesson that holds words of a measured task's place.

    The places of train tasks, and what the environment says everywhere, do not count; neither do
    the examples that the laboratory itself gave. Words alone are compared: a paraphrase is not
    found.
    """
    held: dict[str, tuple[Task, str]] = {}
    common: set[str] = set(prompts()) | table.given()
    shown: dict[str, str] = {}
    for row in table.rows():
        run = table.transcript(row.cell)
        if run is None:
            continue
        if row.phase == "learn" or row.split == "train":
            common.add(run.first_observation)
        elif run.first_observation:
            task = Task(id=row.task, env=row.env, goal=run.goal, key=row.task_key, split=row.split)
            held[f"{row.env}/{row.task}"] = (task, run.first_observation)
        for note in table.notes(row.cell):
            shown.setdefault(note.text, f"note {note.id} of {row.arm} in {row.cell}")
        for step in run.steps:
            for item in step.recalled:
                where = f"lesson {item.lesson} of {row.arm} in {row.cell}"
                shown.setdefault(item.text, where)
    known = fingerprints(held.values(), common=common)
    hits = [(where, hit) for text, where in shown.items() for hit in overlap(text, known)]
    lines = [f"contamination: {where}: {hit.text}" for where, hit in hits[:MOST]]
    if len(hits) > MOST:
        lines.append(f"contamination: {len(hits) - MOST} more")
    return lines


def suspicious(table: Table) -> list[str]:
    """Arms that beat the environment's own expert by more than chance: worth a look."""
    rows = table.rows(phase="measure")
    expert = [row for row in rows if row.kind == "expert"]
    others = [row for row in rows if row.kind != "expert"]
    return [f"look: {found.text}" for found in too_good(others, expert=expert)] if expert else []


def too_good(rows: Iterable[Row], *, expert: Iterable[Row]) -> list[Finding]:
    """Arms that solve what the expert does not, more often than the reverse: a note for each.

    A tripwire: an arm that reads the key looks like this, and so does one that is very good. Each
    task counts once (the lowest seed, after most learning); sign test, one-sided, `UNLIKELY`.
    """
    known = {(row.set, row.task): row.won for row in expert if row.phase == "measure"}
    latest: dict[tuple[str, str, str], Row] = {}
    measured = (row for row in rows if row.phase == "measure")
    for row in sorted(measured, key=lambda row: (row.seed, -row.learned)):
        if (row.set, row.task) in known:
            latest.setdefault((row.arm, row.set, row.task), row)
    ahead: dict[tuple[str, str], list[bool]] = {}
    for (arm, name, task), row in latest.items():
        if row.won != known[name, task]:
            ahead.setdefault((arm, name), []).append(row.won)
    return [
        Finding(
            kind="note",
            text=f"{arm} on {name} solved {sum(wins)} tasks that the expert did not and missed "
            f"{len(wins) - sum(wins)} that it did (p = {chance:.1g}): look at its transcripts",
        )
        for (arm, name), wins in ahead.items()
        if (chance := binomtest(sum(wins), len(wins), alternative="greater").pvalue) < UNLIKELY
    ]
