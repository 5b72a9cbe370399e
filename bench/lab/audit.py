"""A look at everything that was put before a solver, for passages of held-out tasks."""

from __future__ import annotations

from bench.lab.contamination import fingerprints, overlap, prompts
from bench.lab.guards import too_good
from bench.lab.table import Table
from envs.types import Task

GIVEN = "demo:"
"""How the ids of demonstrations begin."""
MOST = 20
"""So many findings are told one by one."""


def contaminated(table: Table) -> list[str]:
    """One line for each note or recalled lesson that holds words of a measured task's place.

    The places of train tasks, and what the environment says everywhere, do not count. Words
    alone are compared: a paraphrase is not found.
    """
    held: dict[str, tuple[Task, str]] = {}
    common: set[str] = set(prompts())
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
            if note.runs and all(run.startswith(GIVEN) for run in note.runs):
                common.add(note.text)  # a demonstration on a train task, made by the laboratory
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
