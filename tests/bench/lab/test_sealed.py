"""Arms that dig: each test plants one way to the answer key, and the guard that stops it."""

from __future__ import annotations

import asyncio
import gc
import importlib
import pkgutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bench.arms
from agent.chance import RandomChoice
from agent.home import home
from agent.kit import Kit, Reflector, Strategy, Verifier
from agent.models.scripted import ScriptedModel
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.state import Attempt, State
from agent.verifier import Shown
from bench.lab.acting import Acting, Leak, acting, acting_as, env_code
from bench.lab.sealed import forbidden, forbidden_in, sealed, watched
from envs.check import check
from envs.errors import Refused
from envs.toy import Toy
from envs.types import Action, Demonstrates, Episode, Split, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Usage, Verdict

Dig = Callable[[Any, Any], Awaitable[object]]
"""What a digging solver does with (state, kit)."""


def task_of(split: Split = "val") -> Task:
    return Toy().tasks(split)[0]


class Digger(Strategy):
    """Digs, swallows what it is told about that, and then plays on as if nothing were."""

    def __init__(self, dig: Dig) -> None:
        self.dig = dig
        self.found: list[object] = []

    async def choose(self, state: State, kit: Kit) -> State:
        with suppress(Refused):
            self.found.append(await self.dig(state, kit))
        return await RandomChoice().choose(state, kit)


@asynccontextmanager
async def crew_in(folder: Path, **changes: Any) -> AsyncIterator[Crew]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), memory={"drafts": "plain"}, solver={"retries": 1})
    async with home(settings, memory=memory, models={"model": ScriptedModel([])}) as opened:
        yield replace(await opened.crew(), **changes)


async def live_score(state: Any, kit: Any) -> object:
    return kit.player._live().score()


async def live_demonstration(state: Any, kit: Any) -> object:
    return kit.player._live().demonstrate()


async def closure_score(state: Any, kit: Any) -> object:
    cells = [cell.cell_contents for cell in kit.player._live.__closure__]
    return [await stage.score() for stage in cells if hasattr(stage, "score")]


async def second_episode(state: Any, kit: Any) -> object:
    cells = [cell.cell_contents for cell in kit.player._live.__closure__]
    return [stage._open().score() for stage in cells]


async def collector(state: Any, kit: Any) -> object:
    return [one.score() for one in gc.get_objects() if isinstance(one, Episode)]


async def referrers(state: Any, kit: Any) -> object:
    return gc.get_referrers(kit.task)


async def tasks_of_the_loop(state: Any, kit: Any) -> object:
    frames = [one.get_coro().cr_frame for one in asyncio.all_tasks()]  # type: ignore[union-attr]
    stages = [f.f_locals["stage"] for f in frames if f is not None and "stage" in f.f_locals]
    return [await stage.score() for stage in stages] or [kit.player._live().score()]


async def own_start(state: Any, kit: Any) -> object:
    return await kit.player.begin()


async def unrecorded_step(state: Any, kit: Any) -> object:
    return await kit.player.act(Action(text="open red drawer"))


DIGS: dict[str, tuple[Dig, str]] = {
    "asks the live episode for its score": (live_score, "asks for the score"),
    "asks it for a demonstration": (live_demonstration, "asks for a demonstration"),
    "takes the stage out of a closure": (closure_score, "asks for the score"),
    "opens a second episode to look ahead": (second_episode, "begins an episode"),
    "searches all objects": (collector, "looks through all objects"),
    "asks who refers to the task": (referrers, "looks through all objects"),
    "takes frames from the event loop": (tasks_of_the_loop, "asks for the score"),
    "begins again without being counted": (own_start, "begins an episode"),
    "acts without being recorded": (unrecorded_step, "acts behind the graph's back"),
}


@pytest.mark.parametrize("name", DIGS, ids=list(DIGS))
async def test_a_digging_solver_is_refused_and_reported(name: str, tmp_path: Path) -> None:
    dig, says = DIGS[name]
    digger, who = Digger(dig), Acting("digger")
    async with crew_in(tmp_path, strategy=digger) as crew:
        trajectory = await run(watched(crew, who), sealed(Toy()), Spec(task=task_of()))
    assert digger.found == []
    assert says in trajectory.error, "the run is not taken for an honest one"
    with pytest.raises(Leak, match=f"arm 'digger' .*{says}"):
        who.check()


