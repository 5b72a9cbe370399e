"""Homes over the toy environment with scripted models; graph, ledger and recall are real."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.models.types import Model
from agent.runner import Spec, run
from agent.settings import load
from envs.toy import Toy
from envs.types import Env, Split, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory

Opens = Callable[..., AbstractAsyncContextManager[Home]]
Plays = Callable[..., Any]
COLOURS = "red|blue|green|white|black|yellow"


def seeker(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Takes what it needs when it sees it, opens the drawer that a note on this thing names, else
    the first one, by name, that it has not opened. It believes the first note that fits.
    """
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    said = [str(m["content"]) for m in messages]
    goal = re.search(r"Bring me the (\w+)", " ".join(said))
    assert goal is not None
    for wish in (f"give {goal[1]}", f"take {goal[1]}"):
        if wish in choices:
            return {"action": wish}
    notes = said[-1].partition("<recalled-memory>")[2].splitlines()
    about = [line for line in notes if goal[1] in line]
    ways = [way for line in about for way in re.findall(rf"open (?:{COLOURS}) drawer", line)]
    done = {json.loads(m["content"])["action"] for m in messages if m["role"] == "assistant"}
    fresh = sorted(c for c in choices if c.startswith("open ") and c not in done)
    wished = [way for way in ways if way in fresh]
    action = (wished or fresh or list(choices))[0]
    thinks = {"thought": "I look."} if "thought" in schema["properties"] else {}
    return {**thinks, "action": action}


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """Opens a home; `learning={...}` and the like are settings. Rules write unless told."""

    @asynccontextmanager
    async def opened(
        policy: Any = seeker,
        *,
        folder: Path | None = None,
        writer: Model | None = None,
        **more: Any,
    ) -> AsyncIterator[Home]:
        place = folder or tmp_path
        memory = Memory(Ledger(place / "ledger.db"), ListIndex(HashEmbedder()))
        chosen = {
            "drafts": "plain",
            "withhold": False,
            "floor": 0.3,
            "budget_tokens": 256,
            "sway": 0,
        }
        more["memory"] = {**chosen, **more.get("memory", {})}
        models: dict[str, Model] = {"model": PolicyModel(policy)}
        if writer is not None:
            more["reflector"] = {"name": "writer"}
            models["reflector"] = writer
        options = load(home=str(place), **more)
        async with home(options, memory=memory, models=models) as opened_home:
            yield opened_home

    return opened


@pytest.fixture
def seek() -> Callable[..., dict[str, Any]]:
    """The policy of `seeker`."""
    return seeker


async def played(
    home_: Home, tasks: Sequence[Task], *, env: Env | None = None, **spec: Any
) -> list[Trajectory]:
    crew, world = await home_.crew(), env or Toy()
    return [await run(crew, world, Spec(task=t, seed=t.seed, **spec)) for t in tasks]


@pytest.fixture
def plays() -> Plays:
    """Plays tasks one after the other in a home."""
    return played


@pytest.fixture
def tasks() -> Callable[..., list[Task]]:
    """Toy tasks of a split, of one thing where it is named."""

    def found(split: Split = "train", *, thing: str = "", most: int = 10) -> list[Task]:
        some = [task for task in Toy().tasks(split) if thing in ("", task.tags[1])]
        return some[:most]

    return found


@pytest.fixture
def won() -> Callable[[Sequence[Trajectory]], int]:
    """How many runs solved their task."""

    def counted(runs: Sequence[Trajectory]) -> int:
        return sum(bool(one.score and one.score.passed) for one in runs)

    return counted
