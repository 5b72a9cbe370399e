"""Breaks files of a memory byte by byte, and looks at what a reader is told."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from bench.faults.killer import counting
from envs.errors import JourneymanError, StoreError, UnknownName
from memory.asof import as_of
from memory.embed import HashEmbedder
from memory.index import Index
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Exposure, Lesson, Run, Trajectory

How = Literal["bit", "bytes", "cut", "zeros", "longer", "deleted"]
HOWS: tuple[How, ...] = ("bit", "bytes", "cut", "zeros", "longer", "deleted")
"""One bit flipped, 16 bytes at random, cut off there, zeros to the end of the page, junk behind
the end, no file."""
PAGE = 4096
LESSONS = 60
Outcome = Literal["right", "told", "rebuilt", "missing", "wrong", "crash"]
"""The same answers without a word, an error that says so, built anew with one warning, less than
there was without a word, other than it was without a word, an error that is none of ours."""


def fill(home: Path) -> None:
    """A memory with lessons in all states, runs and exposures, closed in order."""
    memory = opened(home)
    rng = random.Random(1)
    for number in range(LESSONS):
        words = " ".join(f"{rng.getrandbits(40):010x}" for _ in range(4))
        lesson = Lesson(id=f"lesson-{number}", kind="fact", text=words, situation=f"at {words}")
        run = f"run-{number % 20}"
        memory.ledger.begin_run(Run(id=run, env="toy", task="t", goal="g", status="running"))
        memory.add(lesson, reason="learned", evidence=(run,))
        memory.ledger.expose(
            Exposure(episode=run, lesson=lesson.id, version=1, first_step=0, shown=number % 3 > 0)
        )
    for number in range(20):
        memory.ledger.add_trajectory(
            Trajectory(
                id=f"run-{number}", env="toy", task="t", task_key="k", split="train", goal="g"
            )
        )
    for number in range(0, LESSONS, 7):
        memory.undo(memory.ledger.history(f"lesson-{number}")[0].id, reason="wrong")
    memory.close()


def opened(home: Path) -> Memory:
    """The memory of a folder."""
    return Memory(Ledger(home / "ledger.db"), Index(home / "index", HashEmbedder()))


def harm(path: Path, how: How, *, rng: random.Random) -> str:
    """Breaks a file at a random place; says where."""
    raw = bytearray(path.read_bytes())
    place = rng.randrange(len(raw)) if raw else 0
    if how == "deleted":
        path.unlink()
        return "whole file"
    if how == "bit" and raw:
        raw[place] ^= 1 << rng.randrange(8)
    elif how == "bytes":
        raw[place : place + 16] = rng.randbytes(len(raw[place : place + 16]))
    elif how == "cut":
        del raw[place:]
    elif how == "zeros":
        end = min(len(raw), (place // PAGE + 1) * PAGE)
        raw[place:end] = bytes(end - place)
    elif how == "longer":
        raw += rng.randbytes(1 + place % PAGE)
    path.write_bytes(raw)
    return f"byte {place}"


def told(home: Path) -> dict[str, Any]:
    """Everything that a reader of the ledger can ask for."""
    ledger = Ledger(home / "ledger.db")
    try:
        lessons = ledger.lessons(limit=-1)
        runs = ledger.runs(limit=-1)
        return {
            "lessons": lessons,
            "each lesson": [ledger.lesson(one.id) for one in lessons],
            "histories": [ledger.history(one.id) for one in lessons],
            "changes": ledger.changes(limit=-1),
            "runs": runs,
            "each run": [ledger.run(one.id) for one in runs],
            "trajectories": ledger.trajectories(limit=-1),
            "exposures": ledger.exposures(),
            "count": ledger.count(),
            "past": as_of(ledger, "2999-01-01T00:00:00"),
            "index": ledger.changed_since(-1),
        }
    finally:
        ledger.close()


def found(home: Path) -> list[Any]:
    """What searches find."""
    memory = opened(home)
    try:
        # an index that is damaged is found so here, and built anew
        memory.sync()
        lessons = memory.ledger.lessons(limit=-1)
        return [[one.id for one, _ in memory.search(o.situation, most=3)] for o in lessons]
    finally:
        memory.close()


def judge(ask: Callable[[Path], Any], home: Path, right: Any) -> tuple[Outcome, str]:
    """What a reader is told of a damaged memory, and the words."""
    try:
        with counting() as warned:
            answer = ask(home)
    except StoreError as error:
        return "told", str(error)
    except UnknownName as error:
        return "missing", str(error)
    except JourneymanError as error:
        return "crash", str(error)
    if answer == right:
        return ("rebuilt", warned[0]) if len(warned) == 1 else ("right", "")
    return ("missing" if _less(answer, right) else "wrong"), ""


def sweep(
    filled: Path, scratch: Path, *, files: Sequence[Path], times: int, rng: random.Random
) -> list[tuple[str, How, Outcome, str]]:
    """Breaks `times` copies of `filled`, each in one of `files`: file, how, outcome, where."""
    ledger = any(file.name.startswith("ledger") for file in files)
    ask: Callable[[Path], Any] = told if ledger else found
    right = ask(filled)
    rows: list[tuple[str, How, Outcome, str]] = []
    for _ in range(times):
        file, how = rng.choice(files), rng.choice(HOWS)
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(filled, scratch)
        where = harm(scratch / file, how, rng=rng)
        outcome, words = judge(ask, scratch, right)
        rows.append((file.name, how, outcome, f"{where}: {words}"))
    return rows


def _less(answer: Any, right: Any) -> bool:
    """Whether nothing in `answer` is other than in `right`, but some of it is not there."""
    if not isinstance(answer, dict):
        return False
    listed = [name for name, value in right.items() if isinstance(value, list)]
    return all(one in right[name] for name in listed for one in answer[name])