async def test_without_seal_and_watch_the_same_dig_succeeds(tmp_path: Path) -> None:
    digger = Digger(live_score)
    async with crew_in(tmp_path, strategy=digger) as crew:
        await run(crew, Toy(), Spec(task=task_of()))
    assert digger.found


class NosyVerifier(Verifier):
    """Reads a game file before it judges."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        await asyncio.to_thread(self.path.read_text)
        return await Shown().verify(attempt)


class NosyReflector(Plain, Reflector):
    """Reads a game file before it advises."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        self.path.read_bytes()
        return await super().reflect(attempt, verdict)


@pytest.mark.parametrize("role", ["verifier", "reflector"])
async def test_verifiers_and_reflectors_are_watched_too(role: str, tmp_path: Path) -> None:
    game = tmp_path / "game.tw-pddl"
    game.write_text("{}")
    who = Acting("nosy")
    nosy = {"verifier": NosyVerifier(game), "reflector": NosyReflector(game)}[role]
    async with crew_in(tmp_path, strategy=RandomChoice(), **{role: nosy}) as crew:
        for task in Toy().tasks("val")[:8]:
            await run(watched(crew, who), sealed(Toy()), Spec(task=task))
    with pytest.raises(Leak, match=r"arm 'nosy' opens the game file '.*game\.t"):
        who.check()


async def test_honest_crews_play_the_same_under_seal(tmp_path: Path) -> None:
    who, spec = Acting("honest"), Spec(task=task_of("train"), seed=3)
    async with crew_in(tmp_path, strategy=RandomChoice()) as crew:
        plain = await run(crew, Toy(), spec)
        under = await run(watched(crew, who), sealed(Toy()), spec)
    who.check()
    assert under.error == plain.error == ""
    assert (under.steps, under.score) == (plain.steps, plain.score)
    assert under.score is not None, "the runner is told the score"


def test_a_sealed_environment_keeps_the_contract_of_environments() -> None:
    assert [one for one in check(sealed(Toy())) if not one.holds] == []


def test_a_sealed_episode_shows_no_reward_and_no_info() -> None:
    episode = sealed(Toy()).open(task_of())
    step = episode.step(Action(text="open red drawer"))
    assert (episode.first.reward, step.reward, step.info) == (None, None, {})


def test_demonstrations_are_given_on_allowed_splits_only() -> None:
    train = sealed(Toy()).open(task_of("train"))
    assert isinstance(train, Demonstrates)
    assert len(train.demonstrate()) == 3
    none = sealed(Toy(), allow=frozenset()).open(task_of("train"))
    assert isinstance(none, Demonstrates)
    with pytest.raises(Refused, match="no demonstration on train"):
        none.demonstrate()


def test_renaming_the_split_of_a_sealed_task_opens_nothing() -> None:
    episode = sealed(Toy()).open(task_of("val"))
    episode.task = episode.task.model_copy(update={"split": "train"})
    assert isinstance(episode, Demonstrates)
    with pytest.raises(Refused, match="no demonstration on val"):
        episode.demonstrate()


@pytest.mark.parametrize(
    "name", ["game.tw-pddl", "traj_data.json", "initial_state.pddl", "game.z8", "GAME.TW-PDDL"]
)
def test_an_arm_opens_no_game_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("walkthrough")
    with pytest.raises(Leak, match="opens the game file"), acting_as("reader"):
        path.read_text()
    with pytest.raises(Leak, match="opens the game file"), acting_as("linker"):
        (tmp_path / "innocent").symlink_to(path)
    with pytest.raises(Leak, match="opens the game file"), acting_as("renamer"):
        path.rename(tmp_path / "innocent.txt")
    with pytest.raises(Leak, match="starts a process on"), acting_as("starter"):
        subprocess.run(["cat", str(path)], check=True)
    assert path.read_text() == "walkthrough", "who doesn't act may"


def test_an_arm_opens_no_results_of_the_experiment(tmp_path: Path) -> None:
    table, link = tmp_path / "lab" / "table.db", tmp_path / "link"
    table.parent.mkdir()
    with sqlite3.connect(table) as database:
        database.execute("create table rows (passed)")
    database.close()
    link.symlink_to(table.parent)
    for way in (table, link / "table.db"):
        for opens in (sqlite3.connect, Path.read_bytes):
            who = Acting("reader", hidden=[table.parent])
            with pytest.raises(Leak, match="belongs to the experiment"), acting_as(who):
                opens(way)


