"""ALFWorld's own games, from the folder that `journeyman envs fetch alfworld` fills.

`train`, `val` and `test` are made out of the official train games by room, so that rooms of `val`
and `test` are unseen; `seen` and `unseen` are the official `valid_seen` and `valid_unseen`.
Source: ALFWorld (Shridhar et al. 2021), data json_2.1.1 of release 0.4.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any

from envs.errors import Missing, UnknownName
from envs.keep import keep
from envs.textepisode import TextEpisode, open_text_episode
from envs.textgames import TASK_TYPES
from envs.types import Limits, Split, Task
from envs.workers import WorkerPool

ROOT = "json_2.1.1"
"""Folder of the games, in the data folder."""
OFFICIAL: dict[Split, str] = {"train": "train", "seen": "valid_seen", "unseen": "valid_unseen"}
"""Official folders; `val` and `test` come out of `train`."""
ROOMS = {"kitchen": 1, "living room": 201, "bedroom": 301, "bathroom": 401}
"""First number of the thirty rooms of each kind."""
ELSEWHERE = frozenset({9, 10, 29, 215, 219, 226, 308, 315, 325, 404, 424, 425})
"""Rooms without train games, those of `valid_unseen` among them."""
SHARE = 0.1
"""Part of the rooms of a kind that goes to `val`, and part that goes to `test`."""
GOAL = re.compile(r'"task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*("(?:[^"\\]|\\.)*")')
GOAL_PREFIX = "Your task is to: "
INDEX = "alfworld-index-1.json"
FETCH = "journeyman envs fetch alfworld"

log = logging.getLogger(__name__)


class Alfworld:
    """The games in `data`. `cache` keeps the list of games and their translations between runs."""

    name = "alfworld"

    def __init__(
        self, data: Path, *, workers: int = 1, cache: Path | None = None, steps: int = 50
    ) -> None:
        self._root = data if data.name == ROOT else data / ROOT
        self._cache = cache
        self._limits = Limits(steps=steps)
        self._pool = WorkerPool(workers, cache=cache / "sas" if cache else None)
        self._tasks: dict[Split, tuple[Task, ...]] = {}
        self._paths: dict[str, Path] = {}

    def tasks(self, split: Split) -> Sequence[Task]:
        """The tasks of a split, types mixed. Raises `Missing` where there are no games at all."""
        self._list()
        return self._tasks.get(split, ())

    def open(self, task: Task, *, seed: int | None = None) -> TextEpisode:  # noqa: ARG002
        """Begins an attempt. Nothing in a game is left to chance, so `seed` changes nothing."""
        self._list()
        path = self._paths.get(task.id)
        if path is None:
            raise UnknownName("alfworld task", task.id, self._paths)
        return open_text_episode(task, path, pool=self._pool)

    def close(self) -> None:
        """Ends the workers; may be called twice."""
        self._pool.close()

    def _list(self) -> None:
        if self._paths:
            return
        found: dict[Split, list[Task]] = {}
        for path, goal in _goals(self._root, cache=self._cache).items():
            official, folder, trial, _ = path.split("/")
            task = self._task(official, folder, f"{folder}/{trial}", goal)
            found.setdefault(task.split, []).append(task)
            self._paths[task.id] = self._root / path
        if not self._paths:
            raise Missing(f"no ALFWorld games in {self._root}", repair=f"run `{FETCH}`")
        self._tasks = {
            split: tuple(sorted(tasks, key=lambda task: _order(task.id)))
            for split, tasks in found.items()
        }

    def _task(self, official: str, folder: str, name: str, goal: str) -> Task:
        """Folders are named TYPE-OBJECT-MOVABLE-RECEPTACLE-ROOM; goals have several wordings."""
        kind, *things, number = folder.split("-")
        room = int(number)
        what = " ".join(thing.lower() for thing in things if thing != "None")
        split: Split = next(split for split, place in OFFICIAL.items() if place == official)
        return Task(
            id=name,
            env=self.name,
            goal=goal,
            key=f"{kind} {what} | room {room}",
            split=split_of(room) if split == "train" else split,
            limits=self._limits,
            tags=(kind, f"room:{room}"),
        )


def split_of(room: int) -> Split:
    """The split of the train games of a room, whatever other games there are."""
    return _splits().get(room, "train")


@once
def _splits() -> dict[int, Split]:
    splits: dict[int, Split] = {}
    for first in ROOMS.values():
        rooms = [room for room in range(first, first + 30) if room not in ELSEWHERE]
        rooms.sort(key=lambda room: _order(f"room {room}"))
        share = round(SHARE * len(rooms))
        splits.update(dict.fromkeys(rooms[:share], "val"))
        splits.update(dict.fromkeys(rooms[share : 2 * share], "test"))
    return splits


def _order(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _goals(root: Path, *, cache: Path | None) -> dict[str, str]:
    """Goal of each playable game by its path under `root`; kept while no game has changed."""
    games = sorted(_games(root))
    stamp = hashlib.sha256(json.dumps([str(root.absolute()), games]).encode()).hexdigest()
    index = cache / INDEX if cache else None
    if index is not None:
        try:
            kept = json.loads(index.read_text("utf-8"))
            if kept["stamp"] == stamp:
                return kept["goals"]
        except (OSError, ValueError, LookupError, TypeError):
            pass  # Absent or damaged: made anew.
    goals = {path: _goal(root / path) for path, _, _ in games}
    damaged = [path for path, goal in goals.items() if goal is None]
    if damaged:
        log.warning("%d damaged games left out, the first is %s", len(damaged), root / damaged[0])
    found = {path: goal for path, goal in goals.items() if goal}
    if index is not None and not damaged:
        try:
            keep(index, json.dumps({"stamp": stamp, "goals": found}).encode())
        except OSError as error:
            log.warning("the list of games can't be kept in %s: %s", index, error)
    return found


def _games(root: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of each game of the six types, without sliced and movable ones."""
    for official in OFFICIAL.values():
        for folder in _folders(root / official):
            kind, _, rest = folder.partition("-")
            plain = rest.count("-") == 3 and rest.rsplit("-", 1)[1].isdecimal()
            if kind not in TASK_TYPES or not plain or "Sliced" in folder:
                continue
            for trial in _folders(root / official / folder):
                try:
                    about = (root / official / folder / trial / "game.tw-pddl").stat()
                except OSError:
                    continue
                path = f"{official}/{folder}/{trial}/game.tw-pddl"
                yield path, about.st_size, about.st_mtime_ns


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _goal(path: Path) -> str | None:
    """The goal as the game will show it; empty for a game without solution, None if damaged."""
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        goals = GOAL.findall(data["grammar"])
        goal: str = json.loads(goals[-1])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return goal.removeprefix(GOAL_PREFIX).strip() if data.get("solvable") else ""
