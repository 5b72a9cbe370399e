"""Generated households as an environment: ALFWorld's games and words, no download.

A house belongs to the split that the hash of its layout names, so no layout (receptacles and what
lies where) occurs in two of `train`, `val` and `test`; nor does a seed. There is no `seen` and no
`unseen`. Tasks are listed without starting a game; a game file is written when it is first opened.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from envs.errors import Missing, UnknownName, UserError
from envs.houseproblem import game, traj_data
from envs.houses import LEVELS, House, Level, generate
from envs.textepisode import open_text_episode
from envs.types import Episode, Limits, Split, Task
from envs.workers import WorkerPool

MADE: tuple[Split, ...] = ("train", "val", "test")
"""The splits that a generated house can belong to."""


def split_of(house: House) -> Split:
    """The split of a house: a third of all layouts each."""
    return MADE[int(house.layout(), 16) % len(MADE)]


class Household:
    """Houses of one level; `per_split` tasks in each split, the six types in turn."""

    def __init__(
        self,
        cache: Path,
        *,
        level: str = "real",
        per_split: int = 200,
        steps: int | None = None,
        workers: int = 1,
        pool: WorkerPool | None = None,
    ) -> None:
        if level not in LEVELS:
            raise UnknownName("level of household", level, LEVELS)
        self.name = f"household:{level}"
        self.level: Level = LEVELS[level]
        self._cache = cache
        self._per_split = per_split
        self._limits = Limits(steps=self.level.steps if steps is None else steps)
        self._pool = WorkerPool(workers) if pool is None else pool
        self._owns_pool = pool is None
        self._tasks: dict[Split, tuple[Task, ...]] = {}

    def tasks(self, split: Split) -> Sequence[Task]:
        """The first `per_split` houses of a split; a larger number only adds at the end."""
        if not self._tasks:
            self._tasks = self._list()
        return self._tasks.get(split, ())

    def open(self, task: Task, *, seed: int | None = None) -> Episode:  # noqa: ARG002
        """Begins an attempt. Nothing in a house is left to chance, so `seed` changes nothing."""
        return open_text_episode(task, self._write(self.house(task)), pool=self._pool)

    def close(self) -> None:
        """Ends the workers, unless they were passed in."""
        if self._owns_pool:
            self._pool.close()

    def house(self, task: Task) -> House:
        """The house of a task. Raises `UnknownName` for a task that is not of this environment."""
        level, split, kind, number = (*task.id.split("/"), "", "", "", "")[:4]
        if level == self.level.name and kind in self.level.kinds and number.isdecimal():
            house = generate(int(number[:18]), level=self.level, task_type=kind)
            if self._task(house).id == task.id and split == task.split:
                return house
        known = (one.id for one in self.tasks("train"))
        raise UnknownName(f"{self.name} task", task.id, known)

    def _list(self) -> dict[Split, tuple[Task, ...]]:
        """All splits at once. Seeds count up; each has one type of task and one split."""
        found = {(split, kind): dict[str, Task]() for split in MADE for kind in self.level.kinds}
        share = -(-self._per_split // len(self.level.kinds))
        for number, kind in enumerate(self.level.kinds):
            seed = number
            while any(len(found[split, kind]) < share for split in MADE):
                task = self._task(generate(seed, level=self.level, task_type=kind))
                kept = found[task.split, kind]
                if len(kept) < share:
                    kept.setdefault(task.key, task)
                seed += len(self.level.kinds)
        listed: dict[Split, tuple[Task, ...]] = {}
        for split in MADE:
            turns = zip(*(found[split, kind].values() for kind in self.level.kinds), strict=True)
            listed[split] = tuple(task for turn in turns for task in turn)[: self._per_split]
        return listed

    def _task(self, house: House) -> Task:
        errand, split = house.errand, split_of(house)
        return Task(
            id=f"{house.level}/{split}/{errand.kind}/{house.seed}",
            env=self.name,
            goal=f"{errand.goal}.",
            key=f"{errand.kind} {errand.thing} {errand.target} | {house.room} {house.layout()}",
            split=split,
            seed=house.seed,
            limits=self._limits,
            tags=(errand.kind, f"level:{house.level}"),
        )

    def _write(self, house: House) -> Path:
        """The game file of a house; written unless exactly that is there already."""
        domain, grammar = wheel_texts()
        folder = self._cache / house.level / house.errand.kind / str(house.seed)
        path = folder / "game.tw-pddl"
        _put(folder / "traj_data.json", json.dumps(traj_data(house)))
        _put(path, json.dumps(game(house, domain=domain, grammar=grammar)))
        return path


@cache
def wheel_texts() -> tuple[str, str]:
    """PDDL domain and text grammar of the installed `alfworld`. Raises `Missing` without it."""
    spec = find_spec("alfworld")
    if spec is None or spec.origin is None:
        raise Missing(
            "generated houses need the packages alfworld and textworld",
            repair='pip install "journeyman[alfworld]"',
        )
    data = Path(spec.origin).parent / "data"
    try:
        domain = (data / "alfred.pddl").read_text("utf-8")
        return domain, (data / "alfred.twl2").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Missing(
            f"the installed alfworld lacks its data files ({error})",
            repair='pip install --force-reinstall "alfworld==0.4.2"',
        ) from error


def _put(path: Path, text: str) -> None:
    """Makes `path` hold `text`: whole or not at all, whoever else does the same."""
    content = text.encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError as error:
        raise UserError(
            f"the game {str(path)!r} can't be written ({error.strerror})",
            repair="set JOURNEYMAN_HOME to a folder that you may write to",
        ) from error