def test_an_arm_that_swallows_the_refusal_is_told_on(tmp_path: Path) -> None:
    path = tmp_path / "traj_data.json"
    path.write_text("{}")
    says = r"arm 'sly' opens the game file .*; take that out of the arm"
    with pytest.raises(Leak, match=says), acting_as("sly"), suppress(Refused):
        path.read_text()


def test_an_arm_that_breaks_after_the_refusal_is_told_on_too(tmp_path: Path) -> None:
    with pytest.raises(Leak, match="opens the game file"), acting_as("sly"):
        try:
            (tmp_path / "traj_data.json").read_text()
        except Refused:
            raise ValueError from None


def test_an_arm_may_open_other_files_and_the_environment_its_own(tmp_path: Path) -> None:
    game, other = tmp_path / "game.tw-pddl", tmp_path / "prompt.md"
    game.write_text("g")
    other.write_text("p")
    with acting_as("honest") as who:
        assert other.read_text() == "p"
        with env_code():
            assert acting() is None
            assert game.read_text() == "g"
        assert acting() is who
    assert acting() is None


async def test_acting_follows_tasks_and_threads(tmp_path: Path) -> None:
    path = tmp_path / "game.z8"
    path.write_text("g")
    who = Acting("crowd")
    with pytest.raises(Leak, match="arm 'crowd' opens"), acting_as(who):
        await asyncio.gather(
            asyncio.create_task(asyncio.to_thread(path.read_text)), return_exceptions=True
        )
    assert len(who.leaks) == 1
    assert await asyncio.to_thread(path.read_text) == "g"


def test_an_arm_imports_no_environment() -> None:
    before = sys.modules.pop("envs.houseproblem", None)
    try:
        with pytest.raises(Leak, match=r"imports 'envs\.houseproblem'"), acting_as("importer"):
            import envs.houseproblem  # noqa: F401
    finally:
        if before is not None:
            sys.modules["envs.houseproblem"] = before


REACHES = {
    "from envs.household import Household": "imports envs.household.Household",
    "import envs.houses": "imports envs.houses",
    "from envs import toy": "imports envs.toy",
    "import textworld": "imports textworld",
    "from agent.worlds import open_env": "imports agent.worlds.open_env",
    "from agent.player import Stage": "imports agent.player.Stage",
    "from bench.lab.sealed import sealed": "imports bench.lab.sealed.sealed",
    "import gc": "imports gc",
    "import importlib": "imports importlib",
    "x = episode.score()": "calls .score()",
    "x = episode.demonstrate()": "calls .demonstrate()",
    "x = kit.player._live()": "reads the private ._live",
    "x = kit.player._live()._episode.score()": "calls .score()",
    "x = f.__closure__": "reads the private .__closure__",
    "x = getattr(player, '_live')": "names '_live'",
    "x = open('game.tw-pddl')": "calls open()",
    "x = __import__('gc')": "calls __import__()",
    "x = eval('1')": "calls eval()",
}


@pytest.mark.parametrize("source", REACHES)
def test_a_source_that_reaches_for_the_key_is_told(source: str) -> None:
    found = forbidden_in(f"'''An arm.'''\n{source}\n", name="arm")
    assert f"arm:2 {REACHES[source]}" in found


def test_a_source_that_keeps_to_the_seams_is_clean() -> None:
    source = (
        "from importlib import resources\n"
        "from envs.types import Task\nfrom envs.errors import UserError\n"
        "from bench.lab.types import Row\nfrom envs.types import Score\n"
        "class A:\n    def __init__(self):\n        super().__init__()\n        self._x = 1\n"
        "    def f(self, played):\n        return played.trajectory.score, self._x\n"
    )
    assert forbidden_in(source, name="arm") == []


EXPERT = ".demonstrate()"
"""The expert is the ceiling, and reads its episode openly; it is not sealed and nobody learns."""


def test_no_arm_of_ours_reaches_for_the_key() -> None:
    names = [one.name for one in pkgutil.iter_modules(bench.arms.__path__, "bench.arms.")]
    told = [line for name in names for line in forbidden(importlib.import_module(name))]
    assert len(names) > 1
    assert [line for line in told if not line.endswith(EXPERT)] == []
    assert len(told) <= 1
