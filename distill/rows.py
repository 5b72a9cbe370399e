"""Training rows, and verified successes as such, in the chat format of OpenAI's fine-tuning files.

A line is `{"messages": [...], "metadata": {...}}`. Only the assistant's turns train: each of them
carries `"weight"`, 1 for what the solver said in the attempt that succeeded and 0 for what stood
before it (earlier turns of a conversation). Other messages carry none. Trainers that know no
weights must mask all but the turns of weight 1; services that know no metadata want it dropped.

A `Pair` is a line of TRL's conversational preference format, a `Valued` a prefix with its value.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from distill.rows_turns import attempted, called, spoken, teacher_of, weighted
from envs.errors import UserError
from envs.types import Frozen
from memory.text import normal
from memory.types import REPLAY, StepRecord, Trajectory, Trust

SHORTEST_RECALLED = 16
"""Recalled texts shorter than that are ordinary words, and may stand in a row by chance."""


Made = Literal[
    "solved",
    "spliced",
    "reflection",
    "correct",
    "incorrect",
    "verification",
    "critique",
    "attempt",
    "call",
    "pair",
    "value",
    "voted",
    "imagined",
    "imported",
]
"""A solved attempt; a failed one with the way out; advice that helped; a way marked as one to go or
to avoid (such rows must keep their mark, or mistakes are taught as solutions); whether an attempt
reached its goal; which of its steps was wrong; an attempt that may have failed, for losses that
read `outcome`; a solved one in which calls of skills are learned; one action above another; how
good a prefix is; an answer that nobody checked, by the most votes; a way that never was, in a
learned model; a line of somebody else's file."""


class Origin(Frozen):
    """Where a row comes from; what has to be retracted is found by it."""

    trajectory: str
    """Id of the run."""
    env: str
    """Environment."""
    task: str
    """Task id."""
    task_key: str
    """`Task.key`."""
    task_type: str
    """First tag of the task."""
    model: str
    """Model that solved it."""
    config: str
    """Hash of its configuration."""
    arm: str
    """Arm of an experiment."""
    score: float
    """From 0 to 1."""
    steps: int
    """Actions of the attempt that succeeded."""
    attempts: int
    """How often the episode was begun; more than one is an `oracle_retry`."""
    recalled: tuple[str, ...]
    """Lessons that were shown on the way; their texts are not in the row."""
    rebuilt: bool
    """The messages are put together from the steps, since the run kept none of this attempt."""
    made: Made = "solved"
    """What the row teaches."""
    teacher: str = ""
    """Who acted: `expert`, `skills`, `model NAME`; empty: not known."""
    skills: tuple[str, ...] = ()
    """Ids of skills that were called on the way."""
    round: int = 0
    """Round of self-training that it was gathered in."""
    outcome: bool | None = None
    """Whether the environment says that the attempt reached the goal; None: it said nothing."""
    rate: float | None = None
    """Share of attempts at the same task that did; None: not counted."""
    ended: str = ""
    """ISO time (UTC) at which the run ended."""
    content: str = ""
    """`content_of` goal and first observation; empty: not known."""
    others: tuple[str, ...] = ()
    """Ids of other runs that the row rests on."""
    source: str = ""
    """File that it was imported from; empty: a run in this ledger, or an expert's."""
    licence: str = ""
    """Licence of an imported row, as it was given."""
    trust: Trust = "self"
    """Whose words it goes back to."""


class Row(Frozen):
    """One conversation to learn from."""

    messages: tuple[dict[str, Any], ...]
    """As in the OpenAI API; those of the assistant with `weight`."""
    metadata: Origin
    """Where it comes from."""


class Pair(Frozen):
    """Two turns after the same conversation, one better than the other."""

    prompt: tuple[dict[str, Any], ...]
    """The conversation before."""
    chosen: tuple[dict[str, Any], ...]
    """The better turn of the assistant."""
    rejected: tuple[dict[str, Any], ...]
    """The worse one."""
    metadata: Origin
    """Where the better one comes from; the worse one's run is among `others`."""

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """All that is said in it."""
        return (*self.prompt, *self.chosen, *self.rejected)


class Valued(Frozen):
    """The beginning of an attempt, and how good it is to be there."""

    messages: tuple[dict[str, Any], ...]
    """The conversation so far, what was seen last at its end; no turn carries a weight."""
    value: float
    """From 0 to 1."""
    visits: int
    """Attempts that it was counted from."""
    metadata: Origin
    """Where it comes from; the other attempts' runs are its `others`."""


Line = Row | Pair | Valued
"""What stands on one line of a file."""


class Written(Frozen):
    """A file of rows."""

    path: Path
    """Where it lies."""
    rows: int
    """How many lines."""
    sha256: str
    """Of its bytes; the same rows in the same order give the same."""


