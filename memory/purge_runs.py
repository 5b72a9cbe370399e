"""Deleting for good, the runs: texts taken out of those that stay, and runs that go themselves."""

from __future__ import annotations

from collections.abc import Sequence

from memory import rows
from memory.database import Connection
from memory.purge_files import written
from memory.text import normal
from memory.types import Source, Trajectory

LONG = 20
"""Characters of a text by which a run is known to repeat it; shorter ones stand everywhere."""
GONE = "(purged)"
"""Stands where a prompt did."""
MANY = 100
"""Words looked for in one pass over the runs."""


def blank_recalled(db: Connection, ids: Sequence[str]) -> None:
    """Blanks what these lessons said wherever they were recalled."""
    purged = set(ids)
    for run, body in _holding_any(db, ids):
        trajectory = rows.parse(Trajectory, body)
        steps = []
        for step in trajectory.steps:
            blank = {"text": "", "source": Source()}
            seen = (r.model_copy(update=blank) if r.lesson in purged else r for r in step.recalled)
            steps.append(step.model_copy(update={"recalled": tuple(seen)}))
        whole = rows.dump(trajectory.model_copy(update={"steps": tuple(steps)}))
        db.execute("UPDATE trajectories SET body = ? WHERE id = ?", (whole, run))


def blank_said(db: Connection, text: str) -> None:
    """Takes a prompt out of what was said to the model in runs."""
    for run, body in _holding_any(db, list(dict.fromkeys(written(text)))):
        trajectory = rows.parse(Trajectory, body)
        messages = tuple(
            {**one, "content": one["content"].replace(text, GONE)}
            if isinstance(one.get("content"), str)
            else one
            for one in trajectory.messages
        )
        whole = rows.dump(trajectory.model_copy(update={"messages": messages}))
        db.execute("UPDATE trajectories SET body = ? WHERE id = ?", (whole, run))


def runs_at(db: Connection, tasks: Sequence[str]) -> list[str]:
    """Runs of these tasks, by their ids."""
    held = [(run, rows.parse(Trajectory, body)) for run, body in _holding_any(db, tasks)]
    return [run for run, trajectory in held if trajectory.task in tasks]


def repeating(db: Connection, texts: set[str]) -> set[str]:
    """Runs in which a lesson's very words stand, as where they were looked up in memory."""
    long = [text for text in texts if len(text) >= LONG]
    forms = {form for text in long for form in written(text)}
    return {run for run, _ in _holding_any(db, sorted(forms))}


def _holding_any(db: Connection, words: Sequence[str]) -> list[tuple[str, str]]:
    """Trajectories (id, body) with one of these words in them."""
    found: dict[str, str] = {}
    for begin in range(0, len(words), MANY):
        part = words[begin : begin + MANY]
        test = " OR ".join("instr(body, ?) > 0" for _ in part)
        query = f"SELECT id, body FROM trajectories WHERE {test}"  # noqa: S608
        found.update(db.execute(query, list(part)).fetchall())
    return list(found.items())


def delete_runs(db: Connection, runs: set[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Deletes runs, and later turns of their conversations that repeat what was said."""
    found = set(runs)
    for run in runs:
        query = (
            "SELECT id FROM trajectories WHERE thread <> '' AND thread IN "
            "(SELECT thread FROM trajectories WHERE id = ?)"
        )
        for (turn,) in db.execute(query, (run,)).fetchall():
            bodies = db.execute("SELECT body FROM runs WHERE id = ?", (turn,)).fetchall()
            bodies += db.execute("SELECT body FROM trajectories WHERE id = ?", (turn,)).fetchall()
            if any(_spoken(text) in _spoken(body) for (body,) in bodies for text in texts):
                found.add(turn)
    gone = tuple(sorted(run for run in found if exists(db, run)))
    for run in found:
        db.execute("DELETE FROM trajectories WHERE id = ?", (run,))
        db.execute("DELETE FROM runs WHERE id = ?", (run,))
        db.execute("DELETE FROM exposures WHERE episode = ? OR lesson = ?", (run, run))
    return gone


def _spoken(text: str) -> str:
    """For comparison with what stands in JSON."""
    return normal(text.replace("\\n", " ").replace("\\", " "))


def exists(db: Connection, run: str) -> bool:
    """Whether a run is there."""
    return db.execute("SELECT 1 FROM trajectories WHERE id = ?", (run,)).fetchone() is not None
