"""Verified successes as training rows, in the chat format of OpenAI's fine-tuning files.

A line is `{"messages": [...], "metadata": {...}}`. Only the assistant's turns train: each of them
carries `"weight"`, 1 for what the solver said in the attempt that succeeded and 0 for what stood
before it (earlier turns of a conversation). Other messages carry none. Trainers that know no
weights must mask all but the turns of weight 1; services that know no metadata want it dropped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from envs.errors import UserError
from envs.types import Frozen
from memory.types import StepRecord, Trajectory

SHORTEST_RECALLED = 16
"""Recalled texts shorter than that are ordinary words, and may stand in a row by chance."""


Made = Literal["solved", "spliced", "reflection", "correct", "incorrect"]
"""A solved attempt; a failed one with the way out; advice that helped; a way marked as one to go or
to avoid. Rows of the last two kinds must keep their mark, or mistakes are taught as solutions."""


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


class Row(Frozen):
    """One conversation to learn from."""

    messages: tuple[dict[str, Any], ...]
    """As in the OpenAI API; those of the assistant with `weight`."""
    metadata: Origin
    """Where it comes from."""


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

    Left out are: splits other than `train`, runs that were not scored, failed or broke, tasks with
    a held-out key, the same actions on the same task again, oracle retries unless `retries` (then
    their last attempt counts), and rows in which a recalled lesson stands word for word (the model
    quoted it): what a student learns must not be what was whispered to its teacher.
    """
    held_out, seen = frozenset(held_out_keys), set[tuple[str, ...]]()
    for trajectory in trajectories:
        attempt = _last_attempt(trajectory)
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
        and (trajectory.attempts == 1 or retries)
    )


def _last_attempt(trajectory: Trajectory) -> tuple[StepRecord, ...]:
    last = trajectory.attempts - 1
    return tuple(step for step in trajectory.steps if step.attempt == last)


def _row(trajectory: Trajectory, attempt: Sequence[StepRecord]) -> Row:
    said = sum(message.get("role") == "assistant" for message in trajectory.messages)
    # More turns than steps are earlier turns of a conversation, or attempts that failed.
    usable = said >= len(attempt) if trajectory.attempts == 1 else said == len(attempt)
    spoken = trajectory.messages if usable else retold(trajectory, attempt)
    return Row(
        messages=_weighted(spoken, trained=len(attempt)),
        metadata=origin_of(trajectory, steps=len(attempt), rebuilt=not usable),
    )


def origin_of(
    trajectory: Trajectory, *, steps: int, rebuilt: bool, made: Made = "solved"
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
    )


def _weighted(messages: Sequence[dict[str, Any]], *, trained: int) -> tuple[dict[str, Any], ...]:
    """The messages up to the assistant's last; its last `trained` turns with weight 1."""
    turns = [n for n, message in enumerate(messages) if message.get("role") == "assistant"]
    weights = {n: int(turns.index(n) >= len(turns) - trained) for n in turns}
    return tuple(
        {**message, "weight": weights[n]} if n in weights else dict(message)
        for n, message in enumerate(messages[: turns[-1] + 1])
    )


def retold(trajectory: Trajectory, attempt: Sequence[StepRecord]) -> list[dict[str, Any]]:
    """What the player saw, and what it did in the JSON that the text solver speaks."""
    messages: list[dict[str, Any]] = []
    seen = trajectory.first_observation or trajectory.goal
    for step in attempt:
        reply = {"thought": step.thought} if step.thought else {}
        content = json.dumps({**reply, "action": step.action}, ensure_ascii=False)
        messages.append({"role": "user", "content": seen})
        messages.append({"role": "assistant", "content": content})
        seen = step.observation
    return messages


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


def write_jsonl(path: Path, lines: Iterable[Row]) -> Written:
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