def rows(
    trajectories: Iterable[Trajectory],
    *,
    held_out_keys: Collection[str] = (),
    retries: bool = False,
) -> Iterator[Row]:
    """A row for each different way in which a train task was solved, in the given order.

    Where a skill was called, its actions are said in place of the call.

    Left out are: splits other than `train`, runs that were not scored, failed or broke, tasks with
    a held-out key, replays, the same actions on the same task again, oracle retries unless
    `retries` (then their last attempt counts), and rows in which a recalled lesson stands word for
    word (the model quoted it): what a student learns must not be what was whispered to its teacher.
    """
    held_out, seen = frozenset(held_out_keys), set[tuple[str, ...]]()
    for trajectory in trajectories:
        attempt = attempted(trajectory)
        if not _wanted(trajectory, attempt, held_out=held_out, retries=retries):
            continue
        way = (trajectory.task_key, *(step.action for step in attempt))
        if way in seen:
            continue
        row = _row(trajectory, attempt)
        if not quotes(row.messages, trajectory.steps):
            seen.add(way)
            yield row


def _wanted(
    trajectory: Trajectory,
    attempt: Sequence[StepRecord],
    *,
    held_out: frozenset[str],
    retries: bool,
) -> bool:
    return (
        trajectory.split == "train"
        and trajectory.score is not None
        and trajectory.score.passed
        and not trajectory.error
        and bool(attempt)
        and trajectory.task_key not in held_out
        and trajectory.arm != REPLAY
        and (trajectory.attempts == 1 or retries)
    )


def _row(trajectory: Trajectory, attempt: Sequence[StepRecord]) -> Row:
    turns, rebuilt = spoken(trajectory, attempt)
    return Row(
        messages=weighted(turns, trained=len(attempt)),
        metadata=origin_of(trajectory, steps=len(attempt), rebuilt=rebuilt, outcome=True),
    )


def origin_of(
    trajectory: Trajectory,
    *,
    steps: int,
    rebuilt: bool,
    made: Made = "solved",
    outcome: bool | None = None,
    others: tuple[str, ...] = (),
) -> Origin:
    """Where a row made from `trajectory` comes from."""
    score = trajectory.score
    return Origin(
        trajectory=trajectory.id,
        env=trajectory.env,
        task=trajectory.task,
        task_key=trajectory.task_key,
        task_type=trajectory.task_type,
        model=trajectory.model,
        config=trajectory.config,
        arm=trajectory.arm,
        score=score.value if score else 0.0,
        steps=steps,
        attempts=trajectory.attempts,
        recalled=tuple(sorted({r.lesson for s in trajectory.steps for r in s.recalled})),
        rebuilt=rebuilt,
        made=made,
        teacher=teacher_of(trajectory, attempted(trajectory)),
        skills=called(trajectory),
        outcome=outcome,
        ended=trajectory.ended,
        content=content_of(trajectory.goal, trajectory.first_observation),
        others=others,
    )


def quotes(messages: Sequence[dict[str, Any]], steps: Sequence[StepRecord]) -> bool:
    """Whether a recalled text stands in the messages, however it is spaced or cased."""
    texts = {_bare(recalled.text) for step in steps for recalled in step.recalled}
    texts = {text for text in texts if len(text) >= SHORTEST_RECALLED}
    if not texts:
        return False
    whole = "\n".join(_bare(text) for message in messages for text in _strings(message))
    return any(text in whole for text in texts)


def _bare(text: str) -> str:
    return " ".join(text.casefold().split())


def _strings(value: Any) -> Iterator[str]:
    """All texts in a message; JSON in a text is read, since quotes are escaped in it."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
        if value.startswith("{"):
            with contextlib.suppress(ValueError, RecursionError):
                yield from _strings(json.loads(value))


PLAYED: frozenset[Made] = frozenset({"solved", "spliced", "call", "attempt", "pair", "value"})
"""Rows in which the agent acts in its environment, under its own instruction."""


def told_first(line: Line, system: str) -> Line:
    """A line of `PLAYED` under another instruction than its teacher's; others as they are."""
    if line.metadata.made not in PLAYED:
        return line
    field = "prompt" if isinstance(line, Pair) else "messages"
    turns: tuple[dict[str, Any], ...] = getattr(line, field)
    rest = turns[1:] if turns and turns[0].get("role") == "system" else turns
    return line.model_copy(update={field: ({"role": "system", "content": system}, *rest)})


@lru_cache(maxsize=256)
def content_of(goal: str, first: str) -> str:
    """Hash of a task's words, however they are spaced, cased or pointed; 16 hexadecimal digits."""
    return hashlib.sha256(f"{normal(goal)}\n{normal(first)}".encode()).hexdigest()[:16]


def write_jsonl(path: Path, lines: Iterable[Line]) -> Written:
    """Writes the rows in UTF-8, whole or not at all: what stood there stays until the last line.

    Raises `UserError` where the folder cannot be written to.
    """
    digest, count = hashlib.sha256(), 0
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for row in lines:
                line = json.dumps(row.model_dump(mode="json"), ensure_ascii=False) + "\n"
                data = line.encode("utf-8", "replace")
                digest.update(data)
                file.write(data)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}",
            repair="choose a folder that you may write to, with room on its disk",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return Written(path=path, rows=count, sha256=digest.hexdigest())
