"""Small experiments on the toy environment with arms that call no model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.settings import Settings, load
from bench.lab.conduct import Done
from bench.lab.session import Call, conduct, folder_of
from bench.lab.table import Table
from bench.lab.types import ArmSpec, Experiment, Row, Tasks

HERE = str(Path(__file__).parent)
if HERE not in sys.path:  # as PYTHONPATH does for arms that users bring along
    sys.path.append(HERE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(home=str(tmp_path / "home"))


@pytest.fixture
def small() -> Callable[..., Experiment]:
    """`small("random", "brought:Learns", learn=4, n=3)`: an experiment named `small`."""

    def made(*kinds: str | ArmSpec, n: int = 3, learn: int = 0, **more: Any) -> Experiment:
        arms = tuple(
            ArmSpec(name=one.rpartition(":")[2], kind=one) if isinstance(one, str) else one
            for one in kinds
        )
        tasks = Tasks(env="toy", split="train", n=learn) if learn else None
        given: dict[str, Any] = {
            "name": "small",
            "title": "A small one",
            "learn": tasks,
            "measure": (Tasks(env="toy", split="val", n=n),),
            "arms": arms,
        }
        return Experiment(**{**given, **more})

    return made


@pytest.fixture
def play(settings: Settings) -> Callable[..., Done]:
    """Plays in this process, or with `workers`."""

    def played(experiment: Experiment, *, workers: int = 0, told: Any = None, **call: Any) -> Done:
        asked = Call(workers=workers, **call)
        return conduct(experiment, settings, asked, told=told or (lambda _text: None))

    return played


@pytest.fixture
def rows(settings: Settings) -> Callable[..., list[Row]]:
    """The rows of an experiment."""

    def read(name: str = "small", **only: str) -> list[Row]:
        with closing(Table(folder_of(settings, name), write=False)) as table:
            return table.rows(**only)

    return read


@pytest.fixture
def flags(settings: Settings) -> Callable[..., list[tuple[str, str]]]:
    """What guards found."""

    def read(name: str = "small") -> list[tuple[str, str]]:
        with closing(Table(folder_of(settings, name), write=False)) as table:
            return table.flags()

    return read
