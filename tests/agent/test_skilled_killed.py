"""A run that was killed in the middle of a call goes on as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, interrupted, resume, run
from agent.settings import load
from envs.toy import Toy, ToyEpisode
from envs.types import Action, Step, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory
from skills.library import Library
from skills.types import Skill

SPOON = next(task for task in Toy().tasks("train") if task.tags[1] == "spoon")
HOME = Toy().open(SPOON).demonstrate()[0].text
BRING = f'''\
def bring(x: str) -> bool:
    act("{HOME}")
    act("take " + x)
    return act("give " + x).startswith("Thank you")
'''


def calls_first(messages: Any, schema: Any) -> dict[str, Any]:
    """Calls the skill; without it there is nothing to do."""
    return {"action": next(one for one in schema["properties"]["action"]["enum"] if "(x=" in one)}


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    options = load(home=str(folder), memory={"learn": False, "withhold": False})
    async with home(options, memory=memory, models={"model": PolicyModel(calls_first)}) as opened:
        yield opened


def add(home_: Home) -> None:
    library = Library(home_.ledger)
    requires = ("open * drawer", "take *", "give *")
    goals = ("Bring me the {x}.",)
    skill = Skill(id="S1", name="bring", env="toy", code=BRING, goals=goals, requires=requires)
    library.move(library.add(skill, reason="written"), "active", reason="passed")


def actions(done: Trajectory) -> list[str]:
    return [step.action for step in done.steps]


async def times_asked(home_: Home) -> int:
    model = await home_.model()
    assert isinstance(model, PolicyModel)
    return len(model.requests)


class Deadly(Toy):
    """Kills the process in the middle of its n-th action."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def open(self, task: Task, *, seed: int | None = None) -> ToyEpisode:
        episode = super().open(task, seed=seed)
        step = episode.step

        def deadly(action: Action) -> Step:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(action)

        episode.step = deadly
        return episode


def kill_at(folder: Path, action: int) -> None:
    """Calls the skill in a process of its own that is killed in the middle of an action."""
    command = [sys.executable, __file__, str(folder), str(action)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == -signal.SIGKILL


def victim(folder: str, action: int) -> None:
    """What the other process does."""

    async def go() -> None:
        async with place(Path(folder)) as home_:
            add(home_)
            asked = Spec(task=SPOON, seed=SPOON.seed, learn=False)
            await run(await home_.crew(), Deadly(action), asked, run_id="victim")

    asyncio.run(go())


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose only run was killed in the middle of the second action; to be copied."""
    folder = tmp_path_factory.mktemp("killed")
    kill_at(folder, 2)
    return folder


@pytest.mark.parametrize("action", [1, 2, 3])
async def test_a_run_killed_in_the_middle_of_a_call_takes_the_same_actions(
    tmp_path: Path, killed: Path, action: int
) -> None:
    folder = tmp_path / "home"
    if action == 2:
        shutil.copytree(killed, folder)
    else:
        kill_at(folder, action)
    async with place(folder) as home_:
        assert [row.id for row in interrupted(home_.ledger.runs(status="running"))] == ["victim"]
        done = await resume(await home_.crew(), Toy(), "victim")
        asked = await times_asked(home_)
    async with place(tmp_path / "other") as home_:
        add(home_)
        asked_for = Spec(task=SPOON, seed=SPOON.seed, learn=False)
        whole = await run(await home_.crew(), Toy(), asked_for)
    assert done.error == ""
    assert actions(done) == actions(whole)
    assert [step.skill for step in done.steps] == [step.skill for step in whole.steps]
    assert (done.calls, done.score, done.messages) == (whole.calls, whole.score, whole.messages)
    assert asked == 0


async def test_the_version_that_was_called_is_played_to_its_end(
    tmp_path: Path, killed: Path
) -> None:
    async with place(shutil.copytree(killed, tmp_path / "home")) as home_:
        library = Library(home_.ledger)
        old = library.get("bring")
        code = old.code.replace(HOME, "open red drawer")
        fresh = library.revise(old.model_copy(update={"code": code}), reason="worse")
        library.move(fresh, "active", reason="by mistake")
        done = await resume(await home_.crew(), Toy(), "victim")
    assert actions(done) == [HOME, "take spoon", "give spoon"]
    assert [one["call"]["version"] for one in done.calls] == [1]


async def test_a_skill_that_is_retired_meanwhile_ends_what_it_began(
    tmp_path: Path, killed: Path
) -> None:
    async with place(shutil.copytree(killed, tmp_path / "home")) as home_:
        Library(home_.ledger).retire("bring", reason="not needed")
        done = await resume(await home_.crew(), Toy(), "victim")
        asked = await times_asked(home_)
    assert (done.error, len(done.calls), asked) == ("", 1, 0)


if __name__ == "__main__":
    victim(sys.argv[1], int(sys.argv[2]))
