"""Training on own answers that nobody marked: those on which most samples agree.

Source: Huang et al. 2022, Large Language Models Can Self-Improve, arXiv 2210.11610 (catalogue row
`lmsi`): several answers are drawn to an unlabelled question, the one with the most votes counts
where its share of them is high, and every way of reasoning that led to it is a row. Such rows never
count as verified: majorities of a model that trains on its own majorities drift, so rounds of them
have to be few, and watched by a labelled hold-out.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Literal

from distill.rows import Row, origin_of, quotes
from distill.rows_turns import attempted, spoken, weighted
from envs.types import Frozen
from memory.types import REPLAY, Trajectory

SHARE = 0.7
"""Least share of votes."""
SAMPLES = 3
"""Fewest samples of a task that are a vote."""
RATIONALES = 8
"""Most rows of a task."""
TEACHER = "vote"
"""Who such rows say that they are from."""
SAID = re.compile(r"(?:answer is|answer:)\s*([^\n]+)", re.IGNORECASE)


class Voted(Frozen):
    """What votes came to."""

    rows: tuple[Row, ...]
    """One for each different rationale of an answer that won."""
    tasks: int
    """Unlabelled tasks with enough samples."""
    agreed: int
    """Of those, tasks whose answer reached the share."""
    labelled: int
    """Runs passed over since their outcome is known."""
    threshold: float
    """Least share of votes."""
    shares: dict[str, float]
    """Share of the winning answer by `Task.key`."""
    label_free: Literal[True] = True
    """No row was checked by an environment, a tool or a person; for the manifest."""

    def manifest(self) -> dict[str, Any]:
        """What a run's manifest says of these rows."""
        return self.model_dump(mode="json", exclude={"rows"}) | {"rows": len(self.rows)}


def voted(
    runs: Iterable[Trajectory],
    *,
    threshold: float = SHARE,
    least: int = SAMPLES,
    most: int = RATIONALES,
    answer: Callable[[Trajectory], str] | None = None,
) -> Voted:
    """Rows of train tasks without a score, by the share of votes of their answers.

    `answer` says what a run answered (default: `answer_of`); runs without an answer don't vote. A
    tie is no majority. Rows in which a recalled lesson stands word for word are left out.
    """
    read = answer or answer_of
    votes: dict[str, list[tuple[str, Trajectory]]] = defaultdict(list)
    labelled = 0
    for run in runs:
        if run.score is not None:
            labelled += 1
        elif run.split == "train" and not run.error and run.arm != REPLAY and read(run):
            votes[run.task_key].append((read(run), run))
    rows: list[Row] = []
    shares: dict[str, float] = {}
    agreed = 0
    for key, cast in sorted(votes.items()):
        if len(cast) < least:
            continue
        (best, count), *others = Counter(said for said, _ in cast).most_common(2)
        shares[key] = count / len(cast)
        if shares[key] < threshold or (others and others[0][1] == count):
            continue
        agreed += 1
        rows += _rationales([run for said, run in cast if said == best], most=most)
    return Voted(
        rows=tuple(rows),
        tasks=len(shares),
        agreed=agreed,
        labelled=labelled,
        threshold=threshold,
        shares=shares,
    )


def answer_of(run: Trajectory) -> str:
    """What a run came to: what follows "answer is", else its last line; else its actions.

    Without case, blanks and punctuation at its ends, so that equal answers are equal texts.
    """
    last = next((m for m in reversed(run.messages) if m.get("role") == "assistant"), None)
    text = str((last or {}).get("content") or "")
    if run.steps and (not text or text.startswith("{")):
        return " > ".join(_bare(step.action) for step in attempted(run))
    found = SAID.findall(text)
    lines = [line for line in text.splitlines() if line.strip()]
    return _bare(found[-1] if found else lines[-1]) if lines else ""


def _rationales(runs: Iterable[Trajectory], *, most: int) -> list[Row]:
    rows: list[Row] = []
    seen: set[str] = set()
    for run in runs:
        attempt = attempted(run)
        acted = bool(attempt) and answer_of(run) == " > ".join(_bare(s.action) for s in attempt)
        turns, rebuilt = spoken(run, attempt) if acted else (list(run.messages), False)
        messages = weighted(turns, trained=len(attempt) if acted else 1)
        mark = json.dumps([turn for turn in messages if "weight" in turn], sort_keys=True)
        if len(rows) < most and mark not in seen and not quotes(messages, run.steps):
            seen.add(mark)
            origin = origin_of(run, steps=len(attempt), rebuilt=rebuilt, made="voted")
            whose = {"teacher": TEACHER, "outcome": None}
            rows.append(Row(messages=messages, metadata=origin.model_copy(update=whose)))
    return rows


def _bare(text: str) -> str:
    folded = " ".join(text.casefold().split())
    return re.sub(r"(?<=\d),(?=\d{3})", "", folded).strip(" .!?*`\"'$")
