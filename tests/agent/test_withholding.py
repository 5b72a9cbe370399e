"""Lessons are withheld in the graph: whole runs long, on train tasks alone; tosses measure them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.settings import load
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Lesson, Trajectory


def follows(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens the drawer that a note names; without a note it does nothing of use."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    told = str(messages[-1]["content"])
    for wish in ("give spoon", "take spoon"):
        if wish in choices:
            return {"action": wish}
    way = re.search(r"\[spoon\].*?(open \w+ drawer)", told)
    return {"action": way[1] if way and way[1] in choices else choices[-1]}


@asynccontextmanager
async def place(folder: Path, **settings: Any) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings["memory"] = {"learn": False, "floor": 0.1, **settings.get("memory", {})}
    options = load(home=str(folder), **settings)
    async with home(options, memory=memory, models={"model": PolicyModel(follows)}) as opened:
        yield opened


def spoons(split: Any) -> list[Task]:
    return [task for task in Toy().tasks(split) if task.tags[1] == "spoon"]


async def right(task: Task) -> str:
    """The action that opens the drawer where the spoon lies."""
    return Toy().open(task, seed=task.seed).demonstrate()[0].text


def shown(done: Trajectory) -> list[bool]:
    """Step by step, whether the lesson stood there."""
    return [any(item.lesson == "spoon" for item in step.recalled) for step in done.steps]


async def test_a_lesson_is_there_for_the_whole_run_or_not_at_all(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        note(home_.memory, await right(spoons("train")[0]))
        crew, tasks = await home_.crew(), spoons("train")
        train = [
            await run(crew, Toy(), spec(tasks[n % len(tasks)]), run_id=f"r{n}") for n in range(24)
        ]
        val = [await run(crew, Toy(), spec(task)) for task in spoons("val")[:6]]
        noted = {one.episode: one for one in home_.ledger.exposures(lesson="spoon")}
        effect = home_.memory.effects.of("spoon")
    assert all(len(set(shown(done))) == 1 for done in train)
    assert {shown(done)[0] for done in train} == {True, False}
    assert [noted[done.id].shown for done in train] == [shown(done)[0] for done in train]
    assert all(all(shown(done)) for done in val)
    assert all(noted[done.id].probability == 1.0 for done in val)
    assert effect.shown + effect.withheld == 24
    assert effect.won_shown == sum(passed(done) for done in train if shown(done)[0])
    assert effect.won_withheld == sum(passed(done) for done in train if not shown(done)[0])
    assert effect.policy == train[0].config


async def test_nothing_is_withheld_where_that_is_switched_off(tmp_path: Path) -> None:
    async with place(tmp_path, memory={"withhold": False}) as home_:
        note(home_.memory, await right(spoons("train")[0]))
        crew = await home_.crew()
        runs = [await run(crew, Toy(), spec(spoons("train")[0])) for _ in range(8)]
    assert all(all(shown(done)) for done in runs)


async def test_a_replay_forces_a_lesson_in_or_out(tmp_path: Path) -> None:
    task = spoons("train")[0]
    async with place(tmp_path) as home_:
        note(home_.memory, await right(task))
        crew = await home_.crew()
        both = [
            await run(crew, Toy(), spec(task, forced={"spoon": forced}, pair="p"))
            for forced in (True, False)
        ]
        effect = home_.memory.effects.of("spoon")
    assert [shown(done)[0] for done in both] == [True, False]
    assert [passed(done) for done in both] == [True, False]
    assert effect.replayed is not None
    assert (effect.replayed.shown, effect.replayed.estimate, effect.shown) == (1, 1.0, 0)


def note(memory: Memory, way: str) -> None:
    memory.add(
        Lesson(id="spoon", kind="workflow", text=f"{way}", situation="Bring me the spoon"),
        reason="test",
    )


def spec(task: Task, **fields: Any) -> Spec:
    return Spec(task=task, seed=task.seed, learn=False, **fields)


def passed(done: Trajectory) -> bool:
    return bool(done.score and done.score.passed)
